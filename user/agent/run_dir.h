/* SPDX-License-Identifier: GPL-2.0-only */
/* The run directory, which one agent at a time holds by a lock on its pid file. */
#ifndef SKEP_AGENT_RUN_DIR_H
#define SKEP_AGENT_RUN_DIR_H

#include "lib/error.h"

/*
 * Makes the directory and locks DIRECTORY/skep.pid; -EBUSY if a live agent has it. *fd is the lock.
 */
int run_dir_lock(const char *directory, int *fd, struct skep_error *error);

/* Removes the file and lets go; fd -1 is fine. */
void run_dir_unlock(const char *directory, int fd);

#endif
