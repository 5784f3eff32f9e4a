/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters. Per CPU, so plain additions. */
#ifndef SKEP_BPF_COUNT_H
#define SKEP_BPF_COUNT_H

#include "maps.h"

static __always_inline void count_verdict(__u32 verdict)
{
	__u64 *packets = bpf_map_lookup_elem(&verdicts, &verdict);

	if (packets)
		(*packets)++;
}

static __always_inline void count_one(void *map, __u32 index, __u32 bytes, int new_flow)
{
	struct skep_counter *counter = bpf_map_lookup_elem(map, &index);

	if (!counter)
		return;
	counter->packets++;
	counter->bytes += bytes;
	counter->new_flows += new_flow;
}

/* A client's packet that goes to a task. bytes: its IP length, all segments of a GSO packet
 * together. */
static __always_inline void count_packet(__u32 service_id, __u32 task_counter, __u32 bytes,
					 int new_flow)
{
	count_one(&service_counters, service_id, bytes, new_flow);
	count_one(&task_counters, task_counter, bytes, new_flow);
}

/* The rest of such a packet is counted by another program. */
static __always_inline void count_new_flow(__u32 service_id, __u32 task_counter)
{
	struct skep_counter *counter = bpf_map_lookup_elem(&service_counters, &service_id);

	if (counter)
		counter->new_flows++;
	counter = bpf_map_lookup_elem(&task_counters, &task_counter);
	if (counter)
		counter->new_flows++;
}

static __always_inline void count_xdp(enum skep_xdp_way way)
{
	__u32 index = way;
	__u64 *packets = bpf_map_lookup_elem(&xdp_counters, &index);

	if (packets)
		(*packets)++;
}

#endif
