/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Field lines and the empty line after them: of a head, and of the trailer section after the last
 * chunk. Syntax only; what fields mean is head.h's.
 */
#ifndef SKEP_HTTP_FIELDS_H
#define SKEP_HTTP_FIELDS_H

#include "http/refusal.h"
#include "http/text.h"

/* Names that a proxy knows. */
enum http_name {
	HTTP_NAME_OTHER,
	/* A known name but for '_' in the place of '-', which some take for the same: never passed
	 * on, never heeded. */
	HTTP_NAME_LOOKALIKE,
	HTTP_NAME_HOST,
	HTTP_NAME_CONTENT_LENGTH,
	HTTP_NAME_TRANSFER_ENCODING,
	HTTP_NAME_CONNECTION,
	HTTP_NAME_KEEP_ALIVE,
	HTTP_NAME_PROXY_CONNECTION,
	HTTP_NAME_PROXY_AUTHENTICATE,
	HTTP_NAME_PROXY_AUTHORIZATION,
	HTTP_NAME_HTTP2_SETTINGS,
	HTTP_NAME_TE,
	HTTP_NAME_UPGRADE,
	HTTP_NAME_EXPECT,
	HTTP_NAME_FORWARDED,
	HTTP_NAME_X_FORWARDED_FOR,
	HTTP_NAME_X_FORWARDED_PROTO,
	HTTP_NAME_X_FORWARDED_HOST,
	HTTP_NAME_X_FORWARDED_PORT,
	HTTP_NAME_X_FORWARDED, /* any other X-Forwarded-… */
	HTTP_NAME_X_REAL_IP,
	HTTP_NAME_X_REQUEST_ID,
	HTTP_NAME_AUTHORIZATION,
	HTTP_NAME_COOKIE,
	HTTP_NAME_DATE,
	HTTP_NAME_TRAILER,
	HTTP_NAME_USER_AGENT,
	HTTP_N_NAMES
};

struct http_field {
	struct http_span name;	/* as it came */
	struct http_span value; /* without the white space around it; may be empty */
	uint8_t known;		/* enum http_name */
	bool drop;		/* the caller's: not to be passed on (forward.h) */
};

struct http_fields {
	struct http_field *list; /* in the order they came */
	uint32_t n;
	uint32_t room;
	uint16_t
		first[HTTP_N_NAMES]; /* 1 + the index of the first field of a known name; 0: none */
	uint32_t at;		     /* the next byte to look at; once done, the first after them */
	uint8_t state;
};

/* list has room for so many and stays the caller's. The field lines start at offset at. */
void http_fields_begin(struct http_fields *fields, struct http_field *list, uint32_t room,
		       uint32_t at);

/*
 * Goes on with a buffer of which size bytes are there. 0: the empty line was read, fields->at is
 * after it; -EAGAIN: more bytes are needed, the same buffer in front of them; -EBADMSG: refused,
 * for good.
 */
int http_fields_parse(struct http_fields *fields, const char *data, uint32_t size,
		      enum http_refusal *refusal);

/* The first field of that name from index start on, NULL if there is none; ASCII case is ignored.
 */
struct http_field *http_fields_find(const struct http_fields *fields, const char *data,
				    struct http_text name, uint32_t start);

/* The first field of a known name, or NULL. */
static inline struct http_field *http_fields_first(const struct http_fields *fields,
						   enum http_name name)
{
	return fields->first[name] ? &fields->list[fields->first[name] - 1] : NULL;
}

enum http_name http_name_known(struct http_text name);

#endif
