/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Back ends outside the Swarm. Nothing of skep is there to send replies back the way the client
 * came, so they must see this node as their client: its underlay address, and a port for each flow.
 * Replies to that come in by the wire and are found in `returns`, where the client's own address
 * stands in the place of the ingress node's.
 *
 * ICMP errors are not carried across: none is about an address that both ends know.
 */
#ifndef SKEP_BPF_OUTSIDE_H
#define SKEP_BPF_OUTSIDE_H

#include "balance.h"
#include "deliver.h"
#include "fragment.h"
#include "nat.h"
#include "returns.h"

/*
 * Ports that neither this host's own connections come from (32768 and up, unless it is set up
 * otherwise) nor Swarm publishes of its own choice (30000 and up).
 */
#define OUTSIDE_PORT_FIRST 1024
#define OUTSIDE_PORT_LAST  29999
#define OUTSIDE_PORT_TRIES 8

/* Does the return found for work->path's key belong to work->packet's flow? */
static __always_inline int outside_is_for(const struct skep_return_path *known,
					  const struct packet *packet)
{
	return known->mode == SKEP_RETURN_OUTSIDE && return_is_for(known, packet) &&
	       skep_addr_equal(&known->ingress, &packet->flow.client);
}

/* As return_elsewhere(), from other ports, and always. */
static __always_inline int outside_new_port(__u64 flow_hash, __u64 seed)
{
	struct scratch *work = scratch_get();
	struct table_place place = {};
	struct skep_return_key *key;

	if (!work)
		return SKEP_DROP_ERROR;
	key = (void *)work->path.key;
	if (!packet_is_first(&work->packet))
		return SKEP_DROP_COLLISION;
#pragma clang loop unroll(disable)
	for (int try = 0; try < OUTSIDE_PORT_TRIES; try++) {
		__u32 span = OUTSIDE_PORT_LAST - OUTSIDE_PORT_FIRST + 1;
		struct skep_frontend frontend = {
			.addr = key->client,
			.protocol = key->protocol,
		};

		int number;

		key->client_port = bpf_htons(OUTSIDE_PORT_FIRST + bpf_get_prandom_u32() % span);
		frontend.port = key->client_port;
		if (bpf_map_lookup_elem(&services, &frontend))
			continue;
		number = return_free_at(seed);
		if (number < 0)
			continue;
		if (return_put(number, &work->path))
			return SKEP_DROP_ERROR;
		if (!table_get(&flows, &work->packet.flow, flow_hash, work->value, &place))
			return SKEP_DROP_ERROR;
		place.bucket->way[place.way & (SKEP_WAYS - 1)].source_port = key->client_port;
		return 0;
	}
	return SKEP_DROP_COLLISION;
}

/* The port under which the flow of work->packet goes out: into work->path's key, noted with the
 * return. Returns 0 or a verdict. */
static __always_inline int outside_note(struct scratch *work, __u64 seed)
{
	const struct packet *packet = &work->packet;
	struct skep_return_key *key = (void *)work->path.key;
	const struct skep_return_path *known = (const void *)work->value;
	__u64 flow_hash = table_hash((const __u64 *)&packet->flow, seed);
	struct table_place place = {};
	int found;

	key->client_port = (__be16)flow_source_port(flow_hash);
	if (!key->client_port)
		return outside_new_port(flow_hash, seed);
	work->path.hash = return_hash(key, seed);
	found = table_get(&returns, key, work->path.hash, work->value, &place);
	if (!found)
		return return_put(0, &work->path);
	if (!outside_is_for(known, packet))
		return outside_new_port(flow_hash, seed);
	place_renew(&place, packet, work->path.now);
	return 0;
}

__noinline int outside_remember(void)
{
	const struct skep_config *config = config_get();
	struct scratch *work = scratch_get();
	struct skep_return_path *path;
	struct skep_return_key *key;
	const struct packet *packet;

	if (!work || !config)
		return SKEP_DROP_ERROR;
	path = (void *)work->path.value;
	key = (void *)work->path.key;
	packet = &work->packet;
	if (packet->is_error)
		return SKEP_DROP_NO_TASK;
	/* A later fragment has no ports to note, and its first one did. */
	if (packet->fragment == FRAGMENT_LATER)
		return 0;
	*key = (struct skep_return_key){
		.task = skep_addr_v4(work->choice.task.word[3]),
		.client = config->underlay,
		.task_port = work->choice.target_port,
		.protocol = packet->flow.protocol,
	};
	*path = (struct skep_return_path){
		.frontend = packet->flow.frontend,
		.ingress = packet->flow.client,
		.frontend_port = packet->flow.frontend_port,
		.client_port = packet->flow.client_port,
		.mode = SKEP_RETURN_OUTSIDE,
	};
	work->path.now = ticks_now(work);
	work->path.source_port = 0;
	work->path.state = flow_advance(flow_first_state(packet), packet);
	return outside_note(work, config->seed);
}

/* A client's packet, to the back end in work->choice, once outside_remember() has its port. */
__noinline int outside_send(struct __sk_buff *skb)
{
	const struct skep_config *config = config_get();
	struct scratch *work = scratch_get();
	const struct skep_return_key *key;
	struct packet *packet;
	__be32 backend;
	__be16 port;
	int verdict;

	if (!work || !config)
		return TC_ACT_SHOT;
	key = (const void *)work->path.key;
	packet = &work->packet;
	backend = work->choice.task.word[3];
	port = work->choice.target_port;
	verdict = nat_rewrite(skb, packet, NAT_DESTINATION, backend, port, key->client_port);
	if (!verdict)
		verdict = nat_address(skb, packet, NAT_SOURCE, packet->flow.client.word[3],
				      config->underlay.word[3]);
	if (verdict)
		return drop(verdict);
	packet->reply.task = config->underlay;
	packet->reply.client = skep_addr_v4(backend);
	packet->reply.task_port = key->client_port;
	packet->reply.client_port = port;
	return send_to_client(skb, packet);
}

/* A packet to this host itself: is it such a back end's reply? Returns OUTSIDE_NOT, a verdict, or
 * 0: the packet, and work->packet, are ready for send_to_client(). */
#define OUTSIDE_NOT -1

__noinline int outside_return(struct __sk_buff *skb)
{
	const struct skep_config *config = config_get();
	struct scratch *work = scratch_get();
	const struct skep_return_path *path;
	struct table_place place = {};
	struct packet *packet;
	int verdict;

	if (!work || !config)
		return OUTSIDE_NOT;
	packet = &work->packet;
	path = (const void *)work->value;
	if (packet->is_error || !skep_addr_equal(&packet->reply.client, &config->underlay) ||
	    !table_get(&returns, &packet->reply, return_hash(&packet->reply, config->seed),
		       work->value, &place) ||
	    path->mode != SKEP_RETURN_OUTSIDE)
		return OUTSIDE_NOT;
	if (packet->fragment == FRAGMENT_FIRST)
		fragment_remember(packet);
	if (packet->tcp_flags & (TCP_FIN | TCP_RST))
		place.bucket->state[place.way & (SKEP_WAYS - 1)] = SKEP_FLOW_CLOSING;
	verdict = nat_rewrite(skb, packet, NAT_SOURCE, path->frontend.word[3], path->frontend_port,
			      path->client_port);
	if (!verdict)
		verdict = nat_address(skb, packet, NAT_DESTINATION, packet->reply.client.word[3],
				      path->ingress.word[3]);
	packet->reply.task = path->frontend;
	packet->reply.client = path->ingress;
	packet->reply.task_port = path->frontend_port;
	packet->reply.client_port = path->client_port;
	return verdict;
}

#endif
