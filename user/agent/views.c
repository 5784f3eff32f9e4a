/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/views.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/json.h"
#include "agent/views_labels.h"
#include "model/options.h"

static const char *const level_names[] = {
	[MODEL_ABSENT] = "absent",
	[MODEL_SERVING] = "serving",
	[MODEL_DRAINING] = "draining",
};

static const char *protocol_name(uint8_t protocol)
{
	return protocol == IPPROTO_TCP ? "tcp" : "udp";
}

/*
 * What the data path makes of a task. Its addresses may be another's by now if it has ended, so the
 * model has the first word. *found: its entry, NULL if it has none.
 */
static enum model_service_level task_level(const struct model_task *task,
					   const struct snapshot *snapshot,
					   const struct snapshot_task **found)
{
	enum model_service_level level = MODEL_ABSENT;

	*found = NULL;
	if (model_task_level(task) == MODEL_ABSENT)
		return MODEL_ABSENT;
	for (size_t i = 0; i < task->n_addresses; i++) {
		const struct snapshot_task *entry =
			snapshot_find_task(snapshot, &task->addresses[i].address);

		if (!entry)
			continue;
		if (!*found)
			*found = entry;
		if (entry->task.state == SKEP_TASK_SERVING)
			level = MODEL_SERVING;
		else if (level == MODEL_ABSENT)
			level = MODEL_DRAINING;
	}
	return level;
}

struct level_counts {
	size_t serving, draining;
};

static void count_level(struct level_counts *counts, enum model_service_level level)
{
	counts->serving += level == MODEL_SERVING;
	counts->draining += level == MODEL_DRAINING;
}

static json_t *counts_json(const struct level_counts *counts)
{
	return json_pack("{s:I, s:I}", "serving", (json_int_t)counts->serving, "draining",
			 (json_int_t)counts->draining);
}

/* Appends row, or drops the whole array when memory is short. */
static json_t *append_row(json_t *rows, json_t *row)
{
	if (!json_array_append_new(rows, row))
		return rows;
	json_decref(rows);
	return NULL;
}

json_t *views_nodes(const struct model *model, const struct snapshot *snapshot,
		    const struct model_node *self)
{
	size_t n = model ? model->n_nodes : 0;
	struct level_counts *counts = calloc(n + 1, sizeof(*counts));
	json_t *rows = counts ? json_array() : NULL;

	for (size_t i = 0; rows && model && i < model->n_tasks; i++) {
		const struct model_task *task = &model->tasks[i];
		const struct snapshot_task *entry;

		if (task->node)
			count_level(&counts[task->node - model->nodes],
				    task_level(task, snapshot, &entry));
	}
	for (size_t i = 0; rows && i < n; i++) {
		const struct model_node *node = &model->nodes[i];

		rows = append_row(rows, json_pack("{s:s, s:s, s:o, s:s, s:b, s:b, s:o}", "id",
						  node->id, "name", node->name, "address",
						  json_from_addr(&node->address), "role",
						  node->manager ? "manager" : "worker", "ready",
						  node->ready, "self", node == self, "tasks",
						  counts_json(&counts[i])));
	}
	free(counts);
	return rows;
}

static json_t *ports_json(const struct model_service *service)
{
	json_t *rows = json_array();

	for (size_t i = 0; rows && i < service->n_ports; i++)
		rows = append_row(rows, json_pack("{s:i, s:i, s:s}", "published",
						  service->ports[i].published, "target",
						  service->ports[i].target, "protocol",
						  protocol_name(service->ports[i].protocol)));
	return rows;
}

/* Adds what a counter says to row, null where there is none. */
static json_t *with_counter(json_t *row, const struct skep_counter *counter)
{
	static const char *const names[] = {"packets", "bytes", "new_flows"};
	json_int_t values[3] = {0};

	if (counter) {
		values[0] = (json_int_t)counter->packets;
		values[1] = (json_int_t)counter->bytes;
		values[2] = (json_int_t)counter->new_flows;
	}
	for (size_t i = 0; row && i < 3; i++)
		if (json_object_set_new(row, names[i],
					counter ? json_integer(values[i]) : json_null())) {
			json_decref(row);
			row = NULL;
		}
	return row;
}

static json_t *service_json(const struct model_service *service,
			    const struct snapshot_service *entry, const struct level_counts *counts,
			    bool dsr)
{
	struct options options;
	json_t *row;

	options_read(service, &options, NULL, NULL);
	row = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "id", service->id, "name",
			service->name, "service_id",
			entry ? json_integer(entry->service_id) : json_null(), "ports",
			ports_json(service), "tasks", counts_json(counts), "ring",
			entry && entry->ring >= 0 ? json_integer(entry->ring) : json_null(),
			"return", options_dsr(&options, dsr) ? "dsr" : "tunnel", "options",
			views_options(service), "problems", views_label_problems(service));

	return with_counter(row, entry ? &entry->counter : NULL);
}

json_t *views_services(const struct model *model, const struct snapshot *snapshot, bool dsr)
{
	size_t n = model ? model->n_services : 0;
	struct level_counts *counts = calloc(n + 1, sizeof(*counts));
	json_t *rows = counts ? json_array() : NULL;

	for (size_t i = 0; rows && model && i < model->n_tasks; i++) {
		const struct model_task *task = &model->tasks[i];
		const struct snapshot_task *entry;

		count_level(&counts[task->service - model->services],
			    task_level(task, snapshot, &entry));
	}
	for (size_t i = 0; rows && i < n; i++) {
		const struct model_service *service = &model->services[i];

		rows = append_row(rows, service_json(service,
						     snapshot_find_service(snapshot, service->id),
						     &counts[i], dsr));
	}
	free(counts);
	return rows;
}

