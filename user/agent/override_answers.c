/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/override_answers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/override_orders.h"
#include "agent/parts.h"
#include "lib/log.h"
#include "source/label_edit.h"

/* Every agent has ended it by itself long before, also one whose clock is late. */
#define TIDY_AFTER_MS 10000
#define TIDY_RETRY_NS 60000000000ULL
#define TIDY_AT_ONCE  16

#define KEY_SIZE (sizeof(OVERRIDE_LABEL) + OVERRIDE_ID_SIZE)

/* Labels on their way into the Swarm. */
struct override_write {
	struct agent *agent;
	struct override_write *next;
	struct label_edits *edits;
	struct api_later *later; /* NULL: nobody waits, it tidies up */
	json_t *body;		 /* of the answer */
};

int override_answer(void *context, const struct api_query *query, json_t **body,
		    struct skep_error *error)
{
	struct agent *agent = context;

	(void)query;
	(void)error;
	agent_work_now(agent);
	*body = overrides_json(agent->overrides);
	return 0;
}

/* ---- the cluster's */

static void forget_write(struct override_write *write)
{
	struct override_write **at = &write->agent->override_writes;

	for (; *at; at = &(*at)->next)
		if (*at == write) {
			*at = write->next;
			break;
		}
	json_decref(write->body);
	free(write);
}

static void written(void *context, int err, const char *why)
{
	struct override_write *write = context;
	struct agent *agent = write->agent;
	struct skep_error error = {""};

	if (err && write->later)
		error_set(&error, -EIO, "the Swarm does not take it: %.400s", why);
	else if (err)
		log_warning("overrides that are over are still in the Swarm: %s", why);
	if (!write->later && err)
		agent->override_tidy_ns = loop_now_ns() + TIDY_RETRY_NS;
	if (write->later)
		api_answer_later(write->later, err ? -EIO : 0,
				 err ? NULL : json_incref(write->body), &error);
	if (!err)
		upstream_refresh(agent->upstream);
	forget_write(write);
}

struct labels { /* to be written */
	struct label_edit *list;
	char (*keys)[KEY_SIZE];
	size_t n;
	char *value;
};

static void labels_close(struct labels *labels)
{
	free(labels->list);
	free(labels->keys);
	free(labels->value);
	*labels = (struct labels){0};
}

/* -ENOMEM: nothing is there to be closed. */
static int labels_open(struct labels *labels, size_t most)
{
	*labels = (struct labels){
		.list = calloc(most, sizeof(*labels->list)),
		.keys = calloc(most, sizeof(*labels->keys)),
	};
	if (labels->list && labels->keys)
		return 0;
	labels_close(labels);
	return -ENOMEM;
}

static void add_label(struct labels *labels, const struct override *override, const char *value)
{
	snprintf(labels->keys[labels->n], KEY_SIZE, "%s%s", OVERRIDE_LABEL, override->id);
	labels->list[labels->n] = (struct label_edit){
		.node = *override->node != '\0',
		.object = *override->node ? override->node : override->service,
		.key = labels->keys[labels->n],
		.value = value,
	};
	labels->n++;
}

/* Takes body, also if it fails. later NULL: nobody waits. */
static int start_write(struct agent *agent, const struct labels *labels, json_t *body, bool answer,
		       struct skep_error *error)
{
	struct override_write *write = calloc(1, sizeof(*write));
	int err;

	if (!write) {
		json_decref(body);
		return error_errno(error, -ENOMEM, "cannot write to the Swarm");
	}
	write->agent = agent;
	write->body = body;
	write->next = agent->override_writes;
	agent->override_writes = write;
	err = label_edits_start(&write->edits, agent->loop, agent->http,
				agent->config->docker_socket, labels->list, labels->n, written,
				write, error);
	if (err) {
		forget_write(write);
		return err;
	}
	write->later = answer ? api_later(agent->api) : NULL;
	return -EINPROGRESS;
}

static bool is_manager(const struct agent *agent)
{
	const struct docker_node *docker = agent->docker ? docker_node(agent->docker) : NULL;

	return docker && docker->active && docker->manager;
}

static int refuse_cluster(const struct agent *agent, struct skep_error *error)
{
	char managers[300] = "";

	if (!agent->docker)
		return error_set(
			error, -EINVAL,
			"a model from a file has no Swarm to write to; without --cluster it "
			"is this node's own");
	for (size_t i = 0; i < agent->model->n_nodes; i++) {
		const struct model_node *node = &agent->model->nodes[i];
		size_t used = strlen(managers);

		if (node->manager && used + strlen(node->name) + 3 < sizeof(managers))
			snprintf(managers + used, sizeof(managers) - used, "%s%s", used ? ", " : "",
				 node->name);
	}
	return error_set(
		error, -EINVAL,
		"only a manager can write to the Swarm, and this node is none; do it on %s",
		*managers ? managers : "a manager");
}

static json_t *override_body(const struct override *override)
{
	json_t *row = overrides_row(override, true);

	return row ? json_pack("{s:o}", "override", row) : NULL;
}

/* The new label first: so there is no moment without either. */
static int write_cluster(struct agent *agent, const struct override *override,
			 struct skep_error *error)
{
	const struct override *old;
	struct labels labels;
	bool over, bears;
	json_t *form = override_to_json(override, true);
	int err = labels_open(&labels, OVERRIDES_MAX + 1);

