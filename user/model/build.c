/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/check.h"

const char *const build_kind_names[BUILD_KINDS] = {"nodes", "networks", "services", "tasks"};

static const struct {
	size_t item_size;
	size_t most;
} kinds[BUILD_KINDS] = {
	[BUILD_NODES] = {sizeof(struct model_node), MODEL_MAX_NODES},
	[BUILD_NETWORKS] = {sizeof(struct model_network), MODEL_MAX_NETWORKS},
	[BUILD_SERVICES] = {sizeof(struct model_service), MODEL_MAX_SERVICES},
	[BUILD_TASKS] = {sizeof(struct model_task), MODEL_MAX_TASKS},
};

int build_open(struct build *build, struct skep_error *error)
{
	*build = (struct build){.arena = arena_new(), .error = error};
	if (build->arena)
		build->model = arena_alloc(build->arena, sizeof(*build->model));
	if (!build->model) {
		build_close(build);
		return error_errno(error, -ENOMEM, "cannot build the model");
	}
	build->model->arena = build->arena;
	build->model->cluster = "";
	return 0;
}

void build_close(struct build *build)
{
	free(build->items.items);
	free(build->claims.items);
	arena_free(build->arena);
	*build = (struct build){0};
}

struct model *build_take(struct build *build)
{
	build->arena = NULL;
	return build->model;
}

void model_free(struct model *model)
{
	if (model)
		arena_free(model->arena);
}

int build_cluster(struct build *build, const json_t *value)
{
	const struct where where = {NULL, "cluster", NO_INDEX};

	/* Empty is the default, and so may be said. */
	if (json_is_string(value) && json_string_length(value) == 0)
		return 0;
	return check_name(&where, value, build->arena, &build->model->cluster, build->error);
}

int build_add(struct build *build, enum build_kind kind, const json_t *element)
{
	size_t index = build->items.n;
	void *item;

	if (index >= kinds[kind].most)
		return check_fail(&(struct where){NULL, build_kind_names[kind], NO_INDEX},
				  build->error, "has more than %zu entries", kinds[kind].most);
	item = array_add(&build->items, kinds[kind].item_size);
	if (!item)
		return error_errno(build->error, -ENOMEM, "cannot build the model");
	switch (kind) {
	case BUILD_NODES:
		return build_node(build, element, index, item);
	case BUILD_NETWORKS:
		return build_network(build, element, index, item);
	case BUILD_SERVICES:
		return build_service(build, element, index, item);
	default:
		return build_task(build, element, index, item);
	}
}

struct by_id {
	const char *id;
	size_t index; /* in the document */
};

static int compare_ids(const void *a, const void *b)
{
	const struct by_id *first = a, *second = b;
	int order = strcmp(first->id, second->id);

	return order ? order : (first->index > second->index) - (first->index < second->index);
}

/* Into the arena, sorted by id, which every kind begins with. */
static int sort_items(struct build *build, enum build_kind kind, void **result)
{
	const char *items = build->items.items;
	size_t n = build->items.n, size = kinds[kind].item_size;
	struct by_id *order = NULL;
	bool sorted = true;
	int err = 0;

	char *room = arena_array(build->arena, n, size);
	order = malloc(n * sizeof(*order));
	if (!room || !order) {
		err = error_errno(build->error, -ENOMEM, "cannot build the model");
		goto cleanup;
	}
	for (size_t i = 0; i < n; i++) {
		order[i].id = *(const char *const *)(items + i * size);
		order[i].index = i;
		sorted = sorted && (i == 0 || strcmp(order[i - 1].id, order[i].id) <= 0);
	}
	/* What skep wrote itself is in order. */
	if (!sorted)
		qsort(order, n, sizeof(*order), compare_ids);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && strcmp(order[i - 1].id, order[i].id) == 0) {
			const struct where where = {NULL, build_kind_names[kind], order[i].index};
			err = check_fail(&(struct where){&where, "id", NO_INDEX}, build->error,
					 "\"%.128s\" is also the id of %s[%zu]", order[i].id,
					 build_kind_names[kind], order[i - 1].index);
			goto cleanup;
		}
		memcpy(room + i * size, items + order[i].index * size, size);
	}
	*result = room;
cleanup:
	free(order);
	return err;
}

int build_end(struct build *build, enum build_kind kind)
{
	struct model *model = build->model;
	size_t n = build->items.n;
	void *items = NULL;
	int err = 0;

	if (n)
		err = sort_items(build, kind, &items);
	if (!err && kind == BUILD_SERVICES)
		err = build_check_ports(build);
	else if (!err && kind == BUILD_TASKS)
		err = build_check_addresses(build);
	if (err)
		return err;

	switch (kind) {
	case BUILD_NODES:
		model->nodes = items;
		model->n_nodes = n;
		break;
	case BUILD_NETWORKS:
		model->networks = items;
		model->n_networks = n;
		break;
	case BUILD_SERVICES:
		model->services = items;
		model->n_services = n;
		break;
	default:
		model->tasks = items;
		model->n_tasks = n;
		break;
	}
	build->items.n = 0;
	build->claims.n = 0;
	/* Sizes of items differ: capacity counts items, so begin anew. */
	free(build->items.items);
	build->items = (struct array){0};
	return 0;
}
