/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a packet's way takes with it: too large for the stack, which has 512 bytes for a program and
 * all it calls. One for each CPU is enough, since programs on a CPU do not interrupt each other.
 *
 * Steps that are large or called from several places are functions, and not static: the verifier
 * then looks at each once, by itself, and not anew for each way that leads to it. So they may be
 * given nothing but the context, numbers, and pointers to what they only read or write, which as
 * far as it knows may be NULL. What they work on they take from here by themselves: Linux 5.15
 * looks nothing up by a key that lies behind such a pointer.
 */
#ifndef SKEP_BPF_SCRATCH_H
#define SKEP_BPF_SCRATCH_H

#include "parse.h"
#include "table.h"

/* The task that a packet goes to. */
struct choice {
	struct skep_addr task;
	struct skep_addr node;
	__u32 ifindex; /* 0: remote */
	__u32 service_id;
	__u32 counter;
	__be16 target_port;
	__u8 new_flow;
	__u8 dsr; /* the task's node answers the client itself */
};

/* What is read by words lies at multiples of eight bytes. */
struct scratch {
	struct packet packet;
	struct choice choice;
	struct skep_addr frame_task;	/* of a frame: whom it is for */
	struct skep_addr frame_ingress; /* and where the client came in */
	struct table_entry flow;	/* to be written to flows */
	struct table_entry path;	/* to be written to returns */
	__u64 value[SKEP_VALUE_WORDS];	/* read from either */
	__u64 flow_hash;		/* of the packet's flow, since balance() */
	__u32 now;			/* ticks, likewise */
	__u32 ticks;			/* see ticks_now() */
	__u64 jiffies;
	struct bpf_tunnel_key tunnel; /* of the frame that a packet came in */
	__u8 pad[4];
};
_Static_assert(offsetof(struct scratch, packet) % 8 == 0 &&
		       offsetof(struct scratch, choice) % 8 == 0 &&
		       offsetof(struct scratch, flow) % 8 == 0 &&
		       offsetof(struct scratch, path) % 8 == 0,
	       "words");

/* Not pinned. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratch SEC(".maps");

static __always_inline struct scratch *scratch_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

#endif
