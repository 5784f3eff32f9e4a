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

struct watch;

/* take(): from the loop; the model is the receiver's. */
int watch_open(struct watch **watch, struct loop *loop, struct http *http, const char *agent_socket,
	       const char *run_dir, void (*take)(void *context, struct model *model), void *context,
	       struct skep_error *error);
/* One line for people; *current: the agent answers. */
const char *watch_status(const struct watch *watch, bool *current);
void watch_close(struct watch *watch); /* NULL is fine */

#endif
