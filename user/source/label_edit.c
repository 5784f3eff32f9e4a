/* SPDX-License-Identifier: GPL-2.0-only */
#include "source/label_edit.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/engine.h"

#define ANSWER_LIMIT ((size_t)16 << 20) /* a service with its configuration */
#define TIMEOUT_MS   10000
#define TRIES	     8
#define RETRY_MS     50 /* times the tries so far */

struct edit {
	bool node;
	char *object, *key, *value;
};

struct label_edits {
	struct loop *loop;
	struct http *http;
	char *socket_path;
	struct edit *list;
	size_t n, at;
	unsigned int tries;
	struct http_request *request;
	struct loop_timer timer; /* starts an edit, the first time or again */
	void (*done)(void *context, int err, const char *why);
	void *context;
};

static void free_edits(struct label_edits *edits)
{
	for (size_t i = 0; edits->list && i < edits->n; i++) {
		free(edits->list[i].object);
		free(edits->list[i].key);
		free(edits->list[i].value);
	}
	free(edits->list);
	free(edits->socket_path);
	free(edits);
}

void label_edits_cancel(struct label_edits *edits)
{
	if (!edits)
		return;
	http_cancel(edits->request);
	loop_disarm(edits->loop, &edits->timer);
	free_edits(edits);
}

static void finish(struct label_edits *edits, int err, const struct skep_error *why)
{
	edits->done(edits->context, err, err ? why->text : "");
	free_edits(edits);
}

static const char *kind(const struct edit *edit)
{
	return edit->node ? "nodes" : "services";
}

static void next(struct label_edits *edits)
{
	edits->tries = 0;
	if (++edits->at == edits->n)
		finish(edits, 0, NULL);
	else
		loop_arm(edits->loop, &edits->timer, 0);
}

/* Somebody else changed the object since it was read (moby's and swarmkit's word for it). */
static bool is_conflict(const struct http_answer *answer)
{
	return answer->status != 200 && answer->body &&
	       strstr(answer->body, "update out of sequence");
}

static void updated(void *context, const struct http_answer *answer)
{
	struct label_edits *edits = context;
	struct skep_error error;
	int err;

	edits->request = NULL;
	if (is_conflict(answer) && ++edits->tries < TRIES) {
		loop_arm(edits->loop, &edits->timer, (uint64_t)edits->tries * RETRY_MS);
		return;
	}
	err = engine_check(edits->socket_path, answer, &error);
	if (err)
		finish(edits, err, &error);
	else
		next(edits);
}

/* Changes the labels of a spec. 0: they are so already; 1: changed; -ENOMEM. */
static int change(json_t *spec, const struct edit *edit)
{
	json_t *labels = json_object_get(spec, "Labels");
	const char *now;

	if (!json_is_object(labels)) {
		if (!edit->value)
			return 0;
		labels = json_object();
		if (json_object_set_new(spec, "Labels", labels))
			return -ENOMEM;
	}
	now = json_string_value(json_object_get(labels, edit->key));
	if (!edit->value)
		return json_object_del(labels, edit->key) ? 0 : 1;
	if (now && strcmp(now, edit->value) == 0)
		return 0;
	return json_object_set_new(labels, edit->key, json_string(edit->value)) ? -ENOMEM : 1;
}

static int start_update(struct label_edits *edits, const json_t *spec, json_int_t version,
			struct skep_error *error)
{
	const struct edit *edit = &edits->list[edits->at];
	char *body = json_dumps(spec, JSON_COMPACT);
	char path[256];
	int err;

	if (!body)
		return error_errno(error, -ENOMEM, "cannot change a label");
	snprintf(path, sizeof(path), "/%s/%s/update?version=%" JSON_INTEGER_FORMAT, kind(edit),
		 edit->object, version);
	err = engine_post(edits->http, edits->socket_path, path, body, ANSWER_LIMIT, TIMEOUT_MS,
			  updated, edits, &edits->request, error);
	free(body);
	return err;
}

/* 0: nothing to do; 1: on its way. */
static int edit_object(struct label_edits *edits, const json_t *object, struct skep_error *error)
{
	const json_t *version = json_object_get(json_object_get(object, "Version"), "Index");
	json_t *spec = json_object_get(object, "Spec");
	int err;

	if (!json_is_object(spec) || !json_is_integer(version))
		return error_set(error, -EPROTO, "Docker at %s tells of no Spec and Version",
				 edits->socket_path);
	err = change(spec, &edits->list[edits->at]);
	if (err <= 0)
		return err ? error_errno(error, err, "cannot change a label") : 0;
	err = start_update(edits, spec, json_integer_value(version), error);
	return err ? err : 1;
}

static void got(void *context, const struct http_answer *answer)
{
	struct label_edits *edits = context;
	struct skep_error error;
	json_t *object = NULL;
	int err;

	edits->request = NULL;
	/* What is gone has no label any more. */
	if (answer->status == 404 && !edits->list[edits->at].value) {
		next(edits);
		return;
	}
	err = engine_check(edits->socket_path, answer, &error);
	if (!err) {
		object = engine_parse(edits->socket_path, answer->body, answer->size, &error);
		err = object ? edit_object(edits, object, &error) : -EINVAL;
	}
	json_decref(object);
	if (err < 0)
		finish(edits, err, &error);
	else if (err == 0)
		next(edits);
}

static void timer_expired(struct loop_timer *timer)
{
	struct label_edits *edits = container_of(timer, struct label_edits, timer);
	const struct edit *edit = &edits->list[edits->at];
	struct skep_error error;
	char path[256];
	int err;

	snprintf(path, sizeof(path), "/%s/%s", kind(edit), edit->object);
	err = engine_get(edits->http, edits->socket_path, path, ANSWER_LIMIT, TIMEOUT_MS, got,
			 edits, &edits->request, &error);
	if (err)
		finish(edits, err, &error);
}

/* It goes into a path. */
static bool is_docker_id(const char *id)
{
	size_t length = strlen(id);

	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)id[i]))
			return false;
	return length > 0 && length <= 64;
}

static int copy_edit(struct edit *to, const struct label_edit *from, struct skep_error *error)
{
	if (!is_docker_id(from->object))
		return error_set(error, -EINVAL, "%.64s is no id of Docker's", from->object);
	to->node = from->node;
	to->object = strdup(from->object);
	to->key = strdup(from->key);
	to->value = from->value ? strdup(from->value) : NULL;
	if (!to->object || !to->key || (from->value && !to->value))
		return error_errno(error, -ENOMEM, "cannot change a label");
	return 0;
}

int label_edits_start(struct label_edits **result, struct loop *loop, struct http *http,
		      const char *docker_socket, const struct label_edit *list, size_t n,
		      void (*done)(void *context, int err, const char *why), void *context,
		      struct skep_error *error)
{
	struct label_edits *edits = calloc(1, sizeof(*edits));
	int err = 0;

	if (!edits)
		return error_errno(error, -ENOMEM, "cannot change a label");
	edits->loop = loop;
	edits->http = http;
	edits->done = done;
	edits->context = context;
	edits->timer.expired = timer_expired;
	edits->socket_path = strdup(docker_socket);
	edits->list = calloc(n, sizeof(*edits->list));
	edits->n = n;
	if (!edits->socket_path || !edits->list)
		err = error_errno(error, -ENOMEM, "cannot change a label");
	for (size_t i = 0; !err && edits->list && i < n; i++)
		err = copy_edit(&edits->list[i], &list[i], error);
	if (err) {
		free_edits(edits);
		return err;
	}
	loop_arm(loop, &edits->timer, 0);
	*result = edits;
	return 0;
}
