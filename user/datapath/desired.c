/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/desired.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct builder {
	struct desired *desired;
	const struct model *model;
	const struct datapath_node *node;
	const struct desired_numbers *numbers;
	uint32_t *service_ids; /* desired's */
	struct skep_error *error;
};

/* ---- services: ids and names, sorted by Swarm's id as the model is */

struct known_id {
	const struct skep_service_name *name;
	uint32_t service_id;
};

static int compare_known(const void *a, const void *b)
{
	return memcmp(((const struct known_id *)a)->name->id,
		      ((const struct known_id *)b)->name->id, SKEP_ID_SIZE);
}

static struct known_id *known_ids(const struct table *names)
{
	struct known_id *known = calloc(names->count + 1, sizeof(*known));

	if (!known)
		return NULL;
	for (size_t i = 0; i < names->count; i++) {
		known[i].name = table_value(names, i);
		memcpy(&known[i].service_id, table_key(names, i), sizeof(known[i].service_id));
	}
	if (names->count)
		qsort(known, names->count, sizeof(*known), compare_known);
	return known;
}

static int build_services(struct builder *builder)
{
	const struct table *names = builder->numbers->names;
	struct known_id *known = known_ids(names);
	int err = known ? 0 : -ENOMEM;

	for (size_t i = 0; i < builder->model->n_services && !err; i++) {
		const struct model_service *service = &builder->model->services[i];
		struct skep_service_name name = {};
		struct known_id *found, wanted = {.name = &name};
		uint32_t *id = &builder->service_ids[i];
		bool used_before;

		/* Swarm's ids have 25 characters; longer ones can only come from a file. */
		if (strlen(service->id) >= sizeof(name.id)) {
			err = error_set(builder->error, -EINVAL,
					"service id %s: longer than %zu characters", service->id,
					sizeof(name.id) - 1);
			break;
		}
		memcpy(name.id, service->id, strlen(service->id));
		snprintf(name.name, sizeof(name.name), "%.*s", SKEP_NAME_SIZE - 1, service->name);
		found = names->count ? bsearch(&wanted, known, names->count, sizeof(*known),
					       compare_known)
				     : NULL;
		/* Not one that nobody lends: the map may hold anything, and what follows counts on
		 * it. */
		if (found && found->service_id >= builder->numbers->service_ids->first &&
		    found->service_id < builder->numbers->service_ids->size) {
			*id = found->service_id;
		} else {
			err = pool_take(builder->numbers->service_ids, id, &used_before);
			if (err) {
				error_set(builder->error, err,
					  "more than %u services; run `skep unload` and start the "
					  "agent with a "
					  "larger --max-services",
					  builder->numbers->service_ids->size - 1);
				break;
			}
			if (used_before)
				builder->numbers->clear_service(builder->numbers->context, *id);
		}
		err = table_add(&builder->desired->service_names, id, &name);
	}
	free(known);
	return err;
}

static int build_frontends(struct builder *builder)
{
	const struct datapath_node *node = builder->node;
	int err = 0;

	for (size_t i = 0; i < builder->model->n_services; i++) {
		const struct model_service *service = &builder->model->services[i];

		for (size_t p = 0; p < service->n_ports && !err; p++) {
			const struct model_port *port = &service->ports[p];
			struct skep_frontend frontend = {
				.port = htons(port->published),
				.protocol = port->protocol,
			};
			struct skep_service value = {
				.service_id = builder->service_ids[i],
				.target_port = htons(port->target),
			};

			err = table_add(&builder->desired->services, &frontend, &value);
			for (size_t a = 0; a < node->n_addresses && !err; a++) {
				frontend.addr = node->addresses[a];
				err = table_add(&builder->desired->services, &frontend, &value);
			}
		}
	}
	return err;
}

/* ---- tasks and rings */

static int compare_local(const void *a, const void *b)
{
	return strcmp(((const struct datapath_local_task *)a)->task_id,
		      ((const struct datapath_local_task *)b)->task_id);
}

