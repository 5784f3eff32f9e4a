/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/api_watch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"

#define WAIT_MS	  30000
#define NS_PER_MS 1000000ULL

struct api_waiter {
	struct MHD_Connection *connection;
	struct api_waiter *next, **place; /* of those that wait, the one that came first first */
	uint64_t deadline_ns;
	bool waited;
};

struct api_watch {
	struct loop *loop;
	api_text *text;
	void *context;
	void (*wake)(void *context);
	void *wake_context;
	struct MHD_Response *response; /* NULL: to be made */
	char version[HASH_TEXT_SIZE];
	struct api_waiter *first, **last;
	struct loop_timer timer;
};

static void stop_waiting(struct api_watch *watch, struct api_waiter *waiter)
{
	if (!waiter->place)
		return;
	*waiter->place = waiter->next;
	if (waiter->next)
		waiter->next->place = waiter->place;
	else
		watch->last = waiter->place;
	waiter->place = NULL;
}

static void resume(struct api_watch *watch, struct api_waiter *waiter)
{
	stop_waiting(watch, waiter);
	MHD_resume_connection(waiter->connection);
	watch->wake(watch->wake_context);
}

static void wait_over(struct loop_timer *timer)
{
	struct api_watch *watch = container_of(timer, struct api_watch, timer);
	uint64_t now = loop_now_ns();

	while (watch->first && watch->first->deadline_ns <= now)
		resume(watch, watch->first);
	if (watch->first)
		loop_arm(watch->loop, timer, (watch->first->deadline_ns - now) / NS_PER_MS + 1);
}

struct api_watch *api_watch_new(struct loop *loop, api_text *text, void *context,
				void (*wake)(void *context), void *wake_context)
{
	struct api_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return NULL;
	watch->loop = loop;
	watch->text = text;
	watch->context = context;
	watch->wake = wake;
	watch->wake_context = wake_context;
	watch->last = &watch->first;
	watch->timer.expired = wait_over;
	return watch;
}

void api_watch_end_waits(struct api_watch *watch)
{
	while (watch->first)
		resume(watch, watch->first);
}

void api_watch_free(struct api_watch *watch)
{
	if (!watch)
		return;
	loop_disarm(watch->loop, &watch->timer);
	if (watch->response)
		MHD_destroy_response(watch->response);
	free(watch);
}

void api_watch_changed(struct api_watch *watch)
{
	if (watch->response)
		MHD_destroy_response(watch->response);
	watch->response = NULL;
	api_watch_end_waits(watch);
}

struct api_waiter *api_waiter_new(void)
{
	return calloc(1, sizeof(struct api_waiter));
}

void api_waiter_free(struct api_watch *watch, struct api_waiter *waiter)
{
	stop_waiting(watch, waiter);
	free(waiter);
}

static int make_response(struct api_watch *watch, struct skep_error *error)
{
	size_t size = 0;
	char *text = NULL;
	int err;

	if (watch->response)
		return 0;
	err = watch->text(watch->context, &text, &size, error);
	if (err)
		return err;
	hash_text(hash_bytes(HASH_START, text, size), watch->version);
	watch->response = MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
	if (!watch->response) {
		free(text);
		return error_errno(error, -ENOMEM, "cannot answer");
	}
	MHD_add_response_header(watch->response, MHD_HTTP_HEADER_CONTENT_TYPE,
				"application/x-ndjson");
	return 0;
}

static enum MHD_Result answer_unchanged(struct MHD_Connection *connection)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result = MHD_NO;

	if (response) {
		result = MHD_queue_response(connection, MHD_HTTP_NOT_MODIFIED, response);
		MHD_destroy_response(response);
	}
	return result;
}

static void wait_for_news(struct api_watch *watch, struct api_waiter *waiter,
			  struct MHD_Connection *connection)
{
	waiter->waited = true;
	waiter->connection = connection;
	waiter->deadline_ns = loop_now_ns() + WAIT_MS * NS_PER_MS;
	waiter->next = NULL;
	waiter->place = watch->last;
	*watch->last = waiter;
	watch->last = &waiter->next;
	if (watch->first == waiter)
		loop_arm(watch->loop, &watch->timer, WAIT_MS);
	MHD_suspend_connection(connection);
}

unsigned int api_watch_answer(struct api_watch *watch, struct api_waiter *waiter,
			      struct MHD_Connection *connection, enum MHD_Result *result,
			      struct skep_error *error)
{
	const char *version =
		MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "version");
	int err = make_response(watch, error);

	if (err)
		return err == -EAGAIN ? MHD_HTTP_SERVICE_UNAVAILABLE
				      : MHD_HTTP_INTERNAL_SERVER_ERROR;
	*result = MHD_YES;
	if (!version || strcmp(version, watch->version) != 0)
		*result = MHD_queue_response(connection, MHD_HTTP_OK, watch->response);
	else if (waiter->waited)
		*result = answer_unchanged(connection);
	else
		wait_for_news(watch, waiter, connection);
	return 0;
}
