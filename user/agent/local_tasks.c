/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/local_tasks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/scopes.h"
#include "lib/log.h"
#include "lib/loop.h"

/*
 * How long a container may take to come up before only a change of the network makes us look again.
 */
#define PATIENCE_NS (10ULL * 1000 * 1000 * 1000)
#define RETRY_NS    (LOCAL_TASKS_RETRY_MS * 1000ULL * 1000)

struct container {
	struct docker_container docker;
	struct scopes scopes;
	int ifindex;		/* 0: not known */
	uint64_t generation;	/* of the network, when last asked */
	uint64_t first_seen_ns; /* with this pid */
	uint64_t asked_ns;
	bool told; /* the log has said why it is not known */
	bool gone; /* the process is: Docker will say so, too */
};

struct local_tasks {
	struct container *containers; /* in Docker's order: by task_id, then id */
	size_t n_containers;
	struct datapath_local_task *found;
	size_t capacity; /* of found */
	/* What the data path gets of the containers. */
	struct datapath_container *spaces;
	struct datapath_scope *scopes;
	pid_t *pids;
	size_t n_spaces;
};

struct local_tasks *local_tasks_new(void)
{
	return calloc(1, sizeof(struct local_tasks));
}

void local_tasks_free(struct local_tasks *tasks)
{
	if (!tasks)
		return;
	for (size_t i = 0; i < tasks->n_containers; i++)
		scopes_free(&tasks->containers[i].scopes);
	free(tasks->containers);
	free(tasks->found);
	free(tasks->spaces);
	free(tasks->scopes);
	free(tasks->pids);
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
	err = net_task_interface(container->docker.pid, &container->ifindex, &error);
	if (!err) {
		container->told = false;
		return;
	}
	container->ifindex = 0;
	container->gone = err == -ESRCH;
	/* ENOENT: half up, for a while. */
	if (container->gone || (err == -ENOENT && patient) || container->told)
		return;
	container->told = true;
	if (*container->docker.task_id)
		log_warning("task %s (process %d) gets no traffic from here: %s",
			    container->docker.task_id, container->docker.pid, error.text);
}

/* A network that is not in its routes yet will be soon, or never (of 20 containers with odd
 * networks of their own, none is asked for ever). */
static void ask_scopes(struct container *container, const struct local_tasks_facts *facts,
		       uint64_t now)
{
	bool again = !container->scopes.whole && now - container->first_seen_ns < PATIENCE_NS;
	struct skep_error error;
	int err;

	if (!facts->model || container->gone)
		return;
	err = scopes_update(&container->scopes, &container->docker, facts->model, again, &error);
	container->gone = err == -ESRCH;
	if (err && err != -ESRCH)
		log_warning("container %.12s gets no names: %s", container->docker.id, error.text);
}

static bool waits(const struct container *container, uint64_t now)
{
	return ((!container->ifindex && *container->docker.task_id) || !container->scopes.whole) &&
	       !container->gone && now - container->first_seen_ns < PATIENCE_NS;
}

static int compare_containers(const struct docker_container *a, const struct docker_container *b)
{
	int order = strcmp(a->task_id, b->task_id);

	return order ? order : strcmp(a->id, b->id);
}

/* Merges Docker's list with what is known of it, both in the same order, and asks for what is not.
 */
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
		struct container *known = NULL;
		int order = -1;

		while (old < tasks->n_containers &&
		       (order = compare_containers(&tasks->containers[old].docker, container)) < 0)
			old++;
		if (old < tasks->n_containers && order == 0)
			known = &tasks->containers[old];
		if (known && known->docker.pid == container->pid) {
			/* New networks are waited for like those at the start. */
			bool changed = memcmp(&known->docker, container, sizeof(*container)) != 0;

			next[i] = *known;
			known->scopes = (struct scopes){0};
			if (changed)
				next[i].first_seen_ns = now;
		} else {
			next[i].first_seen_ns = now;
		}
		next[i].docker = *container;
		ask(&next[i], facts, now);
		ask_scopes(&next[i], facts, now);
		*retry |= waits(&next[i], now);
	}
	for (size_t i = 0; i < tasks->n_containers; i++)
		scopes_free(&tasks->containers[i].scopes);
	free(tasks->containers);
	tasks->containers = next;
	tasks->n_containers = facts->n_containers;
	return 0;
}

static size_t take_scopes(const struct container *container, const struct model *model,
			  struct datapath_scope *scopes)
{
	size_t n = 0;

	for (size_t i = 0; i < container->scopes.n; i++) {
		const struct scope *scope = &container->scopes.items[i];
		const struct model_network *network =
			model_find_network(model, container->docker.networks[scope->network].id);

		if (network)
			scopes[n++] = (struct datapath_scope){scope->prefix, network};
	}
	return n;
}

/* Puts the containers together as the data path wants them. */
static int list_spaces(struct local_tasks *tasks, const struct local_tasks_facts *facts)
{
	size_t n_scopes = 0;

	free(tasks->spaces);
	free(tasks->scopes);
	free(tasks->pids);
	for (size_t i = 0; i < tasks->n_containers; i++)
		n_scopes += tasks->containers[i].scopes.n;
	tasks->n_spaces = 0;
	tasks->spaces = calloc(tasks->n_containers + 1, sizeof(*tasks->spaces));
	tasks->scopes = calloc(n_scopes + 1, sizeof(*tasks->scopes));
	tasks->pids = calloc(tasks->n_containers + 1, sizeof(*tasks->pids));
	if (!tasks->spaces || !tasks->scopes || !tasks->pids)
		return -ENOMEM;
	n_scopes = 0;
	for (size_t i = 0; i < tasks->n_containers && facts->model; i++) {
		const struct container *container = &tasks->containers[i];
		struct datapath_container *space = &tasks->spaces[tasks->n_spaces];

		if (!container->scopes.cookie || container->gone)
			continue;
		*space = (struct datapath_container){
			.cookie = container->scopes.cookie,
			.ifindex = container->ifindex,
			.scopes = tasks->scopes + n_scopes,
		};
		space->n_scopes = take_scopes(container, facts->model, tasks->scopes + n_scopes);
		n_scopes += space->n_scopes;
		tasks->pids[tasks->n_spaces++] = container->docker.pid;
	}
	return 0;
}

const pid_t *local_tasks_pids(const struct local_tasks *tasks, size_t *n)
{
	*n = tasks->n_spaces;
	return tasks->pids;
}

static int compare_id(const void *key, const void *element)
{
	return strcmp(key, ((const struct container *)element)->docker.task_id);
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
		       struct datapath_node *node, bool *retry, struct skep_error *error)
{
	const struct model *model = facts->model;
	size_t n = 0;
	int err = 0;

	*retry = false;
	if (!facts->file)
		err = follow_containers(tasks, facts, retry);
	if (!err)
		err = list_spaces(tasks, facts);
	for (size_t i = 0; !err && model && facts->self && i < model->n_tasks; i++) {
		const struct model_task *task = &model->tasks[i];
		int ifindex;

		if (task->node != facts->self)
			continue;
		ifindex = task_interface(tasks, facts, task);
		if (ifindex)
			err = add(tasks, n, task->id, ifindex);
		if (ifindex && !err)
			n++;
	}
	node->tasks = tasks->found;
	node->n_tasks = n;
	node->containers = tasks->spaces;
	node->n_containers = tasks->n_spaces;
	return err ? error_errno(error, err, "cannot list the containers of this node") : 0;
}
