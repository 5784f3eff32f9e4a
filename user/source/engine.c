/* SPDX-License-Identifier: GPL-2.0-only */
#include "source/engine.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define URL_SIZE 1024
/* An event is a few hundred bytes and its container's labels. */
#define EVENT_LIMIT (1 << 20)

struct engine_events {
	struct loop *loop;
	struct http *http;
	char *socket_path;
	char path[URL_SIZE];
	struct engine_event_receiver receiver;
	struct http_request *request;
	struct loop_timer retry;
	uint64_t retry_ms;
	char *line; /* the part of an event that is here */
	size_t size;
};

int engine_post(struct http *http, const char *socket_path, const char *path, const char *body,
		size_t limit, long timeout_ms, void (*done)(void *, const struct http_answer *),
		void *context, struct http_request **request, struct skep_error *error)
{
	char url[URL_SIZE];
	struct http_query query = {
		.url = url,
		.method = body ? "POST" : NULL,
		.unix_socket = socket_path,
		.body = body,
		.limit = limit,
		.timeout_ms = timeout_ms,
		.done = done,
		.context = context,
	};

	if ((size_t)snprintf(url, sizeof(url), "http://docker%s", path) >= sizeof(url))
		return error_set(error, -ENAMETOOLONG, "the path %.64s… is too long", path);
	return http_start(http, &query, request, error);
}

int engine_get(struct http *http, const char *socket_path, const char *path, size_t limit,
	       long timeout_ms, void (*done)(void *, const struct http_answer *), void *context,
	       struct http_request **request, struct skep_error *error)
{
	return engine_post(http, socket_path, path, NULL, limit, timeout_ms, done, context, request,
			   error);
}

int engine_check(const char *socket_path, const struct http_answer *answer,
		 struct skep_error *error)
{
	const char *message = NULL;
	json_t *root = NULL;
	int err;

	if (answer->status == 200)
		return 0;
	if (answer->status == 0)
		return error_set(error, -EIO, "Docker at %s: %s", socket_path, answer->error);
	if (answer->body) {
		root = json_loadb(answer->body, answer->size, 0, NULL);
		message = json_string_value(json_object_get(root, "message"));
	}
	err = error_set(error, -EIO, "Docker at %s: %s (HTTP %ld)", socket_path,
			message ? message : "no reason given", answer->status);
	json_decref(root);
	return err;
}

json_t *engine_parse(const char *socket_path, const char *body, size_t size,
		     struct skep_error *error)
{
	json_error_t why;
	json_t *root = json_loadb(body, size, 0, &why);

	if (!root)
		error_set(error, -EINVAL, "Docker at %s: bad JSON: %s", socket_path, why.text);
	return root;
}

static void handle_line(struct engine_events *events, const char *line, size_t size)
{
	json_t *event = json_loadb(line, size, 0, NULL);

	/* What is not an event tells nothing; the polls that go on beside still see what changed.
	 */
	if (json_is_object(event))
		events->receiver.event(events->receiver.context, event);
	json_decref(event);
}

static void retry_later(struct engine_events *events, const char *why)
{
	events->size = 0;
	events->retry_ms = engine_retry_next(events->retry_ms);
	loop_arm(events->loop, &events->retry, events->retry_ms);
	events->receiver.failed(events->receiver.context, why);
}

/* One JSON object a line. */
static void stream_chunk(void *context, const char *data, size_t size)
{
	struct engine_events *events = context;

	if (size == 0) {
		events->retry_ms = 0;
		events->receiver.connected(events->receiver.context);
		return;
	}
	char *line = size <= EVENT_LIMIT - events->size
			     ? realloc(events->line, events->size + size + 1)
			     : NULL;
	if (!line) {
		http_cancel(events->request);
		events->request = NULL;
		retry_later(events, "an event is too large");
		return;
	}
	memcpy(line + events->size, data, size);
	events->line = line;
	events->size += size;
	line[events->size] = '\0';

	size_t used = 0;
	for (char *end; (end = memchr(line + used, '\n', events->size - used)) != NULL;) {
		size_t length = (size_t)(end - (line + used));
		handle_line(events, line + used, length);
		used += length + 1;
	}
	memmove(line, line + used, events->size - used);
	events->size -= used;
}

static void stream_done(void *context, const struct http_answer *answer)
{
	struct engine_events *events = context;
	struct skep_error error;

	events->request = NULL;
	if (!engine_check(events->socket_path, answer, &error))
		error_set(&error, -EIO, "Docker at %s ended its event stream", events->socket_path);
	retry_later(events, error.text);
}

static int stream_start(struct engine_events *events, struct skep_error *error)
{
	struct http_query query = {
		.url = events->path,
		.unix_socket = events->socket_path,
		.limit = EVENT_LIMIT,
		.done = stream_done,
		.chunk = stream_chunk,
		.context = events,
	};

	return http_start(events->http, &query, &events->request, error);
}

static void retry_expired(struct loop_timer *timer)
{
	struct engine_events *events = container_of(timer, struct engine_events, retry);
	struct skep_error error;

	if (stream_start(events, &error))
		retry_later(events, error.text);
}

int engine_events_open(struct engine_events **opened, struct loop *loop, struct http *http,
		       const char *socket_path, const char *filters,
		       const struct engine_event_receiver *receiver, struct skep_error *error)
{
	struct engine_events *events = calloc(1, sizeof(*events));
	char *escaped = curl_easy_escape(NULL, filters, 0);
	int err = 0;

	if (events)
		events->socket_path = strdup(socket_path);
	if (!events || !events->socket_path || !escaped) {
		err = error_errno(error, -ENOMEM, "cannot follow Docker's events");
		goto cleanup;
	}
	events->loop = loop;
	events->http = http;
	events->receiver = *receiver;
	events->retry.expired = retry_expired;
	if ((size_t)snprintf(events->path, sizeof(events->path), "http://docker/events?filters=%s",
			     escaped) >= sizeof(events->path)) {
		err = error_set(error, -ENAMETOOLONG, "the events' filters are too long");
		goto cleanup;
	}
	err = stream_start(events, error);
	if (err)
		goto cleanup;
	*opened = events;
	events = NULL;
cleanup:
	curl_free(escaped);
	engine_events_close(events);
	return err;
}

void engine_events_close(struct engine_events *events)
{
	if (!events)
		return;
	http_cancel(events->request);
	if (events->loop)
		loop_disarm(events->loop, &events->retry);
	free(events->line);
	free(events->socket_path);
	free(events);
}
