/* SPDX-License-Identifier: GPL-2.0-only */
#include "source/docker.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "source/docker_info.h"
#include "source/docker_tasks.h"
#include "source/engine.h"

#define INFO_LIMIT (4 << 20)
#define TIMEOUT_MS 10000
/* No event tells a worker that it was promoted, or that a manager came or went. */
#define INFO_EVERY_MS 2000

/*
 * A dockerd that shuts down leaves its Swarm a few seconds before it stops to answer, and says
 * "inactive" meanwhile. Only one that says so for longer has left for good.
 */
#define LEFT_AFTER_MS 10000
#define NS_PER_MS     1000000ULL

#define EVENT_FILTERS                                                                              \
	"{\"type\":[\"container\",\"network\"],"                                                   \
	"\"event\":[\"start\",\"die\",\"destroy\",\"health_status\",\"connect\",\"disconnect\"]}"
#define TASK_LABEL "com.docker.swarm.task.id"

/* What can go wrong apart from each other. */
enum {
	PROBLEM_INFO,
	PROBLEM_TASKS,
	PROBLEM_EVENTS,
	PROBLEMS
};

struct docker {
	struct loop *loop;
	struct http *http;
	char *socket_path;
	struct docker_receiver receiver;
	struct docker_node node;
	struct http_request *request; /* of /info */
	struct loop_timer timer;
	uint64_t retry_ms;
	uint64_t inactive_since_ns; /* while node still says active; 0: it is not inactive */
	struct docker_tasks *tasks;
	struct engine_events *events;
	char problems[PROBLEMS][sizeof(((struct skep_error *)0)->text)]; /* "": none */
};

static void set_problem(struct docker *docker, int which, const char *text)
{
	struct skep_error line = {""};

	if (text)
		error_set(&line, 0, "%s", text);
	memcpy(docker->problems[which], line.text, sizeof(line.text));
}

/* Is the node still to be taken as in its Swarm, whatever the Engine says at the moment? */
static bool may_be_shutting_down(struct docker *docker, const struct docker_node *node)
{
	if (node->active || !docker->node.active) {
		docker->inactive_since_ns = 0;
		return false;
	}
	if (!docker->inactive_since_ns)
		docker->inactive_since_ns = loop_now_ns();
	return loop_now_ns() - docker->inactive_since_ns < LEFT_AFTER_MS * NS_PER_MS;
}

/* Returns after how many ms to ask again. */
static uint64_t take_info(struct docker *docker, const struct http_answer *answer)
{
	struct docker_node node;
	struct skep_error error;
	json_t *info = NULL;
	int err = engine_check(docker->socket_path, answer, &error);

	if (!err) {
		info = engine_parse(docker->socket_path, answer->body, answer->size, &error);
		err = info ? docker_info_read(info, &node, &error) : -EINVAL;
	}
	json_decref(info);
	if (err) {
		set_problem(docker, PROBLEM_INFO, error.text);
		docker->inactive_since_ns = 0;
		docker->retry_ms = engine_retry_next(docker->retry_ms);
		return docker->retry_ms;
	}
	docker->retry_ms = 0;
	set_problem(docker, PROBLEM_INFO,
		    node.active
			    ? NULL
			    : "this node is in no Swarm (docker swarm init, docker swarm join)");
	if (may_be_shutting_down(docker, &node) || docker_info_equal(&node, &docker->node)) {
		docker_info_free(&node);
		return INFO_EVERY_MS;
	}
	docker_info_free(&docker->node);
	docker->node = node;
	docker->receiver.changed(docker->receiver.context);
	return INFO_EVERY_MS;
}

static void info_done(void *context, const struct http_answer *answer)
{
	struct docker *docker = context;

	docker->request = NULL;
	loop_arm(docker->loop, &docker->timer, take_info(docker, answer));
}

