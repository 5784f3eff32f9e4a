/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What skep puts into a VXLAN frame (RFC 7348), so that a backend node can deliver without a table.
 *
 * Inner Ethernet destination: 02:42 + the task's IPv4 address, Docker's own MAC convention: the
 * frame is addressed to the task, the packet in it still to the frontend. Inner source: 02:42 + the
 * ingress node's underlay IPv4 address; a frame that is handed on once more keeps it, so replies
 * still leave where the client came in. VNI: kind in the upper 8 bits, target port in the lower 16.
 *
 * Whether the backend node answers the client itself is the ingress node's to say, with each
 * forward frame: there the service's flags are at hand. A frame that is handed on is always
 * answered by the tunnel, since the ingress node learns from that which task has the flow.
 */
#ifndef SKEP_TUNNEL_H
#define SKEP_TUNNEL_H

#include <linux/types.h>

/* Outer IPv4, UDP and VXLAN headers and the inner Ethernet header. */
#define SKEP_TUNNEL_OVERHEAD (20 + 8 + 8 + 14)

#define SKEP_TUNNEL_PORT 4799

enum skep_frame_kind {
	SKEP_FRAME_FORWARD = 1,	  /* client to task, as the client sent it */
	SKEP_FRAME_FORWARD_AGAIN, /* the same, handed on by a node where the task was not: never
				     once more */
	SKEP_FRAME_RETURN, /* frontend to client, ready to be routed by the ingress node. The VNI's
			      port is the frontend's where the packet cannot tell: in a later
			      fragment; else 0 */
	SKEP_FRAME_DIRECT, /* a host's own socket to a task's overlay address */
	SKEP_FRAME_DIRECT_RETURN, /* and back */
};

/* With SKEP_FRAME_FORWARD alone: the backend node answers the client itself (dsr). */
#define SKEP_FRAME_DSR 0x80

#define SKEP_VNI(kind, target_port) (((__u32)(kind) << 16) | (__u16)(target_port))
#define SKEP_VNI_KIND(vni)	    (((vni) >> 16) & 0xff)
#define SKEP_VNI_PORT(vni)	    ((__u16)(vni))

/* First two bytes of MAC addresses made of an IPv4 address. */
#define SKEP_MAC_ADDRESS 0x0242 /* a task or a node */
#define SKEP_MAC_MESH	 0x0253 /* skep0 itself */

#endif
