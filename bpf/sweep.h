/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flows that ended without a word: a UDP conversation that fell silent, a SYN that nobody answered,
 * a connection that was silent for longer than its service allows, flows of frontends and tasks
 * that are no more. A packet that comes finds that out by itself; the sweep is for task_flows, and
 * for whoever reads the table. The agent has it go over the table, a little at a time.
 */
#ifndef SKEP_BPF_SWEEP_H
#define SKEP_BPF_SWEEP_H

#include "balance.h"
#include "live.h"
#include "maps.h"
#include "table.h"

/* A client sends its SYN again after 32 s at most, then gives up a minute later (tcp_syn_retries
 * 6). */
#define SYN_IDLE_TICKS SKEP_TICKS(90000000000ULL)

/* The frontend's service, also of a flow that was given a second chance here: its frontend is
 * another node's. */
static __always_inline struct skep_service *service_of_flow(const struct skep_flow_key *key)
{
	struct skep_frontend frontend = {
		.addr = key->frontend,
		.port = key->frontend_port,
		.protocol = key->protocol,
	};
	struct skep_service *service = bpf_map_lookup_elem(&services, &frontend);

	if (service)
		return service;
	__builtin_memset(&frontend.addr, 0, sizeof(frontend.addr));
	return bpf_map_lookup_elem(&services, &frontend);
}

/* The state that a flow is to have that was silent for so long. 0: none, it is to be forgotten. */
static __always_inline __u32 state_after(const struct skep_flow_key *key,
					 const struct skep_flow_choice *flow, __u32 state,
					 __u32 silent)
{
	struct skep_service *service = service_of_flow(key);
	struct skep_task *task;

	if (!service || service->service_id != flow->service_id)
		return 0;
	if (state == SKEP_FLOW_SYN && silent > SYN_IDLE_TICKS)
		return 0;
	/* The client of a connection is still to be told, by a reset, that it is no more. */
	if (service->idle_ticks && silent > service->idle_ticks)
		return state == SKEP_FLOW_DATAGRAM ? 0 : SKEP_FLOW_CLOSING;
	task = bpf_map_lookup_elem(&tasks, &flow->task);
	if (!task || task->counter != flow->counter || task->service_id != flow->service_id)
		return SKEP_FLOW_CLOSING;
	return state;
}

static __noinline void sweep_way(struct table_bucket *bucket, __u32 at)
{
	struct table_replaced old = {};
	struct skep_flow_choice flow;
	struct skep_flow_key key;
	__u32 way = at & (SKEP_WAYS - 1), seen, state, after;

	bpf_spin_lock(&bucket->lock);
	__builtin_memcpy(&key, bucket->way[way].key, sizeof(key));
	__builtin_memcpy(&flow, bucket->way[way].value, sizeof(flow));
	state = bucket->tag[way] ? bucket->state[way] : 0;
	seen = bucket->last_seen[way];
	bpf_spin_unlock(&bucket->lock);

	if (!state_lives(state))
		return;
	/* The time is read last, so it is not earlier than when the flow was seen. */
	after = state_after(&key, &flow, state, ticks_read() - seen);
	if (after == state)
		return;
	bpf_spin_lock(&bucket->lock);
	if (bucket->last_seen[way] == seen && key_equal(bucket->way[way].key, (const __u64 *)&key))
		old = table_entry_set(bucket, way, after);
	bpf_spin_unlock(&bucket->lock);
	live_ended(&old, after);
}

static __always_inline void sweep_bucket(__u32 index)
{
	struct table_bucket *bucket = bpf_map_lookup_elem(&flows, &index);

	if (!bucket)
		return;
	for (__u32 way = 0; way < SKEP_WAYS; way++)
		if (bucket->tag[way] && state_lives(bucket->state[way]))
			sweep_way(bucket, way);
}

#endif
