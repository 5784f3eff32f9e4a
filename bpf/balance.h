/* SPDX-License-Identifier: GPL-2.0-only */
/* Which task a packet goes to. Knows tuples and maps; not who called it, nor how the packet is carried. */
#ifndef SKEP_BPF_BALANCE_H
#define SKEP_BPF_BALANCE_H

#include "maps.h"
#include "parse.h"

/* A UDP conversation that was silent for this long is a new one. */
#define UDP_IDLE_NS 30000000000ULL

/* A flow's time stamp is only renewed when it is this old: its cache line stays shared between CPUs. */
#define LAST_SEEN_STEP_NS 100000000ULL

/* Picks tried before a ring counts as empty: it may name tasks that left a moment ago. */
#define RING_TRIES 8

enum balance_result {
	BALANCE_TASK = 1, /* *choice says where to */
	BALANCE_NO_FLOW,  /* the middle of a TCP connection that skep does not know */
	BALANCE_NO_TASK,  /* the service has no serving task */
	BALANCE_GONE,	  /* the flow's task is gone, and TCP cannot move to another */
	BALANCE_FULL,	  /* the flow could not be kept: without it the next packet would be lost */
};

/* The service that the packet is addressed to; NULL: none. */
static __always_inline struct skep_service *service_find(const struct packet *packet)
{
	struct skep_frontend frontend = {
		.addr = packet->flow.frontend,
		.port = packet->flow.frontend_port,
		.protocol = packet->flow.protocol,
	};

	return bpf_map_lookup_elem(&services, &frontend);
}

struct choice {
	struct skep_addr task;
	struct skep_addr node;
	__u32 ifindex; /* 0: remote */
	__u32 service_id;
	__u32 counter;
	__be16 target_port;
	__u8 new_flow;
};

static __always_inline void choice_take(struct choice *choice, const struct skep_addr *addr,
					const struct skep_task *task)
{
	choice->task = *addr;
	choice->node = task->node;
	choice->ifindex = task->ifindex;
	choice->counter = task->counter;
}

/* A task that lives on this node, but whose veth the agent has not hooked (yet), can get nothing. */
static __always_inline int task_reachable(const struct skep_task *task, const struct skep_config *config)
{
	return task->ifindex || !skep_addr_equal(&task->node, &config->underlay);
}

/* Round robin over the service's ring. Returns 0 if no serving task was found. */
static __always_inline int ring_pick(__u32 service_id, const struct skep_config *config,
				     struct choice *choice)
{
	union skep_ring_slot *header, *slot;
	struct skep_task *task;
	__u32 index = 0;
	void *ring;

	ring = bpf_map_lookup_elem(&rings, &service_id);
	if (!ring)
		return 0;
	header = bpf_map_lookup_elem(ring, &index);
	if (!header)
		return 0;
#pragma clang loop unroll(disable)
	for (int try = 0; try < RING_TRIES; try++) {
		__u32 length = header->header.length;

		if (!length)
			return 0;
		index = 1 + __sync_fetch_and_add(&header->header.cursor, 1) % length;
		slot = bpf_map_lookup_elem(ring, &index);
		if (!slot)
			return 0;
		task = bpf_map_lookup_elem(&tasks, &slot->task);
		if (task && task->state == SKEP_TASK_SERVING && task_reachable(task, config)) {
			choice_take(choice, &slot->task, task);
			return 1;
		}
	}
	return 0;
}

/* State after one more packet from the client. */
static __always_inline __u8 flow_advance(__u8 state, const struct packet *packet)
{
	if (packet->flow.protocol == IPPROTO_UDP)
		return SKEP_FLOW_ESTABLISHED;
	if (packet->tcp_flags & (TCP_FIN | TCP_RST))
		return SKEP_FLOW_CLOSING;
	if (packet_is_syn(packet))
		return state == SKEP_FLOW_CLOSING ? SKEP_FLOW_SYN : state;
	return state == SKEP_FLOW_SYN ? SKEP_FLOW_ESTABLISHED : state;
}

/*
 * May the packet stay with the task that its flow has? A SYN that is no repetition opens a new connection, balanced anew when the old
 * one was closed. While the old one may live the SYN goes to its task, which knows what to answer (RFC 9293
 * section 3.10.7.4, RFC 5961 section 4): else anyone could cut a connection with a forged SYN. One that was never established leaves
 * a task that drains.
 */
static __always_inline int flow_stays(const struct packet *packet, const struct skep_flow *flow,
				      const struct skep_task *task, __u64 now_ns)
{
	if (packet->flow.protocol == IPPROTO_UDP)
		return now_ns - flow->last_seen_ns < UDP_IDLE_NS;
	if (packet_is_syn(packet))
		return flow->state == SKEP_FLOW_ESTABLISHED ||
		       (flow->state == SKEP_FLOW_SYN && task->state == SKEP_TASK_SERVING);
	return 1;
}

/* The task for a packet to a frontend of the given service; makes or renews its flow. */
static __always_inline enum balance_result balance(const struct packet *packet,
						   const struct skep_service *service,
						   const struct skep_config *config,
						   struct choice *choice)
{
	__u64 now_ns = bpf_ktime_get_ns();
	struct skep_flow *flow;

	choice->service_id = service->service_id;
	choice->target_port = service->target_port;
	choice->new_flow = 0;

	flow = bpf_map_lookup_elem(&flows, &packet->flow);
	if (flow) {
		struct skep_addr addr = flow->task;
		struct skep_task *task = bpf_map_lookup_elem(&tasks, &addr);

		if (task && task->service_id == service->service_id &&
		    task_reachable(task, config) && flow_stays(packet, flow, task, now_ns)) {
			__u8 state = flow_advance(flow->state, packet);

			if (state != flow->state)
				flow->state = state;
			if (now_ns - flow->last_seen_ns > LAST_SEEN_STEP_NS)
				flow->last_seen_ns = now_ns;
			choice_take(choice, &addr, task);
			choice->target_port = flow->target_port;
			return BALANCE_TASK;
		}
		if (!packet_is_first(packet))
			return BALANCE_GONE;
	}
	if (!packet_is_first(packet))
		return BALANCE_NO_FLOW;
	if (!ring_pick(service->service_id, config, choice))
		return BALANCE_NO_TASK;

	struct skep_flow fresh = {
		.task = choice->task,
		.last_seen_ns = now_ns,
		.service_id = service->service_id,
		.target_port = service->target_port,
		.state = packet->flow.protocol == IPPROTO_UDP ? SKEP_FLOW_ESTABLISHED : SKEP_FLOW_SYN,
	};

	if (bpf_map_update_elem(&flows, &packet->flow, &fresh, BPF_ANY))
		return BALANCE_FULL;
	choice->new_flow = 1;
	return BALANCE_TASK;
}

#endif
