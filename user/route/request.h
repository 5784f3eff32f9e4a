/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A request as routing sees it: the head's parts that a rule may ask about, borrowed from whoever
 * parsed it.
 */
#ifndef SKEP_ROUTE_REQUEST_H
#define SKEP_ROUTE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

struct route_text { /* a piece of something longer: no NUL at its end */
	const char *data;
	size_t size;
};

enum route_mode {
	ROUTE_HTTP,
	ROUTE_TCP, /* a connection, taken as it is */
	ROUTE_SNI, /* likewise, by the host that its TLS client names */
};

struct route_request {
	enum route_mode mode; /* of others than HTTP only port, host and client are there */
	const char *entry;    /* the name of the listener it came in on */
	uint16_t port;	      /* and its port, host order */
	bool tls;
	struct route_text method;
	struct route_text host;	 /* (ROUTE_SNI: the name) without port or a dot at the end, in any
				    case; may be empty */
	struct route_text path;	 /* normalised, without query */
	struct route_text query; /* without `?`; may be empty */
	struct skep_addr client;
	/*
	 * The value of the index-th field (from 0) of that name, in any case, without white space
	 * around it. False: there are no more of it.
	 */
	bool (*field)(void *context, const char *name, size_t index, struct route_text *value);
	void *context;
};

#endif
