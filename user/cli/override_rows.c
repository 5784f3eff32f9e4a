/* SPDX-License-Identifier: GPL-2.0-only */
#include "cli/override_rows.h"

#include <string.h>
#include <time.h>

#include "cli/clean.h"
#include "cli/list.h"
#include "cli/quantity.h"
#include "cli/rows.h"

#define TIME_SIZE 64

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* "14:02:11" of today, else with the date; local time. */
static const char *when(uint64_t ms, char text[TIME_SIZE])
{
	time_t then = (time_t)(ms / 1000), now = time(NULL);
	struct tm a, b;

	if (!ms || !localtime_r(&then, &a) || !localtime_r(&now, &b))
		return "";
	strftime(text, TIME_SIZE,
		 a.tm_year == b.tm_year && a.tm_yday == b.tm_yday ? "%H:%M:%S"
								  : "%Y-%m-%d %H:%M:%S",
		 &a);
	return text;
}

static const char *end(uint64_t until_ms, char text[TIME_SIZE + QUANTITY_SIZE + 16])
{
	char time[TIME_SIZE], left[QUANTITY_SIZE];
	uint64_t now = now_ms();

	if (!until_ms)
		return "cleared";
	snprintf(text, TIME_SIZE + QUANTITY_SIZE + 16, "%s (%s more)", when(until_ms, time),
		 quantity_seconds(until_ms > now ? (until_ms - now + 999) / 1000 : 0, left));
	return text;
}

static const char *where(const json_t *row)
{
	if (!strcmp(row_text(row, "kind"), "invalid"))
		return "a bad label";
	return json_is_true(json_object_get(row, "cluster")) ? "every node" : "this node";
}

static const char *state(const json_t *row)
{
	if (!strcmp(row_text(row, "kind"), "invalid"))
		return "not followed";
	return json_is_true(json_object_get(row, "bears")) ? "in force" : "bears on nothing now";
}

void override_print(const json_t *row, FILE *out)
{
	char since[TIME_SIZE], until[TIME_SIZE + QUANTITY_SIZE + 16];

	clean_print(row_text(row, "id"), out);
	fputs("  ", out);
	clean_print(row_text(row, "text"), out);
	if (row_number(row, "since_ms"))
		fprintf(out, ", since %s", when(row_number(row, "since_ms"), since));
	fprintf(out, ", until %s", end(row_number(row, "until_ms"), until));
	if (json_is_true(json_object_get(row, "cluster")))
		fputs(", on every node", out);
	if (!json_is_true(json_object_get(row, "bears")))
		fprintf(out, ", %s", state(row));
	if (*row_text(row, "reason")) {
		fputs(": ", out);
		clean_print(row_text(row, "reason"), out);
	}
	fputc('\n', out);
}

/* Was it told with an earlier row? */
static int is_told(json_t *told, const json_t *override)
{
	char key[64];

	snprintf(key, sizeof(key), "%s %.50s",
		 json_is_true(json_object_get(override, "cluster")) ? "c" : "n",
		 row_text(override, "id"));
	if (json_object_get(told, key))
		return 1;
	/* If not, it is told twice. */
	(void)json_object_set_new(told, key, json_true());
	return 0;
}

void override_notes(const json_t *rows, FILE *out)
{
	json_t *told = json_object(), *row, *override;
	size_t i, j, n = 0;

	json_array_foreach (rows, i, row)
		json_array_foreach (json_object_get(row, "overrides"), j, override) {
			if (is_told(told, override))
				continue;
			if (!n++)
				fputs("\nOverridden:\n", out);
			fputs("  ", out);
			override_print(override, out);
		}
	json_decref(told);
}

static const struct text_table_column columns[] = {
	{"ID", TEXT_TABLE_LEFT},     {"OVERRIDE", TEXT_TABLE_LEFT}, {"ON", TEXT_TABLE_LEFT},
	{"SINCE", TEXT_TABLE_LEFT},  {"UNTIL", TEXT_TABLE_LEFT},    {"STATE", TEXT_TABLE_LEFT},
	{"REASON", TEXT_TABLE_LEFT},
};

static void row_cells(struct text_table *table, const json_t *row)
{
	char since[TIME_SIZE], until[TIME_SIZE + QUANTITY_SIZE + 16];

	row_cell_text(table, row, "id");
	row_cell_text(table, row, "text");
	text_table_cell(table, where(row));
	text_table_cell(table, when(row_number(row, "since_ms"), since));
	text_table_cell(table, end(row_number(row, "until_ms"), until));
	text_table_cell(table, state(row));
	row_cell_text(table, row, "reason");
}

int overrides_print(const json_t *rows, FILE *out)
{
	return rows_print(rows, columns, sizeof(columns) / sizeof(*columns), row_cells, out);
}
