/* SPDX-License-Identifier: GPL-2.0-only */
/* The packet that `restore` makes before each run; shared by packet.c and packet.bpf.c. */
#ifndef SKEP_BENCH_PLAN_H
#define SKEP_BENCH_PLAN_H

#include <linux/types.h>

#define PLAN_WORDS_SHORT 8  /* of a frame with 64 bytes */
#define PLAN_WORDS_LONG	 14 /* of the same in a tunnel's frame, all but its last two bytes */

struct plan {
	__u64 words[PLAN_WORDS_LONG];
	__u32 length;	  /* of the frame, bytes */
	__u32 long_frame; /* else its client is varied */
	__u32 client;	  /* IPv4, host order: the first one's */
	__u32 next, mask; /* number of the next packet's flow: next & mask */
	/* For the programs to compare with. */
	__u32 outer[12];
	__u32 route_from; /* ifindex */
	__be32 here, node;
	__u32 pad;
};

#endif
