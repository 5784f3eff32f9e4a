/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Heads of requests and responses (RFC 9112), read strictly, in one pass, in place.
 *
 * A head is parsed from a buffer that grows; all that is found is offsets into it, so it may move
 * but must keep its bytes. What two recipients could read in two ways is refused: framing, line
 * ends, names, hosts, targets. The verdict never depends on how the bytes came in pieces.
 *
 *	struct http_field list[HTTP_FIELDS];
 *	struct http_head head;
 *	http_head_request(&head, list, HTTP_FIELDS, HTTP_HEAD_BYTES);
 *	do
 *		size += read(…, data + size, …);
 *	while ((err = http_head_parse(&head, data, size)) == -EAGAIN);
 *
 * and then the body starts at data + head.size, framed as head.framing says. After an interim
 *answer (1xx, but for 101) there comes another head, to be begun anew, for the same request.
 */
#ifndef SKEP_HTTP_HEAD_H
#define SKEP_HTTP_HEAD_H

#include "http/fields.h"

#define HTTP_FIELDS	128
#define HTTP_HEAD_BYTES 65536

#define HTTP_METHOD_MAX 32
#define HTTP_LISTED_MAX 16

enum http_method {
	HTTP_METHOD_OTHER,
	HTTP_METHOD_GET,
	HTTP_METHOD_HEAD,
	HTTP_METHOD_POST,
	HTTP_METHOD_PUT,
	HTTP_METHOD_DELETE,
	HTTP_METHOD_CONNECT,
	HTTP_METHOD_OPTIONS,
	HTTP_METHOD_TRACE,
	HTTP_METHOD_PATCH,
};

/* RFC 9112 3.2 */
enum http_form {
	HTTP_FORM_ORIGIN,
	HTTP_FORM_ABSOLUTE,
	HTTP_FORM_AUTHORITY, /* CONNECT, and only CONNECT */
	HTTP_FORM_ASTERISK,  /* OPTIONS, and only OPTIONS */
};

enum http_framing {
	HTTP_FRAMING_NONE,    /* no body */
	HTTP_FRAMING_LENGTH,  /* length bytes, maybe 0 */
	HTTP_FRAMING_CHUNKED, /* chunk.h */
	HTTP_FRAMING_CLOSE,   /* all until the connection ends; responses only */
	HTTP_FRAMING_TUNNEL,  /* 101: no HTTP any more */
};

struct http_head {
	struct http_fields fields;
	uint32_t size; /* of the head with its last empty line */
	enum http_refusal refusal;
	uint8_t minor; /* of HTTP/1.minor: 0 or 1 */

	/* A request's first line. */
	enum http_method method;
	enum http_form form;
	struct http_span method_text;
	struct http_span path;	    /* as sent; empty in authority-form, and where an absolute-form
				       has none; "*" */
	struct http_span query;	    /* from its '?' on; empty if there is no '?' */
	struct http_span authority; /* of the absolute-form, which outweighs Host; else Host's;
				       empty only in HTTP/1.0 */
	struct http_span host;	    /* the host in that (authority.h) */
	uint16_t port;		    /* the port in that, or 0 */

	/* A response's. */
	uint16_t status; /* 100 to 599 */
	struct http_span reason;

	/* What the fields say. */
	enum http_framing framing;
	bool has_length; /* there was a Content-Length: of a HEAD's or 304's answer too, whose
			    framing is none */
	uint64_t length;
	bool keep_alive;      /* the connection may go on after this message, as far as its sender
				 is concerned */
	bool upgrade;	      /* a request that really asks for another protocol; a 101 */
	bool expect_continue; /* the client waits for 100 before it sends the body */
	bool takes_trailers;  /* TE: trailers */
	/* Names in Connection other than close, keep-alive, upgrade and te. */
	struct http_span listed[HTTP_LISTED_MAX];
	uint32_t n_listed;

	/* The parser's. */
	uint32_t at, mark, limit;
	uint8_t state;
	bool is_response;
	bool to_head, asked_upgrade;
};

/*
 * list has room for so many fields (at most 65535) and is the caller's; limit bounds the head's
 * bytes. More of either is refused.
 */
void http_head_request(struct http_head *head, struct http_field *list, uint32_t room,
		       uint32_t limit);

/* The answer to request, which says whether there is a body and whether 101 is in order. */
void http_head_response(struct http_head *head, struct http_field *list, uint32_t room,
			uint32_t limit, const struct http_head *request);

/*
 * Goes on with a buffer of which size bytes are there, the ones before still in front. 0: done;
 * -EAGAIN: needs more; -EBADMSG: refused, head->refusal says why.
 */
int http_head_parse(struct http_head *head, const char *data, size_t size);

/*
 * The client may send another request with this method when an answer was lost (RFC 9110 9.2.2).
 */
bool http_method_is_idempotent(enum http_method method);

#endif
