/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a task's replies must leave: noted at the backend node with the client's packets.
 *
 * Since the task sees the client's own address and port, a client that uses one port towards two frontends of a task has one reply
 * tuple for both. So a tuple belongs to one frontend at a time, and a flow that finds it taken gets another source port. It
 * stays taken while the connection is established, however silent, and then for longer than the task's TCP remembers it
 * (TIME-WAIT, 60 s on Linux): within that, the SYN of another frontend's connection could look old to the task, as clients
 * number each destination's connections apart.
 */
#ifndef SKEP_BPF_RETURNS_H
#define SKEP_BPF_RETURNS_H

#include "balance.h"
#include "count.h"
#include "maps.h"
#include "parse.h"

#define RETURN_TAKEN_NS	  90000000000ULL
#define SOURCE_PORT_FIRST 1024
#define SOURCE_PORT_TRIES 8

static __always_inline int return_is_for(const struct skep_return *known, const struct packet *packet)
{
	return known->frontend_port == packet->flow.frontend_port &&
	       known->client_port == packet->flow.client_port &&
	       skep_addr_equal(&known->frontend, &packet->flow.frontend);
}

/* May the tuple become another frontend's? */
static __always_inline int return_is_free(const struct skep_return *known, const struct packet *packet,
					  __u64 now_ns)
{
	if (packet->flow.protocol == IPPROTO_TCP && known->state == SKEP_FLOW_ESTABLISHED)
		return 0;
	return now_ns - known->last_seen_ns > RETURN_TAKEN_NS;
}

/* Gives the flow a source port of its own: writes it where the flow's next packets will look, see below. */
static __always_inline int flow_set_source_port(const struct packet *packet, const struct skep_addr *addr,
						__be16 target_port, __be16 source_port, __u64 now_ns)
{
	struct skep_flow *flow = bpf_map_lookup_elem(&flows, &packet->flow);
	struct skep_task *task = bpf_map_lookup_elem(&tasks, addr);

	if (flow) {
		flow->source_port = source_port;
		return 0;
	}
	struct skep_flow fresh = {
		.task = *addr,
		.last_seen_ns = now_ns,
		.service_id = task ? task->service_id : 0,
		.target_port = target_port,
		.source_port = source_port,
		.state = packet->flow.protocol == IPPROTO_UDP ? SKEP_FLOW_ESTABLISHED : SKEP_FLOW_SYN,
	};
	return bpf_map_update_elem(&flows, &packet->flow, &fresh, BPF_ANY);
}

/*
 * Notes how the task's replies to this packet must leave: at *key, whose client_port becomes another if the task shall see another source port. Maps are
 * written only when something changes: an LRU insert costs more than all the rest. A function of its own, as its stack is not small.
 * Returns 0 or a verdict.
 */
static __noinline int return_remember(const struct packet *packet, struct skep_return_key *key,
				      const struct skep_addr *ingress, enum skep_return_mode mode)
{
	struct skep_return fresh = {
		.frontend = packet->flow.frontend,
		.ingress = *ingress,
		.frontend_port = packet->flow.frontend_port,
		.client_port = packet->flow.client_port,
		.mode = mode,
		.state = packet_is_syn(packet) ? SKEP_FLOW_SYN : flow_advance(SKEP_FLOW_SYN, packet),
	};
	struct skep_return *known = bpf_map_lookup_elem(&returns, key);
	__u64 now_ns = bpf_ktime_get_ns();
	struct skep_flow *flow;

	fresh.last_seen_ns = now_ns;
	if (!known || !return_is_for(known, packet)) {
		/* The tuple is another frontend's, or was and is free by now. Perhaps this flow was given a port before. */
		flow = bpf_map_lookup_elem(&flows, &packet->flow);
		if (flow && flow->source_port) {
			key->client_port = flow->source_port;
			known = bpf_map_lookup_elem(&returns, key);
		}
	}
	if (known && return_is_for(known, packet) && known->mode == mode &&
	    skep_addr_equal(&known->ingress, ingress)) {
		__u8 state = flow_advance(known->state, packet);

		if (state != known->state)
			known->state = state;
		if (now_ns - known->last_seen_ns > LAST_SEEN_STEP_NS)
			known->last_seen_ns = now_ns;
		return 0;
	}
	if (!known || return_is_for(known, packet) || return_is_free(known, packet, now_ns))
		return bpf_map_update_elem(&returns, key, &fresh, BPF_ANY) ? SKEP_DROP_ERROR : 0;

	/* In the middle of a connection its port cannot change any more. */
	if (!packet_is_first(packet))
		return SKEP_DROP_COLLISION;
#pragma clang loop unroll(disable)
	for (int try = 0; try < SOURCE_PORT_TRIES; try++) {
		__u32 port = SOURCE_PORT_FIRST + bpf_get_prandom_u32() % (65536 - SOURCE_PORT_FIRST);

		key->client_port = bpf_htons(port);
		known = bpf_map_lookup_elem(&returns, key);
		if (known && !return_is_free(known, packet, now_ns))
			continue;
		if (flow_set_source_port(packet, &key->task, key->task_port, key->client_port, now_ns) ||
		    bpf_map_update_elem(&returns, key, &fresh, BPF_ANY))
			return SKEP_DROP_ERROR;
		count_verdict(SKEP_SOURCE_PORT_CHANGED);
		return 0;
	}
	return SKEP_DROP_COLLISION;
}

#endif
