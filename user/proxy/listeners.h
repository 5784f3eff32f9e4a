/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sockets that clients come in by: one for each entry and worker, sharing the entry's port
 * (SO_REUSEPORT), so that workers share nothing. They are inherited from a predecessor where it had
 * the same: one socket, two processes for a moment, and no connection that waits in it is lost.
 */
#ifndef SKEP_PROXY_LISTENERS_H
#define SKEP_PROXY_LISTENERS_H

#include "proxy/config.h"

struct listener {
	int fd;
	size_t entry; /* config->entries[entry] */
};

struct listeners {
	struct listener *list; /* the i-th is worker i % workers' */
	size_t n;
};

/* In the environment of a successor: "FD:ADDR/PORT …", and a space after each */
#define LISTENERS_VARIABLE "SKEP_PROXY_LISTENERS"

/*
 * Opens what was not inherited; inherited sockets of entries that there are no more are closed. An
 * error names the entry.
 */
int listeners_open(struct listeners *listeners, const struct proxy_config *config, size_t workers,
		   struct skep_error *error);
void listeners_close(struct listeners *listeners);
/* The variable's value for a successor, malloc'ed; NULL: no memory. */
char *listeners_describe(const struct listeners *listeners, const struct proxy_config *config);

#endif
