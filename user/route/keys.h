/* SPDX-License-Identifier: GPL-2.0-only */
/* What hosts and beginnings of paths a tree of conditions allows. */
#ifndef SKEP_ROUTE_KEYS_H
#define SKEP_ROUTE_KEYS_H

#include "route/rule.h"

#define KEYS_MAX 64 /* of one rule; more are not told apart */

enum key_kind {
	KEY_ANY,    /* nothing is known; then it is the only one */
	KEY_IS,	    /* a host */
	KEY_BEGINS, /* a host, a path */
	KEY_ENDS    /* a host */
};

struct key {
	enum key_kind kind;
	struct route_text text;
};

struct keys {
	size_t n; /* 0: nothing can match */
	struct key items[KEYS_MAX];
};

/* If match holds, the request's host (path) is, begins or ends with one of the keys. */
void keys_of_host(const struct route_match *match, struct keys *keys);
void keys_of_path(const struct route_match *match, struct keys *keys);

#endif
