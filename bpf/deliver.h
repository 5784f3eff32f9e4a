/* SPDX-License-Identifier: GPL-2.0-only */
/* The last step of each way: into a task on this node, or out to a client by this node's routes. */
#ifndef SKEP_BPF_DELIVER_H
#define SKEP_BPF_DELIVER_H

#include <linux/pkt_cls.h>

#include "balance.h"
#include "count.h"
#include "icmp.h"
#include "maps.h"
#include "nat.h"
#include "returns.h"
#include "route.h"
#include "tunnel.h"

static __always_inline int drop(enum skep_verdict verdict)
{
	count_verdict(verdict);
	return TC_ACT_SHOT;
}

static __always_inline int pass(enum skep_verdict verdict)
{
	count_verdict(verdict);
	return TC_ACT_OK;
}

/* Into the task, through its veth. ingress and mode say where its replies must go. */
static __always_inline int deliver(struct __sk_buff *skb, struct scratch *work,
				   const struct skep_config *config, const struct skep_addr *task,
				   __u32 ifindex, __be16 target_port,
				   const struct skep_addr *ingress, enum skep_return_mode mode)
{
	const struct packet *packet = &work->packet;
	__be16 source_port = 0;
	int verdict = 0;

	if (packet->is_error) {
		verdict = icmp_rewrite(skb, NAT_DESTINATION, task->word[3], target_port,
				       icmp_source_port(work, config));
	} else {
		/* A later fragment has no ports to note, and its first one did. */
		if (packet->fragment != FRAGMENT_LATER)
			verdict = return_remember(work, config, task, target_port, ingress, mode,
						  &source_port);
		if (!verdict)
			verdict = nat_rewrite(skb, packet, NAT_DESTINATION, task->word[3],
					      target_port, source_port);
	}
	if (verdict)
		return drop(verdict);
	return bpf_redirect_peer(ifindex, 0);
}

/* This node's way to a client. */
struct way_out {
	__u32 ifindex; /* 0: there is none */
	struct bpf_redir_neigh next;
};

/*
 * Finds it for a packet from frontend to client, as `reply` has them. NO_NEIGH is no failure, as
 * bpf_redirect_neigh() asks for the neighbour itself.
 */
__noinline int way_out_find(struct __sk_buff *skb, const struct skep_return_key *reply,
			    struct way_out *way)
{
	const struct skep_config *config = config_get();
	struct bpf_fib_lookup fib;
	long result;

	if (!config || !reply || !way)
		return -1;
	fib = route_question(config, skb->ifindex, reply->task.word[3], reply->task_port,
			     reply->client.word[3], reply->client_port, reply->protocol);
	result = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	__builtin_memset(way, 0, sizeof(*way));
	if (result != BPF_FIB_LKUP_RET_SUCCESS && result != BPF_FIB_LKUP_RET_NO_NEIGH)
		return -1;
	way->ifindex = fib.ifindex;
	way->next.nh_family = fib.family;
	if (fib.family == FAMILY_IPV4)
		way->next.ipv4_nh = fib.ipv4_dst; /* the gateway, or the client itself */
	else					  /* IPv4 by an IPv6 gateway (RFC 5549) */
		__builtin_memcpy(way->next.ipv6_nh, fib.ipv6_dst, sizeof(way->next.ipv6_nh));
	return 0;
}

static __always_inline int way_out_take(struct way_out *way)
{
	if (!way->ifindex)
		return drop(SKEP_DROP_NO_ROUTE);
	return bpf_redirect_neigh(way->ifindex, &way->next, sizeof(way->next), 0);
}

/* Out to the client: the packet as it is by now, from frontend to client. */
__noinline int send_to_client(struct __sk_buff *skb, const struct packet *packet)
{
	const struct skep_config *config = config_get();
	struct way_out way = {};

	if (!config || !packet)
		return TC_ACT_SHOT;
	way_out_find(skb, &packet->reply, &way);
	return way_out_take(&way);
}

#endif
