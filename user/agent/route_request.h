/* SPDX-License-Identifier: GPL-2.0-only */
/* A request that is only asked about, from its JSON (docs/design.md, POST /v1/route). */
#ifndef SKEP_AGENT_ROUTE_REQUEST_H
#define SKEP_AGENT_ROUTE_REQUEST_H

#include <jansson.h>

#include "lib/error.h"
#include "route/request.h"

#define ASKED_LIMIT_DEFAULT 10
#define ASKED_LIMIT_MAX	    1000000

struct asked {
	struct route_request request; /* its field() looks into fields */
	const json_t *fields;	      /* of the JSON, borrowed: "Name: value" */
	size_t limit;		      /* other rules that the answer tells of */
	char *text;		      /* what the request's parts are in */
};

/* json is borrowed until asked_free(). -EINVAL, -ENOMEM. */
int asked_parse(struct asked *asked, const json_t *json, struct skep_error *error);
void asked_free(struct asked *asked);

#endif
