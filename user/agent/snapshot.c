/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/snapshot.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "datapath/read.h"
#include "lib/addr.h"

/* No map of skep's is larger; an index beyond is not skep's. */
#define MOST_COUNTERS (1U << 24)

/* A list that a visitor of a map appends to. */
struct list {
	void *items;
	size_t size; /* of an item */
	size_t n, capacity, limit;
	int err;
};

static void *list_append(struct list *list)
{
	if (list->n == list->capacity) {
		size_t capacity = list->capacity ? list->capacity * 2 : 256;
		void *grown = reallocarray(list->items, capacity, list->size);

		if (!grown) {
			list->err = -ENOMEM;
			return NULL;
		}
		list->items = grown;
		list->capacity = capacity;
	}
	return (char *)list->items + list->n++ * list->size;
}

static int visit_service(void *context, const void *key, const void *value)
{
	struct snapshot_service *service = list_append(context);

	if (!service)
		return 1;
	memset(service, 0, sizeof(*service));
	memcpy(&service->service_id, key, sizeof(service->service_id));
	memcpy(&service->name, value, sizeof(service->name));
	return 0;
}

static int visit_task(void *context, const void *key, const void *value)
{
	struct snapshot_task *task = list_append(context);

	if (!task)
		return 1;
	memset(task, 0, sizeof(*task));
	memcpy(&task->addr, key, sizeof(task->addr));
	memcpy(&task->task, value, sizeof(task->task));
	return 0;
}

static int visit_flow(void *context, const void *key, const void *value)
{
	struct list *list = context;
	struct snapshot_flow *flow;

	if (list->n == list->limit)
		return 1;
	flow = list_append(list);
	if (!flow)
		return 1;
	memcpy(&flow->key, key, sizeof(flow->key));
	memcpy(&flow->flow, value, sizeof(flow->flow));
	return list->n == list->limit;
}

static int read_list(struct list *list, const char *bpffs, const char *name,
		     int (*visit)(void *, const void *, const void *), struct skep_error *error)
{
	const struct maps_entry_visitor visitor = {.entry = visit, .context = list};
	int err = maps_walk(bpffs, name, &visitor, error);

	if (!err && list->err)
		err = error_errno(error, list->err, "cannot read the map %s", name);
	return err;
}

/* Counters of indexes 0..n-1; *counters is malloc'ed. */
static int read_counters(const char *bpffs, const char *name, size_t n,
			 struct skep_counter **counters, struct skep_error *error)
{
	if (n > MOST_COUNTERS)
		return error_set(error, -EPROTO, "the maps under %s name entry %zu of %s", bpffs,
				 n - 1, name);
	*counters = calloc(n + 1, sizeof(**counters));
	if (!*counters)
		return error_errno(error, -ENOMEM, "cannot read the map %s", name);
	return n ? maps_counters(bpffs, name, 0, n, *counters, error) : 0;
}

static int compare_services(const void *a, const void *b)
{
	const struct snapshot_service *left = a, *right = b;

	return strncmp(left->name.id, right->name.id, SKEP_ID_SIZE);
}

static int compare_tasks(const void *a, const void *b)
{
	const struct snapshot_task *left = a, *right = b;

	return addr_compare(&left->addr, &right->addr);
}

static int read_services(struct snapshot *snapshot, const char *bpffs, struct skep_error *error)
{
	struct list list = {.size = sizeof(*snapshot->services)};
	struct skep_counter *counters = NULL;
	size_t most = 0;
	int err = read_list(&list, bpffs, "service_names", visit_service, error);

	snapshot->services = list.items;
	snapshot->n_services = list.n;
	for (size_t i = 0; i < snapshot->n_services; i++)
		if (snapshot->services[i].service_id >= most)
			most = (size_t)snapshot->services[i].service_id + 1;
	if (!err)
		err = read_counters(bpffs, "service_counters", most, &counters, error);
	for (size_t i = 0; !err && counters && i < snapshot->n_services; i++) {
		struct snapshot_service *service = &snapshot->services[i];
		size_t n = 0;

		service->counter = counters[service->service_id];
		err = maps_ring(bpffs, service->service_id, NULL, &n, error);
		service->ring = err ? -1 : (int64_t)n;
		if (err == -ENOENT)
			err = 0;
	}
	free(counters);
	if (!err && snapshot->n_services)
		qsort(snapshot->services, snapshot->n_services, sizeof(*snapshot->services),
		      compare_services);
	return err;
}

