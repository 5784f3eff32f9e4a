/* SPDX-License-Identifier: GPL-2.0-only */
/* The pinned maps read, for the CLI and the API; with or without an agent. */
#ifndef SKEP_DATAPATH_READ_H
#define SKEP_DATAPATH_READ_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "skep/maps.h"

/* A flow, as maps_walk() shows it: read out of its bucket. */
struct skep_flow {
	struct skep_addr task;
	__u64 last_seen_ns; /* CLOCK_MONOTONIC, to 67 ms */
	__u32 service_id;
	__be16 target_port;
	__be16 source_port; /* what the task sees as the client's port; 0: the client's own */
	__u8 state;	    /* enum skep_flow_state */
};
const char *maps_flow_state_name(__u8 state); /* "syn", …; NULL: none of that number */

/* Map names are those of the pins. */
struct maps_entry_visitor {
	/* Called for each entry; return non-zero to stop. Values of per-CPU maps are summed as
	 * struct skep_counter or __u64 by the reader. */
	int (*entry)(void *context, const void *key, const void *value);
	void *context;
};

/* Walks hash map NAME under bpffs in batches. Entries that change meanwhile may be missed or seen
 * twice. */
int maps_walk(const char *bpffs, const char *name, const struct maps_entry_visitor *visitor,
	      struct skep_error *error);

/* One service's ring: its slots, and how many. *tasks is malloc'ed; tasks NULL: only their number
 * is wanted. -ENOENT: it has none. */
int maps_ring(const char *bpffs, uint32_t service_id, struct skep_addr **tasks, size_t *n,
	      struct skep_error *error);

/* Per-CPU arrays, summed over CPUs, n entries from index first on. name: service_counters,
 * task_counters. */
int maps_counters(const char *bpffs, const char *name, uint32_t first, size_t n,
		  struct skep_counter *counters, struct skep_error *error);

/* Live flows of the tasks with counters 0 … n - 1 (task_flows); *flows is malloc'ed. */
int maps_task_flows(const char *bpffs, size_t n, uint32_t **flows, struct skep_error *error);

/* Packets by verdict since the pins were made. */
int maps_verdicts(const char *bpffs, uint64_t packets[SKEP_VERDICT_COUNT],
		  struct skep_error *error);
/* Packets by what XDP did with them, likewise. */
int maps_xdp_counters(const char *bpffs, uint64_t packets[SKEP_XDP_WAY_COUNT],
		      struct skep_error *error);
const char *maps_verdict_name(enum skep_verdict verdict); /* "pass_not_ipv4", … */

#endif
