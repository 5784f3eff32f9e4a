/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model in the making. Its four arrays are read in the order of enum build_kind, each element by
 * element, because each kind refers to those before it only: so a document need not be in memory
 * whole.
 */
#ifndef SKEP_MODEL_BUILD_H
#define SKEP_MODEL_BUILD_H

#include <jansson.h>

#include "lib/array.h"
#include "lib/error.h"
#include "model/arena.h"
#include "model/model.h"

enum build_kind {
	BUILD_NODES,
	BUILD_NETWORKS,
	BUILD_SERVICES,
	BUILD_TASKS,
	BUILD_KINDS
};

extern const char *const build_kind_names[BUILD_KINDS]; /* keys of the document */

struct build {
	struct arena *arena;
	struct model *model;
	struct array items; /* of the kind being read, in the document's order */
	struct array
		claims; /* ports of services, addresses of tasks: what must be unique among them */
	struct skep_error *error;
};

int build_open(struct build *build, struct skep_error *error);
void build_close(struct build *build); /* frees the model unless it was taken */

int build_cluster(struct build *build, const json_t *value);
int build_add(struct build *build, enum build_kind kind, const json_t *element);
int build_end(struct build *build, enum build_kind kind); /* of each kind, in order */
struct model *build_take(struct build *build);

/* elements.c, service.c: each fills *item from element, the index-th of its kind. */
int build_node(struct build *build, const json_t *element, size_t index, struct model_node *item);
int build_network(struct build *build, const json_t *element, size_t index,
		  struct model_network *item);
int build_service(struct build *build, const json_t *element, size_t index,
		  struct model_service *item);
int build_task(struct build *build, const json_t *element, size_t index, struct model_task *item);
/* What a task's addresses claim, and their order. */
int build_task_end(struct build *build, size_t index, struct model_task *item);

/* unique.c: a claim of a service's port, a task's address; then, of all claims, that none is there
 * twice. */
int build_claim_port(struct build *build, size_t service, size_t entry,
		     const struct model_port *port);
int build_claim_address(struct build *build, size_t task, size_t entry,
			const struct model_attachment *address);
int build_check_ports(struct build *build);
int build_check_addresses(struct build *build);

#endif
