/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the XDP program tells from_wire of a packet that it could not finish, in the packet's
 * metadata, so that nothing is looked up, chosen or counted twice: of a client's packet its choice,
 * of one that it stripped of its frame what the frame said.
 *
 * Metadata can come from elsewhere on this machine (a frame that another XDP program redirected
 * into a veth keeps it; an skb that passes several devices may have bytes of old headers in its
 * place). So the XDP program takes off whatever it finds, and from_wire believes a hint only with
 * the wire's key in it: 64 random bits, given by the agent to wires where the XDP program is in
 * force.
 *
 * 32 bytes is the most that kernels before 6.3 take. All packets of a flow but its first have the
 * same bytes here, or GRO would not join them.
 */
#ifndef SKEP_HINT_H
#define SKEP_HINT_H

#include <linux/types.h>

#define SKEP_HINT_VERSION 2 /* programs of two versions are at work while an agent is replaced */

#define SKEP_HINT_NEW_FLOW 1U
#define SKEP_HINT_DSR	   2U /* the backend node answers the client itself */
#define SKEP_HINT_STRIPPED 4U /* the packet came in a frame, for a task of this node */

struct skep_hint {
	__u32 key[2];
	__be32 task;   /* IPv4, as the rest of the data path yet */
	__be32 node;   /* the task's; of a stripped packet the ingress node */
	__u32 ifindex; /* host end of the task's veth; 0: remote */
	__u32 service_id;
	__u32 counter;
	__be16 target_port;
	__u8 flags; /* SKEP_HINT_* */
	__u8 version;
};
_Static_assert(sizeof(struct skep_hint) == 32, "skep_hint");

#endif
