/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Another process that takes over: of the same program file (which may be a newer one by now), with
 * the same arguments and the listening sockets. Until it says that it is ready the old one goes on;
 * if it never does, the old one just stays.
 */
#ifndef SKEP_PROXY_SUCCESSOR_H
#define SKEP_PROXY_SUCCESSOR_H

#include <sys/types.h>

#include "lib/error.h"
#include "lib/loop.h"
#include "proxy/listeners.h"

struct successor {
	struct loop *loop;
	pid_t pid; /* 0: none is being started */
	struct loop_watch pipe;
	/* ready: it serves. Else it has ended, and the error says so. */
	void (*done)(void *context, pid_t pid, bool ready);
	void *context;
};

void successor_init(struct successor *successor, struct loop *loop,
		    void (*done)(void *context, pid_t pid, bool ready), void *context);
/* -EALREADY: one is being started. */
int successor_start(struct successor *successor, char *const argv[],
		    const struct listeners *listeners, const struct proxy_config *config,
		    struct skep_error *error);
void successor_close(struct successor *successor);

/* In a successor: tells the old process that it serves. Without one: nothing. */
void successor_ready(void);

#endif