static int local_ifindex(const struct datapath_node *node, const char *task_id)
{
	struct datapath_local_task wanted = {.task_id = task_id};
	const struct datapath_local_task *found = NULL;

	if (node->n_tasks)
		found = bsearch(&wanted, node->tasks, node->n_tasks, sizeof(wanted), compare_local);
	return found ? found->ifindex : 0;
}

/* What the data path is told of a task, but for its counter; 0: nothing, the task takes and keeps
 * no traffic. */
static int task_value(const struct builder *builder, const struct model_task *task,
		      struct skep_task *value)
{
	enum model_service_level level = model_task_level(task);
	const struct datapath_node *node = builder->node;

	if (level == MODEL_ABSENT || !task->node || skep_addr_is_zero(&task->node->address))
		return 0;
	*value = (struct skep_task){
		.node = task->node->address,
		.service_id = builder->service_ids[task->service - builder->model->services],
		.state = level == MODEL_SERVING ? SKEP_TASK_SERVING : SKEP_TASK_DRAINING,
	};
	if (skep_addr_equal(&value->node, &node->underlay)) {
		value->ifindex = (uint32_t)local_ifindex(node, task->id);
		if (!value->ifindex)
			value->state = SKEP_TASK_DRAINING;
	}
	return 1;
}

/* known: what the map says of the address now; NULL: nothing. */
static int task_counter(const struct builder *builder, const struct skep_task *known,
			uint32_t service_id, uint32_t *counter)
{
	const struct desired_numbers *numbers = builder->numbers;
	bool used_before;
	int err;

	/* The same address and service: the same task, or one whose counts nobody could tell from
	 * its. */
	if (known && known->service_id == service_id) {
		*counter = known->counter;
		return 0;
	}
	err = pool_take(numbers->task_counters, counter, &used_before);
	if (err)
		return error_set(builder->error, err,
				 "more than %u task addresses; run `skep unload` and start the "
				 "agent with a larger "
				 "--max-tasks",
				 numbers->task_counters->size);
	if (used_before)
		numbers->clear_task(numbers->context, *counter);
	return 0;
}

/* Both tables are sorted, so one walk finds what is known of each. */
static int number_tasks(const struct builder *builder, struct table *tasks)
{
	const struct table *known = builder->numbers->tasks;
	size_t at = 0;
	int err = 0;

	for (size_t i = 0; i < tasks->count && !err; i++) {
		struct skep_task *value = (struct skep_task *)table_value(tasks, i);
		int order = -1;

		while (at < known->count &&
		       (order = memcmp(table_key(known, at), table_key(tasks, i),
				       tasks->key_size)) < 0)
			at++;
		err = task_counter(builder,
				   at < known->count && order == 0 ? table_value(known, at) : NULL,
				   value->service_id, &value->counter);
	}
	return err;
}

/* One row for each address of a kind: those on the ingress network, which Swarm keeps unique, or
 * the others. */
static int add_tasks(struct builder *builder, bool ingress, struct table *table)
{
	int err = 0;

	for (size_t i = 0; i < builder->model->n_tasks && !err; i++) {
		const struct model_task *task = &builder->model->tasks[i];
		struct skep_task value;

		if (!task_value(builder, task, &value))
			continue;
		for (size_t a = 0; a < task->n_addresses && !err; a++)
			if (task->addresses[a].network->ingress == ingress)
				err = table_add(table, &task->addresses[a].address, &value);
	}
	table_sort(table);
	return err;
}

