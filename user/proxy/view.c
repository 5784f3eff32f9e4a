/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/view.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "datapath/ring_build.h"
#include "model/options.h"
#include "proxy/check.h"
#include "proxy/watch.h"

/* A service's tasks that take requests: tasks[first … first + n) of the list. */
struct served {
	size_t first, n;
	uint32_t groups; /* 1 + the service's first group; chained by struct making's next */
};

struct making {
	struct views *views;
	struct view *view;
	const struct model *model; /* in force */
	struct served *served;	   /* of the model's services */
	const struct model_task **tasks;
	uint32_t *next;	       /* of groups: 1 + the next of the same service */
	const char **networks; /* of groups */
};

static bool takes_requests(const struct model_task *task)
{
	return model_task_level(task) == MODEL_SERVING && task->weight;
}

/* By counting, in two passes. */
static int list_tasks(struct making *making)
{
	const struct model *model = making->model;
	size_t first = 0;

	making->served = calloc(model->n_services + 1, sizeof(*making->served));
	making->tasks = calloc(model->n_tasks + 1, sizeof(struct model_task *));
	if (!making->served || !making->tasks)
		return -ENOMEM;
	for (size_t i = 0; i < model->n_tasks; i++)
		if (takes_requests(&model->tasks[i]))
			making->served[model->tasks[i].service - model->services].n++;
	for (size_t i = 0; i < model->n_services; i++) {
		making->served[i].first = first;
		first += making->served[i].n;
		making->served[i].n = 0;
	}
	for (size_t i = 0; i < model->n_tasks; i++)
		if (takes_requests(&model->tasks[i])) {
			struct served *served =
				&making->served[model->tasks[i].service - model->services];

			making->tasks[served->first + served->n++] = &model->tasks[i];
		}
	return 0;
}

/*
 * Where a task is asked: on the network that the route names; else on the ingress network if the
 * port is published, as Docker lets nothing else through there; else on its first other network.
 */
static const struct skep_addr *task_address(const struct model_task *task, uint16_t port,
					    const char *network)
{
	const struct model_attachment *found = NULL;

	for (size_t i = 0; i < task->n_addresses; i++) {
		const struct model_attachment *attachment = &task->addresses[i];
		bool usable = !attachment->network->ingress;

		if (network) {
			if (strcmp(attachment->network->name, network) == 0 ||
			    strcmp(attachment->network->id, network) == 0)
				return &attachment->address;
			continue;
		}
		for (size_t p = 0; p < task->service->n_ports && !usable; p++)
			usable = task->service->ports[p].target == port &&
				 task->service->ports[p].protocol == IPPROTO_TCP;
		if (usable && !found)
			found = attachment;
	}
	return found ? &found->address : NULL;
}

static uint64_t cookie_of(const char *task_id, uint16_t port)
{
	uint64_t hash = 0xcbf29ce484222325ULL ^ port; /* FNV-1a */

	for (; *task_id; task_id++)
		hash = (hash ^ (unsigned char)*task_id) * 0x100000001b3ULL;
	hash ^= hash >> 32;
	return hash ? hash : 1;
}

static int compare_view_task(const void *a, const void *b)
{
	return memcmp(&((const struct view_task *)a)->addr, &((const struct view_task *)b)->addr,
		      sizeof(struct skep_addr));
}

/* Round robin's order: the same ring as in the kernel. */
static int make_order(struct view_group *group)
{
	struct ring_task *tasks = calloc(group->n_tasks + 1, sizeof(*tasks));
	struct skep_addr *slots = NULL;
	uint32_t length = 0;
	size_t n = 0;
	int err = tasks ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < group->n_tasks && !err; i++)
		tasks[i] = (struct ring_task){.addr = group->tasks[i].addr,
					      .weight = group->tasks[i].weight};
	if (!err) {
		n = ring_normalise(tasks, group->n_tasks, false);
		length = ring_length(SKEP_POLICY_ROUND_ROBIN, tasks, n);
		slots = calloc(length + 1, sizeof(*slots));
		group->order = calloc(length + 1, sizeof(*group->order));
		err = slots && group->order ? ring_build(SKEP_POLICY_ROUND_ROBIN, tasks, n, slots)
					    : -ENOMEM;
	}
	for (uint32_t i = 0; i < length && !err; i++) {
		struct view_task key = {.addr = slots[i]};
		const struct view_task *task =
			bsearch(&key, group->tasks, group->n_tasks, sizeof(key), compare_view_task);

		if (task)
			group->order[group->n_order++] = (uint32_t)(task - group->tasks);
	}
	free(tasks);
	free(slots);
	return err;
}

/* Overrides name published ports; a service's HTTP obeys what is said of the one that leads to the
 * same port of its tasks. */
static const struct model_task *pinned_task(const struct model_service *service, uint16_t port)
{
	for (size_t i = 0; i < service->n_ports; i++)
		if (service->ports[i].target == port && service->ports[i].pinned)
			return service->ports[i].pinned;
	return NULL;
}

