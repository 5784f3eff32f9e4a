/* SPDX-License-Identifier: GPL-2.0-only */
/* Aligned columns of text. */
#ifndef SKEP_CLI_TEXT_TABLE_H
#define SKEP_CLI_TEXT_TABLE_H

#include <stddef.h>
#include <stdio.h>

enum text_table_align {
	TEXT_TABLE_LEFT,
	TEXT_TABLE_RIGHT
};

struct text_table_column {
	const char *heading;
	enum text_table_align align;
};

struct text_table;

/* columns are borrowed until text_table_free(). NULL: no memory. */
struct text_table *text_table_new(const struct text_table_column *columns, size_t n);
void text_table_free(struct text_table *table); /* NULL is fine */

/*
 * Cells, row by row from the left. What a terminal would act on is shown as `?`; NULL or "" as `-`.
 * A shortage of memory is told by text_table_print().
 */
void text_table_cell(struct text_table *table, const char *text);
void text_table_format(struct text_table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* There was none for a cell's text: text_table_print() tells. */
void text_table_no_memory(struct text_table *table);

/* Headings and rows, each column as wide as its widest cell. -ENOMEM: nothing was printed. */
int text_table_print(const struct text_table *table, FILE *out);

#endif
