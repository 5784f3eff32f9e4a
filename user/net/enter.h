/* SPDX-License-Identifier: GPL-2.0-only */
/* Into a process's network namespace and back. Needs CAP_SYS_ADMIN and CAP_SYS_PTRACE. For
 * user/net. */
#ifndef SKEP_NET_ENTER_H
#define SKEP_NET_ENTER_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/error.h"

/* The network namespace of process pid, as a file. -ESRCH: the process is gone. */
int enter_open(pid_t pid, int *fd, struct skep_error *error);
/* That of this thread. */
int enter_open_own(int *fd, struct skep_error *error);
bool enter_is_same(int a, int b);

/*
 * Runs it within namespace_fd and comes back to own_fd; returns what it returned, or a negative
 * errno. What it opens there (a socket) stays there.
 */
int enter_run(int namespace_fd, int own_fd, int (*run)(void *context), void *context);

/* Has a socket opened in the namespace of process pid (0: here). *fd is the caller's. */
int net_enter(pid_t pid, int (*open_socket)(void), int *fd, struct skep_error *error);

#endif
