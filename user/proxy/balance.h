/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which task gets a request. A view, bound to what one worker knows of its tasks; it lives as long
 * as a request holds it.
 */
#ifndef SKEP_PROXY_BALANCE_H
#define SKEP_PROXY_BALANCE_H

#include <stdint.h>

#include "skep/addr.h"

struct worker;
struct backend;
struct view;
struct view_group;
struct route_rule;

struct bound_group {
	const struct view_group *group;
	struct backend **backends; /* of group->tasks */
	uint32_t cursor;	   /* of round robin */
};

struct bound_view {
	uint32_t users; /* this worker's requests; and one while it is in force */
	struct view *view;
	struct bound_group *groups;
};

struct balance {
	struct bound_view *now;
};

/* Goes over to a view, whose reference is taken over, also when it fails. -ENOMEM: the one before
 * stays. */
int balance_switch(struct worker *worker, struct view *view);
void balance_close(struct worker *worker);
void balance_release(struct worker *worker, struct bound_view *bound);

struct balance_request {
	struct skep_addr client;
	uint64_t cookie;       /* of the task that it stuck to; 0: none */
	const uint32_t *tried; /* indexes of tasks that failed it */
	uint32_t n_tried;
};

/*
 * The index of a task of the group, or -1: there is none that was not tried. Tasks that failed
 * lately or do not pass their health check are left out, unless all are: then any is better than
 * none.
 */
int balance_pick(struct worker *worker, struct bound_group *group,
		 const struct balance_request *request);

#endif
