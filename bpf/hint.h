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

/* flags: SKEP_HINT_STRIPPED or 0. Pointers into the packet are stale after. Returns 0, or a
 * negative error: the driver has no metadata, or no room. */
static __always_inline int hint_leave(struct xdp_md *xdp, const struct skep_wire *wire,
				      const struct choice *choice, __u8 flags)
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
	hint->flags = flags | (choice->new_flow ? SKEP_HINT_NEW_FLOW : 0) |
		      (choice->dsr ? SKEP_HINT_DSR : 0);
	hint->version = SKEP_HINT_VERSION;
	return 0;
}

enum hint {
	HINT_NONE,
	HINT_CHOICE,   /* made by XDP */
	HINT_STRIPPED, /* as the frame said; choice->node is the ingress node */
};

/* What the XDP program of this wire left, into *choice. */
static __always_inline enum hint hint_take(struct __sk_buff *skb, struct choice *choice)
{
	const struct skep_hint *hint = (void *)(long)skb->data_meta;
	__u32 ifindex = skb->ifindex;
	const struct skep_wire *wire;

	if ((void *)(hint + 1) > (void *)(long)skb->data || hint->version != SKEP_HINT_VERSION)
		return HINT_NONE;
	wire = bpf_map_lookup_elem(&wires, &ifindex);
	if (!wire || hint->key[0] != wire->hint_key[0] || hint->key[1] != wire->hint_key[1])
		return HINT_NONE;
	choice->task = skep_addr_v4(hint->task);
	choice->node = skep_addr_v4(hint->node);
	choice->ifindex = hint->ifindex;
	choice->service_id = hint->service_id;
	choice->counter = hint->counter;
	choice->target_port = hint->target_port;
	choice->new_flow = !!(hint->flags & SKEP_HINT_NEW_FLOW);
	choice->dsr = !!(hint->flags & SKEP_HINT_DSR);
	return hint->flags & SKEP_HINT_STRIPPED ? HINT_STRIPPED : HINT_CHOICE;
}

#endif
