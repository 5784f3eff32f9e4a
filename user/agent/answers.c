/* SPDX-License-Identifier: GPL-2.0-only */
/* What the local API answers: each path reads what its view needs and hands it over. */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/json.h"
#include "agent/override_answers.h"
#include "agent/parts.h"
#include "agent/proxy_facts.h"
#include "agent/views.h"
#include "agent/views_names.h"
#include "datapath/read.h"
#include "lib/version.h"

#define DEFAULT_FLOWS 1000
#define NS_PER_S      1000000000ULL

/* What the model calls this node; Docker's id before there is a model. */
static const char *node_id(const struct agent *agent)
{
	return agent->node.self ? agent->node.self->id : agent->node.id;
}

static const char *node_role(const struct agent *agent)
{
	const struct docker_node *docker = agent->docker ? docker_node(agent->docker) : NULL;

	if (docker)
		return !docker->active ? "none" : docker->manager ? "manager" : "worker";
	if (!agent->node.self)
		return "none";
	return agent->node.self->manager ? "manager" : "worker";
}

static int answer_status(void *context, const struct api_query *query, json_t **body,
			 struct skep_error *error)
{
	struct agent *agent = context;
	uint64_t now = loop_now_ns(), verdicts[SKEP_VERDICT_COUNT], xdp[SKEP_XDP_WAY_COUNT];
	struct views_status status = {
		.pid = getpid(),
		.uptime_s = (now - agent->started_ns) / NS_PER_S,
		.node_id = node_id(agent),
		.node_name = agent->node.self ? agent->node.self->name : "",
		.role = node_role(agent),
		.source_kind = upstream_kind(agent->upstream),
		.uses_docker = agent->docker != NULL,
		.docker_problem = agent->docker ? docker_problem(agent->docker) : NULL,
		.model = agent->model,
		.model_age_s = (now - agent->model_ns) / NS_PER_S,
		.feed_port = agent->config->feed_port,
		.node = &agent->node.datapath,
		.net = &agent->node.net,
		.tunnel_port = agent->config->tunnel_port,
		.datapath_problem = *agent->problem ? agent->problem : NULL,
		.applied_count = agent->applied_count,
		.applied_last_ms = agent->applied_last_ms,
		.applied = agent->applied,
		.xdp = xdp,
		.verdicts = verdicts,
	};
	size_t size;
	int err;

	(void)query;
	if (agent->model && !*agent->version)
		free(agent_model_text(agent, &size));
	status.model_version = *agent->version ? agent->version : NULL;
	upstream_status(agent->upstream, &status.source);
	status.has_feed = upstream_feed(agent->upstream, &status.feed_problem);
	status.wires = datapath_wires(agent->datapath, &status.n_wires);
	err = snapshot_memory(agent->config->bpffs, &status.memory_bytes, error);
	if (!err)
		err = maps_verdicts(agent->config->bpffs, verdicts, error);
	if (!err)
		err = maps_xdp_counters(agent->config->bpffs, xdp, error);
	if (err)
		return err;
	*body = views_status(&status);
	if (*body && (json_object_set_new(*body, "vips", vips_json(agent->vips)) ||
		      json_object_set_new(*body, "names", views_names(agent->datapath)) ||
		      json_object_set_new(*body, "proxy",
					  proxy_facts(agent->config->proxy_metrics, time(NULL))) ||
		      json_object_set_new(*body, "overrides", overrides_json(agent->overrides)) ||
		      json_object_set_new(*body, "overrides_problem",
					  json_from_text(overrides_problem(agent->overrides))))) {
		json_decref(*body);
		*body = NULL;
	}
	return 0;
}

/* Tells in each row what is overridden. */
static void mark(const struct agent *agent, enum overrides_of of, json_t **rows)
{
	if (!*rows || !agent->in_force ||
	    !overrides_mark(agent->overrides, agent->in_force, of, *rows))
		return;
	json_decref(*rows);
	*rows = NULL;
}

static int answer_nodes(void *context, const struct api_query *query, json_t **body,
			struct skep_error *error)
{
	struct agent *agent = context;
	struct snapshot snapshot;
	int err = snapshot_read(&snapshot, agent->config->bpffs, error);

	(void)query;
	if (err)
		return err;
	*body = views_nodes(agent->in_force, &snapshot, agent->node.self);
	mark(agent, OVERRIDES_OF_NODES, body);
	snapshot_free(&snapshot);
	return 0;
}

static int answer_services(void *context, const struct api_query *query, json_t **body,
			   struct skep_error *error)
{
	struct agent *agent = context;
	struct snapshot snapshot;
	int err = snapshot_read(&snapshot, agent->config->bpffs, error);

