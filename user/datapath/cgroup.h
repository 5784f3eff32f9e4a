/* SPDX-License-Identifier: GPL-2.0-only */
/* The cgroup programs' links: pinned as BPFFS/names/PROGRAM, replaced in place. */
#ifndef SKEP_DATAPATH_CGROUP_H
#define SKEP_DATAPATH_CGROUP_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"

struct cgroup_hook {
	const char *name; /* of the pin */
	int program;
	enum bpf_attach_type type;
};

/* Where cgroup2 is mounted, by /proc/self/mountinfo, into path. -ENOENT: nowhere. */
int cgroup_find(char *path, size_t size, struct skep_error *error);

/* Attaches what is not attached to that cgroup, and puts new programs in old ones' place.
 * *attached: how many are new there. */
int cgroup_attach(const char *bpffs, const char *cgroup, const struct cgroup_hook *hooks, size_t n,
		  size_t *attached, struct skep_error *error);

/* One line for each that is not in force as it should be. */
void cgroup_verify(const char *bpffs, const char *cgroup, const struct cgroup_hook *hooks, size_t n,
		   void (*report)(void *context, const char *line), void *context);

/* Detaches all that is pinned, by whomever. 0 if nothing is. */
int cgroup_detach_all(const char *bpffs, struct skep_error *error);

#endif
