/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model and overrides, to the model in force. Tasks and services are copied, as they point at
 * each other; all that they hold, nodes and networks are the old model's.
 */
#include <errno.h>
#include <string.h>

#include "model/arena.h"
#include "model/override.h"

struct target { /* what an override is about, in the new model; NULL: not there */
	struct model_task *task;
	const struct model_node *node;
	struct model_service *service;
};

struct application {
	struct arena *arena;
	const struct model *base;
	struct model *model;
	const struct override *overrides;
	struct target *targets;
	size_t n;
	int64_t now_ms;
	bool *bears;
	bool *own_ports; /* of each service: they are copied already */
};

static bool is_over(const struct override *override, int64_t now_ms)
{
	return override->until_ms && override->until_ms <= now_ms;
}

static bool publishes(const struct model_service *service, uint16_t port)
{
	for (size_t i = 0; i < service->n_ports; i++)
		if (!port || service->ports[i].published == port)
			return true;
	return false;
}

/* Is what it is about there? A label of one service cannot touch another's tasks. */
static bool is_there(const struct model *model, const struct override *override)
{
	const struct model_task *task =
		*override->task ? model_find_task(model, override->task) : NULL;
	const struct model_service *service =
		*override->service ? model_find_service(model, override->service) : NULL;

	if (*override->task && (!task || model_task_level(task) == MODEL_ABSENT))
		return false;
	if (*override->service &&
	    (!service || (override->port && !publishes(service, override->port))))
		return false;
	if (task && service && task->service != service)
		return false;
	return !*override->node || model_find_node(model, override->node);
}

static int copy_model(struct application *to)
{
	const struct model *base = to->base;
	struct model *model = arena_alloc(to->arena, sizeof(*model));

	to->targets = arena_array(to->arena, to->n, sizeof(*to->targets));
	to->own_ports = arena_array(to->arena, base->n_services + 1, sizeof(*to->own_ports));
	if (!model || !to->targets || !to->own_ports)
		return -ENOMEM;
	*model = *base;
	model->arena = to->arena;
	model->services = arena_array(to->arena, base->n_services + 1, sizeof(*model->services));
	model->tasks = arena_array(to->arena, base->n_tasks + 1, sizeof(*model->tasks));
	if (!model->services || !model->tasks)
		return -ENOMEM;
	if (base->n_services)
		memcpy(model->services, base->services,
		       base->n_services * sizeof(*model->services));
	for (size_t i = 0; i < base->n_tasks; i++) {
		model->tasks[i] = base->tasks[i];
		model->tasks[i].service = &model->services[base->tasks[i].service - base->services];
	}
	to->model = model;
	return 0;
}

static void find_targets(struct application *to)
{
	for (size_t i = 0; i < to->n; i++) {
		const struct override *override = &to->overrides[i];
		struct target *target = &to->targets[i];

		if (!to->bears[i])
			continue;
		if (*override->task)
			target->task =
				(struct model_task *)model_find_task(to->model, override->task);
		if (*override->service)
			target->service = (struct model_service *)model_find_service(
				to->model, override->service);
		if (*override->node)
			target->node = model_find_node(to->model, override->node);
	}
}

/* One walk over the tasks for each pin or drain of a node, of which there are few. */
static void drain_node(struct application *to, const struct model_node *node)
{
	for (size_t i = 0; i < to->model->n_tasks; i++)
		if (to->model->tasks[i].node == node)
			to->model->tasks[i].weight = 0;
}

static void weigh_tasks(struct application *to)
{
	for (size_t i = 0; i < to->n; i++)
		if (to->bears[i] && to->overrides[i].kind == OVERRIDE_WEIGHT)
			to->targets[i].task->weight = to->overrides[i].weight;
	for (size_t i = 0; i < to->n; i++) {
		if (!to->bears[i] || to->overrides[i].kind != OVERRIDE_DRAIN)
			continue;
		if (to->targets[i].task)
			to->targets[i].task->weight = 0;
		else
			drain_node(to, to->targets[i].node);
	}
}

static int own_ports(struct application *to, struct model_service *service)
{
	bool *own = &to->own_ports[service - to->model->services];
	struct model_port *ports;

	if (*own || !service->n_ports)
		return 0;
	ports = arena_array(to->arena, service->n_ports, sizeof(*ports));
	if (!ports)
		return -ENOMEM;
	memcpy(ports, service->ports, service->n_ports * sizeof(*ports));
	service->ports = ports;
	*own = true;
	return 0;
}

static int add_backend(struct application *to, struct model_port *port,
		       const struct override *override)
{
	struct model_backend *backends =
		arena_array(to->arena, port->n_backends + 1, sizeof(*backends));

	if (!backends)
		return -ENOMEM;
	for (size_t i = 0; i < port->n_backends; i++) {
		backends[i] = port->backends[i];
		if (skep_addr_equal(&backends[i].addr, &override->address) &&
		    backends[i].port == override->address_port)
			return 0;
	}
	backends[port->n_backends++] =
		(struct model_backend){override->address, override->address_port};
	port->backends = backends;
	return 0;
}

