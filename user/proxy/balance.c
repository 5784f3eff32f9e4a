/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/balance.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "proxy/check.h"
#include "proxy/worker.h"

static void bound_free(struct worker *worker, struct bound_view *bound)
{
	(void)worker;
	for (size_t i = 0; bound->groups && i < bound->view->n_groups; i++) {
		struct bound_group *group = &bound->groups[i];

		for (uint32_t t = 0; group->backends && t < group->group->n_tasks; t++)
			if (group->backends[t])
				group->backends[t]->users--;
		free(group->backends);
	}
	free(bound->groups);
	view_put(bound->view);
	free(bound);
}

void balance_release(struct worker *worker, struct bound_view *bound)
{
	if (--bound->users == 0)
		bound_free(worker, bound);
}

static int bind_group(struct worker *worker, struct bound_group *bound,
		      const struct view_group *group)
{
	bound->group = group;
	bound->backends = calloc(group->n_tasks + 1, sizeof(struct backend *));
	if (!bound->backends)
		return -ENOMEM;
	/* Workers that start alike would all begin with the same task. */
	bound->cursor = (uint32_t)(worker_random(worker) >> 32);
	for (uint32_t t = 0; t < group->n_tasks; t++) {
		struct backend *backend = backend_get(worker, &group->tasks[t].addr, group->port);

		if (!backend)
			return -ENOMEM;
		backend->users++;
		bound->backends[t] = backend;
	}
	return 0;
}

int balance_switch(struct worker *worker, struct view *view)
{
	struct bound_view *bound = calloc(1, sizeof(*bound)), *old = worker->balance.now;
	int err = 0;

	if (!bound) {
		view_put(view);
		return -ENOMEM;
	}
	bound->view = view;
	bound->users = 1;
	bound->groups = calloc(view->n_groups + 1, sizeof(*bound->groups));
	if (!bound->groups)
		err = -ENOMEM;
	for (size_t i = 0; i < view->n_groups && !err; i++)
		err = bind_group(worker, &bound->groups[i], &view->groups[i]);
	if (err) {
		bound_free(worker, bound);
		return err;
	}
	worker->balance.now = bound;
	backends_unwant(worker);
	for (size_t i = 0; i < view->n_groups; i++)
		for (uint32_t t = 0; t < view->groups[i].n_tasks; t++)
			bound->groups[i].backends[t]->wanted = true;
	if (old)
		balance_release(worker, old);
	backends_sweep(worker);
	return 0;
}

void balance_close(struct worker *worker)
{
	if (worker->balance.now)
		balance_release(worker, worker->balance.now);
	worker->balance.now = NULL;
}

static bool was_tried(const struct balance_request *request, uint32_t task)
{
	for (uint32_t i = 0; i < request->n_tried; i++)
		if (request->tried[i] == task)
			return true;
	return false;
}

static bool is_well(const struct worker *worker, const struct bound_group *group, uint32_t task)
{
	return group->backends[task]->ejected_until_ms <= worker->now_ms &&
	       !check_is_down(group->group->tasks[task].check);
}

static bool may_take(const struct worker *worker, const struct bound_group *group,
		     const struct balance_request *request, uint32_t task, bool any)
{
	return (any || is_well(worker, group, task)) && !was_tried(request, task);
}

static int pick_in_turn(const struct worker *worker, struct bound_group *group,
			const struct balance_request *request, bool any)
{
	const struct view_group *view = group->group;

	for (uint32_t i = 0; i < view->n_order; i++) {
		uint32_t task = view->order[group->cursor++ % view->n_order];

		if (may_take(worker, group, request, task, any))
			return (int)task;
	}
	return -1;
}

static int pick_least(struct worker *worker, struct bound_group *group,
		      const struct balance_request *request, bool any)
{
	const struct view_group *view = group->group;
	uint64_t random = worker_random(worker);
	uint32_t a = view->order[(uint32_t)random % view->n_order];
	uint32_t b = view->order[(uint32_t)(random >> 32) % view->n_order];
	bool a_may = may_take(worker, group, request, a, any);
	bool b_may = may_take(worker, group, request, b, any);

	if (a_may && b_may)
		return (int)(group->backends[b]->n_busy < group->backends[a]->n_busy ? b : a);
	if (a_may || b_may)
		return (int)(a_may ? a : b);
	return pick_in_turn(worker, group, request, any);
}

/* Rendezvous hashing: a client keeps its task for as long as that is there, whoever comes and goes.
 */
static int pick_by_client(const struct worker *worker, const struct bound_group *group,
			  const struct balance_request *request, bool any)
{
	const struct view_group *view = group->group;
	double best = 0;
	int found = -1;

	for (uint32_t t = 0; t < view->n_tasks; t++) {
		uint64_t hash = view->tasks[t].cookie;
		double score;

		for (int i = 0; i < 4; i++) {
			hash = (hash ^ request->client.word[i]) * 0x9e3779b97f4a7c15ULL;
			hash ^= hash >> 29;
		}
		/* Weighted: the least of exponentially distributed numbers with these rates. */
		score = -view->tasks[t].weight /
			log(((double)(hash >> 11) + 0.5) / (double)(1ULL << 53));
		if (score > best && may_take(worker, group, request, t, any)) {
			best = score;
			found = (int)t;
		}
	}
	return found;
}

static int pick_stuck(const struct worker *worker, const struct bound_group *group,
		      const struct balance_request *request)
{
	for (uint32_t t = 0; request->cookie && t < group->group->n_tasks; t++)
		if (group->group->tasks[t].cookie == request->cookie &&
		    may_take(worker, group, request, t, false))
			return (int)t;
	return -1;
}

int balance_pick(struct worker *worker, struct bound_group *group,
		 const struct balance_request *request)
{
	int task = pick_stuck(worker, group, request);

	if (!group->group->n_order)
		return -1;
	for (int any = 0; task < 0 && any < 2; any++)
		switch (group->group->policy) {
		case SKEP_POLICY_SOURCE:
		case SKEP_POLICY_MAGLEV:
			task = pick_by_client(worker, group, request, any);
			break;
		case SKEP_POLICY_LEAST_FLOWS:
			task = pick_least(worker, group, request, any);
			break;
		default:
			task = pick_in_turn(worker, group, request, any);
		}
	return task;
}
