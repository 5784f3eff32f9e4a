/* SPDX-License-Identifier: GPL-2.0-only */
/* HOST[:PORT], as Host and request targets have it (RFC 9110 4.2, RFC 3986 3.2). */
#ifndef SKEP_HTTP_AUTHORITY_H
#define SKEP_HTTP_AUTHORITY_H

#include "http/refusal.h"
#include "http/text.h"

#define HTTP_HOST_MAX 255

struct http_authority {
	struct http_text host; /* without brackets and without the dot at the end of a full name;
				  never empty */
	uint16_t port;	       /* 0: none was given */
};

/*
 * Strict: a name of labels of letters, digits, '-' and '_', none of them empty; dotted IPv4; IPv6
 * in brackets. No percent-encoding, no user information. HTTP_NOT_REFUSED if it is one.
 */
enum http_refusal http_authority_parse(struct http_text text, struct http_authority *authority);

#endif
