/* SPDX-License-Identifier: GPL-2.0-only */
/* The JSON of routes. The caller's reference; NULL if memory is short. */
#ifndef SKEP_AGENT_VIEWS_ROUTES_H
#define SKEP_AGENT_VIEWS_ROUTES_H

#include <jansson.h>

#include "route/apply.h"
#include "route/explain.h"
#include "route/table.h"

json_t *views_routes(const struct route_table *table); /* NULL: empty */

/* rule NULL: none; else result is what it makes of request. limit: reasons besides the rule's own.
 */
json_t *views_route(const struct route_request *request, const struct route_rule *rule,
		    const struct route_result *result, const struct route_reason *reasons, size_t n,
		    size_t limit);

#endif
