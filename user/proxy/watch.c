/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/watch.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"
#include "lib/hash.h"
#include "lib/log.h"

#define MODEL_LIMIT    (256UL * 1024 * 1024)
#define ASK_MS	       40000 /* the agent answers within 30 s, changed or not */
#define RETRY_FIRST_MS 100
#define RETRY_LAST_MS  2000
#define SPACING_MS     50 /* between two models: workers need not change over more often */
#define SAVE_DELAY_MS  1000
#define NS_PER_MS      1000000ULL

struct watch {
	struct loop *loop;
	struct http *http;
	char *socket, *file;
	void (*take)(void *context, const struct watch_news *news);
	void *context;
	struct loop_timer ask;
	struct http_request *request;
	uint64_t asked_ns;
	uint64_t retry_ms;
	char version[HASH_TEXT_SIZE]; /* of the model in force; "": none */
	bool current;
	struct skep_error status;
	/* The text to be kept, NULL: it is. */
	char *unsaved;
	size_t unsaved_size;
	struct loop_timer save;
	bool save_failed;
};

static void save_expired(struct loop_timer *timer)
{
	struct watch *watch = container_of(timer, struct watch, save);
	struct skep_error error;

	if (!watch->unsaved)
		return;
	if (file_replace(watch->file, watch->unsaved, watch->unsaved_size, &error) &&
	    !watch->save_failed) {
		watch->save_failed = true;
		log_warning("the last routes are not kept on disk: %s", error.text);
	}
	free(watch->unsaved);
	watch->unsaved = NULL;
}

static void keep(struct watch *watch, const char *text, size_t size)
{
	bool armed = watch->unsaved != NULL;

	free(watch->unsaved);
	watch->unsaved = malloc(size);
	watch->unsaved_size = size;
	if (watch->unsaved)
		memcpy(watch->unsaved, text, size);
	if (!armed)
		loop_arm(watch->loop, &watch->save, SAVE_DELAY_MS);
}

/* The first line: an array of overrides. */
static int read_overrides(const char *text, size_t size, struct watch_news *news,
			  struct skep_error *error)
{
	json_t *rows = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	const json_t *row;
	size_t i;
	int err = 0;

	if (!json_is_array(rows) || json_array_size(rows) > 2 * OVERRIDES_MAX) {
		json_decref(rows);
		return error_set(error, -EINVAL, "its first line is no array of overrides");
	}
	news->overrides = calloc(json_array_size(rows) + 1, sizeof(*news->overrides));
	if (!news->overrides)
		err = error_errno(error, -ENOMEM, "cannot keep overrides");
	json_array_foreach (rows, i, row) {
		if (!err)
			err = override_from_json(row, NULL, &news->overrides[news->n_overrides++],
						 error);
	}
	json_decref(rows);
	return err;
}

/* 1: it was another than the last, and was taken; 0: it was the same. */
static int take(struct watch *watch, const char *text, size_t size, struct skep_error *error)
{
	const char *end = memchr(text, '\n', size);
	struct watch_news news = {0};
	char version[HASH_TEXT_SIZE];
	int err;

	hash_text(hash_bytes(HASH_START, text, size), version);
	if (strcmp(version, watch->version) == 0)
		return 0;
	if (!end)
		return error_set(error, -EINVAL, "it has not two lines");
	err = read_overrides(text, (size_t)(end - text), &news, error);
	if (!err)
		err = model_parse(end + 1, size - (size_t)(end + 1 - text), &news.model, error);
	if (err) {
		free(news.overrides);
		return err;
	}
	memcpy(watch->version, version, sizeof(version));
	watch->take(watch->context, &news);
	return 1;
}

static void set_status(struct watch *watch, bool current, const char *text)
{
	if (current != watch->current || (!current && strcmp(text, watch->status.text) != 0)) {
		if (current)
			log_info("following the agent at %s", watch->socket);
		else
			log_warning("the agent at %s does not answer, %s: %s", watch->socket,
				    *watch->version ? "its last word stays in force"
						    : "and has not yet",
				    text);
	}
	watch->current = current;
	error_set(&watch->status, 0, "%s", text);
}

