/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/port_rings.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"

static bool has_ring(const struct model_port *port)
{
	return !port->disabled && (port->pinned || port->n_backends);
}

/* A service's own id may fill all the room: of that a hash. No id of Swarm's has a colon. */
static struct skep_service_name ring_name(const struct model_service *service,
					  const struct model_port *port)
{
	const char *protocol = port->protocol == IPPROTO_TCP ? "tcp" : "udp";
	char hash[HASH_TEXT_SIZE];
	struct skep_service_name name = {0};

	hash_text(hash_bytes(HASH_START, service->id, strlen(service->id)), hash);
	snprintf(name.id, sizeof(name.id), "%s:%u/%s", hash, port->published, protocol);
	snprintf(name.name, sizeof(name.name), "%.*s:%u/%s", SKEP_NAME_SIZE - 11, service->name,
		 port->published, protocol);
	return name;
}

static int add(struct port_rings *rings, const struct port_ring *ring)
{
	if (rings->n == rings->capacity) {
		size_t capacity = rings->capacity ? rings->capacity * 2 : 8;
		struct port_ring *grown =
			reallocarray(rings->rings, capacity, sizeof(*rings->rings));

		if (!grown)
			return -ENOMEM;
		rings->rings = grown;
		rings->capacity = capacity;
	}
	rings->rings[rings->n++] = *ring;
	return 0;
}

int port_rings_find(struct port_rings *rings, const struct model *model,
		    int (*lend)(void *context, const struct skep_service_name *name, uint32_t *id),
		    void *context)
{
	int err = 0;

	for (size_t i = 0; i < model->n_services; i++)
		for (size_t p = 0; p < model->services[i].n_ports && !err; p++) {
			struct port_ring ring = {0, &model->services[i],
						 &model->services[i].ports[p]};
			struct skep_service_name name;

			if (!has_ring(ring.port))
				continue;
			name = ring_name(ring.service, ring.port);
			err = lend(context, &name, &ring.id);
			if (!err)
				err = add(rings, &ring);
		}
	return err;
}

void port_rings_free(struct port_rings *rings)
{
	free(rings->rings);
	*rings = (struct port_rings){0};
}

void port_rings_value(const struct port_rings *rings, const struct model_port *port,
		      struct skep_service *value)
{
	for (size_t i = 0; i < rings->n && has_ring(port); i++)
		if (rings->rings[i].port == port) {
			value->ring = rings->rings[i].id;
			/* Of few; and what clients had before is not to be had here. */
			value->policy = SKEP_POLICY_ROUND_ROBIN;
		}
}
