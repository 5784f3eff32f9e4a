/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The JSON of the local API (docs/design.md, "The local API"), one function per path, each a
 * function of the values it is given. The caller's reference; NULL if memory is short.
 */
#ifndef SKEP_AGENT_VIEWS_H
#define SKEP_AGENT_VIEWS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/snapshot.h"
#include "datapath/datapath.h"
#include "model/model.h"
#include "net/net.h"
#include "source/source.h"

struct views_status { /* NULL and "": not known, none */
	int pid;
	uint64_t uptime_s;
	const char *node_id, *node_name;
	const char *role; /* manager, worker, none */
	const char *source_kind;
	struct source_status source;
	bool uses_docker;
	const char *docker_problem;
	const struct model *model;
	const char *model_version;
	uint64_t model_age_s;
	bool has_feed;
	uint16_t feed_port;
	const char *feed_problem;
	const struct datapath_node *node;
	const struct net_state *net;
	const struct datapath_wire *wires; /* of the last apply */
	size_t n_wires;
	const uint64_t *xdp; /* SKEP_XDP_WAY_COUNT of them */
	uint16_t tunnel_port;
	const char *datapath_problem;
	uint64_t memory_bytes;
	uint64_t applied_count;
	double applied_last_ms;
	struct datapath_changes applied;
	const uint64_t *verdicts; /* SKEP_VERDICT_COUNT of them */
};

json_t *views_status(const struct views_status *status);

/* model NULL: empty lists. self: this node, NULL if it is not in the model. dsr: --return. */
json_t *views_nodes(const struct model *model, const struct snapshot *snapshot,
		    const struct model_node *self);
json_t *views_services(const struct model *model, const struct snapshot *snapshot, bool dsr);
json_t *views_tasks(const struct model *model, const struct snapshot *snapshot,
		    const struct model_node *self, const struct datapath_node *node,
		    const struct net_state *net);
json_t *views_flows(const struct snapshot_flow *flows, size_t n, const struct model *model,
		    const struct snapshot *snapshot, uint64_t now_ns);
json_t *views_verify(size_t differences, json_t *lines); /* takes lines */

#endif