	(void)query;
	if (err)
		return err;
	*body = views_services(agent->in_force, &snapshot, agent->config->dsr);
	if (*body && views_add_conflicts(*body, agent->node.listeners)) {
		json_decref(*body);
		*body = NULL;
	}
	mark(agent, OVERRIDES_OF_SERVICES, body);
	snapshot_free(&snapshot);
	return 0;
}

static int answer_tasks(void *context, const struct api_query *query, json_t **body,
			struct skep_error *error)
{
	struct agent *agent = context;
	struct snapshot snapshot;
	int err = snapshot_read(&snapshot, agent->config->bpffs, error);

	(void)query;
	if (err)
		return err;
	*body = views_tasks(agent->in_force, &snapshot, agent->node.self, &agent->node.datapath,
			    &agent->node.net);
	mark(agent, OVERRIDES_OF_TASKS, body);
	snapshot_free(&snapshot);
	return 0;
}

static int answer_flows(void *context, const struct api_query *query, json_t **body,
			struct skep_error *error)
{
	struct agent *agent = context;
	struct snapshot_flow *flows = NULL;
	struct snapshot snapshot;
	size_t n;
	int err = snapshot_read(&snapshot, agent->config->bpffs, error);

	if (err)
		return err;
	err = snapshot_read_flows(agent->config->bpffs, query->limit ? query->limit : DEFAULT_FLOWS,
				  &flows, &n, error);
	if (!err)
		*body = views_flows(flows, n, agent->in_force, &snapshot, loop_now_ns());
	free(flows);
	snapshot_free(&snapshot);
	return err;
}

static int no_model(struct agent *agent, struct skep_error *error)
{
	struct source_status status;

	upstream_status(agent->upstream, &status);
	return error_set(error, -EAGAIN, "there is no model yet: %s", status.text);
}

static int answer_model(void *context, const struct api_query *query, json_t **body,
			struct skep_error *error)
{
	struct agent *agent = context;

	(void)query;
	if (!agent->model)
		return no_model(agent, error);
	*body = model_to_json(agent->model);
	return 0;
}

struct lines {
	json_t *array;
	bool failed;
};

static void collect_line(void *context, const char *line)
{
	struct lines *lines = context;

	if (json_array_append_new(lines->array, json_string(line)))
		lines->failed = true;
}

static int answer_verify(void *context, const struct api_query *query, json_t **body,
			 struct skep_error *error)
{
	struct agent *agent = context;
	struct lines lines = {.array = json_array()};
	size_t differences = 0;
	int err;

	(void)query;
	/* What is only waiting for its millisecond is no difference. */
	agent_work_now(agent);
	if (!agent->model || !agent->node.known) {
		err = no_model(agent, error);
		goto cleanup;
	}
	err = datapath_verify(agent->datapath, agent->in_force, &agent->node.datapath, collect_line,
			      &lines, &differences, error);
	if (err)
		goto cleanup;
	if (!lines.failed) {
		*body = views_verify(differences, lines.array);
		return 0;
	}
	err = error_errno(error, -ENOMEM, "cannot list the differences");
cleanup:
	json_decref(lines.array);
	return err;
}

static int answer_vip(void *context, const struct api_query *query, json_t **body,
		      struct skep_error *error)
{
	struct agent *agent = context;

	(void)query;
	(void)error;
	*body = vips_json(agent->vips);
	return 0;
}

/* What others put on interfaces, or took away, in the last milliseconds counts, too. */
static void look_again(struct agent *agent)
{
	agent->network_changed = true;
	agent_work_soon(agent);
	agent_work_now(agent);
}

static int post_vip(void *context, const json_t *request, json_t **body, struct skep_error *error)
{
	const char *action = json_string_value(json_object_get(request, "action"));
	const char *address = json_string_value(json_object_get(request, "address"));
	struct agent *agent = context;
	bool take;
	int err;

	if (!action || !address || json_object_size(request) != 2)
		return error_set(error, -EINVAL,
				 "the body must be an object of two strings, action and address");
	take = !strcmp(action, "take");
	if (!take && strcmp(action, "release") != 0)
		return error_set(error, -EINVAL, "the action is neither take nor release");
	look_again(agent);
	err = take ? vips_take(agent->vips, address, error)
		   : vips_release(agent->vips, address, error);
	look_again(agent); /* announces it */
	if (!err)
		*body = vips_json(agent->vips);
	return err;
}

static int answer_routes(void *context, const struct api_query *query, json_t **body,
			 struct skep_error *error)
{
	struct agent *agent = context;

	(void)query;
	if (!agent->model)
		return no_model(agent, error);
	*body = routes_json(agent->routes);
	return 0;
}

static int answer_route(void *context, const struct api_query *query, json_t **body,
			struct skep_error *error)
{
	(void)context;
	(void)query;
	(void)body;
	return error_set(error, -ENOENT, "POST a request to ask about; see /v1/routes for all");
}

