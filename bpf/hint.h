/* SPDX-License-Identifier: GPL-2.0-only */
/* Left by the XDP program, taken by from_wire: see skep/hint.h. */
#ifndef SKEP_BPF_HINT_H
#define SKEP_BPF_HINT_H

#include "balance.h"
#include "maps.h"
#include "skep/hint.h"

/* Takes off metadata that was there before. Pointers into the packet are stale after. Returns 0, or
 * a negative error. */
static __always_inline int hint_clear(struct xdp_md *xdp)
{
	long length = (long)xdp->data - (long)xdp->data_meta;

	/* Negative: a driver without metadata. */
	return length > 0 ? bpf_xdp_adjust_meta(xdp, length) : 0;
}

/* Pointers into the packet are stale after. Returns 0, or a negative error: the driver has no
 * metadata, or no room. */
static __always_inline int hint_leave(struct xdp_md *xdp, const struct skep_wire *wire,
				      const struct choice *choice)
{
	struct skep_hint *hint;

	if (bpf_xdp_adjust_meta(xdp, -(int)sizeof(*hint)))
		return -1;
	hint = (void *)(long)xdp->data_meta;
	if ((void *)(hint + 1) > (void *)(long)xdp->data)
		return -1;
	hint->key[0] = wire->hint_key[0];
	hint->key[1] = wire->hint_key[1];
	hint->task = choice->task.word[3];
	hint->node = choice->node.word[3];
	hint->ifindex = choice->ifindex;
	hint->service_id = choice->service_id;
	hint->counter = choice->counter;
	hint->target_port = choice->target_port;
	hint->new_flow = choice->new_flow;
	hint->version = SKEP_HINT_VERSION;
	return 0;
}

/* Returns 1 if the XDP program of this wire left its choice. */
static __always_inline int hint_take(struct __sk_buff *skb, struct choice *choice)
{
	const struct skep_hint *hint = (void *)(long)skb->data_meta;
	__u32 ifindex = skb->ifindex;
	const struct skep_wire *wire;

	if ((void *)(hint + 1) > (void *)(long)skb->data || hint->version != SKEP_HINT_VERSION)
		return 0;
	wire = bpf_map_lookup_elem(&wires, &ifindex);
	if (!wire || hint->key[0] != wire->hint_key[0] || hint->key[1] != wire->hint_key[1])
		return 0;
	choice->task = skep_addr_v4(hint->task);
	choice->node = skep_addr_v4(hint->node);
	choice->ifindex = hint->ifindex;
	choice->service_id = hint->service_id;
	choice->counter = hint->counter;
	choice->target_port = hint->target_port;
	choice->new_flow = hint->new_flow;
	return 1;
}

#endif
