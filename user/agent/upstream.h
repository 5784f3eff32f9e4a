/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where this agent's models come from and go to: the source that the configuration or the node's
 * role in the Swarm asks for, changed live when that role changes, and on a manager the feed that
 * hands its models to the workers.
 */
#ifndef SKEP_AGENT_UPSTREAM_H
#define SKEP_AGENT_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/config.h"
#include "lib/http.h"
#include "lib/loop.h"
#include "source/docker.h"
#include "source/source.h"

struct upstream;

/* Opens the source at once if the configuration names it; receiver as the source's own. */
int upstream_open(struct upstream **upstream, struct loop *loop, struct http *http,
		  const struct agent_config *config, const struct source_receiver *receiver,
		  struct skep_error *error);
void upstream_close(struct upstream *upstream); /* NULL is fine */

/* Docker's answer may have changed. Not from within a source's or Docker's callback. */
void upstream_follow(struct upstream *upstream, const struct docker_node *node);

/*
 * To be called about every second: logs changes of the source's state, tries again what failed,
 * withdraws a feed that is stale.
 */
void upstream_tick(struct upstream *upstream);

void upstream_event(
	struct upstream *upstream); /* a local container started or ended: the managers look now */
void upstream_refresh(struct upstream *upstream);

/* Hands on the model that the source reported last. */
bool upstream_feeds(const struct upstream *upstream); /* there is somebody to hand it to */
void upstream_publish(struct upstream *upstream, const char *text, size_t size);

const char *
upstream_kind(const struct upstream *upstream); /* "swarm", "feed", "file"; NULL: not known yet */
void upstream_status(const struct upstream *upstream, struct source_status *status);
/* false: this node has no feed to serve. *problem: NULL or why it does not. */
bool upstream_feed(const struct upstream *upstream, const char **problem);

#endif