	labels.value = form ? json_dumps(form, JSON_COMPACT) : NULL;
	json_decref(form);
	if (err || !labels.value) {
		err = error_errno(error, -ENOMEM, "cannot write to the Swarm");
		goto cleanup;
	}
	add_label(&labels, override, labels.value);
	for (size_t i = 0; (old = overrides_at(agent->overrides, i, &over, &bears)); i++)
		if (override_replaces(override, old) && labels.n <= OVERRIDES_MAX)
			add_label(&labels, old, NULL);
	err = start_write(agent, &labels, override_body(override), true, error);
cleanup:
	labels_close(&labels);
	return err;
}

/* ---- orders */

static int save(struct agent *agent, struct skep_error *error)
{
	int err;

	/* In force first: the disk may take its time. */
	agent_work_now(agent);
	err = overrides_save(agent->overrides, error);
	return err ? error_prefix(error, err,
				  "it is in force, but will be forgotten when the agent "
				  "restarts")
		   : 0;
}

/* It is reached by routes that forward, which do not lead to this host itself. */
static int check_backend(const struct agent *agent, const struct override *override,
			 struct skep_error *error)
{
	char addr[ADDR_TEXT_SIZE];

	if (override->kind != OVERRIDE_ADD || !net_find_addr(&agent->node.net, &override->address))
		return 0;
	return error_set(error, -EINVAL, "%s is this node's own address: a back end is elsewhere",
			 addr_text(&override->address, addr));
}

static int make(struct agent *agent, struct override *override, json_t **body,
		struct skep_error *error)
{
	int err;

	if (override->cluster && !is_manager(agent))
		return refuse_cluster(agent, error);
	err = check_backend(agent, override, error);
	if (!err)
		err = overrides_new_id(agent->overrides, override->id, error);
	if (!err && override->cluster)
		return write_cluster(agent, override, error);
	if (!err)
		err = overrides_add(agent->overrides, override, error);
	if (!err)
		err = save(agent, error);
	if (!err)
		*body = override_body(override);
	return err;
}

static bool clears(void *context, const struct override *override)
{
	return override_order_clears(context, override);
}

static int nothing_to_clear(const struct override_order *order, struct skep_error *error)
{
	if (*order->id)
		return error_set(error, -ENOENT,
				 "there is no override %s; skep override list shows them",
				 order->id);
	return error_set(error, -ENOENT, "%s added no such back end; skep override list shows them",
			 order->cluster ? "nobody" : "this node's overrides");
}

/* Both kinds: an id tells by itself which it is of. */
static int clear(struct agent *agent, struct override_order *order, json_t **body,
		 struct skep_error *error)
{
	const struct override *override;
	json_t *cleared = json_array();
	struct labels labels;
	size_t n_own = 0, n = 0;
	bool over, bears;
	int err = labels_open(&labels, OVERRIDES_MAX);

	*body = json_pack("{s:O}", "cleared", cleared);
	if (!*body)
		err = -ENOMEM;
	for (size_t i = 0; !err && (override = overrides_at(agent->overrides, i, &over, &bears));
	     i++) {
		if (!override_order_clears(order, override))
			continue;
		if (!over)
			err = json_array_append_new(cleared, json_string(override->id));
		n++;
		if (override->cluster)
			add_label(&labels, override, NULL);
		else
			n_own++;
	}
	if (err)
		error_errno(error, -ENOMEM, "cannot clear overrides");
	else if (!n && !order->all)
		err = nothing_to_clear(order, error);
	else if (labels.n && !is_manager(agent))
		err = refuse_cluster(agent, error);
	if (!err && n_own) {
		overrides_remove(agent->overrides, clears, order);
		err = save(agent, error);
	}
	if (!err && labels.n)
		err = start_write(agent, &labels, json_incref(*body), true, error);
	labels_close(&labels);
	json_decref(cleared);
	if (err) {
		json_decref(*body);
		*body = NULL;
	}
	return err;
}

int override_post(void *context, const json_t *request, json_t **body, struct skep_error *error)
{
	struct agent *agent = context;
	struct override_order order;
	int err;

	/* Names are those of the newest model. */
	agent_work_now(agent);
	if (!agent->model)
		return error_set(error, -EAGAIN, "there is no model yet, so no name can be told");
	err = override_order_read(request, agent->model, overrides_now(agent->overrides), &order,
				  error);
	if (err)
		return err;
	return order.clear ? clear(agent, &order, body, error)
			   : make(agent, &order.override, body, error);
}

void override_tick(struct agent *agent)
{
	const struct override *override;
	struct skep_error error;
	struct labels labels;
	bool over, bears;
	int err;

	if (!is_manager(agent) || agent->override_writes ||
	    loop_now_ns() < agent->override_tidy_ns || labels_open(&labels, TIDY_AT_ONCE))
		return;
	for (size_t i = 0; labels.n < TIDY_AT_ONCE &&
			   (override = overrides_at(agent->overrides, i, &over, &bears));
	     i++)
		if (override->cluster && over &&
		    override->until_ms + TIDY_AFTER_MS <= overrides_now(agent->overrides))
			add_label(&labels, override, NULL);
	err = labels.n ? start_write(agent, &labels, NULL, false, &error) : 0;
	if (err && err != -EINPROGRESS) {
		log_warning("overrides that are over are still in the Swarm: %s", error.text);
		agent->override_tidy_ns = loop_now_ns() + TIDY_RETRY_NS;
	}
	labels_close(&labels);
}

void override_answers_close(struct agent *agent)
{
	struct skep_error error;

	error_set(&error, -EAGAIN, "the agent stops; whether the Swarm took it is not known");
	for (struct override_write *write = agent->override_writes, *next; write; write = next) {
		next = write->next;
		label_edits_cancel(write->edits);
		if (write->later)
			api_answer_later(write->later, -EAGAIN, NULL, &error);
		json_decref(write->body);
		free(write);
	}
	agent->override_writes = NULL;
}
