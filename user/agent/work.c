/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The agent's work: whatever happened (a model, Docker, the network, time), what follows is the
 * same. Look again at what changed, put this node's state together, bring the data path to it, hand
 * the model on.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/listeners.h"
#include "agent/local_tasks.h"
#include "agent/override_answers.h"
#include "agent/parts.h"
#include "lib/hash.h"
#include "lib/log.h"

#define COALESCE_MS	 1
#define RETRY_FIRST_MS	 100
#define RETRY_LAST_MS	 5000
#define TICK_MS		 1000
#define HEAL_MS		 60000
#define DISK_PATIENCE_MS 3000
#define SAVE_DELAY_MS	 1000
#define HEAL_LINES_MAX	 10
#define NS_PER_MS	 1000000ULL

static void work_within(struct agent *agent, uint64_t delay_ms)
{
	uint64_t at = loop_now_ns() + delay_ms * NS_PER_MS;

	/* An earlier appointment stands. */
	if (agent->work_at_ns && agent->work_at_ns <= at)
		return;
	agent->work_at_ns = at;
	loop_arm(agent->loop, &agent->work, delay_ms);
}

void agent_work_soon(struct agent *agent)
{
	work_within(agent, COALESCE_MS);
}

char *agent_model_text(struct agent *agent, size_t *size)
{
	char *text = agent->model ? model_to_text(agent->model, size) : NULL;

	if (!text)
		return NULL;
	hash_text(hash_bytes(HASH_START, text, *size), agent->version);
	return text;
}

/* Logs a problem once, and its end. */
static void set_problem(struct agent *agent, const char *text)
{
	if (strcmp(agent->problem, text) == 0)
		return;
	if (*text)
		log_error("%s", text);
	else
		log_info("all is well again, after: %s", agent->problem);
	snprintf(agent->problem, sizeof(agent->problem), "%s", text);
}

static int read_network(struct agent *agent, struct skep_error *error)
{
	int err;

	if (!agent->network_changed)
		return 0;
	err = node_read_network(&agent->node, error);
	agent->network_changed = err != 0;
	if (!err)
		agent->links_changed = true;
	return err;
}

static int update_node(struct agent *agent, struct skep_error *error)
{
	struct node_facts facts = {.model = agent->model};

	if (agent->docker) {
		facts.docker = docker_node(agent->docker);
		facts.docker_complete = docker_complete(agent->docker);
		facts.containers = docker_containers(agent->docker, &facts.n_containers);
	}
	return node_update(&agent->node, &facts, error);
}

/*
 * Before this node knows who it is and what runs on it, what an earlier agent pinned is better than
 * anything that could be worked out now. It is newer than the model on disk, too, if they differ:
 * so the source gets a moment to report. And a model from disk that this node is not part of is of
 * no use: the node has joined another Swarm since.
 */
static bool may_apply(const struct agent *agent)
{
	if (!agent->model || !agent->node.known)
		return false;
	if (!agent->from_disk)
		return true;
	return (!agent->docker || agent->node.self) &&
	       loop_now_ns() - agent->started_ns >= DISK_PATIENCE_MS * NS_PER_MS;
}

static int apply(struct agent *agent, struct skep_error *error)
{
	uint64_t began = loop_now_ns();
	struct datapath_changes changes = {0};
	int err;

	agent->node.datapath.links_changed = agent->links_changed;
	err = datapath_apply(agent->datapath, agent->in_force, &agent->node.datapath, &changes,
			     error);
	agent->links_changed = agent->links_changed && err;

	agent->applied = changes;
	agent->applied_count++;
	agent->applied_last_ms = (double)(loop_now_ns() - began) / NS_PER_MS;
	if (changes.inserted || changes.replaced || changes.deleted || changes.attached ||
	    changes.detached)
		log_debug("applied in %.1f ms: %zu inserted, %zu replaced, %zu deleted, %zu "
			  "attached, %zu detached",
			  agent->applied_last_ms, changes.inserted, changes.replaced,
			  changes.deleted, changes.attached, changes.detached);
	if (!err)
		peers_follow(agent->peers, agent->in_force, &agent->node);
	if (!err)
		journal_tasks(agent->journal, agent->model, &agent->node.datapath,
			      &agent->node.net);
	return err;
}

