/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "model/options.h"

/* Names that one line lists before it only counts. */
#define NAMES_MAX 5

struct names {
	char text[512];
	size_t n;
};

static void add_name(struct names *names, const char *name)
{
	size_t used = strlen(names->text);

	if (names->n++ < NAMES_MAX)
		snprintf(names->text + used, sizeof(names->text) - used, "%s%.60s",
			 used ? ", " : "", name);
}

static const char *more(const struct names *names)
{
	return names->n > NAMES_MAX ? ", …" : "";
}

static void log_names(const char *what, const struct names *names, size_t total)
{
	if (names->n)
		log_info("%s: %s%s (%zu, now %zu)", what, names->text, more(names), names->n,
			 total);
}

static void compare_services(const struct model *before, const struct model *after)
{
	struct names added = {0}, removed = {0};
	size_t i = 0, j = 0, n = before ? before->n_services : 0;

	while (i < n || j < after->n_services) {
		int order = i == n ? 1
			    : j == after->n_services
				    ? -1
				    : strcmp(before->services[i].id, after->services[j].id);

		if (order < 0)
			add_name(&removed, before->services[i].name);
		else if (order > 0)
			add_name(&added, after->services[j].name);
		i += order <= 0;
		j += order >= 0;
	}
	log_names("services added", &added, after->n_services);
	log_names("services removed", &removed, after->n_services);
}

static void compare_nodes(const struct model *before, const struct model *after)
{
	struct names added = {0}, removed = {0};
	size_t i = 0, j = 0, n = before ? before->n_nodes : 0;

	while (i < n || j < after->n_nodes) {
		int order = i == n		  ? 1
			    : j == after->n_nodes ? -1
						  : strcmp(before->nodes[i].id, after->nodes[j].id);

		if (order < 0)
			add_name(&removed, before->nodes[i].name);
		else if (order > 0)
			add_name(&added, after->nodes[j].name);
		else if (before->nodes[i].ready != after->nodes[j].ready)
			log_warning("node %s is %s", after->nodes[j].name,
				    after->nodes[j].ready ? "ready again"
							  : "not ready: its tasks drain");
		i += order <= 0;
		j += order >= 0;
	}
	log_names("nodes added", &added, after->n_nodes);
	log_names("nodes removed", &removed, after->n_nodes);
}

/* Serving tasks by service, in the model's order; NULL: no memory, or no model. */
static size_t *count_serving(const struct model *model)
{
	size_t *serving = model ? calloc(model->n_services + 1, sizeof(*serving)) : NULL;

	for (size_t i = 0; serving && i < model->n_tasks; i++)
		if (model_task_level(&model->tasks[i]) == MODEL_SERVING)
			serving[model->tasks[i].service - model->services]++;
	return serving;
}

/* Tasks come and go all the time; that the last one went, or the first one came, is news. */
static void compare_serving(const struct model *before, const struct model *after)
{
	size_t *old = count_serving(before), *new = count_serving(after);
	size_t i = 0;

	for (size_t j = 0; new &&j < after->n_services; j++) {
		const struct model_service *service = &after->services[j];
		size_t had = 0;

		while (old && i < before->n_services &&
		       strcmp(before->services[i].id, service->id) < 0)
			i++;
		if (old && i < before->n_services &&
		    strcmp(before->services[i].id, service->id) == 0)
			had = old[i];
		if (!service->n_ports || had == new[j])
			continue;
		if (!new[j])
			log_warning("service %s has no serving task left", service->name);
		else if (!had && before)
			log_info("service %s serves: %zu tasks", service->name, new[j]);
		else
			log_debug("service %s: %zu serving tasks, were %zu", service->name, new[j],
				  had);
	}
	free(old);
	free(new);
}

/* A service's labels that cannot be honoured, in the order of their keys. */
struct label_problem {
	const char *key; /* the model's */
	char why[OPTIONS_WHY_SIZE];
};

