/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rings: which tasks each service's new flows go to. A ring is written as a new inner map that
 * takes the old one's place, so that a packet sees the old ring or the new one, never a mixture.
 */
#ifndef SKEP_DATAPATH_RINGS_H
#define SKEP_DATAPATH_RINGS_H

#include <stddef.h>
#include <stdint.h>

#include "datapath/datapath.h"
#include "lib/error.h"
#include "skep/addr.h"

struct ring {
	uint32_t service_id;
	uint32_t length;
	size_t first; /* its tasks: slots[first … first + length) of the set */
};

struct ring_set { /* rings sorted by service id */
	struct ring *rings;
	size_t n_rings, rings_capacity;
	struct skep_addr *slots;
	size_t n_slots, slots_capacity;
};

void ring_set_free(struct ring_set *set); /* empty and usable again after */

/* Adds a ring of these tasks, in this order. Service ids must come in ascending order. -ENOMEM. */
int ring_set_add(struct ring_set *set, uint32_t service_id, const struct skep_addr *tasks,
		 uint32_t length);
const struct skep_addr *ring_slots(const struct ring_set *set, const struct ring *ring);

/* Reads the rings map into an empty set. */
int rings_read(int rings, struct ring_set *set, struct skep_error *error);

/* Writes rings that are new or differ; a replaced ring goes on where the old one's cursor was. */
int rings_write(int rings, const struct ring_set *actual, const struct ring_set *desired,
		struct datapath_changes *changes, struct skep_error *error);

/* Deletes rings that are not desired. */
int rings_delete(int rings, const struct ring_set *actual, const struct ring_set *desired,
		 struct datapath_changes *changes, struct skep_error *error);

/* One call for each service whose ring differs; either may be NULL, not both. */
void rings_compare(const struct ring_set *actual, const struct ring_set *desired,
		   void (*differs)(void *context, const struct ring *actual,
				   const struct ring *desired),
		   void *context);

#endif
