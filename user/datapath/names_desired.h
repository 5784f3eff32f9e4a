/* SPDX-License-Identifier: GPL-2.0-only */
/* What the maps of the cgroup programs should hold, computed from model and node alone. */
#ifndef SKEP_DATAPATH_NAMES_DESIRED_H
#define SKEP_DATAPATH_NAMES_DESIRED_H

#include "datapath/datapath.h"
#include "datapath/pool.h"
#include "datapath/rings.h"
#include "datapath/table.h"
#include "lib/error.h"
#include "model/model.h"
#include "skep/names.h"

struct names_desired {
	struct table namespaces; /* u64 -> struct skep_namespace */
	struct table scopes;	 /* struct skep_scope_key -> u64 */
	struct table vips;	 /* struct skep_vip_key -> struct skep_vip */
	struct table listeners;	 /* struct skep_frontend -> struct skep_listener */
	struct ring_set rings;
};

/* Of a Swarm's network, what stands for it in the maps. */
uint64_t names_network(const struct model_network *network);

/*
 * service_ids: of model->services, in their order. Numbers of rings are kept from what the map has
 * (vips: sorted; known: its rings) and otherwise taken from the pool; the ring of a service that
 * asks for none stays out. Only networks that one of node's containers is on come in, and of
 * services on them those with a VIP.
 */
int names_desired_build(struct names_desired *desired, const struct model *model,
			const struct datapath_node *node, const uint32_t *service_ids,
			const struct table *vips, const struct ring_set *known, struct pool *rings,
			struct skep_error *error);
void names_desired_free(struct names_desired *desired);

#endif
