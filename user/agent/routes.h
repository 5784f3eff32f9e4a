/* SPDX-License-Identifier: GPL-2.0-only */
/* The HTTP routes of the model in force: kept up to date, their problems in the log, told by the
 * local API. */
#ifndef SKEP_AGENT_ROUTES_H
#define SKEP_AGENT_ROUTES_H

#include <jansson.h>

#include "lib/error.h"
#include "model/model.h"
#include "route/table.h"

struct routes;

int routes_open(struct routes **routes, struct skep_error *error); /* -ENOMEM */
void routes_close(struct routes *routes);			   /* NULL is fine */

/*
 * Follows the model. A problem is logged when it appears, and when it is gone. -ENOMEM: the routes
 * are what they were.
 */
int routes_update(struct routes *routes, const struct model *model, struct skep_error *error);

/* {"rules": […], "problems": […]} as in docs/design.md. NULL: no memory. */
json_t *routes_json(const struct routes *routes);

/* Which rule takes the request that a POST of /v1/route tells, and why. -EINVAL, -ENOMEM. */
int routes_explain(struct routes *routes, const json_t *request, json_t **answer,
		   struct skep_error *error);

#endif
