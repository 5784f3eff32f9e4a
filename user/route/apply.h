/* SPDX-License-Identifier: GPL-2.0-only */
/* What a rule makes of a request that it takes. */
#ifndef SKEP_ROUTE_APPLY_H
#define SKEP_ROUTE_APPLY_H

#include "route/auth.h"
#include "route/request.h"
#include "route/rule.h"

enum route_outcome {
	ROUTE_FORWARD,	   /* to a task, with path */
	ROUTE_ANSWER,	   /* with status, and nothing else */
	ROUTE_REDIRECTION, /* with status and location */
	ROUTE_CHALLENGE,   /* 401: ask for a password, for realm */
};

#define ROUTE_STATUS_LATER 429 /* passwords come faster than they are checked: auth.h */

struct route_result {
	enum route_outcome outcome;
	uint16_t status;
	struct route_text path;	    /* into the request, or the buffer */
	struct route_text location; /* into the buffer */
	struct route_text stripped; /* for X-Forwarded-Prefix; size 0: none */
	struct route_text replaced; /* for X-Replaced-Path: the path as it came; likewise */
	const char *realm;
	bool drop_authorization; /* it was for the proxy, and must not reach the task */
};

/* Room for what is rewritten, twice over: the path before and after. */
#define ROUTE_BUFFER_SIZE (2 * 16384)

/*
 * buffer: of ROUTE_BUFFER_SIZE bytes, used as long as *result is. What a rewriting makes that
 * cannot be sent is answered with 400 (no path any more) or 414 (too long); an expression that
 * gives up, with 500.
 */
void route_apply(const struct route_rule *rule, const struct route_request *request,
		 struct route_scratch *scratch, struct auth_cache *cache, char *buffer,
		 struct route_result *result);

#endif
