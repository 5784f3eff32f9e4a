/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/table.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static size_t row_size(const struct table *table)
{
	return table->key_size + table->value_size;
}

void table_init(struct table *table, size_t key_size, size_t value_size)
{
	*table = (struct table){.key_size = key_size, .value_size = value_size};
}

void table_free(struct table *table)
{
	free(table->rows);
	table_init(table, table->key_size, table->value_size);
}

int table_reserve(struct table *table, size_t count)
{
	unsigned char *rows;

	if (count <= table->capacity)
		return 0;
	rows = reallocarray(table->rows, count, row_size(table));
	if (!rows)
		return -ENOMEM;
	table->rows = rows;
	table->capacity = count;
	return 0;
}

int table_add(struct table *table, const void *key, const void *value)
{
	unsigned char *row;
	int err = 0;

	if (table->count == table->capacity)
		err = table_reserve(table, table->capacity ? table->capacity * 2 : 64);
	if (err)
		return err;
	row = table->rows + table->count++ * row_size(table);
	memcpy(row, key, table->key_size);
	memcpy(row + table->key_size, value, table->value_size);
	return 0;
}

/* Fewer rows than this are sorted as quickly by comparing. */
#define RADIX_MIN 256

/* By one byte of the key; stable, so that going from the last byte to the first sorts by all of
 * them. */
static void radix_pass(const struct table *table, size_t byte, const uint32_t *from, uint32_t *to)
{
	size_t starts[256] = {0}, start = 0;

	for (size_t i = 0; i < table->count; i++)
		starts[((const unsigned char *)table_key(table, i))[byte]]++;
	for (size_t value = 0; value < 256; value++) {
		size_t n = starts[value];

		starts[value] = start;
		start += n;
	}
	for (size_t i = 0; i < table->count; i++)
		to[starts[((const unsigned char *)table_key(table, from[i]))[byte]]++] = from[i];
}

static bool byte_varies(const struct table *table, size_t byte)
{
	const unsigned char *first = table_key(table, 0);

	for (size_t i = 1; i < table->count; i++)
		if (((const unsigned char *)table_key(table, i))[byte] != first[byte])
			return true;
	return false;
}

/*
 * Keys are mostly addresses, of which a few bytes differ: that many passes are far quicker than
 * comparing. False: memory is short.
 */
static bool radix_sort(struct table *table)
{
	unsigned char *rows = reallocarray(NULL, table->count, row_size(table));
	uint32_t *order = reallocarray(NULL, table->count, 2 * sizeof(*order));
	bool sorted = rows && order && table->count <= UINT32_MAX;

	if (sorted) {
		uint32_t *from = order, *to = order + table->count;

		for (size_t i = 0; i < table->count; i++)
			from[i] = (uint32_t)i;
		for (size_t byte = table->key_size; byte-- > 0;) {
			uint32_t *last = from;

			if (!byte_varies(table, byte))
				continue;
			radix_pass(table, byte, from, to);
			from = to;
			to = last;
		}
		for (size_t i = 0; i < table->count; i++)
			memcpy(rows + i * row_size(table), table_key(table, from[i]),
			       row_size(table));
		free(table->rows);
		table->rows = rows;
		table->capacity = table->count;
		rows = NULL;
	}
	free(rows);
	free(order);
	return sorted;
}

static int row_compare(const void *a, const void *b, void *table)
{
	return memcmp(a, b, ((const struct table *)table)->key_size);
}

void table_sort(struct table *table)
{
	for (size_t i = 1; i < table->count; i++) {
		if (memcmp(table_key(table, i - 1), table_key(table, i), table->key_size) <= 0)
			continue;
		if (table->count < RADIX_MIN || !radix_sort(table))
			qsort_r(table->rows, table->count, row_size(table), row_compare, table);
		return;
	}
}

void table_deduplicate(struct table *table, enum table_keep keep)
{
	size_t kept = 0;

	for (size_t i = 0; i < table->count;) {
		size_t end = i + 1;

		while (end < table->count &&
		       memcmp(table_key(table, i), table_key(table, end), table->key_size) == 0)
			end++;
		if (end == i + 1 || keep == TABLE_KEEP_ONE)
			memmove(table->rows + kept++ * row_size(table), table_key(table, i),
				row_size(table));
		i = end;
	}
	table->count = kept;
}

const void *table_key(const struct table *table, size_t row)
{
	return table->rows + row * row_size(table);
}

const void *table_value(const struct table *table, size_t row)
{
	return table->rows + row * row_size(table) + table->key_size;
}

const void *table_find(const struct table *table, const void *key)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = memcmp(key, table_key(table, middle), table->key_size);

		if (!order)
			return table_value(table, middle);
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

int table_compare(const struct table *actual, const struct table *desired,
		  const struct table_difference *difference)
{
	size_t a = 0, d = 0;
	int result = 0;

	while (!result && (a < actual->count || d < desired->count)) {
		int order = a == actual->count	  ? 1
			    : d == desired->count ? -1
						  : memcmp(table_key(actual, a),
							   table_key(desired, d), actual->key_size);

		if (order < 0) {
			if (difference->delete)
				result = difference->delete (difference->context,
							     table_key(actual, a),
							     table_value(actual, a));
			a++;
		} else if (order > 0) {
			if (difference->insert)
				result = difference->insert(difference->context,
							    table_key(desired, d),
							    table_value(desired, d));
			d++;
		} else {
			if (difference->replace &&
			    memcmp(table_value(actual, a), table_value(desired, d),
				   actual->value_size) != 0)
				result = difference->replace(
					difference->context, table_key(desired, d),
					table_value(desired, d), table_value(actual, a));
			a++;
			d++;
		}
	}
	return result;
}
