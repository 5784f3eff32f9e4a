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
#include "datapath/ring_build.h"
#include "lib/error.h"

/* What a ring is made of, and what it came to. A Maglev ring takes 1 MiB, so the slots themselves
 * are there only while they are read or written. */
struct ring {
	uint32_t service_id;
	uint32_t length; /* in slots */
	uint64_t digest; /* of the slots */
	enum skep_policy policy;
	uint32_t n_tasks; /* 0: not known, it was read */
	size_t first;	  /* its tasks: tasks[first … first + n_tasks) of the set */
};

struct ring_set { /* rings sorted by service id */
	struct ring *rings;
	size_t n_rings, rings_capacity;
	struct ring_task *tasks;
	size_t n_tasks, tasks_capacity;
	struct skep_addr *slots; /* of the ring at hand; room for SKEP_RING_MAX */
};

void ring_set_free(struct ring_set *set); /* empty and usable again after */

/*
 * Adds the ring of these tasks, at least one, as ring_normalise() left them. Service ids must come
 * in ascending order. What known (NULL: nothing) has of the same service, made of the same tasks,
 * is not worked out again. -ENOMEM.
 */
int ring_set_add(struct ring_set *set, const struct ring_set *known, uint32_t service_id,
		 enum skep_policy policy, const struct ring_task *tasks, uint32_t n);

/* Works out the slots of one of the set's rings, ring->length of them; valid until the next call.
 * NULL: no memory. */
const struct skep_addr *ring_slots(struct ring_set *set, const struct ring *ring);

/* Reads the rings map into an empty set. */
int rings_read(int rings, struct ring_set *set, struct skep_error *error);

/* Writes rings that are new or differ; a replaced ring goes on where the old one's cursor was. */
int rings_write(int rings, const struct ring_set *actual, struct ring_set *desired,
		struct datapath_changes *changes, struct skep_error *error);

/* Deletes rings that are not desired. */
int rings_delete(int rings, const struct ring_set *actual, const struct ring_set *desired,
		 struct datapath_changes *changes, struct skep_error *error);

/* One call for each service whose ring differs, by length and digest; either may be NULL, not both.
 */
void rings_compare(const struct ring_set *actual, const struct ring_set *desired,
		   void (*differs)(void *context, const struct ring *actual,
				   const struct ring *desired),
		   void *context);

#endif
