/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a connection begins with, before HTTP or TLS is spoken on it: a header of the PROXY protocol
 * from an address that is trusted; and whether a rule takes it as it is, by its port or by the host
 * that its TLS client names. What decides that is only looked at: it stays in the socket.
 */
#ifndef SKEP_PROXY_OPENING_H
#define SKEP_PROXY_OPENING_H

#include <stdbool.h>

struct worker;
struct client;

enum opening {
	OPENING_WAITS, /* for more of it */
	OPENING_HTTP,
	OPENING_TUNNEL, /* the client has an exchange */
	OPENING_ENDS,	/* it can only be closed */
};

/* Is there anything to be found out? Then the client has a deadline. */
bool opening_begin(struct worker *worker, struct client *client);
/* expired: the deadline is over. */
enum opening opening_run(struct worker *worker, struct client *client, bool expired);

#endif