static void publish(struct agent *agent)
{
	size_t size;
	char *text;

	if (!upstream_feeds(agent->upstream))
		return;
	text = agent_model_text(agent, &size);
	if (text)
		upstream_publish(agent->upstream, text, size);
	else
		log_error("cannot serve the new model: %s", strerror(ENOMEM));
	free(text);
}

static void tell_service_manager(struct agent *agent)
{
	struct source_status status;
	char line[256];

	upstream_status(agent->upstream, &status);
	if (*agent->problem)
		snprintf(line, sizeof(line), "%.250s", agent->problem);
	else if (status.state != SOURCE_CURRENT)
		snprintf(line, sizeof(line), "%s%.200s",
			 agent->model ? "last model in force: " : "", status.text);
	else if (agent->model)
		snprintf(line, sizeof(line), "%zu services, %zu tasks, %zu nodes",
			 agent->model->n_services, agent->model->n_tasks, agent->model->n_nodes);
	else
		snprintf(line, sizeof(line), "no model yet");
	notify_status(agent->notify, line);
}

/*
 * Of a work that failed in several ways the first one is told; it is tried again, ever less often.
 */
static void conclude(struct agent *agent, int failed, const struct skep_error *why)
{
	set_problem(agent, failed ? why->text : agent->node.problem);
	if (failed) {
		agent->retry_ms = agent->retry_ms ? agent->retry_ms * 2 : RETRY_FIRST_MS;
		if (agent->retry_ms > RETRY_LAST_MS)
			agent->retry_ms = RETRY_LAST_MS;
		work_within(agent, agent->retry_ms);
	} else {
		agent->retry_ms = 0;
	}
	if (agent->node.retry)
		work_within(agent, LOCAL_TASKS_RETRY_MS);
	tell_service_manager(agent);
}

/*
 * Takes over the model that came; returns the one before, to be freed when nothing points into it.
 */
static struct model *take_incoming(struct agent *agent)
{
	struct model *old = agent->model;

	agent->model = agent->incoming;
	agent->incoming = NULL;
	agent->from_disk = false;
	agent->unsaved = true;
	agent->unrouted = true;
	*agent->version = '\0';
	return old;
}

static void look_who_listens(struct agent *agent)
{
	struct skep_error error;
	bool changed;

	if (!agent->model)
		return;
	/* What was known of them stays. */
	if (listeners_update(agent->node.listeners, agent->model, &changed, &error))
		log_debug("%s", error.text);
	else if (changed)
		agent_work_soon(agent);
	agent->node.datapath.listeners =
		listeners_list(agent->node.listeners, &agent->node.datapath.n_listeners);
}

static int update_routes(struct agent *agent, struct skep_error *error)
{
	int err = agent->unrouted ? routes_update(agent->routes, agent->model, error) : 0;

	agent->unrouted = agent->unrouted && err;
	return err;
}

static void do_work(struct agent *agent)
{
	bool fresh = agent->incoming != NULL;
	struct skep_error why, other;
	struct model *old = NULL;
	bool serves = false;
	int err, failed;

	agent->work_at_ns = 0;
	loop_disarm(agent->loop, &agent->work);
	if (agent->docker && agent->docker_changed)
		upstream_follow(agent->upstream, docker_node(agent->docker));
	agent->docker_changed = false;
	if (fresh) {
		old = take_incoming(agent);
		look_who_listens(agent);
	}

	failed = read_network(agent, &why);
	err = overrides_apply(agent->overrides, agent->model, fresh, &agent->in_force,
			      failed ? &other : &why);
	failed = failed ? failed : err;
	err = update_node(agent, failed ? &other : &why);
	failed = failed ? failed : err;
	/* Without memory for the node's state, what is known of it may be cut short. */
	if (err != -ENOMEM && may_apply(agent)) {
		err = apply(agent, failed ? &other : &why);
		serves = !err;
		failed = failed ? failed : err;
	}
	err = vips_update(agent->vips, serves, failed ? &other : &why);
	failed = failed ? failed : err;
	publish(agent);
	/* Who connects to tasks hears of them when the data path knows them. */
	if (fresh || agent->overridden)
		api_changed(agent->api);
	agent->overridden = false;
	if (fresh)
		journal_model(old, agent->model);
	err = update_routes(agent, failed ? &other : &why);
	failed = failed ? failed : err;
	model_free(old);
	if (agent->unsaved && !agent->save_armed) {
		agent->save_armed = true;
		loop_arm(agent->loop, &agent->save, SAVE_DELAY_MS);
	}
	conclude(agent, failed, &why);
}