static int build_tasks(struct builder *builder)
{
	struct table *tasks = &builder->desired->tasks;
	struct table others;
	size_t n_ingress;
	int err;

	table_init(&others, tasks->key_size, tasks->value_size);
	err = table_reserve(tasks, builder->model->n_tasks);
	if (!err)
		err = add_tasks(builder, true, tasks);
	if (!err)
		err = add_tasks(builder, false, &others);
	/*
	 * Networks may overlap, and then an address may be that of two tasks: the ingress network's
	 * wins, between others it names neither, for a wrong task is worse than none.
	 */
	table_deduplicate(tasks, TABLE_KEEP_NONE);
	table_deduplicate(&others, TABLE_KEEP_NONE);
	n_ingress = tasks->count;
	for (size_t i = 0; i < others.count && !err; i++) {
		struct table first = *tasks;

		first.count = n_ingress;
		if (!table_find(&first, table_key(&others, i)))
			err = table_add(tasks, table_key(&others, i), table_value(&others, i));
	}
	table_sort(tasks);
	table_free(&others);

	return err ? err : number_tasks(builder, tasks);
}

static int compare_addr(const void *a, const void *b)
{
	return addr_compare(a, b);
}

/* Of a task that new connections may be given to: its address for that. NULL: it is none. */
static const struct skep_addr *ring_address(const struct builder *builder,
					    const struct model_task *task)
{
	struct skep_task value;

	if (!task->service->n_ports || !task->n_addresses || !task->addresses[0].network->ingress ||
	    !task_value(builder, task, &value) || value.state != SKEP_TASK_SERVING)
		return NULL;
	return &task->addresses[0].address;
}

/*
 * A ring for each service with published ports and a serving task, its tasks in the order of their
 * addresses. The addresses are put together by service id first, by counting; what is left to sort
 * is short.
 */
static int build_rings(struct builder *builder)
{
	const struct model *model = builder->model;
	uint32_t ids = builder->numbers->service_ids->size;
	struct skep_addr *addrs = calloc(model->n_tasks + 1, sizeof(*addrs));
	uint32_t *ends =
		calloc(ids + 1, sizeof(*ends)); /* of each id's addresses, once they are there */
	uint32_t start = 0;
	int err = addrs && ends ? 0 : -ENOMEM;

	for (size_t i = 0; i < model->n_tasks && !err; i++)
		if (ring_address(builder, &model->tasks[i]))
			ends[builder->service_ids[model->tasks[i].service - model->services]]++;
	for (uint32_t id = 0; id < ids && !err; id++) {
		uint32_t length = ends[id];

		ends[id] = start;
		start += length;
	}
	for (size_t i = 0; i < model->n_tasks && !err; i++) {
		const struct skep_addr *addr = ring_address(builder, &model->tasks[i]);

		if (addr)
			addrs[ends[builder->service_ids[model->tasks[i].service -
							model->services]]++] = *addr;
	}
	start = 0;
	for (uint32_t id = 0; id < ids && !err; id++) {
		uint32_t length = ends[id] - start;

		if (!length)
			continue;
		qsort(addrs + start, length, sizeof(*addrs), compare_addr);
		err = ring_set_add(&builder->desired->rings, id, addrs + start,
				   length < SKEP_RING_MAX ? length : SKEP_RING_MAX);
		start = ends[id];
	}
	free(addrs);
	free(ends);
	return err;
}

/* ---- nodes, hooks, config */

static int build_nodes(struct builder *builder)
{
	int err = 0;

	for (size_t i = 0; i < builder->model->n_nodes && !err; i++) {
		const struct model_node *node = &builder->model->nodes[i];
		struct skep_node value = {.flags = node->manager ? SKEP_NODE_MANAGER : 0};

		if (skep_addr_is_zero(&node->address))
			continue;
		if (skep_addr_equal(&node->address, &builder->node->underlay))
			value.flags |= SKEP_NODE_SELF;
		err = table_add(&builder->desired->nodes, &node->address, &value);
	}
	return err;
}

static int compare_hook(const void *a, const void *b)
{
	int x = ((const struct hooks_hook *)a)->ifindex,
	    y = ((const struct hooks_hook *)b)->ifindex;

	return x < y ? -1 : x > y;
}