static int compare_task_id(const void *key, const void *element)
{
	return strcmp(key, ((const struct datapath_local_task *)element)->task_id);
}

static const char *task_interface(const struct model_task *task, const struct datapath_node *node,
				  const struct net_state *net)
{
	const struct datapath_local_task *local =
		node->n_tasks ? bsearch(task->id, node->tasks, node->n_tasks, sizeof(*node->tasks),
					compare_task_id)
			      : NULL;
	const struct net_link *link = local ? net_find_link(net, local->ifindex) : NULL;

	return link ? link->name : NULL;
}

static json_t *task_json(const struct model_task *task, const struct snapshot *snapshot,
			 const struct model_node *self, const struct datapath_node *node,
			 const struct net_state *net)
{
	const struct snapshot_task *entry;
	const char *level = level_names[task_level(task, snapshot, &entry)];
	bool local = task->node && task->node == self;
	json_t *row = json_pack(
		"{s:s, s:s, s:s, s:s?, s:o, s:o, s:s, s:s, s:s, s:b, s:s?, s:o}", "id", task->id,
		"name", task->name, "service", task->service->name, "node",
		task->node ? task->node->name : NULL, "node_address",
		task->node ? json_from_addr(&task->node->address) : json_null(), "address",
		task->n_addresses ? json_from_addr(&task->addresses[0].address) : json_null(),
		"level", level, "desired", model_task_state_name(task->desired), "state",
		model_task_state_name(task->state), "local", local, "interface",
		local ? task_interface(task, node, net) : NULL, "flows",
		entry ? json_integer(entry->flows) : json_null());

	return with_counter(row, entry ? &entry->counter : NULL);
}

json_t *views_tasks(const struct model *model, const struct snapshot *snapshot,
		    const struct model_node *self, const struct datapath_node *node,
		    const struct net_state *net)
{
	json_t *rows = json_array();

	for (size_t i = 0; rows && model && i < model->n_tasks; i++)
		rows = append_row(rows, task_json(&model->tasks[i], snapshot, self, node, net));
	return rows;
}

/* Who has an address now, so that flows can be told by name: the model's tasks by address. */
struct task_address {
	struct skep_addr addr;
	const struct model_task *task;
};

static int compare_task_address(const void *a, const void *b)
{
	return addr_compare(&((const struct task_address *)a)->addr,
			    &((const struct task_address *)b)->addr);
}

static struct task_address *list_task_addresses(const struct model *model, size_t *n)
{
	struct task_address *list;
	size_t most = 0;

	*n = 0;
	for (size_t i = 0; model && i < model->n_tasks; i++)
		most += model->tasks[i].n_addresses;
	list = calloc(most + 1, sizeof(*list));
	for (size_t i = 0; list && model && i < model->n_tasks; i++) {
		const struct model_task *task = &model->tasks[i];

		if (model_task_level(task) == MODEL_ABSENT)
			continue;
		for (size_t j = 0; j < task->n_addresses; j++)
			list[(*n)++] = (struct task_address){task->addresses[j].address, task};
	}
	if (list)
		qsort(list, *n, sizeof(*list), compare_task_address);
	return list;
}

static const char *service_name(const struct snapshot *snapshot, uint32_t service_id,
				char name[SKEP_NAME_SIZE + 1])
{
	for (size_t i = 0; i < snapshot->n_services; i++)
		if (snapshot->services[i].service_id == service_id) {
			memcpy(name, snapshot->services[i].name.name, SKEP_NAME_SIZE);
			name[SKEP_NAME_SIZE] = '\0';
			return name;
		}
	return NULL;
}

static json_t *flow_json(const struct snapshot_flow *flow, const struct model_task *task,
			 const struct snapshot *snapshot, uint64_t now_ns)
{
	const struct skep_flow *value = &flow->flow;
	uint64_t idle_ns = now_ns > value->last_seen_ns ? now_ns - value->last_seen_ns : 0;
	char name[SKEP_NAME_SIZE + 1];

	return json_pack("{s:s, s:o, s:i, s:o, s:i, s:o, s:s?, s:s?, s:i, s:s?, s:I}", "protocol",
			 protocol_name(flow->key.protocol), "client",
			 json_from_addr(&flow->key.client), "client_port",
			 ntohs(flow->key.client_port), "frontend",
			 json_from_addr(&flow->key.frontend), "frontend_port",
			 ntohs(flow->key.frontend_port), "task", json_from_addr(&value->task),
			 "task_name", task ? task->name : NULL, "service",
			 service_name(snapshot, value->service_id, name), "target_port",
			 ntohs(value->target_port), "state", maps_flow_state_name(value->state),
			 "idle_ms", (json_int_t)(idle_ns / 1000000));
}

json_t *views_flows(const struct snapshot_flow *flows, size_t n, const struct model *model,
		    const struct snapshot *snapshot, uint64_t now_ns)
{
	size_t n_addresses;
	struct task_address *addresses = list_task_addresses(model, &n_addresses);
	json_t *rows = addresses ? json_array() : NULL;

	for (size_t i = 0; rows && i < n; i++) {
		const struct task_address key = {.addr = flows[i].flow.task};
		const struct task_address *found = bsearch(
			&key, addresses, n_addresses, sizeof(*addresses), compare_task_address);

		rows = append_row(
			rows, flow_json(&flows[i], found ? found->task : NULL, snapshot, now_ns));
	}
	free(addresses);
	return rows;
}

json_t *views_verify(size_t differences, json_t *lines)
{
	return json_pack("{s:I, s:o}", "differences", (json_int_t)differences, "lines", lines);
}
