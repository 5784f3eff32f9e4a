/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Processes of this machine that listen on a published port, and so keep what the machine itself
 * sends there. dockerd binds each published port, to tell others that it is taken, but never
 * accepts a connection: it does not count.
 */
#ifndef SKEP_AGENT_LISTENERS_H
#define SKEP_AGENT_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>

#include "datapath/datapath.h"
#include "lib/error.h"
#include "model/model.h"

struct listeners;

struct listeners *listeners_new(void); /* NULL: no memory */
void listeners_free(struct listeners *listeners);

/* Looks again. *changed: the list is another than before. */
int listeners_update(struct listeners *listeners, const struct model *model, bool *changed,
		     struct skep_error *error);

/* Sorted by place; valid until an update that changes it. */
const struct datapath_listener *listeners_list(const struct listeners *listeners, size_t *n);

/* The name of the process behind an entry of that list. */
const char *listeners_name(const struct listeners *listeners,
			   const struct datapath_listener *listener);

#endif
