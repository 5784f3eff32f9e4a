/* SPDX-License-Identifier: GPL-2.0-only */
#include "source/docker_tasks.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/addr.h"
#include "lib/log.h"
#include "source/engine.h"

/* {"status":["running"]} */
#define LIST_PATH      "/containers/json?filters=%7B%22status%22%3A%5B%22running%22%5D%7D"
#define LIST_LIMIT     (64 << 20)
#define INSPECT_LIMIT  (4 << 20)
#define TIMEOUT_MS     10000
#define LIST_EVERY_MS  10000
#define MAX_CONTAINERS 10000
/* The Engine answers for a container that it just starts or stops only after that. */
#define MAX_INSPECTS 8

struct entry {
	struct docker_tasks *tasks;
	struct entry *next;
	struct docker_container container; /* pid 0: not known */
	bool listed;
	bool inspected; /* pid is what the Engine said, or it could not say */
	struct http_request *request;
};

struct docker_tasks {
	struct loop *loop;
	struct http *http;
	char *socket_path;
	struct docker_tasks_receiver receiver;
	struct http_request *request;
	bool again; /* refresh came while the list was being read */
	struct loop_timer timer;
	uint64_t retry_ms;
	struct entry *entries;
	size_t n_inspects;
	struct docker_container *list;
	size_t n_list;
	bool complete;
};

static void list_start(struct docker_tasks *tasks);
static void inspect_some(struct docker_tasks *tasks);

static int compare_containers(const void *a, const void *b)
{
	const struct docker_container *first = a, *second = b;
	int order = strcmp(first->task_id, second->task_id);

	return order ? order : strcmp(first->id, second->id);
}

static bool all_inspected(const struct docker_tasks *tasks)
{
	for (const struct entry *entry = tasks->entries; entry; entry = entry->next)
		if (!entry->inspected)
			return false;
	return true;
}

/* Tells the receiver if what is known makes another list than before. */
static void publish(struct docker_tasks *tasks)
{
	struct docker_container *list;
	size_t n = 0, kept = 0;
	bool completed = !tasks->complete && all_inspected(tasks);

	for (struct entry *entry = tasks->entries; entry; entry = entry->next)
		n += entry->container.pid > 0;
	list = calloc(n + 1, sizeof(*list));
	if (!list) {
		tasks->receiver.problem(tasks->receiver.context, "no memory for the containers");
		return;
	}
	n = 0;
	for (struct entry *entry = tasks->entries; entry; entry = entry->next) {
		if (entry->container.pid > 0)
			list[n++] = entry->container;
	}
	qsort(list, n, sizeof(*list), compare_containers);
	/* A task has one container; another by that name would be somebody's own idea. */
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || !*list[i].task_id ||
		    strcmp(list[kept - 1].task_id, list[i].task_id) != 0)
			list[kept++] = list[i];
	tasks->complete |= completed;
	if (!completed && kept == tasks->n_list &&
	    (kept == 0 || memcmp(list, tasks->list, kept * sizeof(*list)) == 0)) {
		free(list);
		return;
	}
	free(tasks->list);
	tasks->list = list;
	tasks->n_list = kept;
	tasks->receiver.changed(tasks->receiver.context);
}

static void inspect_done(void *context, const struct http_answer *answer)
{
	struct entry *entry = context;
	struct docker_tasks *tasks = entry->tasks;
	struct skep_error error;
	json_t *root = NULL;

	entry->request = NULL;
	entry->inspected = true;
	tasks->n_inspects--;
	/* 404: it is gone again, and from the next list too. */
	if (engine_check(tasks->socket_path, answer, &error) == 0) {
		root = engine_parse(tasks->socket_path, answer->body, answer->size, &error);
		const json_t *state = json_object_get(root, "State");
		json_int_t pid = json_integer_value(json_object_get(state, "Pid"));
		if (json_is_true(json_object_get(state, "Running")) && pid > 0 && pid <= INT_MAX)
			entry->container.pid = (pid_t)pid;
	} else if (answer->status != 404) {
		log_warning("container %.12s: %s", entry->container.id, error.text);
	}
	json_decref(root);
	inspect_some(tasks);
	publish(tasks);
}

