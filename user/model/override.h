/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Overrides: what a person on call decides against the model, for a while. A value each, with one
 * JSON form (docs/design.md, "Overrides") on disk, in the local API and in labels. Applied to a
 * model they give another model, from which data path, names and views are computed alike.
 *
 * An override names things by id, as they were when it was made: `drain web.3` bears on the task
 * that ran as web.3 then, not on the one that Swarm starts in its place.
 */
#ifndef SKEP_MODEL_OVERRIDE_H
#define SKEP_MODEL_OVERRIDE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "model/model.h"

#define OVERRIDE_ID_SIZE     33
#define OVERRIDE_NAME_SIZE   256
#define OVERRIDE_REASON_SIZE 201
#define OVERRIDE_TEXT_SIZE   640
#define OVERRIDES_MAX	     1000 /* of each: this node's own, and those of the whole cluster */

/* A label `skep.override.ID` of a service, or of a node for its drain. */
#define OVERRIDE_LABEL "skep.override."

enum override_kind {
	OVERRIDE_DRAIN,	  /* a task, or all tasks of a node: takes nothing new */
	OVERRIDE_WEIGHT,  /* a task: takes so many times its share */
	OVERRIDE_DISABLE, /* a service, or one published port: refused, open connections are cut */
	OVERRIDE_PIN,	  /* likewise: new connections go to one task only, while that serves */
	OVERRIDE_ADD,	  /* a published port: a back end outside the Swarm takes its share, too */
	OVERRIDE_KINDS
};

struct override { /* "": not of this kind's business */
	enum override_kind kind;
	char id[OVERRIDE_ID_SIZE];
	bool cluster; /* from a label, so every node follows it; else this node's own */
	char task[OVERRIDE_NAME_SIZE], task_name[OVERRIDE_NAME_SIZE]; /* ids, and names then */
	char node[OVERRIDE_NAME_SIZE], node_name[OVERRIDE_NAME_SIZE];
	char service[OVERRIDE_NAME_SIZE], service_name[OVERRIDE_NAME_SIZE];
	char reason[OVERRIDE_REASON_SIZE];
	uint16_t port;	 /* published, of either protocol; 0: all */
	uint16_t weight; /* 0 to MODEL_MAX_WEIGHT */
	uint16_t address_port;
	struct skep_addr address; /* IPv4 */
	int64_t since_ms;	  /* Unix time; 0: not known */
	int64_t until_ms;	  /* 0: until it is cleared */
};

const char *override_kind_name(enum override_kind kind); /* "drain", … */

/* "drain web.3", "pin web:8080 to web.3": for people. Returns buffer. */
const char *override_text(const struct override *override, char buffer[OVERRIDE_TEXT_SIZE]);

/*
 * From its JSON form, checked: -EINVAL with one line that names the field. owner: what has the
 * label that it is from, whose id the JSON then leaves out; NULL: none.
 */
struct override_owner {
	const struct model_service *service; /* either */
	const struct model_node *node;
};
int override_from_json(const json_t *object, const struct override_owner *owner,
		       struct override *override, struct skep_error *error);
/* label: as the value of a label, so without id, owner and cluster. NULL: no memory. */
json_t *override_to_json(const struct override *override, bool label);

/* 1 to 32 of a-z, 0-9 and -. */
bool override_id_is_valid(const char *id);

/* Do both say the same thing of the same subject, so that the newer one takes the other's place? */
bool override_replaces(const struct override *newer, const struct override *older);

/*
 * Those that are in a model's labels: calls add() with each, and problem() with a line for each
 * label that makes no sense (why: not NULL), OVERRIDES_MAX of both together.
 */
struct override_visitor {
	int (*add)(void *context, const struct override *override); /* -ENOMEM ends the walk */
	int (*problem)(void *context, const char *id, const char *why);
	void *context;
};
int override_labels(const struct model *model, const struct override_visitor *visitor);

/*
 * The model as it is with these overrides, of which those that are over by now_ms count for
 * nothing. Later ones win where two of them weigh the same task, or pin the same port; a drain wins
 * over a weight or a pin, a disable over all. bears: one for each, whether it changes anything now.
 *
 * *effective is NULL if none does. Otherwise it is the caller's, and borrows from model: to be
 * freed before that is. -ENOMEM.
 */
int override_apply(const struct model *model, const struct override *overrides, size_t n,
		   int64_t now_ms, struct model **effective, bool *bears);

/* Does it bear on this, were it in force? */
bool override_concerns_task(const struct override *override, const struct model_task *task);
bool override_concerns_service(const struct model *model, const struct override *override,
			       const struct model_service *service);
bool override_concerns_node(const struct override *override, const struct model_node *node);

/*
 * What a person names: a service or node by name or id, a task by name, id or the beginning of its
 * id. Of several tasks of a name the one that serves is meant, and of those that are not there any
 * more none. -ENOENT: it fits nothing or several things, and the error lists what there is.
 */
int override_find_task(const struct model *model, const char *text, const struct model_task **task,
		       struct skep_error *error);
int override_find_node(const struct model *model, const char *text, const struct model_node **node,
		       struct skep_error *error);
int override_find_service(const struct model *model, const char *text,
			  const struct model_service **service, struct skep_error *error);
/* Either; the other is NULL. */
int override_find_task_or_node(const struct model *model, const char *text,
			       const struct model_task **task, const struct model_node **node,
			       struct skep_error *error);

#endif
