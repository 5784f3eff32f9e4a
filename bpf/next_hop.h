/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the XDP program sends packets to. bpf_fib_lookup() costs more than all the rest of a known
 * flow's packet, so its answers are kept, for as long as the clock's tick lasts (67 ms,
 * skep/table.h). That is how late a change of routes, neighbours or MTUs is seen here, at most;
 * failures are not kept. Of several next hops for one destination a flow's packets go the way of
 * the first that asked in a tick.
 */
#ifndef SKEP_BPF_NEXT_HOP_H
#define SKEP_BPF_NEXT_HOP_H

#include "maps.h"
#include "parse.h"
#include "route.h"

#define NEXT_HOP_BITS 8

/* What rules and routes may go by. A peer's own port is not of it. */
struct next_hop_key {
	__be32 from, to;
	__be16 port; /* of ours: source of replies, destination of frames */
	__u8 protocol;
	__u8 pad;
};

struct next_hop {
	struct next_hop_key key;
	__u32 asked; /* ticks */
	__u32 ifindex;
	__u32 mtu;
	struct mac_pair macs;
	__u16 id; /* of the next IPv4 packet that is made here */
	__u8 pad[2];
};

/* Not pinned. Per CPU: nobody else writes what is read. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1 << NEXT_HOP_BITS);
	__type(key, __u32);
	__type(value, struct next_hop);
} next_hops SEC(".maps");

static __always_inline int next_hop_ask(struct xdp_md *xdp, const struct skep_config *config,
					const struct next_hop_key *key, __be16 source_port,
					__be16 destination_port, long bytes, __u32 now,
					struct next_hop *next)
{
	struct bpf_fib_lookup fib =
		route_question(config, xdp->ingress_ifindex, key->from, source_port, key->to,
			       destination_port, key->protocol);

	fib.tot_len = bytes;
	if (bpf_fib_lookup(xdp, &fib, sizeof(fib), 0) != BPF_FIB_LKUP_RET_SUCCESS ||
	    fib.family != FAMILY_IPV4)
		return -1;
	next->key = *key;
	next->asked = now;
	next->ifindex = fib.ifindex;
	next->mtu = fib.mtu_result;
	__builtin_memcpy(&next->macs, fib.dmac, ETH_ALEN);
	__builtin_memcpy((__u8 *)&next->macs + ETH_ALEN, fib.smac, ETH_ALEN);
	next->id = bpf_get_prandom_u32();
	return 0;
}

/*
 * The next hop of an IP packet of so many bytes (a difference of pointers, which the verifier wants
 * whole: 64 bits). NULL if XDP cannot send there: no route, a
 * neighbour yet to be asked for, larger than the path takes, or an interface where no XDP program
 * of ours is in force, whose driver might throw the packet away.
 */
static __always_inline struct next_hop *
next_hop_find(struct xdp_md *xdp, const struct skep_config *config, const struct next_hop_key *key,
	      __be16 source_port, __be16 destination_port, long bytes, __u32 now)
{
	__u32 index = (key->to ^ key->from ^ key->port) * 0x9e3779b1U >> (32 - NEXT_HOP_BITS);
	struct next_hop *next = bpf_map_lookup_elem(&next_hops, &index);

	if (!next)
		return 0;
	if (next->asked != now || next->key.to != key->to || next->key.from != key->from ||
	    next->key.port != key->port || next->key.protocol != key->protocol) {
		if (next_hop_ask(xdp, config, key, source_port, destination_port, bytes, now, next))
			return 0;
	} else if (bytes > (long)next->mtu) {
		return 0;
	}
	if (next->ifindex != xdp->ingress_ifindex && !bpf_map_lookup_elem(&wires, &next->ifindex))
		return 0;
	return next;
}

#endif
