/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tc programs on interfaces: which are attached where, by clsact filters of one fixed priority and
 * handle, so that a new program replaces an old one in place. What skep hooked is written in the
 * pinned map `hooks`, so that any later process knows it.
 */
#ifndef SKEP_DATAPATH_HOOKS_H
#define SKEP_DATAPATH_HOOKS_H

#include <stddef.h>

#include "lib/error.h"
#include "skep/maps.h"

#define HOOKS_PRIORITY 4799
#define HOOKS_HANDLE   1

struct hooks_programs { /* program file descriptors */
	int from_wire;
	int from_mesh;
	int to_mesh;
	int from_task;
	int from_bridge;
};

struct hooks_hook {
	int ifindex;
	enum skep_hook_role role;
};

struct hooks_changes {
	size_t attached, detached;
};

/*
 * Brings what is hooked to desired (sorted by ifindex, each once): attaches what is missing,
 * detaches what is not wanted, forgets what went with its interface. An interface that vanished
 * meanwhile is no error. Does the rest if one fails, and tells the first error.
 *
 * fresh: what the map says of an interface is not believed but asked of the kernel: every filter
 * that has not exactly the given program gets it in place, a clsact that somebody removed is made
 * again. It is due when the programs are new, and when links changed: an interface that went and
 * came back (to another namespace, or as another one by the same ifindex) has lost its filters, and
 * the map cannot tell. It changes nothing where nothing is amiss, and costs a few netlink requests
 * for each interface; without it, what the map already says costs nothing but reading the map.
 */
int hooks_apply(int hooks_map, const struct hooks_programs *programs,
		const struct hooks_hook *desired, size_t n, int fresh,
		struct hooks_changes *changes, struct skep_error *error);

/*
 * Asks the kernel whether each desired hook has exactly the given program; report() gets a line for
 * each that has not, and for each hooked that is not desired.
 */
int hooks_verify(int hooks_map, const struct hooks_programs *programs,
		 const struct hooks_hook *desired, size_t n,
		 void (*report)(void *context, const char *line), void *context,
		 struct skep_error *error);

/* Detaches all that the map names, and removes the clsact qdiscs that skep made if nothing else
 * uses them. */
int hooks_remove_all(int hooks_map, struct skep_error *error);

#endif
