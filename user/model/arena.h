/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory that is given out piece by piece and freed all at once: a model's. */
#ifndef SKEP_MODEL_ARENA_H
#define SKEP_MODEL_ARENA_H

#include <stddef.h>

struct arena;

struct arena *arena_new(void);	      /* NULL if memory is short */
void arena_free(struct arena *arena); /* and all that came from it; NULL is fine */

/* Both zeroed and aligned for anything; NULL if memory is short. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_array(struct arena *arena, size_t n, size_t size);

/* A NUL-terminated copy of length bytes. */
const char *arena_string(struct arena *arena, const char *text, size_t length);

#endif
