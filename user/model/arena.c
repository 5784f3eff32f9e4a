/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BLOCK ((size_t)4096)
#define LAST_BLOCK  ((size_t)1 << 20) /* blocks double up to this */

struct block {
	struct block *next;
	alignas(max_align_t) char data[];
};

struct arena {
	struct block *blocks; /* the one in use first */
	size_t used;	      /* of it */
	size_t size;	      /* of it */
};

struct arena *arena_new(void)
{
	return calloc(1, sizeof(struct arena));
}

void arena_free(struct arena *arena)
{
	if (!arena)
		return;
	for (struct block *block = arena->blocks; block;) {
		struct block *next = block->next;
		free(block);
		block = next;
	}
	free(arena);
}

static struct block *new_block(size_t size)
{
	return size > SIZE_MAX - sizeof(struct block) ? NULL : malloc(sizeof(struct block) + size);
}

/* Room of its own, behind the block in use, so that what is left there is not lost. */
static void *alloc_apart(struct arena *arena, size_t size)
{
	struct block *block = new_block(size);

	if (!block)
		return NULL;
	if (arena->blocks) {
		block->next = arena->blocks->next;
		arena->blocks->next = block;
	} else {
		block->next = NULL;
		arena->blocks = block;
		arena->used = arena->size = size;
	}
	return memset(block->data, 0, size);
}

static void *alloc_aligned(struct arena *arena, size_t size, size_t alignment)
{
	size_t start = (arena->used + alignment - 1) & ~(alignment - 1);

	if (start > arena->size || size > arena->size - start) {
		size_t next = arena->size < FIRST_BLOCK ? FIRST_BLOCK : arena->size * 2;
		next = next > LAST_BLOCK ? LAST_BLOCK : next;
		if (size > next / 4)
			return alloc_apart(arena, size);
		struct block *block = new_block(next);
		if (!block)
			return NULL;
		block->next = arena->blocks;
		arena->blocks = block;
		arena->size = next;
		start = 0;
	}
	arena->used = start + size;
	return memset(arena->blocks->data + start, 0, size);
}

void *arena_alloc(struct arena *arena, size_t size)
{
	return alloc_aligned(arena, size, alignof(max_align_t));
}

void *arena_array(struct arena *arena, size_t n, size_t size)
{
	return size && n > SIZE_MAX / size ? NULL : arena_alloc(arena, n * size);
}

const char *arena_string(struct arena *arena, const char *text, size_t length)
{
	char *copy = length == SIZE_MAX ? NULL : alloc_aligned(arena, length + 1, 1);

	return copy ? memcpy(copy, text, length) : NULL;
}
