/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a socket's connection or datagram goes, decided before it leaves: the one place where names
 * are balanced. */
#ifndef SKEP_BPF_TRANSLATE_H
#define SKEP_BPF_TRANSLATE_H

#include "count.h"
#include "names_maps.h"
/* Of what it has, only the steps are wanted here. */
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wunused-function"
#include "pick.h"
#pragma clang diagnostic pop

enum translation {
	TRANSLATE_NOT = 0, /* not skep's: it goes where it was going */
	TRANSLATE_GIVEN,   /* *peer was changed */
	TRANSLATE_REFUSE,  /* a service with no serving task */
};

static __always_inline __be32 loopback_v4(void)
{
	return bpf_htonl(0x7f000001);
}

/* 127.0.0.1 or ::1. The other addresses of 127.0.0.0/8 are others': 127.0.0.11 is Docker's DNS. */
static __always_inline int is_localhost(const struct skep_addr *addr)
{
	if (skep_addr_is_v4(addr))
		return addr->word[3] == loopback_v4();
	return !addr->word[0] && !addr->word[1] && !addr->word[2] && addr->word[3] == bpf_htonl(1);
}

/* The next of the ring's tasks. By source: always the same one for a container. */
static __always_inline int vip_pick(const struct skep_vip *vip, __u64 cookie,
				    struct skep_peer *peer)
{
	union skep_ring_slot *header, *slot;
	__u32 index = 0, length, turn;
	void *ring;

	ring = bpf_map_lookup_elem(&vip_rings, &vip->ring);
	if (!ring)
		return TRANSLATE_REFUSE;
	header = bpf_map_lookup_elem(ring, &index);
	if (!header)
		return TRANSLATE_REFUSE;
	length = header->header.length;
	if (!length)
		return TRANSLATE_REFUSE;
	if (vip->policy == SKEP_POLICY_SOURCE)
		turn = (__u32)(cookie * 0x9e3779b97f4a7c15ULL >> 32);
	else
		turn = __sync_fetch_and_add(&header->header.cursor, 1);
	index = 1 + turn % length;
	slot = bpf_map_lookup_elem(ring, &index);
	if (!slot)
		return TRANSLATE_REFUSE;
	peer->addr = slot->task;
	return TRANSLATE_GIVEN;
}

/* A service's name, from a container on one of its networks. */
static __noinline int translate_vip(__u64 cookie, struct skep_peer *peer, __u32 *service_id)
{
	struct skep_scope_key scope = {.prefix_length = SKEP_SCOPE_PREFIX(128)};
	struct skep_vip_key key = {};
	const struct skep_vip *vip;
	const __u64 *network;

	if (!peer || !service_id)
		return TRANSLATE_NOT;
	scope.addr = peer->addr;
	__builtin_memcpy(scope.cookie, &cookie, sizeof(scope.cookie));
	network = bpf_map_lookup_elem(&scopes, &scope);
	if (!network)
		return TRANSLATE_NOT;
	key.network = *network;
	key.addr = peer->addr;
	vip = bpf_map_lookup_elem(&vips, &key);
	if (!vip)
		return TRANSLATE_NOT;
	*service_id = vip->service_id;
	return vip_pick(vip, cookie, peer);
}

/* Does a socket in the caller's own namespace wait for this? */
static __always_inline int is_taken(struct bpf_sock_addr *ctx, const struct skep_peer *peer)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *found;
	__u32 size;

	if (skep_addr_is_v4(&peer->addr)) {
		tuple.ipv4.saddr = peer->addr.word[3];
		tuple.ipv4.daddr = peer->addr.word[3];
		tuple.ipv4.dport = peer->port;
		size = sizeof(tuple.ipv4);
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, &peer->addr, sizeof(tuple.ipv6.saddr));
		__builtin_memcpy(tuple.ipv6.daddr, &peer->addr, sizeof(tuple.ipv6.daddr));
		tuple.ipv6.dport = peer->port;
		size = sizeof(tuple.ipv6);
	}
	found = peer->protocol == IPPROTO_TCP
			? bpf_sk_lookup_tcp(ctx, &tuple, size, BPF_F_CURRENT_NETNS, 0)
			: bpf_sk_lookup_udp(ctx, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (!found)
		return 0;
	bpf_sk_release(found);
	return 1;
}

/*
 * A published port under the name localhost, from a container: the same port of this node, which
 * its packets then come to by way of from_task. Whatever listens in the container itself keeps it.
 */
