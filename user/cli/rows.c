/* SPDX-License-Identifier: GPL-2.0-only */
#include "cli/rows.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/quantity.h"

const char *row_text(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "";
}

uint64_t row_number(const json_t *row, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(row, key));

	return value > 0 ? (uint64_t)value : 0;
}

void row_cell_text(struct text_table *table, const json_t *row, const char *key)
{
	text_table_cell(table, row_text(row, key));
}

void row_cell_number(struct text_table *table, const json_t *row, const char *key)
{
	if (json_is_integer(json_object_get(row, key)))
		text_table_format(table, "%" PRIu64, row_number(row, key));
	else
		text_table_cell(table, NULL);
}

void row_cell_bytes(struct text_table *table, const json_t *row, const char *key)
{
	char text[QUANTITY_SIZE];

	if (json_is_integer(json_object_get(row, key)))
		text_table_cell(table, quantity_bytes(row_number(row, key), text));
	else
		text_table_cell(table, NULL);
}

int rows_print(const json_t *rows, const struct text_table_column *columns, size_t n_columns,
	       void (*row_cells)(struct text_table *table, const json_t *row), FILE *out)
{
	struct text_table *table = text_table_new(columns, n_columns);
	json_t *row;
	size_t i;
	int err;

	if (!table)
		return -ENOMEM;
	json_array_foreach (rows, i, row)
		row_cells(table, row);
	err = text_table_print(table, out);
	text_table_free(table);
	return err;
}

struct kept { /* in order, borrowed from the array */
	json_t *row;
};

static int compare(const void *left, const void *right, void *context)
{
	const json_t *a = ((const struct kept *)left)->row, *b = ((const struct kept *)right)->row;

	for (const char *const *key = context; *key; key++) {
		uint64_t x = row_number(a, *key), y = row_number(b, *key);
		int order = (x > y) - (x < y);

		if (!order)
			order = strverscmp(row_text(a, *key), row_text(b, *key));
		if (order)
			return order;
	}
	return 0;
}

/* Puts the n rows given, and the references to them, in place of those in the array. */
static int replace(json_t *rows, const struct kept *kept, size_t n)
{
	json_t *fresh = json_array();
	int err = fresh ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < n; i++)
		if (json_array_append(fresh, kept[i].row))
			err = -ENOMEM;
	if (!err && (json_array_clear(rows) || json_array_extend(rows, fresh)))
		err = -ENOMEM;
	json_decref(fresh);
	return err;
}

int rows_sort(json_t *rows, const char *const keys[])
{
	size_t n = json_array_size(rows);
	struct kept *sorted = calloc(n ? n : 1, sizeof(*sorted));
	int err;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		sorted[i].row = json_array_get(rows, i);
	qsort_r(sorted, n, sizeof(*sorted), compare, (void *)keys);
	err = replace(rows, sorted, n);
	free(sorted);
	return err;
}

int rows_keep(json_t *rows, const char *key, const char *text)
{
	size_t n = json_array_size(rows), n_kept = 0;
	struct kept *kept = calloc(n ? n : 1, sizeof(*kept));
	int err;

	if (!kept)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (!strcmp(row_text(json_array_get(rows, i), key), text))
			kept[n_kept++].row = json_array_get(rows, i);
	err = replace(rows, kept, n_kept);
	free(kept);
	return err;
}