static void failed(struct watch *watch, const char *why)
{
	set_status(watch, false, why);
	watch->retry_ms = watch->retry_ms ? watch->retry_ms * 2 : RETRY_FIRST_MS;
	if (watch->retry_ms > RETRY_LAST_MS)
		watch->retry_ms = RETRY_LAST_MS;
	loop_arm(watch->loop, &watch->ask, watch->retry_ms);
}

static void answered(void *context, const struct http_answer *answer)
{
	struct watch *watch = context;
	uint64_t took_ms = (loop_now_ns() - watch->asked_ns) / NS_PER_MS;
	struct skep_error error;
	int taken = 0;

	watch->request = NULL;
	if (answer->status == 200) {
		taken = take(watch, answer->body, answer->size, &error);
	} else if (answer->status != 304) {
		taken = -EIO;
		if (answer->status)
			error_set(&error, 0, "HTTP %ld: %.200s", answer->status, answer->body);
		else
			error_set(&error, 0, "%s", answer->error);
	}
	if (taken < 0) {
		failed(watch, error.text);
		return;
	}
	if (taken)
		keep(watch, answer->body, answer->size);
	watch->retry_ms = 0;
	set_status(watch, true, "current");
	loop_arm(watch->loop, &watch->ask, took_ms < SPACING_MS ? SPACING_MS - took_ms : 0);
}

static void ask_expired(struct loop_timer *timer)
{
	struct watch *watch = container_of(timer, struct watch, ask);
	char url[128];
	const struct http_query query = {
		.url = url,
		.unix_socket = watch->socket,
		.limit = MODEL_LIMIT,
		.timeout_ms = ASK_MS,
		.done = answered,
		.context = watch,
	};
	struct skep_error error;

	/* Until the agent has answered once it is not asked to wait: it may have started anew. */
	snprintf(url, sizeof(url), "http://localhost/v1/watch%s%s",
		 watch->current ? "?version=" : "", watch->current ? watch->version : "");
	watch->asked_ns = loop_now_ns();
	if (http_start(watch->http, &query, &watch->request, &error))
		failed(watch, error.text);
}

static void read_kept(struct watch *watch)
{
	struct skep_error error;
	char *text = NULL;
	size_t size;
	int err = file_read(watch->file, MODEL_LIMIT, &text, &size, &error);

	if (!err)
		err = take(watch, text, size, &error);
	if (err < 0 && err != -ENOENT)
		log_warning("what was kept of the last routes is no use: %s", error.text);
	free(text);
}

int watch_open(struct watch **result, struct loop *loop, struct http *http,
	       const char *agent_socket, const char *run_dir,
	       void (*take_news)(void *context, const struct watch_news *news), void *context,
	       struct skep_error *error)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return error_errno(error, -ENOMEM, "cannot follow the agent");
	*watch = (struct watch){
		.loop = loop,
		.http = http,
		.socket = strdup(agent_socket),
		.take = take_news,
		.context = context,
		.ask = {.expired = ask_expired},
		.save = {.expired = save_expired},
	};
	if (asprintf(&watch->file, "%s/last", run_dir) < 0)
		watch->file = NULL;
	if (!watch->socket || !watch->file) {
		watch_close(watch);
		return error_errno(error, -ENOMEM, "cannot follow the agent");
	}
	error_set(&watch->status, 0, "not asked yet");
	read_kept(watch);
	loop_arm(loop, &watch->ask, 0);
	*result = watch;
	return 0;
}

const char *watch_status(const struct watch *watch, bool *current)
{
	*current = watch->current;
	return watch->status.text;
}

void watch_close(struct watch *watch)
{
	if (!watch)
		return;
	if (watch->unsaved)
		save_expired(&watch->save);
	http_cancel(watch->request);
	loop_disarm(watch->loop, &watch->ask);
	loop_disarm(watch->loop, &watch->save);
	free(watch->socket);
	free(watch->file);
	free(watch);
}