static int change_port(struct application *to, struct model_port *port, size_t index)
{
	switch (to->overrides[index].kind) {
	case OVERRIDE_DISABLE:
		port->disabled = true;
		return 0;
	case OVERRIDE_PIN:
		port->pinned = to->targets[index].task;
		return 0;
	default:
		return add_backend(to, port, &to->overrides[index]);
	}
}

/* To begin with, those of whole services: one of a port then wins. */
static int change_ports(struct application *to, bool whole)
{
	for (size_t i = 0; i < to->n; i++) {
		const struct override *override = &to->overrides[i];
		struct model_service *service = to->targets[i].service;
		int err;

		if (!to->bears[i] || override->kind < OVERRIDE_DISABLE || !override->port != whole)
			continue;
		if (whole && override->kind == OVERRIDE_DISABLE)
			service->disabled = true;
		err = own_ports(to, service);
		for (size_t p = 0; !err && p < service->n_ports; p++)
			if (whole || service->ports[p].published == override->port)
				err = change_port(to, &service->ports[p], i);
		if (err)
			return err;
	}
	return 0;
}

static bool is_pinned(const struct application *to, const struct model_task *task)
{
	for (size_t i = 0; i < to->n; i++)
		if (to->bears[i] && to->overrides[i].kind == OVERRIDE_PIN &&
		    to->targets[i].task == task)
			return true;
	return false;
}

/* By names, too, a pinned service's tasks take nothing new but for one (or what a port has of its
 * own). */
static void rest_unpinned(struct application *to, const struct model_service *service)
{
	for (size_t i = 0; i < to->model->n_tasks; i++) {
		struct model_task *task = &to->model->tasks[i];

		if (task->service == service && !is_pinned(to, task))
			task->weight = 0;
	}
}

/* A pin to a task that takes nothing new would refuse everybody: it does not count. */
static void judge_pins(struct application *to)
{
	for (size_t i = 0; i < to->n; i++)
		if (to->bears[i] && to->overrides[i].kind == OVERRIDE_PIN &&
		    (model_task_level(to->targets[i].task) != MODEL_SERVING ||
		     !to->targets[i].task->weight))
			to->bears[i] = false;
	/* The last one counts of several to a service. */
	for (size_t i = 0; i < to->n; i++)
		for (size_t j = i + 1;
		     to->bears[i] && to->overrides[i].kind == OVERRIDE_PIN && j < to->n; j++)
			if (to->bears[j] && to->overrides[j].kind == OVERRIDE_PIN &&
			    to->targets[i].service == to->targets[j].service &&
			    to->overrides[i].port == to->overrides[j].port)
				to->bears[i] = false;
}

static int change_model(struct application *to)
{
	int err;

	find_targets(to);
	weigh_tasks(to);
	judge_pins(to);
	err = change_ports(to, true);
	if (!err)
		err = change_ports(to, false);
	for (size_t i = 0; !err && i < to->n; i++)
		if (to->bears[i] && to->overrides[i].kind == OVERRIDE_PIN && !to->overrides[i].port)
			rest_unpinned(to, to->targets[i].service);
	return err;
}

int override_apply(const struct model *model, const struct override *overrides, size_t n,
		   int64_t now_ms, struct model **effective, bool *bears)
{
	struct application to = {
		.base = model,
		.overrides = overrides,
		.n = n,
		.now_ms = now_ms,
		.bears = bears,
	};
	bool any = false;
	int err;

	*effective = NULL;
	for (size_t i = 0; i < n; i++) {
		bears[i] = !is_over(&overrides[i], now_ms) && is_there(model, &overrides[i]);
		any = any || bears[i];
	}
	if (!any)
		return 0;
	to.arena = arena_new();
	err = to.arena ? copy_model(&to) : -ENOMEM;
	if (!err)
		err = change_model(&to);
	if (err) {
		arena_free(to.arena);
		return err;
	}
	*effective = to.model;
	return 0;
}

bool override_concerns_task(const struct override *override, const struct model_task *task)
{
	if (*override->node)
		return task->node && strcmp(task->node->id, override->node) == 0;
	if (override->kind == OVERRIDE_DRAIN || override->kind == OVERRIDE_WEIGHT)
		return strcmp(task->id, override->task) == 0;
	return strcmp(task->service->id, override->service) == 0;
}

bool override_concerns_service(const struct model *model, const struct override *override,
			       const struct model_service *service)
{
	const struct model_task *task;

	if (*override->service)
		return strcmp(service->id, override->service) == 0;
	task = *override->task ? model_find_task(model, override->task) : NULL;
	return task && task->service == service;
}

bool override_concerns_node(const struct override *override, const struct model_node *node)
{
	return strcmp(node->id, override->node) == 0;
}
