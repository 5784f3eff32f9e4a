/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the service manager is told (sd_notify's protocol, spoken directly): ready, a line of
 * status, alive, stopping. Without NOTIFY_SOCKET in the environment all of it does nothing.
 */
#ifndef SKEP_LIB_NOTIFY_H
#define SKEP_LIB_NOTIFY_H

#include <sys/types.h>

#include "lib/error.h"
#include "lib/loop.h"

struct notify;

/*
 * Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID; starts to send WATCHDOG=1 at half the time
 * asked for.
 */
int notify_open(struct notify **notify, struct loop *loop, struct skep_error *error);
void notify_ready(struct notify *notify);
void notify_status(struct notify *notify, const char *text); /* one line; sent only if it differs */
void notify_stopping(struct notify *notify);
/* The service goes on as another process. */
void notify_main_pid(struct notify *notify, pid_t pid);
void notify_close(struct notify *notify); /* NULL is fine */

#endif
