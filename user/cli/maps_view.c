/* SPDX-License-Identifier: GPL-2.0-only */
#include "cli/maps_view.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <time.h>

#include "cli/collect.h"
#include "lib/addr.h"

/* Steals row. -ENOMEM also if row could not be made. */
static int append(json_t *rows, json_t *row)
{
	return json_array_append_new(rows, row) ? -ENOMEM : 0;
}

static const char *protocol_name(__u8 protocol)
{
	return protocol == IPPROTO_TCP ? "tcp" : protocol == IPPROTO_UDP ? "udp" : "unknown";
}

/* Counters of the indexes 0..n-1; *counters is the caller's. */
static int read_counters(const char *bpffs, const char *name, size_t n,
			 struct skep_counter **counters, struct skep_error *error)
{
	*counters = calloc(n ? n : 1, sizeof(**counters));
	if (!*counters)
		return error_errno(error, -ENOMEM, "cannot keep the map %s/%s", bpffs, name);
	return n ? maps_counters(bpffs, name, 0, n, *counters, error) : 0;
}

struct task_counts { /* of one service */
	json_int_t serving, draining;
};

/* Frontends from *next on that are of this service; both are sorted by service id. */
static json_t *service_ports(const struct collection *frontends, size_t *next, __u32 service_id)
{
	const struct collect_frontend *frontend = frontends->entries;
	json_t *ports = json_array();
	int err = ports ? 0 : -ENOMEM;

	while (*next < frontends->n && frontend[*next].service.service_id < service_id)
		(*next)++;
	for (; *next < frontends->n && frontend[*next].service.service_id == service_id; (*next)++)
		if (!err)
			err = append(ports,
				     json_pack("{s:i, s:i, s:s}", "published",
					       ntohs(frontend[*next].frontend.port), "target",
					       ntohs(frontend[*next].service.target_port),
					       "protocol",
					       protocol_name(frontend[*next].frontend.protocol)));
	if (!err)
		return ports;
	json_decref(ports);
	return NULL;
}

/* How its tasks' replies return; null: it has no frontend that would say. */
static json_t *service_return(const struct collection *frontends, size_t at, __u32 service_id)
{
	const struct collect_frontend *frontend = frontends->entries;

	while (at < frontends->n && frontend[at].service.service_id < service_id)
		at++;
	if (at == frontends->n || frontend[at].service.service_id != service_id)
		return json_null();
	return json_string(frontend[at].service.flags & SKEP_SERVICE_DSR ? "dsr" : "tunnel");
}

/* Steals ports and return_mode. */
static json_t *service_row(const char *bpffs, const struct collect_name *service, json_t *ports,
			   json_t *return_mode, const struct task_counts *tasks,
			   const struct skep_counter *counter)
{
	struct skep_error ignored; /* a service without a ring has null there */
	size_t length;
	int err;

	if (!ports) {
		json_decref(return_mode);
		return NULL;
	}
	err = maps_ring(bpffs, service->service_id, NULL, &length, &ignored);
	return json_pack("{s:s, s:s, s:I, s:o, s:{s:I, s:I}, s:o, s:o, s:n, s:n, s:I, s:I, s:I}",
			 "id", service->name.id, "name", service->name.name, "service_id",
			 (json_int_t)service->service_id, "ports", ports, "tasks", "serving",
			 tasks->serving, "draining", tasks->draining, "ring",
			 err ? json_null() : json_integer((json_int_t)length), "return",
			 return_mode, "options", "problems", "packets",
			 (json_int_t)counter->packets, "bytes", (json_int_t)counter->bytes,
			 "new_flows", (json_int_t)counter->new_flows);
}

/* For the service ids 0..n-1. NULL: no memory. */
static struct task_counts *count_tasks(const struct collection *tasks, size_t n)
{
	struct task_counts *counts = calloc(n ? n : 1, sizeof(*counts));
	const struct collect_task *task = tasks->entries;

	for (size_t i = 0; counts && i < tasks->n; i++) {
		if (task[i].task.service_id >= n)
			continue;
		counts[task[i].task.service_id].serving += task[i].task.state == SKEP_TASK_SERVING;
		counts[task[i].task.service_id].draining +=
			task[i].task.state == SKEP_TASK_DRAINING;
	}
	return counts;
}

int maps_view_services(const struct options *options, json_t **rows, struct skep_error *error)
{
	struct collection names = {0}, frontends = {0}, tasks = {0};
	const struct collect_name *service;
	struct task_counts *counts = NULL;
	struct skep_counter *counters = NULL;
	size_t n_ids = 0, next = 0;
	int err;

	*rows = NULL;
	err = collect_names(options->bpffs, &names, error);
	if (!err)
		err = collect_frontends(options->bpffs, &frontends, error);
	if (!err)
		err = collect_tasks(options->bpffs, &tasks, error);
	if (err)
		goto cleanup;
	service = names.entries;
	if (names.n) /* the last has the greatest id */
		n_ids = (size_t)service[names.n - 1].service_id + 1;
	err = read_counters(options->bpffs, "service_counters", n_ids, &counters, error);
	if (err)
		goto cleanup;
	counts = count_tasks(&tasks, n_ids);
	*rows = json_array();
	for (size_t i = 0; i < names.n && counts && !err; i++) {
		json_t *mode = service_return(&frontends, next, service[i].service_id);

		err = append(*rows,
			     service_row(options->bpffs, &service[i],
					 service_ports(&frontends, &next, service[i].service_id),
					 mode, &counts[service[i].service_id],
					 &counters[service[i].service_id]));
	}
	if (err || !*rows || !counts)
		err = error_errno(error, -ENOMEM, "cannot list services");
cleanup:
	if (err) {
		json_decref(*rows);
		*rows = NULL;
	}
	free(counts);
	free(counters);
	collection_free(&tasks);
	collection_free(&frontends);
	collection_free(&names);
	return err;
}

