/* SPDX-License-Identifier: GPL-2.0-only */
/* Basic authentication (RFC 7617) against the users of a rule. */
#ifndef SKEP_ROUTE_AUTH_H
#define SKEP_ROUTE_AUTH_H

#include "route/request.h"
#include "route/rule.h"

#define AUTH_SECRET_MAX 256 /* bytes of a hash, or of a password */

/* Is it a hash that auth_accepts() can check: crypt(5)'s, $apr1$, {SHA}? */
bool auth_knows(const char *secret);

/*
 * credentials: the value of Authorization. Hashes are made to be slow: a wrong password costs
 * milliseconds, a right one is remembered in cache.
 */
struct auth_cache;			 /* a thread's */
struct auth_cache *auth_cache_new(void); /* NULL: no memory */
void auth_cache_free(struct auth_cache *cache);
bool auth_accepts(const struct route_users *users, struct route_text credentials,
		  struct auth_cache *cache);

#endif
