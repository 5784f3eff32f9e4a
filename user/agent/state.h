/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The last model, kept on disk, so that an agent which starts while no source answers still knows
 * what to do.
 *
 * Written by a thread of its own, the agent's only one beside the loop's: an fsync takes seconds on
 * a disk that pulls an image, and convergence must not wait for it. Of texts that come faster than
 * the disk takes them the newest is written.
 */
#ifndef SKEP_AGENT_STATE_H
#define SKEP_AGENT_STATE_H

#include <stddef.h>

#include "lib/error.h"
#include "model/model.h"

struct state;

/* Makes directory; the file is directory/model.json. */
int state_open(struct state **state, const char *directory, struct skep_error *error);

/* -ENOENT: there is none. Other errors: it cannot be read or makes no sense. */
int state_load(const char *directory, struct model **model, struct skep_error *error);

/* Takes text (malloc'ed). What goes wrong is logged, once until it goes well again. */
void state_save(struct state *state, char *text, size_t size);

/* Writes what is left to write. NULL is fine. */
void state_close(struct state *state);

#endif