static json_t *task_row(const struct collect_task *entry, const char *service,
			const struct skep_counter *counter, uint32_t flows)
{
	const struct skep_task *task = &entry->task;
	char addr[ADDR_TEXT_SIZE], node[ADDR_TEXT_SIZE], interface[IF_NAMESIZE];
	const char *name = task->ifindex ? if_indextoname(task->ifindex, interface) : NULL;
	const char *level = task->state == SKEP_TASK_SERVING	? "serving"
			    : task->state == SKEP_TASK_DRAINING ? "draining"
								: NULL;

	return json_pack(
		"{s:n, s:n, s:s?, s:n, s:s?, s:s, s:s?, s:n, s:n, s:b, s:s?, s:I, s:I, s:I, s:I}",
		"id", "name", "service", service, "node", "node_address",
		skep_addr_is_zero(&task->node) ? NULL : addr_text(&task->node, node), "address",
		addr_text(&entry->addr, addr), "level", level, "desired", "state", "local",
		task->ifindex != 0, "interface", name, "flows", (json_int_t)flows, "packets",
		(json_int_t)counter->packets, "bytes", (json_int_t)counter->bytes, "new_flows",
		(json_int_t)counter->new_flows);
}

int maps_view_tasks(const struct options *options, json_t **rows, struct skep_error *error)
{
	struct collection names = {0}, tasks = {0};
	const struct collect_task *task;
	struct skep_counter *counters = NULL;
	uint32_t *flows = NULL;
	size_t n_counters = 0;
	int err;

	*rows = NULL;
	err = collect_names(options->bpffs, &names, error);
	if (!err)
		err = collect_tasks(options->bpffs, &tasks, error);
	if (err)
		goto cleanup;
	task = tasks.entries;
	for (size_t i = 0; i < tasks.n; i++)
		if (task[i].task.counter >= n_counters)
			n_counters = (size_t)task[i].task.counter + 1;
	err = read_counters(options->bpffs, "task_counters", n_counters, &counters, error);
	if (!err)
		err = maps_task_flows(options->bpffs, n_counters, &flows, error);
	if (err)
		goto cleanup;
	*rows = json_array();
	for (size_t i = 0; i < tasks.n && !err; i++)
		err = append(*rows,
			     task_row(&task[i], collect_find_name(&names, task[i].task.service_id),
				      &counters[task[i].task.counter],
				      flows[task[i].task.counter]));
	if (err || !*rows)
		err = error_errno(error, -ENOMEM, "cannot list tasks");
cleanup:
	if (err) {
		json_decref(*rows);
		*rows = NULL;
	}
	free(flows);
	free(counters);
	collection_free(&tasks);
	collection_free(&names);
	return err;
}

static json_t *flow_row(const struct collect_flow *entry, const char *service, __u64 now_ns)
{
	const struct skep_flow *flow = &entry->flow;
	const char *state = maps_flow_state_name(flow->state);
	char client[ADDR_TEXT_SIZE], frontend[ADDR_TEXT_SIZE], task[ADDR_TEXT_SIZE];
	/* Used since we looked at the clock: now. */
	__u64 idle_ns = now_ns > flow->last_seen_ns ? now_ns - flow->last_seen_ns : 0;

	return json_pack("{s:s, s:s, s:i, s:s, s:i, s:s, s:n, s:s?, s:i, s:s?, s:I}", "protocol",
			 protocol_name(entry->key.protocol), "client",
			 addr_text(&entry->key.client, client), "client_port",
			 ntohs(entry->key.client_port), "frontend",
			 addr_text(&entry->key.frontend, frontend), "frontend_port",
			 ntohs(entry->key.frontend_port), "task", addr_text(&flow->task, task),
			 "task_name", "service", service, "target_port", ntohs(flow->target_port),
			 "state", state, "idle_ms", (json_int_t)(idle_ns / 1000000));
}

int maps_view_flows(const struct options *options, json_t **rows, struct skep_error *error)
{
	struct collection names = {0}, flows = {0};
	const struct collect_flow *flow;
	struct timespec now;
	__u64 now_ns;
	int err;

	*rows = NULL;
	err = collect_names(options->bpffs, &names, error);
	if (!err)
		err = collect_flows(options->bpffs, options->limit, &flows, error);
	if (err)
		goto cleanup;
	clock_gettime(CLOCK_MONOTONIC, &now);
	now_ns = (__u64)now.tv_sec * 1000000000 + (__u64)now.tv_nsec;
	flow = flows.entries;
	*rows = json_array();
	for (size_t i = 0; i < flows.n && !err; i++)
		err = append(*rows,
			     flow_row(&flow[i], collect_find_name(&names, flow[i].flow.service_id),
				      now_ns));
	if (err || !*rows)
		err = error_errno(error, -ENOMEM, "cannot list flows");
cleanup:
	if (err) {
		json_decref(*rows);
		*rows = NULL;
	}
	collection_free(&flows);
	collection_free(&names);
	return err;
}
