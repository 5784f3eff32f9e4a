/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The local API's server: HTTP on a unix socket (mode 0660), JSON answers (docs/design.md,
 * "The local API"). GET by whoever may open the socket, and POST of a small JSON object, where a
 * path takes one, by the agent's own user or root. Answers are made in the loop's thread, whole,
 * when they are asked for.
 */
#ifndef SKEP_AGENT_API_H
#define SKEP_AGENT_API_H

#include <jansson.h>
#include <stddef.h>

#include "lib/error.h"
#include "lib/loop.h"

struct api_query {
	size_t limit; /* of ?limit=N; 0: not given */
};

struct api;
struct api_later; /* a POST that is yet to be answered */

struct api_path {
	const char *path;
	/*
	 * 0 and *body (taken), or a negative errno with a line: -ENOENT is answered with 404,
	 * -EAGAIN with 503, others with 500.
	 */
	int (*answer)(void *context, const struct api_query *query, json_t **body,
		      struct skep_error *error);
	/*
	 * NULL: GET only. request is an object, borrowed. As answer; besides, -EINVAL is answered
	 * with 400 and -EALREADY with 409. What takes time calls api_later() and returns
	 * -EINPROGRESS.
	 */
	int (*post)(void *context, const json_t *request, json_t **body, struct skep_error *error);
};

/*
 * The answer of the one path that clients wait at, malloc'ed. As answer().
 */
typedef int api_text(void *context, char **text, size_t *size, struct skep_error *error);

#define API_BODY_MAX 4096 /* bytes; more is answered with 413 */

/*
 * A socket that an earlier agent left is replaced: whoever calls holds the run directory. paths
 * must stay.
 */
int api_open(struct api **api, struct loop *loop, const char *socket_path,
	     const struct api_path *paths, size_t n_paths, void *context, struct skep_error *error);

/*
 * GET of path is answered with text; with ?version=V, where V is the hash of what the client has
 * (lib/hash.h), when it is another, or after 30 s with 304. api_changed(): it may be another now.
 * Once, before the loop runs. -ENOMEM.
 */
int api_serve_text(struct api *api, const char *path, api_text *text, struct skep_error *error);
void api_changed(struct api *api);

/*
 * From within post(): the request, to be answered by api_answer_later() exactly once, from the loop
 * and before api_close(). That takes body; err and error are as post() returns them.
 */
struct api_later *api_later(struct api *api);
void api_answer_later(struct api_later *later, int err, json_t *body,
		      const struct skep_error *error);

void api_close(struct api *api); /* removes the socket; NULL is fine */

#endif