static int fill_group(struct making *making, struct view_group *group,
		      const struct model_service *service, const struct route_rule *rule)
{
	const struct served *served = &making->served[service - making->model->services];
	struct options options;

	const struct model_task *pinned = pinned_task(service, rule->port);

	options_read(service, &options, NULL, NULL);
	group->service = service->name;
	group->port = rule->port;
	group->policy = options.policy;
	group->tasks = calloc(served->n + 1, sizeof(*group->tasks));
	if (!group->tasks)
		return -ENOMEM;
	for (size_t i = 0; i < served->n; i++) {
		const struct model_task *task = making->tasks[served->first + i];
		const struct skep_addr *addr = task_address(task, rule->port, rule->network);
		struct view_task *made = &group->tasks[group->n_tasks];

		if (!addr || service->disabled || (pinned && pinned != task))
			continue;
		*made = (struct view_task){
			.addr = *addr,
			.name = task->name,
			.cookie = cookie_of(task->id, rule->port),
			.weight = task->weight,
			.series = registry_get(&making->views->tasks, task->name),
		};
		if (!made->series)
			return -ENOMEM;
		group->n_tasks++;
		if (rule->check.path && checks_want(making->views->checks, &rule->check, addr,
						    rule->port, &made->check))
			return -ENOMEM;
	}
	if (group->n_tasks)
		qsort(group->tasks, group->n_tasks, sizeof(*group->tasks), compare_view_task);
	return make_order(group);
}

static bool same_network(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* The group of a rule's tasks: rules of a service with one port and network share it. */
static int find_group(struct making *making, const struct route_rule *rule, uint32_t *number)
{
	struct view *view = making->view;
	const struct model_service *service = model_find_service(making->model, rule->service_id);
	struct served *served;
	uint32_t at;

	/* Routes and model are of one moment. */
	if (!service)
		return -EINVAL;
	served = &making->served[service - making->model->services];
	for (at = served->groups; at; at = making->next[at - 1])
		if (view->groups[at - 1].port == rule->port &&
		    same_network(making->networks[at - 1], rule->network)) {
			*number = at - 1;
			return 0;
		}
	*number = (uint32_t)view->n_groups++;
	making->next[*number] = served->groups;
	making->networks[*number] = rule->network;
	served->groups = *number + 1;
	return fill_group(making, &view->groups[*number], service, rule);
}

/* What a route is called in counters: "web", "web.admin". */
static struct series *route_series(struct views *views, const struct route_rule *rule)
{
	char name[512];

	snprintf(name, sizeof(name), "%.240s%s%.240s", rule->service, *rule->name ? "." : "",
		 rule->name);
	return registry_get(&views->routes, name);
}

static int bind_rules(struct making *making)
{
	struct view *view = making->view;
	const struct route_rule *const *rules = route_table_rules(view->routes, &view->n_rules);
	int err = 0;

	view->of_rule = calloc(view->n_rules + 1, sizeof(*view->of_rule));
	view->groups = calloc(view->n_rules + 1, sizeof(*view->groups));
	making->next = calloc(view->n_rules + 1, sizeof(*making->next));
	making->networks = calloc(view->n_rules + 1, sizeof(*making->networks));
	if (!view->of_rule || !view->groups || !making->next || !making->networks)
		return -ENOMEM;
	for (size_t i = 0; i < view->n_rules && !err; i++) {
		err = find_group(making, rules[i], &view->of_rule[i].group);
		if (!err) {
			view->of_rule[i].series = route_series(making->views, rules[i]);
			err = view->of_rule[i].series ? 0 : -ENOMEM;
		}
	}
	return err;
}

static void view_free(struct views *views, struct view *view)
{
	for (size_t i = 0; view->of_rule && i < view->n_rules; i++)
		registry_put(&views->routes, view->of_rule[i].series);
	for (size_t i = 0; view->groups && i < view->n_groups; i++) {
		struct view_group *group = &view->groups[i];

		for (uint32_t t = 0; t < group->n_tasks; t++) {
			registry_put(&views->tasks, group->tasks[t].series);
			checks_unwant(views->checks, group->tasks[t].check);
		}
		free(group->tasks);
		free(group->order);
	}
	free(view->groups);
	free(view->of_rule);
	route_table_free(view->routes);
	model_free(view->effective); /* it borrows from the model */
	model_free(view->model);
	free(view);
}

int view_make(struct views *views, const struct watch_news *news, struct view **result,
	      struct skep_error *error)
{
	struct view *view = calloc(1, sizeof(*view));
	struct making making = {.views = views, .view = view};
	bool *bears = calloc(news->n_overrides + 1, sizeof(*bears));
	struct timespec now;
	int err = view && bears ? 0 : -ENOMEM;

	if (!view)
		model_free(news->model);
	else
		view->model = news->model;
	clock_gettime(CLOCK_REALTIME, &now);
	if (!err)
		err = override_apply(view->model, news->overrides, news->n_overrides,
				     (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000,
				     &view->effective, bears);
	free(bears);
	free(news->overrides);
	if (!err) {
		making.model = view->effective ? view->effective : view->model;
		err = route_table_build(&view->routes, making.model, error);
	} else {
		error_errno(error, err, "cannot take over new routes");
	}
	if (!err) {
		err = list_tasks(&making);
		if (!err)
			err = bind_rules(&making);
		if (err)
			error_errno(error, err, "cannot take over new routes");
	}
	free(making.served);
	free(making.tasks);
	free(making.next);
	free(making.networks);
	if (err) {
		if (view)
			view_free(views, view);
		return err;
	}
	atomic_init(&view->users, 1);
	view->next = views->all;
	views->all = view;
	*result = view;
	return 0;
}

void view_hold(struct view *view)
{
	atomic_fetch_add_explicit(&view->users, 1, memory_order_relaxed);
}

void view_put(struct view *view)
{
	if (view)
		atomic_fetch_sub_explicit(&view->users, 1, memory_order_release);
}

void views_free_unused(struct views *views, bool all)
{
	struct view **place = &views->all;

	while (*place) {
		struct view *view = *place;

		if (!all && atomic_load_explicit(&view->users, memory_order_acquire)) {
			place = &view->next;
			continue;
		}
		*place = view->next;
		view_free(views, view);
	}
}
