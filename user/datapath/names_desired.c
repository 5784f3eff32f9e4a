/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/names_desired.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/ring_build.h"
#include "lib/hash.h"
#include "model/options.h"

struct task_of {
	const struct model_task *task;
};

struct builder {
	struct names_desired *desired;
	const struct model *model;
	const struct datapath_node *node;
	const uint32_t *service_ids;
	const struct table *known_vips;
	const struct ring_set *known_rings;
	struct pool *ring_numbers;
	struct skep_error *error;
	/* Of model->networks: is a container of this node on it? */
	bool *used;
	/* model->tasks, by service. */
	struct task_of *tasks;
	/* Of the ring at hand. */
	struct ring_task *ring;
};

uint64_t names_network(const struct model_network *network)
{
	return hash_bytes(HASH_START, network->id, strlen(network->id));
}

static size_t network_index(const struct builder *builder, const struct model_network *network)
{
	return (size_t)(network - builder->model->networks);
}

/* Scopes may be of another copy of the model. */
static void note_used(const struct builder *builder, const struct model_network *network)
{
	const struct model_network *same = model_find_network(builder->model, network->id);

	if (same)
		builder->used[network_index(builder, same)] = true;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Two networks of one number would be one network to the programs. */
static int check_numbers(const struct builder *builder)
{
	const struct model *model = builder->model;
	uint64_t *numbers = calloc(model->n_networks + 1, sizeof(*numbers));
	int err = numbers ? 0 : -ENOMEM;

	for (size_t i = 0; i < model->n_networks && numbers; i++)
		numbers[i] = names_network(&model->networks[i]);
	if (numbers && model->n_networks)
		qsort(numbers, model->n_networks, sizeof(*numbers), compare_u64);
	for (size_t i = 1; i < model->n_networks && !err; i++)
		if (numbers[i] == numbers[i - 1])
			err = error_set(builder->error, -EEXIST,
					"two networks have ids of the same hash, so neither's "
					"names can be served: make one of them anew");
	free(numbers);
	return err;
}

static int build_containers(struct builder *builder)
{
	const struct datapath_node *node = builder->node;
	struct skep_namespace space = {.kind = SKEP_NAMESPACE_HOST};
	int err = 0;

	if (node->cookie)
		err = table_add(&builder->desired->namespaces, &node->cookie, &space);
	space.kind = SKEP_NAMESPACE_CONTAINER;
	for (size_t i = 0; i < node->n_containers && !err; i++) {
		const struct datapath_container *container = &node->containers[i];

		err = table_add(&builder->desired->namespaces, &container->cookie, &space);
		for (size_t s = 0; s < container->n_scopes && !err; s++) {
			const struct datapath_scope *scope = &container->scopes[s];
			uint64_t network = names_network(scope->network);
			struct skep_scope_key key = {
				.prefix_length = SKEP_SCOPE_PREFIX(scope->prefix.length),
				.addr = scope->prefix.addr,
			};

			memcpy(key.cookie, &container->cookie, sizeof(key.cookie));
			note_used(builder, scope->network);
			err = table_add(&builder->desired->scopes, &key, &network);
		}
	}
	return err;
}

static int compare_by_service(const void *a, const void *b)
{
	const struct model_task *x = ((const struct task_of *)a)->task,
				*y = ((const struct task_of *)b)->task;

	if (x->service != y->service)
		return x->service < y->service ? -1 : 1;
	return (x > y) - (x < y);
}

static int group_tasks(struct builder *builder)
{
	const struct model *model = builder->model;

	builder->tasks = calloc(model->n_tasks + 1, sizeof(*builder->tasks));
	builder->ring = calloc(model->n_tasks + 1, sizeof(*builder->ring));
	if (!builder->tasks || !builder->ring)
		return -ENOMEM;
	for (size_t i = 0; i < model->n_tasks; i++)
		builder->tasks[i].task = &model->tasks[i];
	if (model->n_tasks)
		qsort(builder->tasks, model->n_tasks, sizeof(*builder->tasks), compare_by_service);
	return 0;
}

static const struct skep_addr *address_on(const struct model_task *task,
					  const struct model_network *network)
{
	for (size_t i = 0; i < task->n_addresses; i++)
		if (task->addresses[i].network == network)
			return &task->addresses[i].address;
	return NULL;
}

/* The task that all of a service's ports are pinned to: then its name is, too. */
static const struct model_task *pinned_to(const struct model_service *service)
{
	const struct model_task *task = service->n_ports ? service->ports[0].pinned : NULL;

	for (size_t i = 1; i < service->n_ports; i++)
		if (service->ports[i].pinned != task)
			return NULL;
	return task;
}

/* The service's serving tasks on the network, into builder->ring. first: of its tasks. */
static size_t list_tasks(const struct builder *builder, size_t first,
			 const struct model_service *service, const struct model_network *network)
{
	const struct model_task *pinned = pinned_to(service);
	const struct model *model = builder->model;
	size_t n = 0;

	if (service->disabled)
		return 0;
	for (size_t i = first; i < model->n_tasks && builder->tasks[i].task->service == service;
	     i++) {
		const struct model_task *task = builder->tasks[i].task;
		const struct skep_addr *addr = address_on(task, network);

		if (!addr || model_task_level(task) != MODEL_SERVING || (pinned && pinned != task))
			continue;
		builder->ring[n++] = (struct ring_task){
			.addr = *addr,
			.weight = task->weight,
			.local = task->node &&
				 skep_addr_equal(&task->node->address, &builder->node->underlay),
		};
	}
	return n;
}

static int add_ring(struct builder *builder, uint32_t number, const struct options *options,
		    size_t n)
{
	n = ring_normalise(builder->ring, n, options->prefer_local);
	return n ? ring_set_add(&builder->desired->rings, builder->known_rings, number,
				options->policy, builder->ring, (uint32_t)n)
		 : 0;
}

/* A VIP and the ring behind it, which must wait for its turn. */
struct vip_ring {
	uint32_t number;
	const struct model_service *service;
	const struct model_network *network;
};

static int compare_vip_rings(const void *a, const void *b)
{
	uint32_t x = ((const struct vip_ring *)a)->number, y = ((const struct vip_ring *)b)->number;

	return (x > y) - (x < y);
}

static int add_vip(struct builder *builder, const struct model_service *service,
		   const struct model_attachment *attachment, enum skep_policy policy,
		   struct vip_ring *ring)
{
	const struct skep_vip_key key = {
		.network = names_network(attachment->network),
		.addr = attachment->address,
	};
	const struct skep_vip *known = table_find(builder->known_vips, &key);
	struct skep_vip value = {
		.service_id = builder->service_ids[service - builder->model->services],
		.policy = (uint8_t)policy,
	};
	bool used_before;
	int err;

	if (known && known->ring >= builder->ring_numbers->first &&
	    known->ring < builder->ring_numbers->size) {
		value.ring = known->ring;
	} else {
		err = pool_take(builder->ring_numbers, &value.ring, &used_before);
		if (err)
			return error_set(
				builder->error, err,
				"more than %u VIPs; run `skep unload` and start the agent with a "
				"larger --max-frontends",
				builder->ring_numbers->size - 1);
	}
	*ring = (struct vip_ring){value.ring, service, attachment->network};
	return table_add(&builder->desired->vips, &key, &value);
}

static int build_vips(struct builder *builder, struct vip_ring **rings, size_t *n)
{
	const struct model *model = builder->model;
	size_t room = 0;
	int err = 0;

	*n = 0;
	for (size_t i = 0; i < model->n_services; i++)
		room += model->services[i].n_vips;
	*rings = calloc(room + 1, sizeof(**rings));
	if (!*rings)
		return -ENOMEM;
	for (size_t i = 0; i < model->n_services && !err; i++) {
		const struct model_service *service = &model->services[i];
		struct options options;
		bool read = false;

		for (size_t v = 0; v < service->n_vips && !err; v++) {
			const struct model_attachment *vip = &service->vips[v];

			/* No name leads to a VIP on the ingress network. */
			if (vip->network->ingress ||
			    !builder->used[network_index(builder, vip->network)])
				continue;
			if (!read)
				options_read(service, &options, NULL, NULL);
			read = true;
			err = add_vip(builder, service, vip, options.policy, &(*rings)[(*n)++]);
		}
	}
	if (*n)
		qsort(*rings, *n, sizeof(**rings), compare_vip_rings);
	return err;
}

static size_t first_task(const struct builder *builder, const struct model_service *service)
{
	size_t low = 0, high = builder->model->n_tasks;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (builder->tasks[middle].task->service < service)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int build_rings(struct builder *builder, const struct vip_ring *rings, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		size_t tasks = list_tasks(builder, first_task(builder, rings[i].service),
					  rings[i].service, rings[i].network);
		struct options options;

		options_read(rings[i].service, &options, NULL, NULL);
		err = add_ring(builder, rings[i].number, &options, tasks);
	}
	return err;
}

static int build_listeners(struct builder *builder)
{
	const struct datapath_node *node = builder->node;
	int err = 0;

	for (size_t i = 0; i < node->n_listeners && i < SKEP_LISTENERS_MAX && !err; i++) {
		struct skep_listener value = {.pid = node->listeners[i].pid};

		err = table_add(&builder->desired->listeners, &node->listeners[i].place, &value);
	}
	return err;
}

int names_desired_build(struct names_desired *desired, const struct model *model,
			const struct datapath_node *node, const uint32_t *service_ids,
			const struct table *vips, const struct ring_set *known, struct pool *rings,
			struct skep_error *error)
{
	struct builder builder = {
		.desired = desired,
		.model = model,
		.node = node,
		.service_ids = service_ids,
		.known_vips = vips,
		.known_rings = known,
		.ring_numbers = rings,
		.error = error,
	};
	struct vip_ring *list = NULL;
	size_t n = 0;
	int err;

	*desired = (struct names_desired){};
	error->text[0] = '\0';
	table_init(&desired->namespaces, sizeof(uint64_t), sizeof(struct skep_namespace));
	table_init(&desired->scopes, sizeof(struct skep_scope_key), sizeof(uint64_t));
	table_init(&desired->vips, sizeof(struct skep_vip_key), sizeof(struct skep_vip));
	table_init(&desired->listeners, sizeof(struct skep_frontend), sizeof(struct skep_listener));
	builder.used = calloc(model->n_networks + 1, sizeof(*builder.used));
	err = builder.used ? check_numbers(&builder) : -ENOMEM;
	if (!err)
		err = build_containers(&builder);
	if (!err)
		err = group_tasks(&builder);
	if (!err)
		err = build_vips(&builder, &list, &n);
	if (!err)
		err = build_rings(&builder, list, n);
	if (!err)
		err = build_listeners(&builder);
	free(list);
	free(builder.used);
	free(builder.tasks);
	free(builder.ring);
	if (err) {
		names_desired_free(desired);
		return error->text[0] ? err : error_errno(error, err, "cannot work out the names");
	}
	table_sort(&desired->namespaces);
	table_sort(&desired->scopes);
	table_sort(&desired->vips);
	table_sort(&desired->listeners);
	/* Containers may share a network namespace. */
	table_deduplicate(&desired->namespaces, TABLE_KEEP_ONE);
	table_deduplicate(&desired->scopes, TABLE_KEEP_ONE);
	table_deduplicate(&desired->listeners, TABLE_KEEP_ONE);
	return 0;
}

void names_desired_free(struct names_desired *desired)
{
	table_free(&desired->namespaces);
	table_free(&desired->scopes);
	table_free(&desired->vips);
	table_free(&desired->listeners);
	ring_set_free(&desired->rings);
}
