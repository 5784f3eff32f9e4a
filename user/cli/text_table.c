/* SPDX-License-Identifier: GPL-2.0-only */
#include "cli/text_table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cli/clean.h"

#define GAP 2 /* spaces between columns */

struct text_table {
	const struct text_table_column *columns;
	size_t n_columns;
	size_t *widths;
	char **cells;
	size_t n_cells, room;
	size_t column; /* of the next cell */
	bool no_memory;
};

/* What UTF-8 shows: its bytes but for the continuation bytes. */
static size_t text_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		if (((unsigned char)*text & 0xc0) != 0x80)
			width++;
	return width;
}

struct text_table *text_table_new(const struct text_table_column *columns, size_t n)
{
	struct text_table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->columns = columns;
	table->n_columns = n;
	table->widths = calloc(n, sizeof(*table->widths));
	if (!table->widths) {
		free(table);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		table->widths[i] = text_width(columns[i].heading);
	return table;
}

void text_table_free(struct text_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table->widths);
	free(table);
}

/* Takes the text over. */
static void add(struct text_table *table, char *text)
{
	size_t width;

	if (!text || table->no_memory)
		goto failed;
	if (table->n_cells == table->room) {
		size_t room = table->room ? table->room * 2 : 64;
		char **cells = reallocarray(table->cells, room, sizeof(*cells));

		if (!cells)
			goto failed;
		table->cells = cells;
		table->room = room;
	}
	clean_text(text);
	width = text_width(text);
	if (width > table->widths[table->column])
		table->widths[table->column] = width;
	table->column = table->column + 1 < table->n_columns ? table->column + 1 : 0;
	table->cells[table->n_cells++] = text;
	return;
failed:
	table->no_memory = true;
	free(text);
}

void text_table_cell(struct text_table *table, const char *text)
{
	add(table, strdup(text && *text ? text : "-"));
}

void text_table_format(struct text_table *table, const char *format, ...)
{
	va_list arguments;
	char *text = NULL;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	add(table, text);
}

static void print_cell(const struct text_table *table, size_t column, const char *text, FILE *out)
{
	bool last = column + 1 == table->n_columns;
	int pad = (int)(table->widths[column] - text_width(text));

	if (table->columns[column].align == TEXT_TABLE_RIGHT)
		fprintf(out, "%*s%s%*s", pad, "", text, last ? 0 : GAP, "");
	else /* no spaces at the end of a line */
		fprintf(out, "%s%*s", text, last ? 0 : pad + GAP, "");
	if (last)
		fputc('\n', out);
}

void text_table_no_memory(struct text_table *table)
{
	table->no_memory = true;
}

int text_table_print(const struct text_table *table, FILE *out)
{
	if (table->no_memory)
		return -ENOMEM;
	for (size_t i = 0; i < table->n_columns; i++)
		print_cell(table, i, table->columns[i].heading, out);
	for (size_t i = 0, column = 0; i < table->n_cells; i++) {
		print_cell(table, column, table->cells[i], out);
		column = column + 1 < table->n_columns ? column + 1 : 0;
	}
	return 0;
}
