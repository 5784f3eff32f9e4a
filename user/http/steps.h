/* SPDX-License-Identifier: GPL-2.0-only */
/* The steps by which head.c and target.c read a head's first line. Not for others. */
#ifndef SKEP_HTTP_STEPS_H
#define SKEP_HTTP_STEPS_H

#include "http/head.h"

/* head->state */
enum step_state {
	AT_START, /* of a request: one empty line may come before it */
	AT_METHOD,
	AT_TARGET,
	AT_SCHEME,
	AT_AUTHORITY,
	AT_PATH,
	AT_QUERY,
	AT_REQUEST_VERSION,
	AT_RESPONSE_VERSION,
	AT_STATUS,
	AT_REASON,
	AT_LINE_END, /* CR LF, then fields */
	AT_FIELDS,
	AT_DONE,
	AT_REFUSED,
};

/*
 * What a step of the parser says: STEP_NEXT, the next state's turn; STEP_MORE, it needs more bytes.
 * Anything else is an enum http_refusal. A step that needs more has not moved head->at past
 * anything that it must see again.
 */
enum {
	STEP_NEXT = -1,
	STEP_MORE = -2
};

struct step_input {
	const char *data;
	uint32_t size; /* what is there, within the limit */
};

/* From head->mark, where the current part began. */
static inline struct http_span step_span(const struct http_head *head, uint32_t end)
{
	return (struct http_span){head->mark, end - head->mark};
}

/* Skips what is of these classes; false at the end of what is there. */
static inline bool step_skip(struct http_head *head, const struct step_input *in,
			     unsigned int classes)
{
	const char *at = in->data + head->at, *end = in->data + in->size;

	while (at < end && http_is(*at, classes))
		at++;
	head->at = (uint32_t)(at - in->data);
	return at < end;
}

/* In the states from AT_TARGET to AT_QUERY. */
int step_target(struct http_head *head, const struct step_input *in);

#endif
