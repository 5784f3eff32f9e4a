/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What workers route by: the routes of a model, and for each the tasks that serve now. Made by the
 * main thread, never changed, shared by all workers, each of which goes over to the next when it
 * comes to it.
 */
#ifndef SKEP_PROXY_VIEW_H
#define SKEP_PROXY_VIEW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "model/model.h"
#include "proxy/counters.h"
#include "route/table.h"
#include "skep/maps.h"

struct checks;
struct check;
struct watch_news;

struct view_task {
	struct skep_addr addr; /* where the task is asked */
	const char *name;      /* "web.3" */
	uint64_t cookie;       /* tells it apart in a sticky cookie, the same in every proxy */
	struct series *series;
	const struct check *check; /* NULL: its health is not asked for */
	uint16_t weight;
};

/* The tasks that a route's requests go to. */
struct view_group {
	const char *service;
	uint16_t port; /* host order */
	enum skep_policy policy;
	struct view_task *tasks; /* by address; each takes requests */
	uint32_t n_tasks;
	uint32_t *order; /* round robin: indexes of tasks, each as often as its weight */
	uint32_t n_order;
};

struct view_route { /* by rank of its rule */
	uint32_t group;
	struct series *series;
};

struct view {
	atomic_uint users;
	struct view *next; /* the main thread's list of all */
	struct model *model;
	struct model *effective; /* with overrides; NULL: they change nothing */
	struct route_table *routes;
	struct view_route *of_rule;
	size_t n_rules;
	struct view_group *groups;
	size_t n_groups;
};

struct views {		  /* the main thread's */
	struct view *all; /* the newest first */
	struct registry routes, tasks;
	struct checks *checks;
	size_t workers;
};

/*
 * Takes over what news points to, also when it fails. The new view has one user, the caller.
 * -ENOMEM.
 */
int view_make(struct views *views, const struct watch_news *news, struct view **view,
	      struct skep_error *error);
void view_hold(struct view *view);
/* By any thread. NULL is fine. */
void view_put(struct view *view);
/* Frees those that nobody uses any more; all: whatever they say. */
void views_free_unused(struct views *views, bool all);

#endif
