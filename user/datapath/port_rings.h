/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Published ports whose new flows go elsewhere than their service's (model/override.h: a port that
 * is pinned, or has back ends outside the Swarm). Such a port has a ring of its own, under a number
 * from where services have theirs, with an entry in service_names so that it outlives the agent.
 */
#ifndef SKEP_DATAPATH_PORT_RINGS_H
#define SKEP_DATAPATH_PORT_RINGS_H

#include <stddef.h>
#include <stdint.h>

#include "model/model.h"
#include "skep/maps.h"

struct port_ring {
	uint32_t id;
	const struct model_service *service;
	const struct model_port *port;
};

struct port_rings {
	struct port_ring *rings;
	size_t n, capacity;
};

/*
 * Finds the ports of the model that need a number. lend() gives the one for an id and name, the
 * same one for the same id as long as it is asked for each time. Returns 0, -ENOMEM, or what lend()
 * returned.
 */
int port_rings_find(struct port_rings *rings, const struct model *model,
		    int (*lend)(void *context, const struct skep_service_name *name, uint32_t *id),
		    void *context);
void port_rings_free(struct port_rings *rings);

/* Changes what a frontend of the port says. */
void port_rings_value(const struct port_rings *rings, const struct model_port *port,
		      struct skep_service *value);

#endif
