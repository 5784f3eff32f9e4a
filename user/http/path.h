/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one form of a path that requests are routed by and that tasks get (RFC 3986 6.2.2):
 * percent-encoded unreserved characters are decoded, other encodings have upper-case digits, dot
 * segments are gone. Nothing else changes: "//" stays, and %2F and %5C stay encoded, so they
 * separate nothing.
 *
 * Refused, as no browser sends them and recipients disagree on them: paths that lead above the
 * root (RFC 3986 would end them there), and dot segments with a parameter ("/..;x/"), which some
 * servers take for dot segments.
 */
#ifndef SKEP_HTTP_PATH_H
#define SKEP_HTTP_PATH_H

#include "http/refusal.h"
#include "http/text.h"

/*
 * path: that of a head in origin- or absolute-form, where empty is "/"; or any bytes, as a route's
 * rewriting may make: what is no path is refused. *normal is in path itself if that is normal
 * already, else in room, which needs as many bytes as path. Idempotent.
 */
enum http_refusal http_path_normalise(struct http_text path, char *room, struct http_text *normal);

#endif
