/* SPDX-License-Identifier: GPL-2.0-only */
/* Finding things in a model, and what a task is to the mesh. */
#include <stdlib.h>
#include <string.h>

#include "model/model.h"

/* Nodes, networks, services, tasks and labels all begin with the string they are sorted by. */
static int compare_key(const void *key, const void *item)
{
	return strcmp(key, *(const char *const *)item);
}

static const void *find(const char *key, const void *items, size_t n, size_t size)
{
	return n ? bsearch(key, items, n, size, compare_key) : NULL;
}

const struct model_node *model_find_node(const struct model *model, const char *id)
{
	return find(id, model->nodes, model->n_nodes, sizeof(*model->nodes));
}

const struct model_network *model_find_network(const struct model *model, const char *id)
{
	return find(id, model->networks, model->n_networks, sizeof(*model->networks));
}

const struct model_service *model_find_service(const struct model *model, const char *id)
{
	return find(id, model->services, model->n_services, sizeof(*model->services));
}

const struct model_task *model_find_task(const struct model *model, const char *id)
{
	return find(id, model->tasks, model->n_tasks, sizeof(*model->tasks));
}

const char *model_label(const struct model_service *service, const char *key)
{
	const struct model_label *label =
		find(key, service->labels, service->n_labels, sizeof(*service->labels));

	return label ? label->value : NULL;
}

static const char *const state_names[MODEL_TASK_STATES] = {
	[MODEL_TASK_NEW] = "new",	    [MODEL_TASK_ALLOCATED] = "allocated",
	[MODEL_TASK_PENDING] = "pending",   [MODEL_TASK_ASSIGNED] = "assigned",
	[MODEL_TASK_ACCEPTED] = "accepted", [MODEL_TASK_PREPARING] = "preparing",
	[MODEL_TASK_READY] = "ready",	    [MODEL_TASK_STARTING] = "starting",
	[MODEL_TASK_RUNNING] = "running",   [MODEL_TASK_COMPLETE] = "complete",
	[MODEL_TASK_SHUTDOWN] = "shutdown", [MODEL_TASK_FAILED] = "failed",
	[MODEL_TASK_REJECTED] = "rejected", [MODEL_TASK_REMOVE] = "remove",
	[MODEL_TASK_ORPHANED] = "orphaned",
};

const char *model_task_state_name(enum model_task_state state)
{
	return (unsigned int)state < MODEL_TASK_STATES ? state_names[state] : "unknown";
}

/*
 * The state is what the node's agent said last, and stays `running` while a container is being
 * stopped; what managers want shows earlier. Of a node that is down it is stale: such a task takes
 * nothing new, but it may well be there still.
 */
enum model_service_level model_task_level(const struct model_task *task)
{
	if (!task->node || task->state != MODEL_TASK_RUNNING)
		return MODEL_ABSENT;
	return task->desired == MODEL_TASK_RUNNING && task->node->ready ? MODEL_SERVING
									: MODEL_DRAINING;
}
