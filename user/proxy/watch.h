/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Follows this node's agent by its local API: each model as it comes. What came last stays in force
 * while the agent is away, and is kept in a file, for a proxy that starts while there is no agent.
 */
#ifndef SKEP_PROXY_WATCH_H
#define SKEP_PROXY_WATCH_H

#include <stdbool.h>

#include "lib/error.h"
#include "lib/http.h"
#include "lib/loop.h"
#include "model/model.h"
#include "model/override.h"

struct watch;

/* What the agent goes by. The receiver's, whatever becomes of it. */
struct watch_news {
	struct model *model;
	struct override *overrides; /* to be applied to it (model/override.h) */
	size_t n_overrides;
};

/* take(): from the loop. */
int watch_open(struct watch **watch, struct loop *loop, struct http *http, const char *agent_socket,
	       const char *run_dir, void (*take)(void *context, const struct watch_news *news),
	       void *context, struct skep_error *error);
/* One line for people; *current: the agent answers. */
const char *watch_status(const struct watch *watch, bool *current);
void watch_close(struct watch *watch); /* NULL is fine */

#endif
