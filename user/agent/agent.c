/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/agent.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "agent/override_answers.h"
#include "agent/parts.h"
#include "agent/run_dir.h"
#include "agent/snapshot.h"
#include "lib/log.h"
#include "lib/version.h"

static void model_came(void *context, struct model *model)
{
	struct agent *agent = context;

	model_free(agent->incoming);
	agent->incoming = model;
	agent->model_ns = loop_now_ns();
	agent_work_soon(agent);
}

static void docker_came(void *context)
{
	struct agent *agent = context;

	agent->docker_changed = true;
	agent_work_soon(agent);
}

/*
 * Swarm's own agent reports to the managers a moment later; they are told to look now and keep
 * looking.
 */
static void docker_event(void *context)
{
	struct agent *agent = context;

	upstream_event(agent->upstream);
}

static void overrides_came(void *context)
{
	struct agent *agent = context;

	agent->overridden = true;
	agent_work_soon(agent);
}

/* Overrides end by the clock on the wall. */
static int64_t wall_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void network_came(void *context)
{
	struct agent *agent = context;

	agent->network_changed = true;
	agent_work_soon(agent);
}

static void signal_came(struct loop_watch *watch, uint32_t events)
{
	struct agent *agent = container_of(watch, struct agent, signals);
	struct signalfd_siginfo info;

	(void)events;
	if (read(watch->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP) {
		log_info("SIGHUP: asks the source anew");
		upstream_refresh(agent->upstream);
		return;
	}
	log_info("%s: stops; programs and maps stay in force", strsignal((int)info.ssi_signo));
	notify_stopping(agent->notify);
	loop_stop(agent->loop);
}

static int open_signals(struct agent *agent, struct skep_error *error)
{
	sigset_t set;
	int err;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return error_errno(error, -errno, "cannot block signals");
	signal(SIGPIPE, SIG_IGN);
	agent->signals.ready = signal_came;
	agent->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (agent->signals.fd < 0)
		return error_errno(error, -errno, "cannot open a signalfd");
	err = loop_add(agent->loop, &agent->signals, EPOLLIN);
	return err ? error_errno(error, err, "cannot watch for signals") : 0;
}

static int open_basics(struct agent *agent, struct skep_error *error)
{
	int err;

	agent->loop = loop_new();
	if (!agent->loop)
		return error_errno(error, -errno, "cannot make the event loop");
	agent->journal = journal_new();
	agent->peers = peers_new();
	if (!agent->journal || !agent->peers)
		return error_errno(error, -ENOMEM, "cannot start");
	err = run_dir_lock(agent->config->run_dir, &agent->run_dir, error);
	if (!err)
		err = routes_open(&agent->routes, error);
	if (!err)
		err = open_signals(agent, error);
	if (!err)
		err = notify_open(&agent->notify, agent->loop, error);
	if (!err)
		err = http_open(&agent->http, agent->loop, error);
	return err;
}

/* The monitor first, so that no change falls between the first reading and it. */
static int open_node(struct agent *agent, struct skep_error *error)
{
	int err = net_monitor_open(&agent->monitor, agent->loop, network_came, agent, error);

	if (!err)
		err = node_open(&agent->node, agent->config, error);
	return err ? err : vips_open(&agent->vips, agent->loop, agent->config, &agent->node, error);
}

static int open_datapath(struct agent *agent, struct skep_error *error)
{
	const struct agent_config *config = agent->config;
	uint64_t bytes;
	int err;

	err = datapath_open(&agent->datapath,
			    &(struct datapath_config){
				    .bpffs = config->bpffs,
				    .tunnel_port = config->tunnel_port,
				    .max_frontends = config->max_frontends,
				    .max_services = config->max_services,
				    .max_tasks = config->max_tasks,
				    .max_nodes = config->max_nodes,
				    .max_flows = config->max_flows,
				    .mode = config->datapath,
				    .cgroup = config->cgroup,
			    },
			    error);
	if (!err)
		err = snapshot_memory(config->bpffs, &bytes, error);
	if (!err)
		log_info("room for %u flows; maps take %.1f MiB",
			 datapath_flow_room(agent->datapath), (double)bytes / (1 << 20));
	return err;
}

static int open_state(struct agent *agent, struct skep_error *error)
{
	const char *directory = agent->config->state_dir;
	int err = state_open(&agent->state, directory, error);

	if (!err)
		err = overrides_open(&agent->overrides, agent->loop, directory, wall_clock_ms,
				     overrides_came, agent, error);
	if (err)
		return err;
	err = state_load(directory, &agent->model, error);
	if (!err) {
		agent->from_disk = true;
		agent->unrouted = true;
		agent->model_ns = loop_now_ns();
		log_info("starts with the last model from %s: %zu services, %zu tasks, %zu nodes",
			 directory, agent->model->n_services, agent->model->n_tasks,
			 agent->model->n_nodes);
	} else if (err != -ENOENT) {
		log_warning("starts without the last model: %s", error->text);
	}
	return 0;
}

static int open_sources(struct agent *agent, struct skep_error *error)
{
	const struct docker_receiver docker = {
		.changed = docker_came,
		.event = docker_event,
		.context = agent,
	};
	const struct source_receiver source = {.model = model_came, .context = agent};
	int err = upstream_open(&agent->upstream, agent->loop, agent->http, agent->config, &source,
				error);

	if (!err && agent->config->source != CONFIG_SOURCE_FILE)
		err = docker_open(&agent->docker, agent->loop, agent->http,
				  agent->config->docker_socket, &docker, error);
	return err;
}

static int agent_open(struct agent *agent, struct skep_error *error)
{
	int err = open_basics(agent, error);

	if (!err)
		err = open_node(agent, error);
	if (!err)
		err = open_datapath(agent, error);
	/* Before the state's thread starts: the socket's mode is set by the process's umask. */
	if (!err)
		err = agent_answers_open(agent, error);
	if (!err)
		err = open_state(agent, error);
	if (!err)
		err = open_sources(agent, error);
	return err;
}

static void agent_close(struct agent *agent)
{
	if (agent->loop)
		agent_work_close(agent);
	override_answers_close(agent);
	metrics_server_close(agent->metrics);
	api_close(agent->api);
	if (agent->docker)
		docker_close(agent->docker);
	upstream_close(agent->upstream);
	state_close(agent->state);
	if (agent->datapath)
		datapath_close(agent->datapath);
	vips_close(agent->vips);
	node_close(&agent->node);
	if (agent->monitor)
		net_monitor_close(agent->monitor);
	if (agent->http)
		http_close(agent->http);
	notify_close(agent->notify);
	if (agent->signals.fd >= 0) {
		loop_remove(agent->loop, &agent->signals);
		close(agent->signals.fd);
	}
	run_dir_unlock(agent->config->run_dir, agent->run_dir);
	routes_close(agent->routes);
	journal_free(agent->journal);
	peers_free(agent->peers);
	overrides_close(agent->overrides);
	model_free(agent->incoming);
	model_free(agent->model);
	if (agent->loop)
		loop_free(agent->loop);
}

int agent_run(const struct agent_config *config)
{
	struct agent agent = {
		.config = config,
		.started_ns = loop_now_ns(),
		.run_dir = -1,
		.signals.fd = -1,
	};
	struct skep_error error;
	int err;

	log_set_level(config->log_level);
	log_info("skep %s starts: maps in %s, local API in %s", SKEP_VERSION, config->bpffs,
		 config->run_dir);
	err = agent_open(&agent, &error);
	if (!err) {
		agent_work_open(&agent);
		agent_work_soon(&agent);
		agent_work_now(&agent);
		notify_ready(agent.notify);
		err = loop_run(agent.loop);
		if (err)
			error_errno(&error, err, "the event loop failed");
	}
	if (err)
		log_error("%s", error.text);
	agent_close(&agent);
	return err;
}