static void inspect_some(struct docker_tasks *tasks)
{
	struct skep_error error;
	char path[192];

	for (struct entry *entry = tasks->entries; entry && tasks->n_inspects < MAX_INSPECTS;
	     entry = entry->next) {
		if (entry->inspected || entry->request)
			continue;
		snprintf(path, sizeof(path), "/containers/%s/json", entry->container.id);
		if (engine_get(tasks->http, tasks->socket_path, path, INSPECT_LIMIT, TIMEOUT_MS,
			       inspect_done, entry, &entry->request, &error)) {
			/* Tried again after the next list. */
			log_warning("container %.12s: %s", entry->container.id, error.text);
			return;
		}
		tasks->n_inspects++;
	}
}

static void entry_free(struct entry *entry)
{
	if (entry->request) {
		http_cancel(entry->request);
		entry->tasks->n_inspects--;
	}
	free(entry);
}

static bool is_id(const char *id, size_t size)
{
	size_t length = 0;

	while (id[length] && isalnum((unsigned char)id[length]))
		length++;
	return length > 0 && length < size && !id[length];
}

static int compare_networks(const void *a, const void *b)
{
	return strcmp(((const struct docker_network *)a)->id,
		      ((const struct docker_network *)b)->id);
}

/* Those of a Swarm: the ids of others, which are Docker's alone, have 64 characters. */
static void note_networks(struct docker_container *container, const json_t *networks)
{
	const char *name;
	json_t *network;
	uint32_t n = 0;

	memset(container->networks, 0, sizeof(container->networks));
	json_object_foreach ((json_t *)networks, name, network) {
		const char *id = json_string_value(json_object_get(network, "NetworkID"));
		const char *text = json_string_value(json_object_get(network, "IPAddress"));
		struct docker_network *place = &container->networks[n];

		if (n == DOCKER_MAX_NETWORKS)
			break;
		if (!id || !is_id(id, sizeof(place->id)) || !text ||
		    addr_parse(text, &place->address) || !skep_addr_is_v4(&place->address)) {
			memset(place, 0, sizeof(*place));
			continue;
		}
		memcpy(place->id, id, strlen(id) + 1);
		n++;
	}
	container->n_networks = n;
	qsort(container->networks, n, sizeof(*container->networks), compare_networks);
}

static void note_container(struct docker_tasks *tasks, const json_t *container)
{
	const char *id = json_string_value(json_object_get(container, "Id"));
	const char *task_id = json_string_value(
		json_object_get(json_object_get(container, "Labels"), "com.docker.swarm.task.id"));
	struct entry *entry;

	if (!id || !is_id(id, sizeof(entry->container.id)) ||
	    (task_id && !is_id(task_id, sizeof(entry->container.task_id))))
		return;
	for (entry = tasks->entries; entry && strcmp(entry->container.id, id) != 0;)
		entry = entry->next;
	if (!entry) {
		entry = calloc(1, sizeof(*entry));
		if (!entry)
			return; /* the next list finds it */
		entry->tasks = tasks;
		memcpy(entry->container.id, id, strlen(id) + 1);
		if (task_id)
			memcpy(entry->container.task_id, task_id, strlen(task_id) + 1);
		entry->next = tasks->entries;
		tasks->entries = entry;
	}
	entry->listed = true;
	note_networks(&entry->container,
		      json_object_get(json_object_get(container, "NetworkSettings"), "Networks"));
	/* What could not be had the last time is asked for again. */
	if (entry->container.pid == 0)
		entry->inspected = false;
}

