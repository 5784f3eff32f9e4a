/* SPDX-License-Identifier: GPL-2.0-only */
/* What the maps and hooks should hold, computed from model and node alone. Touches no map. */
#ifndef SKEP_DATAPATH_DESIRED_H
#define SKEP_DATAPATH_DESIRED_H

#include <stddef.h>

#include "datapath/datapath.h"
#include "datapath/hooks.h"
#include "datapath/pool.h"
#include "datapath/rings.h"
#include "datapath/table.h"
#include "lib/error.h"
#include "model/model.h"

struct desired {
	struct skep_config config;
	struct table services;	    /* struct skep_frontend -> struct skep_service */
	struct table service_names; /* u32 -> struct skep_service_name */
	struct table allow;	    /* struct skep_allow_key -> struct skep_allow */
	struct table tasks;	    /* struct skep_addr -> struct skep_task */
	struct table nodes;	    /* struct skep_addr -> struct skep_node */
	struct ring_set rings;
	struct hooks_hook *hooks; /* sorted by ifindex */
	size_t n_hooks;
	uint32_t *service_ids; /* of model->services, in their order */
};

/*
 * Numbers are kept from what the maps hold (names, tasks: struct table, sorted) and otherwise lent
 * from the pools. Numbers lent here that had another owner before are handed to clear_service() and
 * clear_task(), so that their counters start at zero.
 */
struct desired_numbers {
	const struct table *names;
	const struct table *tasks;
	const struct ring_set *rings; /* the last desired ones: those that stay are not worked out
					 again; NULL: none */
	struct pool *service_ids;
	struct pool *task_counters;
	void (*clear_service)(void *context, uint32_t service_id);
	void (*clear_task)(void *context, uint32_t counter);
	/* Has a back end outside the Swarm connections still? NULL: none has. */
	bool (*in_use)(void *context, const struct skep_addr *backend);
	void *context;
};

int desired_build(struct desired *desired, const struct model *model,
		  const struct datapath_node *node, const struct desired_numbers *numbers,
		  struct skep_error *error);
void desired_free(struct desired *desired);

#endif
