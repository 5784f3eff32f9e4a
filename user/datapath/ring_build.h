/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A ring's slots, worked out from a service's tasks and its policy. Knows no map.
 *
 * What comes out depends on the set of tasks alone, never on the order in which they are given, so
 * every node that knows the same tasks has the same ring. For the hashing policies (source, maglev)
 * that is the point: it is what makes nodes agree on a client or flow without a word between them.
 * So their tables are a contract between versions, too: changing how they are built moves flows.
 */
#ifndef SKEP_DATAPATH_RING_BUILD_H
#define SKEP_DATAPATH_RING_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "skep/addr.h"
#include "skep/maps.h"

struct ring_task {
	struct skep_addr addr;
	uint16_t weight; /* its share beside the others'; 0: none */
	uint8_t local;	 /* runs on this node */
	uint8_t pad;	 /* zero: tasks are compared as bytes */
};
_Static_assert(sizeof(struct ring_task) == 20, "ring_task");

/*
 * Reduces tasks to what makes a difference, in place: only those that new flows go to (weight not
 * 0; with prefer_local those of this node, if there are any), by address, weights divided by what
 * they have in common, local cleared. Returns how many are left. Equal results make equal rings.
 */
size_t ring_normalise(struct ring_task *tasks, size_t n, bool prefer_local);

/* Slots of the ring of tasks that were normalised: 0 for none, at most SKEP_RING_MAX. */
uint32_t ring_length(enum skep_policy policy, const struct ring_task *tasks, size_t n);

/*
 * Fills in so many slots.
 * Round robin and least-flows: each task as often as its weight, spread evenly: after any number of
 * slots from the start each has had its share to less than one slot. If that takes more than
 * SKEP_RING_MAX slots, as near to the weights as so many allow.
 * Source and maglev: a Maglev table (Eisenbud et al., NSDI 2016, section 3.4), where tasks take
 * turns as their weights say: when one comes or goes, few slots change that are not its own.
 * Returns 0 or -ENOMEM.
 */
int ring_build(enum skep_policy policy, const struct ring_task *tasks, size_t n,
	       struct skep_addr *slots);

#endif
