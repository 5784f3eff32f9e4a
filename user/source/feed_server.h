/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The feed: a manager's agent hands its model to the workers' agents over HTTPS (libmicrohttpd,
 * GnuTLS), in the loop's thread.
 *
 * GET /v1/model?version=V: 200 with the model's JSON and its version (a hash of the text) in ETag,
 * at once if it is not V, else as soon as it is not, else 304 after 30 s (at once with &wait=0).
 * 503 with a reason while there is no current model. POST /v1/nudge: 204, and nudged() is called
 * (at most every 100 ms).
 *
 * TLS 1.2 and up, both ways, with the certificates that Swarm gives each node: the peer must chain
 * to the Swarm's root CA, be a swarm-worker or swarm-manager (OU) of the same cluster (O), at a
 * valid time. Whoever is not gets 403 and a reason, and one log line a minute at most. The files
 * are watched (rotation): new connections get the new ones, running ones go on.
 */
#ifndef SKEP_SOURCE_FEED_SERVER_H
#define SKEP_SOURCE_FEED_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/loop.h"

struct feed_server_config {
	uint16_t port;		  /* host order, on every address */
	const char *certificates; /* directory */
	void (*nudged)(void *context);
	void *context;
};

struct feed_server;
int feed_server_open(struct feed_server **server, struct loop *loop,
		     const struct feed_server_config *config, struct skep_error *error);
/* The model from now on (text is copied). reason not NULL: there is none, and why. Wakes who waits.
 */
int feed_server_publish(struct feed_server *server, const char *text, size_t size,
			const char *reason);
void feed_server_close(struct feed_server *server); /* NULL is fine */

#endif
