/* SPDX-License-Identifier: GPL-2.0-only */
/* What the API tells of names, localhost and who else is there. */
#ifndef SKEP_AGENT_VIEWS_NAMES_H
#define SKEP_AGENT_VIEWS_NAMES_H

#include <jansson.h>

#include "agent/listeners.h"
#include "datapath/datapath.h"

/* {"cgroup", "problem"}; NULL if memory is short. */
json_t *views_names(const struct datapath *datapath);

/*
 * Gives each of views_services()' rows its "conflicts": lines about processes of this machine that
 * listen where it is published. -ENOMEM.
 */
int views_add_conflicts(json_t *services, const struct listeners *listeners);

#endif
