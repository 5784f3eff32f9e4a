/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/local_tasks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/loop.h"

/*
 * How long a container may take to come up before only a change of the network makes us look again.
 */
#define PATIENCE_NS (10ULL * 1000 * 1000 * 1000)
#define RETRY_NS    (LOCAL_TASKS_RETRY_MS * 1000ULL * 1000)

struct container {
	char task_id[64];
	pid_t pid;
	int ifindex;		/* 0: not known */
	uint64_t generation;	/* of the network, when last asked */
	uint64_t first_seen_ns; /* with this pid */
	uint64_t asked_ns;
	bool told; /* the log has said why it is not known */
	bool gone; /* the process is: Docker will say so, too */
};

struct local_tasks {
	struct container *containers; /* sorted by task_id */
	size_t n_containers;
	struct datapath_local_task *found;
	size_t capacity; /* of found */
};

struct local_tasks *local_tasks_new(void)
{
	return calloc(1, sizeof(struct local_tasks));
}

void local_tasks_free(struct local_tasks *tasks)
{
	if (!tasks)
		return;
	free(tasks->containers);
	free(tasks->found);
	free(tasks);
}

static void ask(struct container *container, const struct local_tasks_facts *facts, uint64_t now)
{
	struct skep_error error;
	bool patient = now - container->first_seen_ns < PATIENCE_NS;
	int err;

	if (container->gone)
		return;
	if (container->ifindex) {
		/* A link that is missing in a later reading than the answer is gone. */
		if (net_find_link(facts->net, container->ifindex) ||
		    container->generation == facts->net_generation)
			return;
		container->ifindex = 0;
		container->first_seen_ns = now;
		patient = true;
	} else if (container->asked_ns && container->generation == facts->net_generation &&
		   (!patient || now - container->asked_ns < RETRY_NS)) {
		return;
	}
	container->asked_ns = now;
	container->generation = facts->net_generation;
	err = net_task_interface(container->pid, &container->ifindex, &error);
	if (!err) {
		container->told = false;
		return;
	}
	container->ifindex = 0;
	container->gone = err == -ESRCH;
	/* ENOENT: half up, for a while. */
	if (container->gone || (err == -ENOENT && patient) || container->told)
		return;
	log_warning("task %s (process %d) gets no traffic from here: %s", container->task_id,
		    container->pid, error.text);
	container->told = true;
}

static bool waits(const struct container *container, uint64_t now)
{
	return !container->ifindex && !container->gone &&
	       now - container->first_seen_ns < PATIENCE_NS;
}

/* Merges Docker's list with what is known of it, both sorted, and asks for what is not. */
static int follow_containers(struct local_tasks *tasks, const struct local_tasks_facts *facts,
			     bool *retry)
{
	uint64_t now = loop_now_ns();
	struct container *next = NULL;
	size_t old = 0;

	if (facts->n_containers) {
		next = calloc(facts->n_containers, sizeof(*next));
		if (!next)
			return -ENOMEM;
	}
	for (size_t i = 0; i < facts->n_containers; i++) {
		const struct docker_container *container = &facts->containers[i];

		while (old < tasks->n_containers &&
		       strcmp(tasks->containers[old].task_id, container->task_id) < 0)
			old++;
		if (old < tasks->n_containers &&
		    strcmp(tasks->containers[old].task_id, container->task_id) == 0 &&
		    tasks->containers[old].pid == container->pid) {
			next[i] = tasks->containers[old];
		} else {
			memcpy(next[i].task_id, container->task_id, sizeof(next[i].task_id));
			next[i].pid = container->pid;
			next[i].first_seen_ns = now;
		}
		ask(&next[i], facts, now);
		*retry |= waits(&next[i], now);
	}
	free(tasks->containers);
	tasks->containers = next;
	tasks->n_containers = facts->n_containers;
	return 0;
}

static int compare_id(const void *key, const void *element)
{
	return strcmp(key, ((const struct container *)element)->task_id);
}

static int task_interface(const struct local_tasks *tasks, const struct local_tasks_facts *facts,
			  const struct model_task *task)
{
	if (facts->file) {
		const struct net_link *link =
			task->interface ? net_find_link_by_name(facts->net, task->interface) : NULL;

		return link ? link->ifindex : 0;
	} else {
		const struct container *container =
			tasks->n_containers
				? bsearch(task->id, tasks->containers, tasks->n_containers,
					  sizeof(*tasks->containers), compare_id)
				: NULL;

		return container ? container->ifindex : 0;
	}
}

static int add(struct local_tasks *tasks, size_t n, const char *task_id, int ifindex)
{
	if (n == tasks->capacity) {
		size_t capacity = n ? n * 2 : 64;
		struct datapath_local_task *grown =
			reallocarray(tasks->found, capacity, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		tasks->found = grown;
		tasks->capacity = capacity;
	}
	tasks->found[n] = (struct datapath_local_task){.task_id = task_id, .ifindex = ifindex};
	return 0;
}

int local_tasks_update(struct local_tasks *tasks, const struct local_tasks_facts *facts,
		       const struct datapath_local_task **result, size_t *n, bool *retry,
		       struct skep_error *error)
{
	const struct model *model = facts->model;
	int err = 0;

	*n = 0;
	*retry = false;
	if (!facts->file)
		err = follow_containers(tasks, facts, retry);
	for (size_t i = 0; !err && model && facts->self && i < model->n_tasks; i++) {
		const struct model_task *task = &model->tasks[i];
		int ifindex;

		if (task->node != facts->self)
			continue;
		ifindex = task_interface(tasks, facts, task);
		if (ifindex)
			err = add(tasks, *n, task->id, ifindex);
		if (ifindex && !err)
			(*n)++;
	}
	*result = tasks->found;
	if (err)
		return error_errno(error, err, "cannot list the tasks of this node");
	return 0;
}
