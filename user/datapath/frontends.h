/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a service answers on this node, to whom and how, as its ports and labels say. */
#ifndef SKEP_DATAPATH_FRONTENDS_H
#define SKEP_DATAPATH_FRONTENDS_H

#include <stdint.h>

#include "datapath/datapath.h"
#include "datapath/table.h"
#include "model/model.h"

/*
 * Adds the service's rows to services (struct skep_frontend -> struct skep_service) and allow
 * (struct skep_allow_key -> struct skep_allow), where one may be there twice. Each port has a row
 * for each of the node's addresses, where skep.bind may have closed it, and one for the unspecified
 * address, where it never is. -ENOMEM.
 */
int frontends_add(struct table *services, struct table *allow, const struct model_service *service,
		  uint32_t service_id, const struct datapath_node *node);

#endif
