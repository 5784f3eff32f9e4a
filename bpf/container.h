/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A container of this node as a client of published ports.
 *
 * Its address on docker_gwbridge is good on this node only: other nodes' containers have the same.
 * So its packets go on from this node's own address and a port that is free, and the answers' tuple
 * is noted in `returns`, where it leads back into the container. A task's answer is then like that
 * to any client who came in here, and it matters not whether the task is the container itself.
 */
#ifndef SKEP_BPF_CONTAINER_H
#define SKEP_BPF_CONTAINER_H

#include "balance.h"
#include "deliver.h"
#include "maps.h"
#include "returns.h"
#include "scratch.h"

#define PACKET_HOST 0 /* linux/if_packet.h */

/* Fills work->path for the flow in work->packet, under the given port of this node. */
static __always_inline void container_path(struct scratch *work, const struct skep_config *config,
					   __u32 ifindex, __be16 port)
{
	struct skep_return_path *path = (void *)work->path.value;
	struct skep_return_key *key = (void *)work->path.key;
	const struct packet *packet = &work->packet;

	*key = (struct skep_return_key){
		.task = packet->flow.frontend,
		.client = config->underlay,
		.task_port = packet->flow.frontend_port,
		.client_port = port,
		.protocol = packet->flow.protocol,
	};
	*path = (struct skep_return_path){
		.frontend = packet->flow.client,
		.ingress.word[0] = ifindex,
		.frontend_port = packet->flow.client_port,
		.client_port = port,
		.mode = SKEP_RETURN_CONTAINER,
	};
	work->path.hash = return_hash(key, config->seed);
	work->path.now = ticks_now(work);
	work->path.source_port = 0;
	work->path.state = flow_advance(flow_first_state(packet), packet);
}

/* Is what is noted under the path's key, at place, the path's own? */
static __always_inline int path_is_noted(const struct scratch *work)
{
	const struct skep_return_path *path = (const void *)work->path.value;
	const struct skep_return_path *known = (const void *)work->value;

	return known->mode == SKEP_RETURN_CONTAINER &&
	       known->frontend_port == path->frontend_port &&
	       known->ingress.word[0] == path->ingress.word[0] &&
	       skep_addr_equal(&known->frontend, &path->frontend);
}

/*
 * The port of this node that the flow of work->packet, or the one that the error there is about,
 * goes by: into work->path's key, noted anew if it has to be. Returns 0 or a verdict.
 */
__noinline int container_port(__u32 ifindex)
{
	const struct skep_config *config = config_get();
	struct scratch *work = scratch_get();
	struct table_place place = {};
	__u64 flow_hash;
	__u32 given;

	if (!work || !config)
		return SKEP_DROP_ERROR;
	if (skep_addr_is_zero(&config->underlay))
		return SKEP_DROP_NO_ROUTE;
	flow_hash = table_hash((const __u64 *)&work->packet.flow, config->seed);
	given = flow_source_port(flow_hash);
	if (given || work->packet.is_error)
		container_path(work, config, ifindex,
			       given ? (__be16)given : work->packet.flow.client_port);
	if (work->packet.is_error)
		return 0;
	if (given) {
		if (!table_get(&returns, work->path.key, work->path.hash, work->value, &place))
			return return_put(0, &work->path);
		if (path_is_noted(work)) {
			place_renew(&place, &work->packet, work->path.now);
			return 0;
		}
		/* It became another's, while this one was silent. */
	}
	if (!packet_is_first(&work->packet))
		return SKEP_DROP_COLLISION;
#pragma clang loop unroll(disable)
	for (int try = 0; try < SOURCE_PORT_TRIES; try++) {
		__u32 free =
			SOURCE_PORT_FIRST + bpf_get_prandom_u32() % (65536 - SOURCE_PORT_FIRST);
		int number;

		container_path(work, config, ifindex, bpf_htons(free));
		number = return_free_at(config->seed);
		if (number < 0)
			continue;
		/* The flow is there: it was made when its task was chosen. */
		if (flow_set_source_port(flow_hash, bpf_htons(free)))
			return SKEP_DROP_ERROR;
		return return_put(number, &work->path);
	}
	return SKEP_DROP_COLLISION;
}

/* Gives the packet this node's address as source, and the port of container_port(); in work->packet
 * too. Returns 0 or a verdict. */
__noinline int container_masquerade(struct __sk_buff *skb)
{
	const struct skep_config *config = config_get();
	struct scratch *work = scratch_get();
	struct packet *packet;
	__be16 port;
	int verdict;

	if (!work || !config)
		return SKEP_DROP_ERROR;
	packet = &work->packet;
	port = ((const struct skep_return_key *)work->path.key)->client_port;
	/* As a bridge's port it was for the bridge; now it is for whom skep hands it to. */
	if (bpf_skb_change_type(skb, PACKET_HOST))
		return SKEP_DROP_ERROR;
	verdict = packet->is_error ? icmp_rewrite(skb, NAT_SOURCE, config->underlay.word[3], port,
						  packet->flow.frontend_port)
				   : nat_rewrite(skb, packet, NAT_SOURCE, config->underlay.word[3],
						 port, packet->flow.frontend_port);
	packet->flow.client = config->underlay;
	packet->flow.client_port = port;
	packet->ttl--;
	return verdict;
}

/* A reply from frontend to this node's own address: into the container that it belongs to. */
__noinline int send_to_container(struct __sk_buff *skb)
{
	const struct skep_config *config = config_get();
	struct scratch *work = scratch_get();
	const struct skep_return_path *path;
	struct table_place place = {};
	struct packet *packet;
	int verdict;

	if (!work || !config)
		return TC_ACT_SHOT;
	path = (const void *)work->value;
	packet = &work->packet;
	if (!table_get(&returns, &packet->reply, return_hash(&packet->reply, config->seed),
		       work->value, &place) ||
	    path->mode != SKEP_RETURN_CONTAINER)
		return drop(SKEP_DROP_NO_TASK);
	if (packet->tcp_flags & (TCP_FIN | TCP_RST))
		place.bucket->state[place.way & (SKEP_WAYS - 1)] = SKEP_FLOW_CLOSING;
	if (bpf_skb_change_type(skb, PACKET_HOST))
		return drop(SKEP_DROP_ERROR);
	verdict = packet->is_error
			  ? icmp_rewrite(skb, NAT_DESTINATION, path->frontend.word[3],
					 path->frontend_port, packet->reply.task_port)
			  : nat_rewrite(skb, packet, NAT_DESTINATION, path->frontend.word[3],
					path->frontend_port, packet->reply.task_port);
	if (verdict)
		return drop(verdict);
	return bpf_redirect_peer(path->ingress.word[0], 0);
}

#endif
