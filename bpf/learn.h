/* SPDX-License-Identifier: GPL-2.0-only */
/* What the ingress node makes of a reply that came back by the tunnel. */
#ifndef SKEP_BPF_LEARN_H
#define SKEP_BPF_LEARN_H

#include "balance.h"
#include "maps.h"
#include "parse.h"
#include "scratch.h"
#include "table.h"

/*
 * The task that answered may be another than the one chosen here: the rest of the flow must go to
 * it. The first SYN-ACK decides, as it does for the client: once that has answered, later ones mean
 * nothing.
 */
__noinline int learn_task(__be32 task_ipv4)
{
	const struct skep_config *config = config_get();
	struct scratch *work = scratch_get();
	struct skep_addr addr = skep_addr_v4(task_ipv4);
	struct table_place place = {};
	struct skep_flow_choice *flow;
	const struct packet *packet;
	struct skep_flow_key key;
	struct skep_task *task;
	__u64 hash;
	__u32 way;

	if (!work || !config)
		return 0;
	packet = &work->packet;
	key = (struct skep_flow_key){
		.client = packet->reply.client,
		.frontend = packet->reply.task,
		.client_port = packet->reply.client_port,
		.frontend_port = packet->reply.task_port,
		.protocol = packet->reply.protocol,
	};
	hash = table_hash((const __u64 *)&key, config->seed);
	if (!table_get(&flows, &key, hash, work->flow.value, &place))
		return 0;
	flow = (struct skep_flow_choice *)work->flow.value;
	if (skep_addr_equal(&flow->task, &addr))
		return 0;
	way = place.way & (SKEP_WAYS - 1);
	if (key.protocol == IPPROTO_TCP && place.bucket->state[way] != SKEP_FLOW_SYN)
		return 0;
	task = bpf_map_lookup_elem(&tasks, &addr);
	if (!task || task->service_id != flow->service_id)
		return 0;
	flow->task = addr;
	flow->counter = task->counter;
	__builtin_memcpy(work->flow.key, &key, sizeof(work->flow.key));
	work->flow.hash = hash;
	work->flow.now = ticks_now(work);
	work->flow.source_port = place.bucket->way[way].source_port;
	work->flow.state = place.bucket->state[way];
	return flow_put(place.number, &work->flow);
}

/* Only what answers for a frontend of this node may leave. Returns 0 if work->packet does not; else
 * learns from it. */
static __always_inline int reply_accept(const struct scratch *work, __be32 task)
{
	const struct packet *packet = &work->packet;
	struct skep_frontend frontend = {
		.addr = packet->reply.task,
		.port = packet->reply.task_port,
		.protocol = packet->reply.protocol,
	};

	if (!bpf_map_lookup_elem(&services, &frontend))
		return 0;
	if (packet_has_header(packet) &&
	    (packet->flow.protocol == IPPROTO_UDP || packet->tcp_flags & TCP_SYN))
		learn_task(task);
	return 1;
}

#endif
