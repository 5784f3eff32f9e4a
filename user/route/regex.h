/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Regular expressions (PCRE2), bounded: neither an expression nor a text to look in can take more
 * than a known time and memory. No JIT: a proxy that faces the world needs no memory that is both
 * written and run.
 */
#ifndef SKEP_ROUTE_REGEX_H
#define SKEP_ROUTE_REGEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "model/arena.h"
#include "route/request.h"

#define REGEX_PATTERN_MAX 1024 /* bytes */
#define REGEX_GROUPS_MAX  15
#define REGEX_STEPS_MAX	  50000 /* of one look; PCRE2's match limit */

struct route_regex;	  /* in an arena, gone with it; may be used by many threads at once */
struct route_replacement; /* likewise */

/* A thread's memory for looking, and what happened to it. */
struct route_scratch;
struct route_scratch *route_scratch_new(void); /* NULL: no memory */
void route_scratch_free(struct route_scratch *scratch);
uint64_t route_scratch_gave_up(const struct route_scratch *scratch); /* looks without an answer */

/* -EINVAL: error says what is wrong with it and where; -ENOMEM. */
int route_regex_compile(struct arena *arena, struct route_text pattern, bool any_case,
			const struct route_regex **regex, struct skep_error *error);
const char *route_regex_pattern(const struct route_regex *regex);

/*
 * What every text that it is found in must begin with, in the letters' case: "" if that cannot be
 * told.
 */
struct route_text route_regex_literal(const struct route_regex *regex);

enum route_found {
	ROUTE_NOT_FOUND,
	ROUTE_FOUND,
	ROUTE_GAVE_UP /* it would take too long */
};
enum route_found route_regex_find(const struct route_regex *regex, struct route_scratch *scratch,
				  struct route_text text);

/*
 * The text that takes the place of what regex finds. Groups are written $1 or ${name}, and $$ is a
 * dollar; with backslash, \1 and \\ instead (HAProxy's way). allowed: besides those, it may contain
 * these characters only. -EINVAL, -ENOMEM.
 */
int route_replacement_compile(struct arena *arena, const struct route_regex *regex,
			      struct route_text text, bool backslash, const char *allowed,
			      const struct route_replacement **replacement,
			      struct skep_error *error);
const char *route_replacement_text(const struct route_replacement *replacement);

/*
 * Writes text with what is found first (or every time) replaced to buffer; *written its size.
 * ROUTE_NOT_FOUND: nothing was written. -ENAMETOOLONG: it does not fit. Else enum route_found.
 */
int route_regex_replace(const struct route_regex *regex, struct route_scratch *scratch,
			const struct route_replacement *replacement, bool every,
			struct route_text text, char *buffer, size_t size, size_t *written);

#endif
