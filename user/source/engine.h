/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Talking to a Docker Engine over its unix socket: GET with a JSON answer, and the event stream,
 * followed for ever. Paths have no version in front: the Engine then speaks its own, and those that
 * come may refuse old ones.
 */
#ifndef SKEP_SOURCE_ENGINE_H
#define SKEP_SOURCE_ENGINE_H

#include <jansson.h>
#include <stdint.h>

#include "lib/http.h"

/* Retries of whatever failed: 100 ms, then twice as long each time, up to 2 s. */
#define ENGINE_RETRY_FIRST_MS 100
#define ENGINE_RETRY_LAST_MS  2000
static inline uint64_t engine_retry_next(uint64_t delay_ms)
{
	if (delay_ms == 0)
		return ENGINE_RETRY_FIRST_MS;
	return delay_ms * 2 < ENGINE_RETRY_LAST_MS ? delay_ms * 2 : ENGINE_RETRY_LAST_MS;
}

/* Starts GET path (with its query). done gets what http.h says. */
int engine_get(struct http *http, const char *socket_path, const char *path, size_t limit,
	       long timeout_ms, void (*done)(void *, const struct http_answer *), void *context,
	       struct http_request **request, struct skep_error *error);

/* Starts POST path with a body of JSON text. */
int engine_post(struct http *http, const char *socket_path, const char *path, const char *body,
		size_t limit, long timeout_ms, void (*done)(void *, const struct http_answer *),
		void *context, struct http_request **request, struct skep_error *error);

/*
 * What is wrong with an answer, if its status is not 200, with the Engine's own message: "Docker at
 * PATH: …". 0 if nothing.
 */
int engine_check(const char *socket_path, const struct http_answer *answer,
		 struct skep_error *error);

/* Parses an answer; NULL and error if it is not an object or array of JSON. */
json_t *engine_parse(const char *socket_path, const char *body, size_t size,
		     struct skep_error *error);

struct engine_event_receiver {
	/* The stream is there (again): whatever happened before it was missed. */
	void (*connected)(void *context);
	void (*event)(void *context, const json_t *event);
	/* The stream could not be had or ended; it is tried again. */
	void (*failed)(void *context, const char *why);
	void *context;
};

/* filters: JSON of /events?filters=. Calls come from the loop only; none may close the stream. */
struct engine_events;
int engine_events_open(struct engine_events **events, struct loop *loop, struct http *http,
		       const char *socket_path, const char *filters,
		       const struct engine_event_receiver *receiver, struct skep_error *error);
void engine_events_close(struct engine_events *events); /* NULL is fine */

#endif
