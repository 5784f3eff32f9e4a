/* SPDX-License-Identifier: GPL-2.0-only */
/* What the pinned maps say, read into memory, so that the views are functions of values. */
#ifndef SKEP_AGENT_SNAPSHOT_H
#define SKEP_AGENT_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "datapath/read.h"
#include "lib/error.h"
#include "skep/maps.h"

struct snapshot_service {
	struct skep_service_name name;
	uint32_t service_id;
	int64_t ring; /* slots of its ring; -1: it has none */
	struct skep_counter counter;
};

struct snapshot_task {
	struct skep_addr addr;
	struct skep_task task;
	struct skep_counter counter;
	uint32_t flows; /* live */
};

struct snapshot {
	struct snapshot_service *services; /* sorted by Swarm id */
	size_t n_services;
	struct snapshot_task *tasks; /* sorted by address */
	size_t n_tasks;
};

struct snapshot_flow {
	struct skep_flow_key key;
	struct skep_flow flow;
};

int snapshot_read(struct snapshot *snapshot, const char *bpffs, struct skep_error *error);
void snapshot_free(struct snapshot *snapshot); /* of one that was zeroed is fine too */

/* NULL: not in the maps. id is a whole Swarm id. */
const struct snapshot_service *snapshot_find_service(const struct snapshot *snapshot,
						     const char *id);
const struct snapshot_task *snapshot_find_task(const struct snapshot *snapshot,
					       const struct skep_addr *addr);

/* At most limit flows, in no order; *flows is malloc'ed. */
int snapshot_read_flows(const char *bpffs, size_t limit, struct snapshot_flow **flows, size_t *n,
			struct skep_error *error);

/* Kernel memory that the maps pinned under bpffs account for, bytes; rings and allow not included.
 */
int snapshot_memory(const char *bpffs, uint64_t *bytes, struct skep_error *error);

#endif
