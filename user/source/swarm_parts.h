/* SPDX-License-Identifier: GPL-2.0-only */
/* The steps of swarm_convert() and what they share. Not for others. */
#ifndef SKEP_SOURCE_SWARM_PARTS_H
#define SKEP_SOURCE_SWARM_PARTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/addr.h"

struct parts {
	json_t *nodes, *networks, *services, *tasks; /* made so far, of the model's JSON form */
	json_t *node_ready;			     /* id -> is it ready */
	json_t *network_ids;			     /* id -> true */
	json_t *service_names;			     /* id -> name */
	json_t *taken;	  /* "8080/tcp", "network address", task id -> who has it */
	json_t *warnings; /* text -> true */
	bool changing;
	bool no_memory;
};

/* In this order. Each takes the Engine's array. */
void parts_add_nodes(struct parts *parts, const json_t *answer);
void parts_add_networks(struct parts *parts, const json_t *answer);
void parts_add_services(struct parts *parts, const json_t *answer);
void parts_add_tasks(struct parts *parts, const json_t *answer);

void parts_warn(struct parts *parts, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Take over value; note if memory is short. */
void parts_set(struct parts *parts, json_t *object, const char *key, json_t *value);
void parts_append(struct parts *parts, json_t *array, json_t *value);

/* object.key, "" if it is no string. */
const char *parts_text(const json_t *object, const char *key);

/* The labels that begin with prefix, as the model takes them. what, name: whose they are. */
json_t *parts_labels(struct parts *parts, const char *what, const char *name, const char *prefix,
		     const json_t *labels);

/* An id or name as the model takes it. */
bool parts_name_is_valid(const char *name);

/* "10.0.0.5/24", "10.1.0.1:2377" or "10.0.0.5": the host's IPv4 address before the sign; false if
 * it is none. */
bool parts_address(const char *text, char sign, char address[ADDR_TEXT_SIZE]);

/*
 * {network, address} for the model of one attachment, in array, if it is on one of the model's
 * networks and IPv4, and not there yet.
 */
void parts_add_attachment(struct parts *parts, json_t *array, const char *network,
			  const char *text);

/* The objects of an array with a valid ID of their own, oldest first: who was there first keeps
 * what two claim. */
struct parts_object {
	const json_t *json;
	const char *id;
	const char *created;
};
struct parts_object *parts_by_age(struct parts *parts, const json_t *array, const char *kind,
				  size_t *n);

#endif
