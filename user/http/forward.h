/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Heads as they go on: a client's request to a task, a task's answer to the client (RFC 9110 7.6,
 * RFC 9112). Written anew from what was understood, never copied as they came: framing, Host and
 * Connection are ours, hop-by-hop fields and those that Connection lists are left out, and so are
 * fields with drop set. No Via: skep is not to be seen. Always HTTP/1.1.
 *
 * All return the bytes written, or -ENOBUFS if room is too small.
 */
#ifndef SKEP_HTTP_FORWARD_H
#define SKEP_HTTP_FORWARD_H

#include <sys/types.h>

#include "http/head.h"

/* A field that the caller adds. */
struct http_extra {
	struct http_text name, value;
};

struct http_to_task {
	struct http_text path; /* path.h's, or what a route made of it; "*" for the asterisk-form */
	struct http_text query; /* with its '?', or empty */
	struct http_text host;	/* for the request that has none (HTTP/1.0) */
	/* Who asks, as text, for X-Forwarded-* and X-Real-IP: */
	struct http_text client; /* "192.0.2.7" */
	struct http_text proto;	 /* "http", "https" */
	struct http_text port;	 /* where the client came in: "80" */
	bool trusted; /* the client is a proxy whose own X-Forwarded-* and Forwarded stay */
	struct http_text request_id; /* for the request that has none */
	const struct http_extra *extra;
	size_t n_extra;
};

ssize_t http_forward_request(const struct http_head *head, const char *data,
			     const struct http_to_task *onward, char *room, size_t size);

struct http_to_client {
	/* How the body goes on: CHUNKED or CLOSE may stand for one another; else as it came. */
	enum http_framing framing;
	bool close;	 /* the connection is closed after it */
	bool keep_alive; /* it is not, and the client's HTTP/1.0 must be told so */
	const struct http_extra *extra;
	size_t n_extra;
};

ssize_t http_forward_response(const struct http_head *head, const char *data,
			      const struct http_to_client *onward, char *room, size_t size);

/*
 * The end of a chunked body with its trailers: the last chunk, those of the fields that may be
 * trailers, the empty line.
 */
ssize_t http_forward_trailers(const struct http_fields *fields, const char *data, char *room,
			      size_t size);

#endif
