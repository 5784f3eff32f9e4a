/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The access log: a line for each request, put into a ring by the worker and written by a thread of
 * its own, so that a slow disk or reader holds up nobody. When a ring is full its lines are dropped
 * and counted.
 */
#ifndef SKEP_PROXY_ACCESS_LOG_H
#define SKEP_PROXY_ACCESS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

struct access_log;

/* path "-": standard output. Nothing is written before access_log_start(). */
int access_log_open(struct access_log **log, const char *path, size_t workers,
		    struct skep_error *error);
int access_log_start(struct access_log *log, struct skep_error *error);
/* By worker's thread alone. The line has its newline. */
void access_log_put(struct access_log *log, size_t worker, const char *line, size_t size);
/* The file was moved away: opens it anew, soon. */
void access_log_reopen(struct access_log *log);
uint64_t access_log_dropped(const struct access_log *log); /* lines */
void access_log_close(struct access_log *log);		   /* writes what is left; NULL is fine */

#endif
