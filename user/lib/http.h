/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * HTTP requests from the event loop (libcurl's multi interface). Callbacks come from the loop,
 * never from within http_start() or http_cancel(); they may start and cancel requests, but not
 * close.
 */
#ifndef SKEP_LIB_HTTP_H
#define SKEP_LIB_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"
#include "lib/loop.h"

struct http;	     /* all requests of one loop */
struct http_request; /* one of them */

struct http_answer {
	long status;	  /* HTTP status; 0: there was no answer, and error says why */
	const char *body; /* NUL-terminated, valid during the callback; NULL when streamed */
	size_t size;
	const char *error; /* "" if status is not 0 */
};

struct http_tls { /* PEM files, read anew for each request: a connection is used again only while
		     they are the same */
	const char *ca, *cert, *key;
};

struct http_query {
	const char *url;
	const char *method;	 /* NULL: GET */
	const char *unix_socket; /* path, or NULL: TCP */
	const char *
		connect_to; /* "ADDRESS:PORT" to connect to whatever the URL's host says, or NULL */
	const struct http_tls
		*tls;	  /* for https; the server must chain to ca and be named as the URL says */
	const char *body; /* sent as application/json, or NULL */
	size_t limit;	  /* of the answer's body, bytes; more is an error */
	long timeout_ms;  /* of the whole request; 0: none (streams) */
	/* done: once, at the end, unless cancelled; the request is gone when it returns. */
	void (*done)(void *context, const struct http_answer *answer);
	/*
	 * chunk: not NULL: a stream. Gets the body (of a 200 only) as it comes, not collected;
	 * first, with size 0, word that the 200 is there.
	 */
	void (*chunk)(void *context, const char *data, size_t size);
	void *context;
};

/* SIGPIPE is ignored from then on: OpenSSL raises it when a peer is gone. */
int http_open(struct http **http, struct loop *loop, struct skep_error *error);
void http_close(struct http *http); /* cancels what runs */

/* Everything in query is copied. *request is valid until done() or http_cancel(). */
int http_start(struct http *http, const struct http_query *query, struct http_request **request,
	       struct skep_error *error);
void http_cancel(struct http_request *request); /* done() will not be called; NULL is fine */

#endif
