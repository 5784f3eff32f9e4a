/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The overrides that this node follows (model/override.h): its own, kept on disk, and those of the
 * whole cluster, out of the model's labels. Each ends at a time of the wall clock, so that it does
 * whether the agent or machine ran meanwhile or not, and on every node at once; who sets the clock
 * forward ends them sooner.
 */
#ifndef SKEP_AGENT_OVERRIDES_H
#define SKEP_AGENT_OVERRIDES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/loop.h"
#include "model/override.h"

struct overrides;

/*
 * Reads what an earlier agent kept in state_dir; what cannot be read is logged, and told by
 * overrides_problem(). now_ms: Unix time. changed(): some came or ended: overrides_apply() is due.
 */
int overrides_open(struct overrides **overrides, struct loop *loop, const char *state_dir,
		   int64_t (*now_ms)(void), void (*changed)(void *context), void *context,
		   struct skep_error *error);
void overrides_close(struct overrides *overrides); /* NULL is fine */

/*
 * The model in force. Computed anew if fresh (the model is another one) or after changed(); valid
 * until the next call, and no longer than model. NULL is fine, and comes back.
 */
int overrides_apply(struct overrides *overrides, const struct model *model, bool fresh,
		    const struct model **effective, struct skep_error *error);

int64_t overrides_now(const struct overrides *overrides);
const char *overrides_problem(const struct overrides *overrides); /* NULL: all is well */

/* A new id that no other has. */
int overrides_new_id(const struct overrides *overrides, char id[OVERRIDE_ID_SIZE],
		     struct skep_error *error);

/*
 * This node's own: adds one, which takes the place of its like, or removes those that match. They
 * are in force by the next overrides_apply(), and kept by overrides_save().
 */
int overrides_add(struct overrides *overrides, const struct override *override,
		  struct skep_error *error);
size_t overrides_remove(struct overrides *overrides,
			bool (*matches)(void *context, const struct override *override),
			void *context);
int overrides_save(struct overrides *overrides, struct skep_error *error);

/* Both kinds, the cluster's first; NULL: there are not so many. bears: it changes something now. */
const struct override *overrides_at(const struct overrides *overrides, size_t index, bool *over,
				    bool *bears);
/* Labels that make no sense: why not, and what follows `skep.override.`; NULL: not so many. */
const char *overrides_bad_label(const struct overrides *overrides, size_t index, const char **id);

/* ---- override_rows.c */

/* Of one, as lists have it: its JSON form, and "cluster", "text", "bears". */
json_t *overrides_row(const struct override *override, bool bears);

/*
 * All, as rows; labels that make no sense are rows of kind "invalid". And those that concern one
 * thing. NULL: no memory.
 */
json_t *overrides_json(const struct overrides *overrides);
/* Adds "overrides" to each row of a list that has model's tasks, services or nodes in its order. */
enum overrides_of {
	OVERRIDES_OF_TASKS,
	OVERRIDES_OF_SERVICES,
	OVERRIDES_OF_NODES
};
int overrides_mark(const struct overrides *overrides, const struct model *model,
		   enum overrides_of of, json_t *rows);

#endif