static void timer_expired(struct loop_timer *timer)
{
	struct docker *docker = container_of(timer, struct docker, timer);
	struct skep_error error;

	if (docker->request)
		return;
	if (engine_get(docker->http, docker->socket_path, "/info", INFO_LIMIT, TIMEOUT_MS,
		       info_done, docker, &docker->request, &error)) {
		set_problem(docker, PROBLEM_INFO, error.text);
		docker->retry_ms = engine_retry_next(docker->retry_ms);
		loop_arm(docker->loop, &docker->timer, docker->retry_ms);
	}
}

static void tasks_changed(void *context)
{
	struct docker *docker = context;

	docker->receiver.changed(docker->receiver.context);
}

static void tasks_problem(void *context, const char *text)
{
	set_problem(context, PROBLEM_TASKS, text);
}

static void events_connected(void *context)
{
	struct docker *docker = context;

	set_problem(docker, PROBLEM_EVENTS, NULL);
	docker_tasks_forget(docker->tasks, NULL);
	docker_tasks_refresh(docker->tasks);
	loop_arm(docker->loop, &docker->timer, 0);
}

static void events_event(void *context, const json_t *event)
{
	struct docker *docker = context;
	const char *action = json_string_value(json_object_get(event, "Action"));
	const json_t *actor = json_object_get(event, "Actor");
	const char *id = json_string_value(json_object_get(actor, "ID"));

	if (action && id && strcmp(action, "start") == 0)
		docker_tasks_forget(docker->tasks, id);
	docker_tasks_refresh(docker->tasks);
	if (json_object_get(json_object_get(actor, "Attributes"), TASK_LABEL))
		docker->receiver.event(docker->receiver.context);
}

static void events_failed(void *context, const char *why)
{
	set_problem(context, PROBLEM_EVENTS, why);
}

int docker_open(struct docker **opened, struct loop *loop, struct http *http,
		const char *socket_path, const struct docker_receiver *receiver,
		struct skep_error *error)
{
	struct docker *docker = calloc(1, sizeof(*docker));
	int err = 0;

	if (docker)
		docker->socket_path = strdup(socket_path);
	if (!docker || !docker->socket_path) {
		err = error_errno(error, -ENOMEM, "cannot follow Docker");
		goto cleanup;
	}
	docker->loop = loop;
	docker->http = http;
	docker->receiver = *receiver;
	docker->timer.expired = timer_expired;
	docker->tasks = docker_tasks_new(
		loop, http, socket_path,
		&(struct docker_tasks_receiver){tasks_changed, tasks_problem, docker});
	if (!docker->tasks) {
		err = error_errno(error, -ENOMEM, "cannot follow Docker");
		goto cleanup;
	}
	err = engine_events_open(&docker->events, loop, http, socket_path, EVENT_FILTERS,
				 &(struct engine_event_receiver){events_connected, events_event,
								 events_failed, docker},
				 error);
	if (err)
		goto cleanup;
	loop_arm(loop, &docker->timer, 0);
	*opened = docker;
	docker = NULL;
cleanup:
	docker_close(docker);
	return err;
}

void docker_close(struct docker *docker)
{
	if (!docker)
		return;
	http_cancel(docker->request);
	if (docker->loop)
		loop_disarm(docker->loop, &docker->timer);
	engine_events_close(docker->events);
	docker_tasks_free(docker->tasks);
	docker_info_free(&docker->node);
	free(docker->socket_path);
	free(docker);
}

const struct docker_node *docker_node(const struct docker *docker)
{
	return &docker->node;
}

const struct docker_container *docker_containers(const struct docker *docker, size_t *n)
{
	return docker_tasks_list(docker->tasks, n);
}

bool docker_complete(const struct docker *docker)
{
	return docker->node.id[0] && docker_tasks_complete(docker->tasks);
}

const char *docker_problem(const struct docker *docker)
{
	for (int i = 0; i < PROBLEMS; i++)
		if (docker->problems[i][0])
			return docker->problems[i];
	return NULL;
}

const char *docker_socket_path(const char *text)
{
	static const char scheme[] = "unix://";

	if (strncmp(text, scheme, strlen(scheme)) != 0 || text[strlen(scheme)] != '/')
		return NULL;
	return text + strlen(scheme);
}
