/* SPDX-License-Identifier: GPL-2.0-only */
/* A libmicrohttpd daemon (started with MHD_USE_EPOLL) in the event loop. */
#ifndef SKEP_LIB_MHD_H
#define SKEP_LIB_MHD_H

#include <microhttpd.h>

#include "lib/error.h"
#include "lib/loop.h"

struct mhd {
	struct loop *loop;
	struct MHD_Daemon *daemon; /* NULL: none */
	struct loop_watch watch;   /* the daemon's own epoll set */
	struct loop_timer timer;
};

/* Takes over the daemon, also when it fails. */
int mhd_attach(struct mhd *mhd, struct loop *loop, struct MHD_Daemon *daemon,
	       struct skep_error *error);
/* A connection was resumed: it is run from the loop, soon. */
void mhd_wake(struct mhd *mhd);
/* Ends its connections, of which none may be suspended, and closes its listening socket. Of one
 * that was zeroed, too. */
void mhd_stop(struct mhd *mhd);

#endif