static int build_hooks(struct builder *builder)
{
	const struct datapath_node *node = builder->node;
	struct desired *desired = builder->desired;
	size_t n = 0;

	desired->hooks =
		calloc(node->n_wires + node->n_tasks + node->n_containers + node->n_bridges + 1,
		       sizeof(*desired->hooks));
	if (!desired->hooks)
		return -ENOMEM;
	if (node->mesh_ifindex)
		desired->hooks[n++] = (struct hooks_hook){node->mesh_ifindex, SKEP_HOOK_MESH};
	for (size_t i = 0; i < node->n_wires; i++)
		desired->hooks[n++] = (struct hooks_hook){node->wires[i], SKEP_HOOK_WIRE};
	for (size_t i = 0; i < node->n_tasks; i++)
		if (node->tasks[i].ifindex)
			desired->hooks[n++] =
				(struct hooks_hook){node->tasks[i].ifindex, SKEP_HOOK_TASK};
	for (size_t i = 0; i < node->n_containers; i++)
		if (node->containers[i].ifindex)
			desired->hooks[n++] =
				(struct hooks_hook){node->containers[i].ifindex, SKEP_HOOK_TASK};
	for (size_t i = 0; i < node->n_bridges; i++)
		desired->hooks[n++] = (struct hooks_hook){node->bridges[i], SKEP_HOOK_BRIDGE};
	qsort(desired->hooks, n, sizeof(*desired->hooks), compare_hook);
	/* An interface has one role: the first that it was named for. */
	for (size_t i = 0; i < n; i++)
		if (!desired->n_hooks ||
		    desired->hooks[desired->n_hooks - 1].ifindex != desired->hooks[i].ifindex)
			desired->hooks[desired->n_hooks++] = desired->hooks[i];
	return 0;
}

int desired_build(struct desired *desired, const struct model *model,
		  const struct datapath_node *node, const struct desired_numbers *numbers,
		  struct skep_error *error)
{
	struct builder builder = {desired, model, node, numbers, NULL, error};
	int err;

	*desired = (struct desired){};
	error->text[0] = '\0';
	table_init(&desired->services, sizeof(struct skep_frontend), sizeof(struct skep_service));
	table_init(&desired->service_names, sizeof(uint32_t), sizeof(struct skep_service_name));
	table_init(&desired->tasks, sizeof(struct skep_addr), sizeof(struct skep_task));
	table_init(&desired->nodes, sizeof(struct skep_addr), sizeof(struct skep_node));
	desired->config.underlay = node->underlay;
	desired->config.mesh_ifindex = (uint32_t)node->mesh_ifindex;
	desired->config.tunnel_mtu = node->tunnel_mtu;
	memcpy(desired->config.mesh_mac, node->mesh_mac, sizeof(desired->config.mesh_mac));

	desired->config.tunnel_port = htons(node->tunnel_port);

	desired->service_ids = calloc(model->n_services + 1, sizeof(*desired->service_ids));
	builder.service_ids = desired->service_ids;
	err = builder.service_ids ? 0 : -ENOMEM;
	if (!err)
		err = build_services(&builder);
	if (!err)
		err = build_frontends(&builder);
	if (!err)
		err = build_tasks(&builder);
	if (!err)
		err = build_rings(&builder);
	if (!err)
		err = build_nodes(&builder);
	if (!err)
		err = build_hooks(&builder);
	if (err) {
		desired_free(desired);
		return error->text[0] ? err : error_errno(error, err, "cannot work out the maps");
	}
	table_sort(&desired->services);
	table_sort(&desired->service_names);
	table_sort(&desired->nodes);
	/* A node that left and came back is in Swarm's list twice, with one address. */
	table_deduplicate(&desired->nodes, TABLE_KEEP_ONE);
	return 0;
}

void desired_free(struct desired *desired)
{
	table_free(&desired->services);
	table_free(&desired->service_names);
	table_free(&desired->tasks);
	table_free(&desired->nodes);
	ring_set_free(&desired->rings);
	free(desired->hooks);
	free(desired->service_ids);
	desired->hooks = NULL;
	desired->service_ids = NULL;
	desired->n_hooks = 0;
}
