/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * IPv4 packets in pieces: only the first has ports, and the others go where it went. What is told
 * by the frame itself needs no memory: see from_mesh and SKEP_FRAME_RETURN. A piece that overtakes
 * its first one where memory is needed is not skep's to know.
 */
#ifndef SKEP_BPF_FRAGMENT_H
#define SKEP_BPF_FRAGMENT_H

#include "maps.h"
#include "parse.h"

/* Nobody waits longer for the rest of a packet (Linux: 30 s); after that the ID may be another
 * one's. */
#define FRAGMENT_TIMEOUT_NS 30000000000ULL

static __always_inline struct skep_fragment_key fragment_key(const struct packet *packet)
{
	return (struct skep_fragment_key){
		.source = packet->flow.client,
		.destination = packet->flow.frontend,
		.id = bpf_htonl(bpf_ntohs(packet->id)),
		.protocol = packet->flow.protocol,
	};
}

/* Of a first fragment, once it is known to be skep's. If it fails the others are passed on or
 * dropped, and counted then. */
static __always_inline void fragment_remember(const struct packet *packet)
{
	struct skep_fragment_key key = fragment_key(packet);
	struct skep_fragment first = {
		.first_seen_ns = bpf_ktime_get_ns(),
		.source_port = packet->flow.client_port,
		.destination_port = packet->flow.frontend_port,
	};

	bpf_map_update_elem(&fragments, &key, &first, BPF_ANY);
}

/* Gives a later fragment the ports of its first one. Returns PARSED, or SKEP_PASS_FRAGMENT: that
 * was not seen. */
static __always_inline int fragment_follow(struct packet *packet)
{
	struct skep_fragment_key key = fragment_key(packet);
	struct skep_fragment *first;

	if (packet->fragment != FRAGMENT_LATER)
		return PARSED;
	first = bpf_map_lookup_elem(&fragments, &key);
	if (!first || bpf_ktime_get_ns() - first->first_seen_ns > FRAGMENT_TIMEOUT_NS)
		return SKEP_PASS_FRAGMENT;
	packet->flow.client_port = first->source_port;
	packet->flow.frontend_port = first->destination_port;
	return PARSED;
}

#endif
