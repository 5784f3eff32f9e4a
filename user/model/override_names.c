/* SPDX-License-Identifier: GPL-2.0-only */
/* What a person means by a name; and if that cannot be told, what there is to choose from. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/check.h"
#include "model/override.h"

#define LISTED_MAX 12

struct candidates {
	char text[400];
	size_t n;
};

static void add_candidate(struct candidates *candidates, const char *format, const char *name,
			  const char *id)
{
	size_t used = strlen(candidates->text);
	char one[160];

	if (candidates->n++ >= LISTED_MAX)
		return;
	snprintf(one, sizeof(one), format, name, id);
	if (used + strlen(one) + 3 >= sizeof(candidates->text)) {
		candidates->n = LISTED_MAX + 1;
		return;
	}
	snprintf(candidates->text + used, sizeof(candidates->text) - used, "%s%s", used ? ", " : "",
		 one);
}

static int fail_none(const char *what, const char *text, const struct candidates *candidates,
		     struct skep_error *error)
{
	char quoted[QUOTE_SIZE];

	check_quote(text, strlen(text), quoted);
	if (!candidates->n)
		return error_set(error, -ENOENT, "%s fits no %s, and there is none", quoted, what);
	return error_set(error, -ENOENT, "%s fits no %s; there are %s%s", quoted, what,
			 candidates->text, candidates->n > LISTED_MAX ? ", …" : "");
}

static int fail_several(const char *text, const struct candidates *candidates,
			struct skep_error *error)
{
	char quoted[QUOTE_SIZE];

	return error_set(error, -ENOENT, "%s fits several: %s%s; give the id",
			 check_quote(text, strlen(text), quoted), candidates->text,
			 candidates->n > LISTED_MAX ? ", …" : "");
}

static bool is_there(const struct model_task *task)
{
	return model_task_level(task) != MODEL_ABSENT;
}

/* Does the text fit the task; and better than a mere beginning of its id? */
static bool task_fits(const struct model_task *task, const char *text, bool *wholly)
{
	*wholly = strcmp(task->name, text) == 0 || strcmp(task->id, text) == 0;
	return *wholly || strncmp(task->id, text, strlen(text)) == 0;
}

/* Tasks of the service that the text begins with, if there are such; else all. */
static bool task_is_near(const struct model_task *task, const char *text)
{
	size_t length = strcspn(text, ".");

	return length > 0 && strncmp(task->name, text, length) == 0;
}

static void list_tasks(const struct model *model, const char *text, struct candidates *candidates)
{
	for (int near = 1; near >= 0 && !candidates->n; near--)
		for (size_t i = 0; i < model->n_tasks; i++)
			if (is_there(&model->tasks[i]) &&
			    (!near || task_is_near(&model->tasks[i], text)))
				add_candidate(candidates, "%.60s", model->tasks[i].name, NULL);
}

/* 0: *task may still be NULL, as nothing fits. */
static int match_task(const struct model *model, const char *text, const struct model_task **task,
		      struct skep_error *error)
{
	const struct model_task *found = NULL;
	struct candidates several = {0};
	bool found_wholly = false;

	*task = NULL;
	for (size_t i = 0; *text && i < model->n_tasks; i++) {
		const struct model_task *one = &model->tasks[i];
		bool wholly;

		if (!is_there(one) || !task_fits(one, text, &wholly))
			continue;
		if (found && (found_wholly != wholly)) {
			if (wholly)
				several = (struct candidates){0};
			else
				continue;
		} else if (found && model_task_level(found) != model_task_level(one)) {
			/* While web.3 is replaced there are two of them. */
			if (model_task_level(found) == MODEL_SERVING)
				continue;
			several = (struct candidates){0};
		}
		add_candidate(&several, "%.60s (%.60s)", one->name, one->id);
		found = one;
		found_wholly = wholly;
	}
	if (several.n > 1)
		return fail_several(text, &several, error);
	*task = found;
	return 0;
}

int override_find_task(const struct model *model, const char *text, const struct model_task **task,
		       struct skep_error *error)
{
	struct candidates candidates = {0};
	int err = match_task(model, text, task, error);

	if (err || *task)
		return err;
	list_tasks(model, text, &candidates);
	return fail_none("task", text, &candidates, error);
}

static int match_node(const struct model *model, const char *text, const struct model_node **node,
		      struct skep_error *error)
{
	struct candidates several = {0};

	*node = model_find_node(model, text);
	if (*node)
		return 0;
	for (size_t i = 0; i < model->n_nodes; i++) {
		if (strcmp(model->nodes[i].name, text) != 0)
			continue;
		add_candidate(&several, "%.60s (%.60s)", model->nodes[i].name, model->nodes[i].id);
		*node = &model->nodes[i];
	}
	return several.n > 1 ? fail_several(text, &several, error) : 0;
}

int override_find_node(const struct model *model, const char *text, const struct model_node **node,
		       struct skep_error *error)
{
	struct candidates candidates = {0};
	int err = match_node(model, text, node, error);

	if (err || *node)
		return err;
	for (size_t i = 0; i < model->n_nodes; i++)
		add_candidate(&candidates, "%.60s", model->nodes[i].name, NULL);
	return fail_none("node", text, &candidates, error);
}

int override_find_service(const struct model *model, const char *text,
			  const struct model_service **service, struct skep_error *error)
{
	struct candidates candidates = {0}, several = {0};

	*service = model_find_service(model, text);
	if (*service)
		return 0;
	for (size_t i = 0; i < model->n_services; i++) {
		const struct model_service *one = &model->services[i];

		add_candidate(&candidates, "%.60s", one->name, NULL);
		if (strcmp(one->name, text) != 0)
			continue;
		add_candidate(&several, "%.60s (%.60s)", one->name, one->id);
		*service = one;
	}
	if (several.n > 1)
		return fail_several(text, &several, error);
	return *service ? 0 : fail_none("service", text, &candidates, error);
}

int override_find_task_or_node(const struct model *model, const char *text,
			       const struct model_task **task, const struct model_node **node,
			       struct skep_error *error)
{
	struct candidates candidates = {0};
	int err = match_node(model, text, node, error);

	if (!err)
		err = match_task(model, text, task, error);
	if (err)
		return err;
	/* A node's name is whole; a task's may be the beginning of an id. */
	if (*node && *task && strcmp((*task)->name, text) != 0 && strcmp((*task)->id, text) != 0)
		*task = NULL;
	if (*node && *task) {
		add_candidate(&candidates, "node %.60s (%.60s)", (*node)->name, (*node)->id);
		add_candidate(&candidates, "task %.60s (%.60s)", (*task)->name, (*task)->id);
		return fail_several(text, &candidates, error);
	}
	if (*node || *task)
		return 0;
	list_tasks(model, text, &candidates);
	for (size_t i = 0; i < model->n_nodes; i++)
		add_candidate(&candidates, "%.60s", model->nodes[i].name, NULL);
	return fail_none("task or node", text, &candidates, error);
}
