/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Published ports that overrides treat otherwise than their service (model/override.h). Such a port
 * has a ring of its own, under a number from where services have theirs, with an entry in
 * service_names so that the number outlives the agent. Ports that are disabled share a number that
 * has no ring and that no task is of: so nothing new gets in, and connections that are there end as
 * if their task were gone.
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
	uint32_t disabled; /* 0: no port is */
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
