/* SPDX-License-Identifier: GPL-2.0-only */
/* What GET /info says of a node in its Swarm. Not for others than docker.c. */
#ifndef SKEP_SOURCE_DOCKER_INFO_H
#define SKEP_SOURCE_DOCKER_INFO_H

#include <jansson.h>
#include <stdbool.h>

#include "source/docker.h"

/*
 * 0: *node is made, to be freed. -EAGAIN: the node is in a Swarm but cannot tell yet (it is
 * joining, locked, or in error): what was known of it goes on to hold, and error says what is the
 * matter. Other errors: the answer makes no sense.
 */
int docker_info_read(const json_t *info, struct docker_node *node, struct skep_error *error);
bool docker_info_equal(const struct docker_node *a, const struct docker_node *b);
void docker_info_free(struct docker_node *node);

#endif
