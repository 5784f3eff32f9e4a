/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a service answers on this node, to whom and how, as its ports and labels say. */
#ifndef SKEP_DATAPATH_FRONTENDS_H
#define SKEP_DATAPATH_FRONTENDS_H

#include <stdint.h>

#include "datapath/datapath.h"
#include "datapath/port_rings.h"
#include "datapath/table.h"
#include "model/model.h"
#include "model/options.h"

/*
 * Adds the service's rows, by its labels' options, to services (struct skep_frontend -> struct
 * skep_service) and allow (struct skep_allow_key -> struct skep_allow), where one may be there
 * twice. Each port has a row for each of the node's addresses, where skep.bind or an override may
 * have closed it, or an override given it a ring of its own, and one for the unspecified address:
 * other nodes' clients, for whom only the service's ring counts. -ENOMEM.
 */
int frontends_add(struct table *services, struct table *allow, const struct model_service *service,
		  const struct options *options, uint32_t service_id,
		  const struct port_rings *port_rings, const struct datapath_node *node);

#endif
