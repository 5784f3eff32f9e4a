/* SPDX-License-Identifier: GPL-2.0-only */
/* Aligned columns of text, and quantities as people read them. */
#ifndef SKEP_CLI_TABLE_H
#define SKEP_CLI_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum table_align { TABLE_LEFT, TABLE_RIGHT };

struct table_column {
	const char *heading;
	enum table_align align;
};

struct table;

/* columns are borrowed until table_free(). NULL: no memory. */
struct table *table_new(const struct table_column *columns, size_t n);
void table_free(struct table *table); /* NULL is fine */

/*
 * Cells, row by row from the left. What a terminal would act on is shown as `?`; NULL or "" as `-`.
 * A shortage of memory is told by table_print().
 */
void table_cell(struct table *table, const char *text);
void table_format(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Headings and rows, each column as wide as its widest cell. -ENOMEM: nothing was printed. */
int table_print(const struct table *table, FILE *out);

#define TABLE_QUANTITY_SIZE 32

/* "0 B", "1023 B", "1.5 KiB", "12 GiB"; returns buffer. */
const char *table_bytes(uint64_t bytes, char buffer[TABLE_QUANTITY_SIZE]);
/* "12 ms", "1.2 s", "5 min 3 s", "2 h 10 min", "3 d 4 h"; returns buffer. */
const char *table_duration(uint64_t ms, char buffer[TABLE_QUANTITY_SIZE]);

#endif
