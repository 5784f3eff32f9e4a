/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/views.h"

#include "agent/json.h"
#include "agent/views_labels.h"
#include "datapath/read.h"
#include "lib/version.h"

static const char *state_name(enum source_state state)
{
	switch (state) {
	case SOURCE_CURRENT:
		return "current";
	case SOURCE_STALE:
		return "stale";
	default:
		return "starting";
	}
}

static json_t *model_json(const struct views_status *status)
{
	const struct model *model = status->model;

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:s?, s:o}", "nodes",
			 model ? (json_int_t)model->n_nodes : 0, "networks",
			 model ? (json_int_t)model->n_networks : 0, "services",
			 model ? (json_int_t)model->n_services : 0, "tasks",
			 model ? (json_int_t)model->n_tasks : 0, "bad_labels",
			 model ? (json_int_t)views_bad_labels(model) : 0, "version",
			 status->model_version, "age_s",
			 model ? json_integer((json_int_t)status->model_age_s) : json_null());
}

/* What clients' packets meet there; null before the first apply. */
static json_t *interface_json(const struct views_status *status, const struct net_link *link)
{
	for (size_t i = 0; i < status->n_wires; i++)
		if (status->wires[i].ifindex == link->ifindex)
			return json_pack("{s:s, s:s, s:o}", "name", link->name, "datapath",
					 status->wires[i].xdp ? "xdp" : "tc", "why",
					 json_from_text(*status->wires[i].why ? status->wires[i].why
									      : NULL));
	return json_pack("{s:s, s:n, s:n}", "name", link->name, "datapath", "why");
}

static json_t *interfaces_json(const struct views_status *status)
{
	json_t *rows = json_array();

	for (size_t i = 0; rows && i < status->node->n_wires; i++) {
		const struct net_link *link = net_find_link(status->net, status->node->wires[i]);

		if (link && json_array_append_new(rows, interface_json(status, link))) {
			json_decref(rows);
			rows = NULL;
		}
	}
	return rows;
}

static json_t *datapath_json(const struct views_status *status)
{
	const struct datapath_node *node = status->node;
	json_t *applied = json_pack(
		"{s:I, s:f, s:I, s:I, s:I}", "count", (json_int_t)status->applied_count, "last_ms",
		status->applied_last_ms, "inserted", (json_int_t)status->applied.inserted,
		"replaced", (json_int_t)status->applied.replaced, "deleted",
		(json_int_t)status->applied.deleted);

	return json_pack(
		"{s:o, s:{s:I, s:I, s:I, s:I}, s:s, s:s?, s:i, s:o, s:o, s:o, s:I, s:o}",
		"interfaces", interfaces_json(status), "xdp", "forwarded",
		(json_int_t)status->xdp[SKEP_XDP_FORWARDED], "returned",
		(json_int_t)status->xdp[SKEP_XDP_RETURNED], "hinted",
		(json_int_t)status->xdp[SKEP_XDP_HINTED], "stripped",
		(json_int_t)status->xdp[SKEP_XDP_STRIPPED], "return", node->dsr ? "dsr" : "tunnel",
		"mesh", node->mesh_ifindex ? NET_MESH_NAME : NULL, "tunnel_port",
		status->tunnel_port, "underlay", json_from_addr(&node->underlay), "tunnel_mtu",
		node->tunnel_mtu ? json_integer(node->tunnel_mtu) : json_null(), "problem",
		json_from_text(status->datapath_problem), "memory_bytes",
		(json_int_t)status->memory_bytes, "applied", applied);
}

static json_t *verdicts_json(const uint64_t *verdicts)
{
	json_t *object = json_object();

	for (size_t i = 0; object && i < SKEP_VERDICT_COUNT; i++)
		if (json_object_set_new(object, maps_verdict_name((enum skep_verdict)i),
					json_integer((json_int_t)verdicts[i]))) {
			json_decref(object);
			object = NULL;
		}
	return object;
}

json_t *views_status(const struct views_status *status)
{
	json_t *feed = status->has_feed ? json_pack("{s:i, s:o}", "port", status->feed_port,
						    "problem", json_from_text(status->feed_problem))
					: json_null();
	json_t *docker = status->uses_docker ? json_pack("{s:o}", "problem",
							 json_from_text(status->docker_problem))
					     : json_null();

	return json_pack(
		"{s:s, s:i, s:I, s:{s:s, s:s, s:o, s:s}, s:{s:s?, s:s, s:o}, s:o, s:o, s:o, s:o, "
		"s:o}",
		"version", SKEP_VERSION, "pid", status->pid, "uptime_s",
		(json_int_t)status->uptime_s, "node", "id", status->node_id, "name",
		status->node_name, "address", json_from_addr(&status->node->underlay), "role",
		status->role, "source", "kind", status->source_kind, "state",
		state_name(status->source.state), "text", json_from_text(status->source.text),
		"docker", docker, "model", model_json(status), "feed", feed, "datapath",
		datapath_json(status), "verdicts", verdicts_json(status->verdicts));
}
