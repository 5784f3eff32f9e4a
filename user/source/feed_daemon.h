/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libmicrohttpd in the event loop: one TLS identity on a listening socket that outlives it. When
 * certificates rotate, a new daemon takes the socket and the old one goes on until its last
 * connection ends. Not for others than feed_server.c.
 */
#ifndef SKEP_SOURCE_FEED_DAEMON_H
#define SKEP_SOURCE_FEED_DAEMON_H

#include <microhttpd.h>
#include <stdbool.h>

#include "lib/loop.h"
#include "source/feed_tls.h"

struct feed_daemon {
	struct MHD_Daemon *mhd;
	struct feed_identity identity;
	struct loop *loop;
	struct loop_watch watch;
	struct loop_timer timer;
	bool retired; /* takes no new connections */
	/* A retired one's last connection has ended: it may be freed now. */
	void (*ended)(struct feed_daemon *daemon);
	void *context;
	struct feed_daemon *next; /* the owner's */
};

struct feed_daemon_callbacks {
	MHD_AccessHandlerCallback access; /* its first argument is the daemon */
	MHD_RequestCompletedCallback completed;
	void (*ended)(struct feed_daemon *daemon);
	void *context;
};

/* Takes over *identity, also when it fails. */
int feed_daemon_start(struct feed_daemon **daemon, struct loop *loop, int listen_fd,
		      struct feed_identity *identity, const struct feed_daemon_callbacks *callbacks,
		      struct skep_error *error);
void feed_daemon_retire(struct feed_daemon *daemon);
/* Something was resumed or is to be looked at: runs it from the loop, soon. */
void feed_daemon_wake(struct feed_daemon *daemon);
/* Ends its connections; none may be suspended. */
void feed_daemon_free(struct feed_daemon *daemon);

#endif
