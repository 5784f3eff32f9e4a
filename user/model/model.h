/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The model: what skep knows of a Swarm, wherever it learnt it (Engine API, a manager's feed, a
 * file).
 *
 * It is a value: built whole from its one JSON form (docs/design.md, "The model"), checked whole,
 * never changed after, freed whole. Arrays are sorted by id; references between them are pointers
 * into the same model. Everything lives in one arena. Knows nobody else's headers but lib/.
 */
#ifndef SKEP_MODEL_MODEL_H
#define SKEP_MODEL_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/error.h"

/* Bounds on what is believed; a model beyond them is an error. */
#define MODEL_MAX_NODES	    10000
#define MODEL_MAX_NETWORKS  10000
#define MODEL_MAX_SERVICES  50000
#define MODEL_MAX_TASKS	    200000
#define MODEL_MAX_PORTS	    1000 /* of one service */
#define MODEL_MAX_ADDRESSES 64	 /* of one task or service */
#define MODEL_MAX_LABELS    1000 /* of one service */
#define MODEL_MAX_WEIGHT    1000

struct model_label {
	const char *key;
	const char *value;
};

struct model_node {
	const char *id;
	const char *name;
	struct skep_addr address; /* underlay; zero: not known */
	bool manager;
	bool ready;		    /* Swarm's node state */
	struct model_label *labels; /* those that begin with `skep.`, sorted by key */
	size_t n_labels;
};

struct model_network {
	const char *id;
	const char *name;
	bool ingress; /* Swarm's routing-mesh network */
	struct addr_prefix *subnets;
	size_t n_subnets;
};

struct model_attachment { /* of a service (its VIP) or a task, to a network */
	const struct model_network *network;
	struct skep_addr address;
};

struct model_backend {	       /* outside the Swarm: reached by the host's routes */
	struct skep_addr addr; /* IPv4 */
	uint16_t port;	       /* host order */
};

struct model_task;

struct model_port {	    /* published in ingress mode */
	uint16_t published; /* host order */
	uint16_t target;    /* host order */
	uint8_t protocol;   /* IPPROTO_TCP or IPPROTO_UDP */
	/* Only override_apply() sets these. */
	bool disabled;			 /* refused; connections are not kept */
	const struct model_task *pinned; /* the only one that takes new flows; NULL: all do */
	struct model_backend *backends;	 /* that take new flows beside the tasks */
	size_t n_backends;
};

struct model_service {
	const char *id;
	const char *name;
	struct model_label *labels; /* sorted by key */
	size_t n_labels;
	struct model_port *ports; /* sorted by published, protocol */
	size_t n_ports;
	struct model_attachment *vips;
	size_t n_vips;
	bool disabled;	    /* only override_apply() sets it: refused by every name and port */
	int64_t created_ms; /* since 1970; 0: not known */
};

/* Swarm's task states, in its order (docker's api/types/swarm/task.go). */
enum model_task_state {
	MODEL_TASK_NEW,
	MODEL_TASK_ALLOCATED,
	MODEL_TASK_PENDING,
	MODEL_TASK_ASSIGNED,
	MODEL_TASK_ACCEPTED,
	MODEL_TASK_PREPARING,
	MODEL_TASK_READY,
	MODEL_TASK_STARTING,
	MODEL_TASK_RUNNING,
	MODEL_TASK_COMPLETE,
	MODEL_TASK_SHUTDOWN,
	MODEL_TASK_FAILED,
	MODEL_TASK_REJECTED,
	MODEL_TASK_REMOVE,
	MODEL_TASK_ORPHANED,
	MODEL_TASK_STATES
};

struct model_task {
	const char *id;
	const char *name; /* service.slot or service.node, as Docker shows it */
	const struct model_service *service;
	const struct model_node *node; /* NULL: not assigned yet */
	enum model_task_state desired;
	enum model_task_state state;
	struct model_attachment *addresses; /* the ingress network's first */
	size_t n_addresses;
	const char *interface; /* file source: host end of its veth; NULL: ask Docker */
	uint16_t weight; /* its share of new flows, beside the service's other tasks; 0: none; 1 by
			    default */
};

struct model {
	const char *cluster; /* Swarm's id; "" if unknown */
	struct model_node *nodes;
	size_t n_nodes;
	struct model_network *networks;
	size_t n_networks;
	struct model_service *services;
	size_t n_services;
	struct model_task *tasks;
	size_t n_tasks;
	/* The rest is the model's own business. */
	void *arena;
};

/*
 * What a task is to the mesh.
 * SERVING: desired running, is running, its node is ready. DRAINING: still running or on its way
 * out, takes nothing new. ABSENT: not running yet, or ended.
 */
enum model_service_level {
	MODEL_ABSENT,
	MODEL_SERVING,
	MODEL_DRAINING
};
enum model_service_level model_task_level(const struct model_task *task);

/*
 * Builds a model from its JSON form, checking everything: types, bounds, ids that name nothing, an
 * id or a published port given twice, an address of two tasks on one network. One error says where
 * ("tasks[3].addresses[0]: …") and changes nothing. *model is the caller's, to free with
 * model_free().
 */
int model_from_json(const json_t *root, struct model **model, struct skep_error *error);

/* The same from text; errors in the JSON itself come with line and column. Text beyond 256 MiB is
 * refused. */
int model_parse(const char *text, size_t size, struct model **model, struct skep_error *error);

/* The JSON form: equal models give equal text. The caller's reference; NULL if memory is short. */
json_t *model_to_json(const struct model *model);

/*
 * The same as compact text (json_dumps() with JSON_COMPACT), without ever having the whole tree,
 * which takes ten times the memory of the text. malloc'ed, NUL-terminated (not counted in *size);
 * NULL if memory is short.
 */
char *model_to_text(const struct model *model, size_t *size);

void model_free(struct model *model); /* NULL is fine */

const struct model_node *model_find_node(const struct model *model, const char *id);
const struct model_network *model_find_network(const struct model *model, const char *id);
const struct model_service *model_find_service(const struct model *model, const char *id);
const struct model_task *model_find_task(const struct model *model, const char *id);
const char *model_label(const struct model_service *service, const char *key); /* NULL: none */
const char *model_task_state_name(enum model_task_state state);		       /* "running", … */

#endif
