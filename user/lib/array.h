/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A growable array of plain values, for what is collected before its number is known.
 * Zero-initialised it is empty; items is the caller's to free().
 */
#ifndef SKEP_LIB_ARRAY_H
#define SKEP_LIB_ARRAY_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct array {
	void *items;
	size_t n;
	size_t capacity; /* in items */
};

/* Room for one more at the end, zeroed and counted already; NULL if memory is short. Moves items.
 */
static inline void *array_add(struct array *array, size_t item_size)
{
	if (array->n == array->capacity) {
		size_t capacity = array->capacity ? array->capacity * 2 : 16;
		if (capacity > SIZE_MAX / item_size)
			return NULL;
		void *items = realloc(array->items, capacity * item_size);
		if (!items)
			return NULL;
		array->items = items;
		array->capacity = capacity;
	}
	void *item = (char *)array->items + array->n++ * item_size;
	return memset(item, 0, item_size);
}

#endif