static int read_tasks(struct snapshot *snapshot, const char *bpffs, struct skep_error *error)
{
	struct list list = {.size = sizeof(*snapshot->tasks)};
	struct skep_counter *counters = NULL;
	uint32_t *flows = NULL;
	size_t most = 0;
	int err = read_list(&list, bpffs, "tasks", visit_task, error);

	snapshot->tasks = list.items;
	snapshot->n_tasks = list.n;
	for (size_t i = 0; i < snapshot->n_tasks; i++)
		if (snapshot->tasks[i].task.counter >= most)
			most = (size_t)snapshot->tasks[i].task.counter + 1;
	if (!err)
		err = read_counters(bpffs, "task_counters", most, &counters, error);
	if (!err)
		err = maps_task_flows(bpffs, most, &flows, error);
	for (size_t i = 0; !err && counters && i < snapshot->n_tasks; i++) {
		snapshot->tasks[i].counter = counters[snapshot->tasks[i].task.counter];
		snapshot->tasks[i].flows = flows[snapshot->tasks[i].task.counter];
	}
	free(flows);
	free(counters);
	if (!err && snapshot->n_tasks)
		qsort(snapshot->tasks, snapshot->n_tasks, sizeof(*snapshot->tasks), compare_tasks);
	return err;
}

int snapshot_read(struct snapshot *snapshot, const char *bpffs, struct skep_error *error)
{
	int err;

	memset(snapshot, 0, sizeof(*snapshot));
	err = read_services(snapshot, bpffs, error);
	if (!err)
		err = read_tasks(snapshot, bpffs, error);
	if (err)
		snapshot_free(snapshot);
	return err;
}

void snapshot_free(struct snapshot *snapshot)
{
	free(snapshot->services);
	free(snapshot->tasks);
	memset(snapshot, 0, sizeof(*snapshot));
}

const struct snapshot_service *snapshot_find_service(const struct snapshot *snapshot,
						     const char *id)
{
	struct snapshot_service key = {0};

	if (!snapshot->n_services)
		return NULL;
	strncpy(key.name.id, id, SKEP_ID_SIZE - 1);
	return bsearch(&key, snapshot->services, snapshot->n_services, sizeof(key),
		       compare_services);
}

const struct snapshot_task *snapshot_find_task(const struct snapshot *snapshot,
					       const struct skep_addr *addr)
{
	struct snapshot_task key = {.addr = *addr};

	if (!snapshot->n_tasks)
		return NULL;
	return bsearch(&key, snapshot->tasks, snapshot->n_tasks, sizeof(key), compare_tasks);
}

int snapshot_read_flows(const char *bpffs, size_t limit, struct snapshot_flow **flows, size_t *n,
			struct skep_error *error)
{
	struct list list = {.size = sizeof(**flows), .limit = limit};
	int err = limit ? read_list(&list, bpffs, "flows", visit_flow, error) : 0;

	if (err) {
		free(list.items);
		list.items = NULL;
		list.n = 0;
	}
	*flows = list.items;
	*n = list.n;
	return err;
}

/*
 * fdinfo tells what a map is charged for; bpf_map_info does not. Of a trie kernels before 6.4 tell
 * what it would take if it were full, which is far from the truth.
 */
static uint64_t map_memory(int fd)
{
	char path[64], line[128];
	unsigned long long bytes = 0;
	unsigned int type = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		(void)sscanf(line, "map_type: %u", &type);
		(void)sscanf(line, "memlock: %llu", &bytes);
	}
	fclose(file);
	return type == BPF_MAP_TYPE_LPM_TRIE ? 0 : bytes;
}

int snapshot_memory(const char *bpffs, uint64_t *bytes, struct skep_error *error)
{
	DIR *directory = opendir(bpffs);
	struct dirent *entry;

	*bytes = 0;
	if (!directory)
		return error_errno(error, -errno, "cannot list %s", bpffs);
	while ((entry = readdir(directory))) {
		char path[PATH_MAX];
		int fd;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", bpffs, entry->d_name);
		fd = bpf_obj_get(path);
		if (fd < 0)
			continue; /* unpinned meanwhile */
		*bytes += map_memory(fd);
		close(fd);
	}
	closedir(directory);
	return 0;
}
