/* SPDX-License-Identifier: GPL-2.0-only */
/* Whom a service answers, and where: labels skep.allow and skep.bind. A service without them pays
 * one test of a value that is in hand. */
#ifndef SKEP_BPF_ADMIT_H
#define SKEP_BPF_ADMIT_H

#include "maps.h"
#include "parse.h"

__noinline int client_is_listed(const struct packet *packet, __u32 service_id)
{
	struct skep_allow_key key = {
		.prefix_length = 8 * (sizeof(key) - sizeof(key.prefix_length)),
		.service_id = service_id,
	};

	if (!packet)
		return 0;
	key.client = packet->flow.client;
	return bpf_map_lookup_elem(&allow, &key) != 0;
}

/*
 * May a client's packet reach the service? To be asked for every one, so that a label counts for
 * connections that are older, too. Not for ICMP errors: they only ever follow a flow. Returns 0 or
 * a verdict.
 */
static __always_inline int admit(const struct packet *packet, const struct skep_service *service)
{
	if (service->flags & SKEP_SERVICE_CLOSED)
		return SKEP_ANSWER_NOT_BOUND;
	if (service->flags & SKEP_SERVICE_ALLOW && !client_is_listed(packet, service->service_id))
		return SKEP_DROP_NOT_ALLOWED;
	return 0;
}

#endif
