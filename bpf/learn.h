/* SPDX-License-Identifier: GPL-2.0-only */
/* What the ingress node makes of a reply that came back by the tunnel. */
#ifndef SKEP_BPF_LEARN_H
#define SKEP_BPF_LEARN_H

#include "maps.h"
#include "parse.h"

/*
 * The task that answered may be another than the one chosen here: the rest of the flow must go to
 * it. The first SYN-ACK decides, as it does for the client: once that has answered, later ones mean
 * nothing.
 */
static __always_inline void learn_task(const struct packet *packet, __be32 task_ipv4)
{
	struct skep_flow_key key = {
		.client = packet->reply.client,
		.frontend = packet->reply.task,
		.client_port = packet->reply.client_port,
		.frontend_port = packet->reply.task_port,
		.protocol = packet->reply.protocol,
	};
	struct skep_addr addr = skep_addr_v4(task_ipv4);
	struct skep_flow *flow = bpf_map_lookup_elem(&flows, &key);
	struct skep_task *task;
	struct skep_flow moved;

	if (!flow || skep_addr_equal(&flow->task, &addr) ||
	    (key.protocol == IPPROTO_TCP && flow->state != SKEP_FLOW_SYN))
		return;
	task = bpf_map_lookup_elem(&tasks, &addr);
	if (!task || task->service_id != flow->service_id)
		return;
	moved = *flow;
	moved.task = addr;
	/* Whole, so that nobody reads half of an address; if it fails the next SYN-ACK tries again.
	 */
	bpf_map_update_elem(&flows, &key, &moved, BPF_EXIST);
}

/* Only what answers for a frontend of this node may leave. Returns 0 if this does not; else learns
 * from it. */
static __always_inline int reply_accept(const struct packet *packet, __be32 task)
{
	struct skep_frontend frontend = {
		.addr = packet->reply.task,
		.port = packet->reply.task_port,
		.protocol = packet->reply.protocol,
	};

	if (!bpf_map_lookup_elem(&services, &frontend))
		return 0;
	if (packet->flow.protocol == IPPROTO_UDP || packet->tcp_flags & TCP_SYN)
		learn_task(packet, task);
	return 1;
}

#endif
