/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A map's entries as a sorted array of rows: key bytes, then value bytes. What is desired and what
 * is actual are both tables, and the difference between two tables is all that reconciling needs.
 */
#ifndef SKEP_DATAPATH_TABLE_H
#define SKEP_DATAPATH_TABLE_H

#include <stddef.h>

struct table {
	size_t key_size;
	size_t value_size;
	size_t count;
	size_t capacity; /* rows there is room for */
	unsigned char *rows;
};

/* An empty table; holds no memory yet. */
void table_init(struct table *table, size_t key_size, size_t value_size);
void table_free(struct table *table); /* empty and usable again after */

/* Room for count rows in all, so that table_add() cannot fail until then. -ENOMEM. */
int table_reserve(struct table *table, size_t count);

/* Appends a row; the table is unsorted until table_sort(). -ENOMEM. */
int table_add(struct table *table, const void *key, const void *value);

/* By key, as memcmp orders. Keys are unique, but for what table_deduplicate() then removes. */
void table_sort(struct table *table);

/* Of a sorted table: what is left of rows with the same key. */
enum table_keep {
	TABLE_KEEP_ONE,
	TABLE_KEEP_NONE
};
void table_deduplicate(struct table *table, enum table_keep keep);

const void *table_key(const struct table *table, size_t row);
const void *table_value(const struct table *table, size_t row);

/* Of a sorted table: the value for key, or NULL. */
const void *table_find(const struct table *table, const void *key);

/* What has to be done to the one to get the other. Any function may be NULL; one that returns
 * non-zero ends the walk. */
struct table_difference {
	int (*insert)(void *context, const void *key, const void *value);
	int (*replace)(void *context, const void *key, const void *value, const void *old_value);
	int (*delete)(void *context, const void *key, const void *old_value);
	void *context;
};

/* One walk over both, sorted. Returns what the function that ended it returned, else 0. */
int table_compare(const struct table *actual, const struct table *desired,
		  const struct table_difference *difference);

#endif