static __noinline int translate_localhost(struct bpf_sock_addr *ctx, struct skep_peer *peer)
{
	const struct skep_config *config = config_get();
	struct skep_frontend frontend = {};

	if (!config || !peer || !is_localhost(&peer->addr))
		return TRANSLATE_NOT;
	frontend.addr = config->underlay;
	frontend.port = peer->port;
	frontend.protocol = peer->protocol;
	if (!bpf_map_lookup_elem(&services, &frontend) || is_taken(ctx, peer))
		return TRANSLATE_NOT;
	peer->addr = config->underlay;
	return TRANSLATE_GIVEN;
}

/*
 * As pick() does for a packet, for what has no source port yet. By source: the host is one client.
 * A Maglev ring is gone round: each task has its share of it.
 */
static __noinline int pick_for_host(const struct skep_service *service,
				    const struct skep_config *config, struct choice *choice)
{
	__u32 ring_id, zero = 0;
	struct skep_flow_key host = {};
	union skep_ring_slot *first;
	void *ring;

	if (!service || !config || !choice)
		return 0;
	ring_id = service->ring ? service->ring : service->service_id;
	ring = bpf_map_lookup_elem(&rings, &ring_id);
	if (!ring)
		return 0;
	first = bpf_map_lookup_elem(ring, &zero);
	if (!first)
		return 0;
	if (service->policy == SKEP_POLICY_LEAST_FLOWS)
		return pick_lighter(ring, &first->header, config, choice);
	if (service->policy == SKEP_POLICY_SOURCE) {
		host.client = config->underlay;
		return pick_first(ring, &first->header, 0,
				  (__u32)(table_hash((const __u64 *)&host, PICK_SEED) >> 32),
				  config, choice);
	}
	return pick_first(ring, &first->header, 1, 0, config, choice);
}

/* A process of the host, of the address or of any, has the port. */
static __always_inline int host_listens(const struct skep_peer *peer)
{
	struct skep_frontend place = {.port = peer->port, .protocol = peer->protocol};

	if (bpf_map_lookup_elem(&listeners, &place))
		return 1;
	place.addr = peer->addr;
	return bpf_map_lookup_elem(&listeners, &place) != NULL;
}

/*
 * A published port of this machine, asked for by the machine itself: a task, by its address on the
 * ingress network, to which the host has routes. Whoever is bound to another source address cannot
 * take those.
 */
static __noinline int translate_host(struct bpf_sock_addr *ctx, struct skep_peer *peer)
{
	const struct skep_config *config = config_get();
	struct skep_frontend frontend = {};
	const struct skep_service *service;
	struct choice choice = {};
	struct bpf_sock *sk = ctx->sk;
	__be32 bound;

	if (!config || !peer || !config->mesh_ifindex || !sk)
		return TRANSLATE_NOT;
	if (!is_localhost(&peer->addr))
		frontend.addr = peer->addr;
	frontend.port = peer->port;
	frontend.protocol = peer->protocol;
	service = bpf_map_lookup_elem(&services, &frontend);
	if (!service || skep_addr_is_zero(&peer->addr))
		return TRANSLATE_NOT;
	bound = sk->src_ip4;
	if ((bound && bound != config->underlay.word[3]) || host_listens(peer))
		return TRANSLATE_NOT;
	if (service->flags & SKEP_SERVICE_CLOSED || !pick_for_host(service, config, &choice))
		return TRANSLATE_REFUSE;
	count_new_flow(service->service_id, choice.counter);
	peer->addr = choice.task;
	peer->port = service->target_port;
	if (skep_addr_is_outside(&choice.task)) {
		peer->addr = skep_addr_v4(choice.task.word[3]);
		peer->port = choice.target_port;
	}
	return TRANSLATE_GIVEN;
}

/* *peer: what the socket asks for; where it shall go after TRANSLATE_GIVEN. */
static __always_inline int translate(struct bpf_sock_addr *ctx, struct skep_peer *peer)
{
	__u64 cookie = bpf_get_netns_cookie(ctx);
	const struct skep_namespace *space = bpf_map_lookup_elem(&namespaces, &cookie);
	struct skep_counter *counter;
	__u32 service_id = 0;
	int result;

	if (!space)
		return TRANSLATE_NOT;
	if (peer->protocol != IPPROTO_TCP && peer->protocol != IPPROTO_UDP)
		return TRANSLATE_NOT;
	if (space->kind == SKEP_NAMESPACE_HOST)
		return translate_host(ctx, peer);
	result = translate_vip(cookie, peer, &service_id);
	if (result == TRANSLATE_NOT)
		return translate_localhost(ctx, peer);
	/* A task's address on a network of its own may be another's elsewhere: it has no counter.
	 */
	counter = bpf_map_lookup_elem(&service_counters, &service_id);
	if (counter && result == TRANSLATE_GIVEN)
		counter->new_flows++;
	return result;
}

#endif
