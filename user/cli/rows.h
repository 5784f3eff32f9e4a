/* SPDX-License-Identifier: GPL-2.0-only */
/* Rows: JSON arrays of objects, as the API's lists are. Whatever a row lacks reads as nothing. */
#ifndef SKEP_CLI_ROWS_H
#define SKEP_CLI_ROWS_H

#include <jansson.h>
#include <stdint.h>

#include "cli/text_table.h"

/* A string field, or "". */
const char *row_text(const json_t *row, const char *key);
/* A number field, or 0. */
uint64_t row_number(const json_t *row, const char *key);

/* Cells made of a field; `-` where it is null or missing. */
void row_cell_text(struct text_table *table, const json_t *row, const char *key);
void row_cell_number(struct text_table *table, const json_t *row, const char *key);
void row_cell_bytes(struct text_table *table, const json_t *row, const char *key);

/*
 * A table with a line for each row, of the cells that row_cells gives it, in the order of the
 * columns. -ENOMEM: nothing was printed.
 */
int rows_print(const json_t *rows, const struct text_table_column *columns, size_t n_columns,
	       void (*row_cells)(struct text_table *table, const json_t *row), FILE *out);

/*
 * Sorts in place by the fields named (NULL ends them), each in the order in which people count:
 * web.2 before web.10. -ENOMEM.
 */
int rows_sort(json_t *rows, const char *const keys[]);

/* Keeps the rows whose field is the text. -ENOMEM. */
int rows_keep(json_t *rows, const char *key, const char *text);

#endif