struct label_problems {
	struct label_problem *list;
	size_t n;
};

static void note_problem(void *context, const char *key, const char *why)
{
	struct label_problems *problems = context;
	struct label_problem *grown = reallocarray(problems->list, problems->n + 1, sizeof(*grown));

	if (!grown)
		return; /* only the log is poorer */
	problems->list = grown;
	grown[problems->n].key = key;
	snprintf(grown[problems->n++].why, sizeof(grown->why), "%s", why);
}

static struct label_problems find_problems(const struct model_service *service)
{
	struct label_problems problems = {0};
	struct options options;

	if (service)
		options_read(service, &options, note_problem, &problems);
	return problems;
}

static void compare_service_labels(const struct model_service *before,
				   const struct model_service *after)
{
	struct label_problems old = find_problems(before), new = find_problems(after);
	size_t i = 0, j = 0;

	while (i < old.n || j < new.n) {
		int order = i == old.n	 ? 1
			    : j == new.n ? -1
					 : strcmp(old.list[i].key, new.list[j].key);

		if (order < 0)
			log_info("service %s: label %.64s is no longer a problem (%s)", after->name,
				 old.list[i].key, old.list[i].why);
		else if (order > 0 || strcmp(old.list[i].why, new.list[j].why) != 0)
			log_warning("service %s: label %.64s: %s", after->name, new.list[j].key,
				    new.list[j].why);
		i += order <= 0;
		j += order >= 0;
	}
	free(old.list);
	free(new.list);
}

/* Of services that went nothing is said: that they went is. */
static void compare_labels(const struct model *before, const struct model *after)
{
	for (size_t i = 0; i < after->n_services; i++) {
		const struct model_service *service = &after->services[i];

		compare_service_labels(before ? model_find_service(before, service->id) : NULL,
				       service);
	}
}

void journal_model(const struct model *before, const struct model *after)
{
	compare_nodes(before, after);
	compare_services(before, after);
	compare_labels(before, after);
	compare_serving(before, after);
}

struct journal_task {
	char id[64];
	char name[64];
	int ifindex;
};

struct journal {
	struct journal_task *tasks; /* sorted by id */
	size_t n_tasks;
};

struct journal *journal_new(void)
{
	return calloc(1, sizeof(struct journal));
}

void journal_free(struct journal *journal)
{
	if (!journal)
		return;
	free(journal->tasks);
	free(journal);
}

static void remember(struct journal_task *task, const struct model *model,
		     const struct datapath_local_task *local)
{
	const struct model_task *known = model_find_task(model, local->task_id);

	snprintf(task->id, sizeof(task->id), "%s", local->task_id);
	snprintf(task->name, sizeof(task->name), "%s", known ? known->name : local->task_id);
	task->ifindex = local->ifindex;
}

void journal_tasks(struct journal *journal, const struct model *model,
		   const struct datapath_node *node, const struct net_state *net)
{
	struct journal_task *now = calloc(node->n_tasks + 1, sizeof(*now));
	size_t i = 0, j = 0;

	if (!now)
		return; /* only the log is poorer */
	for (size_t k = 0; k < node->n_tasks; k++)
		remember(&now[k], model, &node->tasks[k]);
	while (i < journal->n_tasks || j < node->n_tasks) {
		const struct journal_task *old = &journal->tasks[i], *new = &now[j];
		int order = i == journal->n_tasks ? 1
			    : j == node->n_tasks  ? -1
						  : strcmp(old->id, new->id);
		const struct net_link *link = order < 0 ? NULL : net_find_link(net, new->ifindex);

		if (order < 0)
			log_info("task %s is no longer here", old->name);
		else if (order > 0 || old->ifindex != new->ifindex)
			log_info("task %s is here, behind %s", new->name, link ? link->name : "?");
		i += order <= 0;
		j += order >= 0;
	}
	free(journal->tasks);
	journal->tasks = now;
	journal->n_tasks = node->n_tasks;
}