static void merge_list(struct docker_tasks *tasks, const json_t *array)
{
	const json_t *container;
	size_t i;

	for (struct entry *entry = tasks->entries; entry; entry = entry->next)
		entry->listed = false;
	json_array_foreach (array, i, container)
		if (i < MAX_CONTAINERS)
			note_container(tasks, container);
	for (struct entry **place = &tasks->entries; *place;) {
		struct entry *entry = *place;
		if (entry->listed) {
			place = &entry->next;
			continue;
		}
		*place = entry->next;
		entry_free(entry);
	}
	inspect_some(tasks);
	publish(tasks);
}

static void list_done(void *context, const struct http_answer *answer)
{
	struct docker_tasks *tasks = context;
	struct skep_error error;
	json_t *array = NULL;
	int err = engine_check(tasks->socket_path, answer, &error);

	tasks->request = NULL;
	if (!err) {
		array = engine_parse(tasks->socket_path, answer->body, answer->size, &error);
		err = array ? 0 : -EINVAL;
	}
	if (err) {
		tasks->retry_ms = engine_retry_next(tasks->retry_ms);
		loop_arm(tasks->loop, &tasks->timer, tasks->retry_ms);
		tasks->receiver.problem(tasks->receiver.context, error.text);
		return;
	}
	tasks->retry_ms = 0;
	loop_arm(tasks->loop, &tasks->timer, tasks->again ? 0 : LIST_EVERY_MS);
	tasks->again = false;
	tasks->receiver.problem(tasks->receiver.context, NULL);
	merge_list(tasks, array);
	json_decref(array);
}

static void list_start(struct docker_tasks *tasks)
{
	struct skep_error error;

	if (engine_get(tasks->http, tasks->socket_path, LIST_PATH, LIST_LIMIT, TIMEOUT_MS,
		       list_done, tasks, &tasks->request, &error)) {
		tasks->retry_ms = engine_retry_next(tasks->retry_ms);
		loop_arm(tasks->loop, &tasks->timer, tasks->retry_ms);
		tasks->receiver.problem(tasks->receiver.context, error.text);
	}
}

static void timer_expired(struct loop_timer *timer)
{
	struct docker_tasks *tasks = container_of(timer, struct docker_tasks, timer);

	if (!tasks->request)
		list_start(tasks);
}

void docker_tasks_refresh(struct docker_tasks *tasks)
{
	if (tasks->request)
		tasks->again = true;
	else
		loop_arm(tasks->loop, &tasks->timer, 0);
}

void docker_tasks_forget(struct docker_tasks *tasks, const char *container_id)
{
	for (struct entry *entry = tasks->entries; entry; entry = entry->next) {
		if (container_id && strcmp(entry->container.id, container_id) != 0)
			continue;
		/* The pid stands until another is known. */
		entry->inspected = false;
	}
}

struct docker_tasks *docker_tasks_new(struct loop *loop, struct http *http, const char *socket_path,
				      const struct docker_tasks_receiver *receiver)
{
	struct docker_tasks *tasks = calloc(1, sizeof(*tasks));

	if (tasks)
		tasks->socket_path = strdup(socket_path);
	if (!tasks || !tasks->socket_path) {
		free(tasks);
		return NULL;
	}
	tasks->loop = loop;
	tasks->http = http;
	tasks->receiver = *receiver;
	tasks->timer.expired = timer_expired;
	loop_arm(loop, &tasks->timer, 0);
	return tasks;
}

void docker_tasks_free(struct docker_tasks *tasks)
{
	if (!tasks)
		return;
	http_cancel(tasks->request);
	loop_disarm(tasks->loop, &tasks->timer);
	while (tasks->entries) {
		struct entry *entry = tasks->entries;
		tasks->entries = entry->next;
		entry_free(entry);
	}
	free(tasks->list);
	free(tasks->socket_path);
	free(tasks);
}

bool docker_tasks_complete(const struct docker_tasks *tasks)
{
	return tasks->complete;
}

const struct docker_container *docker_tasks_list(const struct docker_tasks *tasks, size_t *n)
{
	*n = tasks->n_list;
	return tasks->list;
}