static int post_route(void *context, const json_t *request, json_t **body, struct skep_error *error)
{
	struct agent *agent = context;

	return routes_explain(agent->routes, request, body, error);
}

static const struct api_path paths[] = {
	{"/v1/status", answer_status, NULL},
	{"/v1/nodes", answer_nodes, NULL},
	{"/v1/services", answer_services, NULL},
	{"/v1/tasks", answer_tasks, NULL},
	{"/v1/flows", answer_flows, NULL},
	{"/v1/model", answer_model, NULL},
	{"/v1/verify", answer_verify, NULL},
	{"/v1/vip", answer_vip, post_vip},
	{"/v1/overrides", override_answer, override_post},
	{"/v1/routes", answer_routes, NULL},
	{"/v1/route", answer_route, post_route},
};

static int print_metrics(void *context, FILE *out, struct skep_error *error)
{
	struct agent *agent = context;
	uint64_t now = loop_now_ns(), verdicts[SKEP_VERDICT_COUNT], xdp[SKEP_XDP_WAY_COUNT];
	struct source_status source;
	struct snapshot snapshot;
	struct metrics_facts facts = {
		.version = SKEP_VERSION,
		.uptime_s = (now - agent->started_ns) / NS_PER_S,
		.model_age_s = (now - agent->model_ns) / NS_PER_S,
		.problem = *agent->problem != '\0',
		.model = agent->in_force,
		.snapshot = &snapshot,
		.verdicts = verdicts,
		.xdp = xdp,
	};
	int err = snapshot_read(&snapshot, agent->config->bpffs, error);

	if (err)
		return err;
	upstream_status(agent->upstream, &source);
	facts.source_current = source.state == SOURCE_CURRENT;
	err = maps_verdicts(agent->config->bpffs, verdicts, error);
	if (!err)
		err = maps_xdp_counters(agent->config->bpffs, xdp, error);
	if (!err) {
		metrics_print(&facts, out);
		metrics_print_proxy(agent->config->proxy_metrics, out);
	}
	snapshot_free(&snapshot);
	return err;
}

/* The socket's mode lets its group in, which is root's else. */
static int open_to_group(const char *path, const char *name, struct skep_error *error)
{
	const struct group *group;

	errno = 0;
	group = getgrnam(name);
	if (!group)
		return error_set(error, errno ? -errno : -ENOENT,
				 "--socket-group %s: there is no such group; `groupadd --system "
				 "%s` makes one",
				 name, name);
	if (chown(path, (uid_t)-1, group->gr_gid))
		return error_errno(error, -errno, "cannot give %s to the group %s", path, name);
	return 0;
}

/*
 * For those who route: the overrides in force, on one line, and the model on the next. Whoever
 * applies the ones to the other (override_apply()) has what this agent goes by.
 */
static int watch_text(void *context, char **text, size_t *size, struct skep_error *error)
{
	struct agent *agent = context;
	json_t *rows = json_array();
	const struct override *override;
	char *model = NULL, *line = NULL;
	size_t model_size;
	bool over, bears;

	if (!agent->model) {
		json_decref(rows);
		return no_model(agent, error);
	}
	for (size_t i = 0; (override = overrides_at(agent->overrides, i, &over, &bears)); i++)
		if (!over && rows &&
		    json_array_append_new(rows, override_to_json(override, false))) {
			json_decref(rows);
			rows = NULL;
		}
	model = agent_model_text(agent, &model_size);
	line = rows ? json_dumps(rows, JSON_COMPACT) : NULL;
	json_decref(rows);
	*size = 0;
	*text = line && model ? malloc(strlen(line) + 1 + model_size) : NULL;
	if (*text) {
		*size = strlen(line) + 1 + model_size;
		memcpy(*text, line, strlen(line));
		(*text)[strlen(line)] = '\n';
		memcpy(*text + strlen(line) + 1, model, model_size);
	}
	free(line);
	free(model);
	return *text ? 0 : error_errno(error, -ENOMEM, "cannot answer /v1/watch");
}

int agent_answers_open(struct agent *agent, struct skep_error *error)
{
	int err;
	char path[CONFIG_PATH_SIZE + sizeof(CONFIG_SOCKET) + 1];

	snprintf(path, sizeof(path), "%s/%s", agent->config->run_dir, CONFIG_SOCKET);
	err = api_open(&agent->api, agent->loop, path, paths, sizeof(paths) / sizeof(*paths), agent,
		       error);
	if (!err && *agent->config->socket_group)
		err = open_to_group(path, agent->config->socket_group, error);
	if (!err)
		err = api_serve_text(agent->api, "/v1/watch", watch_text, error);
	if (!err && agent->config->metrics_port)
		err = metrics_server_open(&agent->metrics, agent->loop,
					  &agent->config->metrics_addr, agent->config->metrics_port,
					  print_metrics, agent, error);
	return err;
}
