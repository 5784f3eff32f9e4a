/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interface that a packet came in by, as map `wires` has it: one look-up in a hash map less for
 * each packet. What was found is kept for as long as the clock's tick lasts (67 ms, skep/table.h),
 * so that is how late an interface's new MAC is known here, or that it is none of skep's any more.
 * That it is one is seen at once.
 */
#ifndef SKEP_BPF_WIRE_H
#define SKEP_BPF_WIRE_H

#include "balance.h"
#include "maps.h"
#include "scratch.h"

#define KNOWN_WIRES_BITS 4

struct known_wire {
	struct skep_wire wire;
	__u32 ifindex;
	__u32 asked; /* ticks */
};

/* Not pinned. Per CPU: nobody else writes what is read. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1 << KNOWN_WIRES_BITS);
	__type(key, __u32);
	__type(value, struct known_wire);
} known_wires SEC(".maps");

/* NULL: none of skep's. */
static __always_inline const struct skep_wire *wire_get(struct scratch *work, __u32 ifindex)
{
	__u32 index = ifindex & ((1 << KNOWN_WIRES_BITS) - 1), now = ticks_now(work);
	struct known_wire *known = bpf_map_lookup_elem(&known_wires, &index);
	const struct skep_wire *wire;

	if (!known)
		return 0;
	if (known->ifindex != ifindex || known->asked != now) {
		wire = bpf_map_lookup_elem(&wires, &ifindex);
		if (!wire)
			return 0;
		known->wire = *wire;
		known->ifindex = ifindex;
		known->asked = now;
	}
	return &known->wire;
}

#endif
