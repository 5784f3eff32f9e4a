/* SPDX-License-Identifier: GPL-2.0-only */
/* A pinned map copied into a sorted array, so that it can be searched and joined with others. */
#ifndef SKEP_CLI_COLLECT_H
#define SKEP_CLI_COLLECT_H

#include <stddef.h>

#include "datapath/read.h"
#include "lib/error.h"

struct collect_task {
	struct skep_addr addr;
	struct skep_task task;
};

struct collect_name {
	__u32 service_id;
	struct skep_service_name name; /* NUL-terminated, whatever the map holds */
};

struct collect_frontend {
	struct skep_frontend frontend;
	struct skep_service service;
};

struct collect_flow {
	struct skep_flow_key key;
	struct skep_flow flow;
};

struct collection {
	void *entries; /* of one of the above */
	size_t n;
};

/* Each frees what it collected before when it fails. */
int collect_tasks(const char *bpffs, struct collection *tasks,
		  struct skep_error *error); /* by address */
int collect_names(const char *bpffs, struct collection *names,
		  struct skep_error *error); /* by id */
/* The ports that services are published on: frontends under the unspecified address; by id, port.
 */
int collect_frontends(const char *bpffs, struct collection *frontends, struct skep_error *error);
/* At most limit of them, used last first. */
int collect_flows(const char *bpffs, size_t limit, struct collection *flows,
		  struct skep_error *error);
void collection_free(struct collection *collection);

/* Search what is sorted as said above; NULL: not there. */
const struct collect_task *collect_find_task(const struct collection *tasks,
					     const struct skep_addr *addr);
const char *collect_find_name(const struct collection *names, __u32 service_id);

#endif
