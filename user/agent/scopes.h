/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What addresses mean in one container: for each subnet of the Swarm's networks that it is on, the
 * network that its own routes lead to there. Docker lets networks overlap, so only the container's
 * routes can tell.
 */
#ifndef SKEP_AGENT_SCOPES_H
#define SKEP_AGENT_SCOPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/error.h"
#include "model/model.h"
#include "source/docker.h"

struct scope {
	struct addr_prefix prefix;
	uint32_t network; /* of the container's */
};

struct scopes {
	uint64_t cookie; /* of the container's network namespace; 0: it has none of its own, or is
			    gone */
	struct scope *items;
	size_t n;
	bool whole;	/* each of its networks was found in its routes */
	uint64_t asked; /* a hash of what was asked; 0: nothing yet */
};

/*
 * Asks anew if the container's networks, or their subnets, are others than when it was last asked,
 * or if again is true. -ESRCH: the container is gone.
 */
int scopes_update(struct scopes *scopes, const struct docker_container *container,
		  const struct model *model, bool again, struct skep_error *error);
void scopes_free(struct scopes *scopes);

#endif
