/* SPDX-License-Identifier: GPL-2.0-only */
/* What a person orders through the local API: `skep override …`, names and all, to overrides. */
#ifndef SKEP_AGENT_OVERRIDE_ORDERS_H
#define SKEP_AGENT_OVERRIDE_ORDERS_H

#include <jansson.h>
#include <stdbool.h>

#include "agent/overrides.h"
#include "lib/error.h"
#include "model/model.h"

struct override_order {
	bool cluster;
	bool clear;		   /* clears what matches; else makes override */
	struct override override;  /* of a clear: what `remove` names, or "" */
	char id[OVERRIDE_ID_SIZE]; /* to clear: one; "" with all false: by override */
	bool all;
};

/*
 * From the body of a POST to /v1/overrides (docs/design.md). now_ms is since when it is. The order
 * has no id yet. -EINVAL, or -ENOENT with candidates for a name.
 */
int override_order_read(const json_t *request, const struct model *model, int64_t now_ms,
			struct override_order *order, struct skep_error *error);

/* Is it one that the order clears? */
bool override_order_clears(const struct override_order *order, const struct override *override);

#endif
