/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one path of the local API whose clients wait for news: GET with ?version=V, where V is the
 * version that the client has, is answered when there is another, or after 30 s with 304. Not for
 * others than api.c.
 */
#ifndef SKEP_AGENT_API_WATCH_H
#define SKEP_AGENT_API_WATCH_H

#include <microhttpd.h>

#include "agent/api.h"
#include "lib/loop.h"

struct api_watch;
struct api_waiter; /* a request */

/* wake(): the daemon is to be run, soon. NULL: no memory. */
struct api_watch *api_watch_new(struct loop *loop, api_text *text, void *context,
				void (*wake)(void *context), void *wake_context);
/* Resumes those that wait, so that the daemon can be stopped; then frees. */
void api_watch_end_waits(struct api_watch *watch);
void api_watch_free(struct api_watch *watch); /* NULL is fine */

void api_watch_changed(struct api_watch *watch);

struct api_waiter *api_waiter_new(void); /* NULL: no memory */
/* Answers, or suspends the connection: then it is called again. *error: why not, with the status
 * that is returned; 0: answered, *result. */
unsigned int api_watch_answer(struct api_watch *watch, struct api_waiter *waiter,
			      struct MHD_Connection *connection, enum MHD_Result *result,
			      struct skep_error *error);
void api_waiter_free(struct api_watch *watch, struct api_waiter *waiter);

#endif
