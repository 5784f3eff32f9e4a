/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * This node's end of the tunnel, skep0, and the host's own routes to task addresses by it: kept as
 * the underlay address, its interface's MTU and the model's networks ask.
 */
#ifndef SKEP_AGENT_MESH_H
#define SKEP_AGENT_MESH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "model/model.h"
#include "net/net.h"

struct mesh_facts {
	const struct net_state *net;
	uint64_t net_generation;
	const struct model *model; /* NULL: none yet, routes stay as they are */
	struct skep_addr underlay; /* IPv4 */
	uint32_t tunnel_mtu;
	uint16_t port; /* host order */
	const struct skep_addr *vips;
	size_t n_vips;
};

struct mesh;

struct mesh *mesh_new(void);	   /* NULL: no memory */
void mesh_free(struct mesh *mesh); /* leaves device and routes */

/* Calls the kernel only if something that matters differs from the last call that went well. */
int mesh_update(struct mesh *mesh, const struct mesh_facts *facts, struct skep_error *error);

int mesh_ifindex(const struct mesh *mesh); /* 0: none yet */
void mesh_mac(const struct skep_addr *underlay, uint8_t mac[6]);

/*
 * The overlay networks' prefixes that the host may reach by skep0, sorted by address: the ingress
 * network's first choice, then by network id; none that overlaps another, a local address's
 * connected prefix, or holds a node's address or a VIP: the host's own way there must stay its own.
 * *prefixes is malloc'ed. left_out gets one line that names the others, "" if there are none.
 */
int mesh_prefixes(const struct mesh_facts *facts, struct addr_prefix **prefixes, size_t *n,
		  char *left_out, size_t left_out_size);

#endif
