/* SPDX-License-Identifier: GPL-2.0-only */
/* What is asked of this node's routes, for a packet that skep itself sends on. */
#ifndef SKEP_BPF_ROUTE_H
#define SKEP_BPF_ROUTE_H

#include "maps.h"
#include "parse.h"

#define FAMILY_IPV4 2 /* AF_INET */

/*
 * What bpf_fib_lookup() says of forwarding is judged for skep0, where the agent sees to it that
 * forwarding is on. Without a skep0: for the interface that the packet came in by.
 */
static __always_inline struct bpf_fib_lookup route_question(const struct skep_config *config,
							    __u32 ifindex, __be32 source,
							    __be16 source_port, __be32 destination,
							    __be16 destination_port, __u8 protocol)
{
	return (struct bpf_fib_lookup){
		.family = FAMILY_IPV4,
		.l4_protocol = protocol,
		.sport = source_port,
		.dport = destination_port,
		.ifindex = config->mesh_ifindex ? config->mesh_ifindex : ifindex,
		.ipv4_src = source,
		.ipv4_dst = destination,
	};
}

#endif
