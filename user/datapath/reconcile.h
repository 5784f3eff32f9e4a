/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bringing a hash map to a table. In two halves, since order between maps matters: what is new is
 * written before anything refers to it, what is old is deleted after nothing does.
 */
#ifndef SKEP_DATAPATH_RECONCILE_H
#define SKEP_DATAPATH_RECONCILE_H

#include <stddef.h>

#include "datapath/datapath.h"
#include "datapath/table.h"
#include "lib/error.h"

struct reconcile_map {
	const char *name; /* of the pin, for errors */
	const char *flag; /* the agent's flag that sets its size, for errors; NULL: none */
	int fd;
	struct table actual; /* what the map holds, as of the last read or write */
};

/* Reads the map anew into actual. */
int reconcile_read(struct reconcile_map *map, struct skep_error *error);

/* Inserts and replaces what differs. Counts into changes. */
int reconcile_write(struct reconcile_map *map, const struct table *desired,
		    struct datapath_changes *changes, struct skep_error *error);

/* Deletes what is not desired. */
int reconcile_delete(struct reconcile_map *map, const struct table *desired,
		     struct datapath_changes *changes, struct skep_error *error);

/*
 * Call after both: actual becomes desired (moved, desired is empty then). If anything failed
 * before, actual is to be read anew instead.
 */
void reconcile_settle(struct reconcile_map *map, struct table *desired);

#endif