void agent_work_now(struct agent *agent)
{
	if (agent->work_at_ns)
		do_work(agent);
}

static void work_expired(struct loop_timer *timer)
{
	do_work(container_of(timer, struct agent, work));
}

static void log_docker_problem(struct agent *agent)
{
	const char *problem = agent->docker ? docker_problem(agent->docker) : NULL;
	char *last = agent->docker_problem;

	if (strncmp(last, problem ? problem : "", sizeof(agent->docker_problem) - 1) == 0)
		return;
	if (problem)
		log_warning("Docker: %s", problem);
	else
		log_info("Docker answers again");
	snprintf(last, sizeof(agent->docker_problem), "%s", problem ? problem : "");
}

static void sweep(struct agent *agent)
{
	struct skep_error error;
	int err = datapath_sweep(agent->datapath, &error);

	if (err && !agent->sweep_failed)
		log_warning("%s: counts of live flows may be too high", error.text);
	agent->sweep_failed = err != 0;
}

static void tick_expired(struct loop_timer *timer)
{
	struct agent *agent = container_of(timer, struct agent, tick);

	loop_arm(agent->loop, timer, TICK_MS);
	upstream_tick(agent->upstream);
	look_who_listens(agent);
	sweep(agent);
	publish(agent);
	override_tick(agent);
	if (agent->from_disk && !agent->applied_count)
		agent_work_soon(agent);
	log_docker_problem(agent);
	tell_service_manager(agent);
}

static void save(struct agent *agent)
{
	size_t size;
	char *text;

	if (!agent->unsaved)
		return;
	text = agent_model_text(agent, &size);
	if (!text) {
		log_warning("the model is not kept on disk: %s", strerror(ENOMEM));
		return;
	}
	agent->unsaved = false;
	state_save(agent->state, text, size);
}

static void save_expired(struct loop_timer *timer)
{
	struct agent *agent = container_of(timer, struct agent, save);

	agent->save_armed = false;
	save(agent);
}

static void report_difference(void *context, const char *line)
{
	size_t *lines = context;

	if ((*lines)++ < HEAL_LINES_MAX)
		log_warning("differed and is mended: %s", line);
}

/* Somebody else may have changed a map or taken a hook away: look, and mend it. */
static void heal_expired(struct loop_timer *timer)
{
	struct agent *agent = container_of(timer, struct agent, heal);
	struct skep_error error;
	size_t differences, lines = 0;
	int err;

	loop_arm(agent->loop, timer, HEAL_MS);
	agent_work_now(agent);
	if (!may_apply(agent) || agent->retry_ms)
		return;
	err = datapath_verify(agent->datapath, agent->in_force, &agent->node.datapath,
			      report_difference, &lines, &differences, &error);
	/* Back ends that were removed go once nobody is connected to them. */
	agent_work_soon(agent);
	if (!err && !differences)
		return;
	if (!err && differences > HEAL_LINES_MAX)
		log_warning("differed and is mended: %zu more", differences - HEAL_LINES_MAX);
	if (!err)
		err = datapath_resync(agent->datapath, &error);
	if (err)
		log_error("cannot compare the maps with what they should be: %s", error.text);
}

void agent_work_open(struct agent *agent)
{
	agent->work.expired = work_expired;
	agent->tick.expired = tick_expired;
	agent->heal.expired = heal_expired;
	agent->save.expired = save_expired;
	loop_arm(agent->loop, &agent->tick, TICK_MS);
	loop_arm(agent->loop, &agent->heal, HEAL_MS);
}

void agent_work_close(struct agent *agent)
{
	loop_disarm(agent->loop, &agent->work);
	loop_disarm(agent->loop, &agent->tick);
	loop_disarm(agent->loop, &agent->heal);
	loop_disarm(agent->loop, &agent->save);
	if (agent->state)
		save(agent);
}
