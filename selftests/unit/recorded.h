/* SPDX-License-Identifier: GPL-2.0-only */
/* The answers of a real manager's Engine (20.10), to be changed by tests: one node, services web,
 * glob, auto and rnd, five tasks. */
#ifndef SELFTESTS_UNIT_RECORDED_H
#define SELFTESTS_UNIT_RECORDED_H

#include <jansson.h>
#include <string.h>

#include "scratch.h"

static const char *const recorded_names[] = {"swarm", "nodes", "networks", "services", "tasks"};

struct recorded { /* by the order of names */
	json_t *answers[5];
};

static inline struct recorded record(void)
{
	struct recorded recorded;

	for (int i = 0; i < 5; i++)
		recorded.answers[i] = scratch_recorded(recorded_names[i]);
	return recorded;
}

static inline void record_free(struct recorded *recorded)
{
	for (int i = 0; i < 5; i++)
		json_decref(recorded->answers[i]);
}

static inline json_t *services(struct recorded *recorded)
{
	return recorded->answers[3];
}

static inline json_t *tasks(struct recorded *recorded)
{
	return recorded->answers[4];
}

static inline json_t *find_service(struct recorded *recorded, const char *name)
{
	json_t *service;
	size_t i;

	json_array_foreach (services(recorded), i, service)
		if (strcmp(json_string_value(
				   json_object_get(json_object_get(service, "Spec"), "Name")),
			   name) == 0)
			return service;
	abort();
}

static inline json_t *find_task(struct recorded *recorded, const char *id)
{
	json_t *task;
	size_t i;

	json_array_foreach (tasks(recorded), i, task)
		if (strncmp(json_string_value(json_object_get(task, "ID")), id, strlen(id)) == 0)
			return task;
	abort();
}

static inline void set_states(json_t *task, const char *desired, const char *actual)
{
	json_object_set_new(task, "DesiredState", json_string(desired));
	json_object_set_new(json_object_get(task, "Status"), "State", json_string(actual));
}

#endif
