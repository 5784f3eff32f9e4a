/* SPDX-License-Identifier: GPL-2.0-only */
/* Basic authentication (RFC 7617) against the users of a rule. */
#ifndef SKEP_ROUTE_AUTH_H
#define SKEP_ROUTE_AUTH_H

#include "route/request.h"
#include "route/rule.h"

#define AUTH_SECRET_MAX 256 /* bytes of a hash, or of a password */

/* Is it a hash that auth_check() knows: crypt(5)'s, $apr1$, {SHA}? */
bool auth_knows(const char *secret);

/*
 * Hashes are made to be slow, and are computed by a thread that serves others. So what was found
 * once, right or wrong, is remembered; and there is a limit to the time that hashing takes, for all
 * (AUTH_ALL_PERCENT of a second each second) and for one client, an IPv4 address or an IPv6 /64
 * (AUTH_ONE_PERCENT), so that whoever guesses takes little from those who serve and are served, and
 * not all of what others need to log in. A while of quiet saves up for a burst.
 */
#define AUTH_ALL_PERCENT  10
#define AUTH_ALL_BURST_MS 1000
#define AUTH_ONE_PERCENT  4
#define AUTH_ONE_BURST_MS 250

enum auth_verdict {
	AUTH_REFUSED,
	AUTH_ACCEPTED,
	AUTH_LATER, /* not looked at: too much was to be hashed of late */
};

struct auth_cache;			 /* a thread's */
struct auth_cache *auth_cache_new(void); /* NULL: no memory */
void auth_cache_free(struct auth_cache *cache);
/* credentials: the value of Authorization. */
enum auth_verdict auth_check(const struct route_users *users, struct route_text credentials,
			     const struct skep_addr *client, struct auth_cache *cache);

#endif
