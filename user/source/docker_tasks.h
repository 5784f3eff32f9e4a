/* SPDX-License-Identifier: GPL-2.0-only */
/* This node's running containers, their processes and networks. Not for others than docker.c. */
#ifndef SKEP_SOURCE_DOCKER_TASKS_H
#define SKEP_SOURCE_DOCKER_TASKS_H

#include "source/docker.h"

struct docker_tasks_receiver {
	void (*changed)(void *context);			  /* the list differs from what it was */
	void (*problem)(void *context, const char *text); /* NULL: the last reading went well */
	void *context;
};

struct docker_tasks;
struct docker_tasks *docker_tasks_new(struct loop *loop, struct http *http, const char *socket_path,
				      const struct docker_tasks_receiver *receiver);
void docker_tasks_free(struct docker_tasks *tasks); /* NULL is fine */

/* Reads the list anew, soon; also does so by itself every 10 s, and until it succeeds. */
void docker_tasks_refresh(struct docker_tasks *tasks);
/* A container (by id) has started: its process is another than before. NULL: all may have. */
void docker_tasks_forget(struct docker_tasks *tasks, const char *container_id);

/* The list was read and each container on it asked about at least once; changed() tells of the
 * first time. */
bool docker_tasks_complete(const struct docker_tasks *tasks);

/* Sorted by task id, then id; valid until the next changed(). */
const struct docker_container *docker_tasks_list(const struct docker_tasks *tasks, size_t *n);

#endif
