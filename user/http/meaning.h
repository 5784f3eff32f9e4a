/* SPDX-License-Identifier: GPL-2.0-only */
/* What the fields of a head say to a proxy: the second half of head.c's work. Not for others. */
#ifndef SKEP_HTTP_MEANING_H
#define SKEP_HTTP_MEANING_H

#include "http/head.h"

/* The head's syntax is right; fills in authority (if the target has none) and what the fields say.
 */
enum http_refusal http_meaning_request(struct http_head *head, const char *data);
enum http_refusal http_meaning_response(struct http_head *head, const char *data);

/* Sets authority, host and port from the text at span. */
enum http_refusal http_meaning_authority(struct http_head *head, const char *data,
					 struct http_span span);

#endif
