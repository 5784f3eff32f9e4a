/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/desired.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/frontends.h"
#include "datapath/port_rings.h"
#include "lib/array.h"
#include "model/options.h"

/* What a service's labels ask of its ring. */
struct wish {
	uint8_t policy; /* enum skep_policy */
	bool prefer_local;
};

struct builder {
	struct desired *desired;
	const struct model *model;
	const struct datapath_node *node;
	const struct desired_numbers *numbers;
	uint32_t *service_ids; /* desired's */
	struct wish *wishes;   /* by service id */
	struct port_rings port_rings;
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

struct lender {
	struct builder *builder;
	struct known_id *known;
};

/* The number that it has already, else a free one. */
static int lend_id(void *context, const struct skep_service_name *name, uint32_t *id)
{
	const struct lender *lender = context;
	const struct desired_numbers *numbers = lender->builder->numbers;
	struct known_id *found, wanted = {.name = name};
	bool used_before;
	int err;

	found = numbers->names->count ? bsearch(&wanted, lender->known, numbers->names->count,
						sizeof(wanted), compare_known)
				      : NULL;
	/* Not one that nobody lends: the map may hold anything, and what follows counts on it. */
	if (found && found->service_id >= numbers->service_ids->first &&
	    found->service_id < numbers->service_ids->size) {
		*id = found->service_id;
	} else {
		err = pool_take(numbers->service_ids, id, &used_before);
		if (err)
			return error_set(lender->builder->error, err,
					 "more than %u services; run `skep unload` and start the "
					 "agent with a larger --max-services",
					 numbers->service_ids->size - 1);
		if (used_before)
			numbers->clear_service(numbers->context, *id);
	}
	return table_add(&lender->builder->desired->service_names, id, name);
}

static int build_services(struct builder *builder)
{
	struct lender lender = {builder, known_ids(builder->numbers->names)};
	int err = lender.known ? 0 : -ENOMEM;

	for (size_t i = 0; i < builder->model->n_services && !err; i++) {
		const struct model_service *service = &builder->model->services[i];
		struct skep_service_name name = {};

		/* Swarm's ids have 25 characters; longer ones can only come from a file. */
		if (strlen(service->id) >= sizeof(name.id)) {
			err = error_set(builder->error, -EINVAL,
					"service id %s: longer than %zu characters", service->id,
					sizeof(name.id) - 1);
			break;
		}
		memcpy(name.id, service->id, strlen(service->id));
		snprintf(name.name, sizeof(name.name), "%.*s", SKEP_NAME_SIZE - 1, service->name);
		err = lend_id(&lender, &name, &builder->service_ids[i]);
	}
	if (!err)
		err = port_rings_find(&builder->port_rings, builder->model, lend_id, &lender);
	free(lender.known);
	return err;
}

static int build_frontends(struct builder *builder)
{
	struct desired *desired = builder->desired;
	int err = 0;

	for (size_t i = 0; i < builder->model->n_services && !err; i++) {
		const struct model_service *service = &builder->model->services[i];
		uint32_t id = builder->service_ids[i];
		struct options options;

		if (!service->n_ports)
			continue;
		options_read(service, &options, NULL, NULL);
		builder->wishes[id] = (struct wish){(uint8_t)options.policy, options.prefer_local};
		err = frontends_add(&desired->services, &desired->allow, service, &options, id,
				    &builder->port_rings, builder->node);
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
		.state = level == MODEL_SERVING && task->weight ? SKEP_TASK_SERVING
								: SKEP_TASK_DRAINING,
		.weight = task->weight,
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

static struct skep_addr backend_addr(const struct builder *builder, const struct port_ring *ring,
				     size_t index)
{
	const struct model_backend *backend = &ring->port->backends[index];

	return skep_addr_outside(builder->service_ids[ring->service - builder->model->services],
				 backend->addr.word[3], htons(backend->port));
}

/* A pin leaves the back ends out of the ring; they keep what they have. */
static int add_backends(struct builder *builder, struct table *tasks)
{
	int err = 0;

	for (size_t r = 0; r < builder->port_rings.n; r++) {
		const struct port_ring *ring = &builder->port_rings.rings[r];

		for (size_t i = 0; i < ring->port->n_backends && !err; i++) {
			struct skep_addr addr = backend_addr(builder, ring, i);
			struct skep_task value = {
				.service_id = builder->service_ids[ring->service -
								   builder->model->services],
				.state = SKEP_TASK_SERVING,
				.weight = 1,
			};

			err = table_add(tasks, &addr, &value);
		}
	}
	table_sort(tasks);
	/* TCP and UDP of a port have the same ones. */
	table_deduplicate(tasks, TABLE_KEEP_ONE);
	return err;
}

static bool has_service(const struct builder *builder, uint32_t service_id)
{
	for (size_t i = 0; i < builder->model->n_services; i++)
		if (builder->service_ids[i] == service_id)
			return true;
	return false;
}

/*
 * One that was removed drains like a task: it goes when its connections have ended. Only the kernel
 * knows of it, so this comes through a restart, too.
 */
static int add_draining_backends(struct builder *builder, struct table *tasks)
{
	const struct desired_numbers *numbers = builder->numbers;
	size_t n_wanted = tasks->count;
	int err = 0;

	for (size_t i = 0; i < numbers->tasks->count && numbers->in_use && !err; i++) {
		const struct skep_addr *addr = table_key(numbers->tasks, i);
		struct skep_task value = *(const struct skep_task *)table_value(numbers->tasks, i);
		struct table wanted = *tasks;

		wanted.count = n_wanted;
		if (!skep_addr_is_outside(addr) || table_find(&wanted, addr) ||
		    !has_service(builder, value.service_id) ||
		    !numbers->in_use(numbers->context, addr))
			continue;
		value.state = SKEP_TASK_DRAINING;
		value.counter = 0;
		err = table_add(tasks, addr, &value);
	}
	table_sort(tasks);
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
	if (!err)
		err = add_backends(builder, tasks);
	if (!err)
		err = add_draining_backends(builder, tasks);
	for (size_t i = 0; i < tasks->count && !builder->desired->config.outside; i++)
		builder->desired->config.outside = skep_addr_is_outside(table_key(tasks, i));

	return err ? err : number_tasks(builder, tasks);
}

/* What a ring is told of a task that new connections may be given to. Returns 0 if it is none. */
static int ring_task(const struct builder *builder, const struct model_task *task,
		     struct ring_task *result)
{
	struct skep_task value;

	if (!task->service->n_ports || !task->n_addresses || !task->addresses[0].network->ingress ||
	    !task_value(builder, task, &value) || value.state != SKEP_TASK_SERVING)
		return 0;
	*result = (struct ring_task){
		.addr = task->addresses[0].address,
		.weight = task->weight,
		.local = value.ifindex != 0,
	};
	return 1;
}

struct member { /* of a ring */
	uint32_t ring;
	struct ring_task task;
};

static int add_member(struct array *members, uint32_t ring, const struct ring_task *task)
{
	struct member *member = array_add(members, sizeof(*member));

	if (!member)
		return -ENOMEM;
	*member = (struct member){ring, *task};
	return 0;
}

static int add_task_members(const struct builder *builder, struct array *members)
{
	const struct model *model = builder->model;
	int err = 0;

	for (size_t i = 0; i < model->n_tasks && !err; i++) {
		struct ring_task task;

		if (ring_task(builder, &model->tasks[i], &task))
			err = add_member(
				members,
				builder->service_ids[model->tasks[i].service - model->services],
				&task);
	}
	return err;
}

static int add_port_members(const struct builder *builder, struct array *members)
{
	int err = 0;

	for (size_t r = 0; r < builder->port_rings.n; r++) {
		const struct port_ring *ring = &builder->port_rings.rings[r];

		for (size_t i = 0; i < builder->model->n_tasks && !err; i++) {
			const struct model_task *task = &builder->model->tasks[i];
			struct ring_task member;

			if (task->service == ring->service &&
			    (!ring->port->pinned || ring->port->pinned == task) &&
			    ring_task(builder, task, &member))
				err = add_member(members, ring->id, &member);
		}
		for (size_t i = 0; i < ring->port->n_backends && !ring->port->pinned && !err; i++) {
			const struct ring_task member = {
				.addr = backend_addr(builder, ring, i),
				.weight = 1,
			};

			err = add_member(members, ring->id, &member);
		}
	}
	return err;
}

/*
 * A ring for each service with published ports and a serving task, and for each port that has its
 * own. Their members are put together by ring first, by counting; what is left to sort is short.
 */
static int build_rings(struct builder *builder)
{
	uint32_t ids = builder->numbers->service_ids->size, start = 0;
	struct array members = {0};
	const struct member *member;
	struct ring_task *tasks = NULL;
	uint32_t *ends =
		calloc(ids + 1, sizeof(*ends)); /* of each ring's tasks, once they are there */
	int err = ends ? 0 : -ENOMEM;

	if (!err)
		err = add_task_members(builder, &members);
	if (!err)
		err = add_port_members(builder, &members);
	member = members.items;
	tasks = calloc(members.n + 1, sizeof(*tasks));
	if (!tasks)
		err = -ENOMEM;
	for (size_t i = 0; i < members.n && !err; i++)
		ends[member[i].ring]++;
	for (uint32_t id = 0; id < ids && !err; id++) {
		uint32_t length = ends[id];

		ends[id] = start;
		start += length;
	}
	for (size_t i = 0; i < members.n && !err; i++)
		tasks[ends[member[i].ring]++] = member[i].task;
	start = 0;
	for (uint32_t id = 0; id < ids && !err; id++) {
		const struct wish *wish = &builder->wishes[id];
		size_t n = ring_normalise(tasks + start, ends[id] - start, wish->prefer_local);

		if (n)
			err = ring_set_add(&builder->desired->rings, builder->numbers->rings, id,
					   wish->policy, tasks + start, (uint32_t)n);
		start = ends[id];
	}
	free(members.items);
	free(tasks);
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
	struct builder builder = {
		.desired = desired,
		.model = model,
		.node = node,
		.numbers = numbers,
		.error = error,
	};
	int err;

	*desired = (struct desired){};
	error->text[0] = '\0';
	table_init(&desired->services, sizeof(struct skep_frontend), sizeof(struct skep_service));
	table_init(&desired->service_names, sizeof(uint32_t), sizeof(struct skep_service_name));
	table_init(&desired->allow, sizeof(struct skep_allow_key), sizeof(struct skep_allow));
	table_init(&desired->tasks, sizeof(struct skep_addr), sizeof(struct skep_task));
	table_init(&desired->nodes, sizeof(struct skep_addr), sizeof(struct skep_node));
	desired->config.underlay = node->underlay;
	desired->config.mesh_ifindex = (uint32_t)node->mesh_ifindex;
	desired->config.tunnel_mtu = node->tunnel_mtu;
	memcpy(desired->config.mesh_mac, node->mesh_mac, sizeof(desired->config.mesh_mac));

	desired->config.tunnel_port = htons(node->tunnel_port);

	desired->service_ids = calloc(model->n_services + 1, sizeof(*desired->service_ids));
	builder.service_ids = desired->service_ids;
	builder.wishes = calloc(numbers->service_ids->size, sizeof(*builder.wishes));
	err = builder.service_ids && builder.wishes ? 0 : -ENOMEM;
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
	free(builder.wishes);
	port_rings_free(&builder.port_rings);
	if (err) {
		desired_free(desired);
		return error->text[0] ? err : error_errno(error, err, "cannot work out the maps");
	}
	table_sort(&desired->services);
	table_sort(&desired->service_names);
	table_sort(&desired->allow);
	/* A label may name a network twice. */
	table_deduplicate(&desired->allow, TABLE_KEEP_ONE);
	table_sort(&desired->nodes);
	/* A node that left and came back is in Swarm's list twice, with one address. */
	table_deduplicate(&desired->nodes, TABLE_KEEP_ONE);
	return 0;
}

void desired_free(struct desired *desired)
{
	table_free(&desired->services);
	table_free(&desired->service_names);
	table_free(&desired->allow);
	table_free(&desired->tasks);
	table_free(&desired->nodes);
	ring_set_free(&desired->rings);
	free(desired->hooks);
	free(desired->service_ids);
	desired->hooks = NULL;
	desired->service_ids = NULL;
	desired->n_hooks = 0;
}
