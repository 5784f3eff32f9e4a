/* SPDX-License-Identifier: GPL-2.0-only */
/* Which trailers there may be (RFC 9110 6.5.1). */
#ifndef SKEP_HTTP_TRAILER_H
#define SKEP_HTTP_TRAILER_H

#include "http/fields.h"

/* Of a whole trailer section: refused if a field of it would frame or route a message. */
enum http_refusal http_trailers_check(const struct http_fields *fields);

/*
 * A field that does nothing to how a message is framed, routed, authenticated, controlled or
 * decoded, and so may go on as a trailer. Never to be merged into the head.
 */
bool http_trailer_passes(const struct http_field *field, const char *data);

#endif
