/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/clean.h"
#include "cli/client.h"
#include "cli/list.h"
#include "cli/rows.h"

#define PATH "/v1/routes"

static const struct text_table_column columns[] = {
	{"PRIORITY", TEXT_TABLE_RIGHT}, {"ENTRY", TEXT_TABLE_LEFT},  {"HOST", TEXT_TABLE_LEFT},
	{"PATH", TEXT_TABLE_LEFT},	{"OTHERS", TEXT_TABLE_LEFT}, {"SERVICE", TEXT_TABLE_LEFT},
	{"ACTIONS", TEXT_TABLE_LEFT},	{"LABELS", TEXT_TABLE_LEFT},
};

static const struct text_table_column problem_columns[] = {
	{"SERVICE", TEXT_TABLE_LEFT},
	{"LABEL", TEXT_TABLE_LEFT},
	{"PROBLEM", TEXT_TABLE_LEFT},
};

static int print_problems(const json_t *rows, bool notes, FILE *out)
{
	struct text_table *table = text_table_new(problem_columns, 3);
	size_t i, n = 0;
	json_t *row;
	int err = 0;

	if (!table)
		return -ENOMEM;
	json_array_foreach (rows, i, row) {
		if (json_is_true(json_object_get(row, "note")) != notes)
			continue;
		row_cell_text(table, row, "service");
		row_cell_text(table, row, "label");
		row_cell_text(table, row, "why");
		n++;
	}
	if (n) {
		fprintf(out, "%s\n",
			notes ? "Labels without effect:" : "Rules that are not in force:");
		err = text_table_print(table, out);
		fputc('\n', out);
	}
	text_table_free(table);
	return err;
}

static void add_rule(struct text_table *table, const json_t *row)
{
	if (row_number(row, "priority") || json_integer_value(json_object_get(row, "priority")))
		text_table_format(table, "%lld",
				  (long long)json_integer_value(json_object_get(row, "priority")));
	else
		text_table_cell(table, NULL);
	row_cell_text(table, row, "entry");
	row_cell_text(table, row, "host");
	row_cell_text(table, row, "path");
	row_cell_text(table, row, "conditions");
	text_table_format(table, "%s:%llu", row_text(row, "service"),
			  (unsigned long long)row_number(row, "port"));
	row_cell_text(table, row, "actions");
	row_cell_text(table, row, "origin");
}

int routes_print(const json_t *routes, FILE *out)
{
	const json_t *problems = json_object_get(routes, "problems");
	int err = print_problems(problems, false, out);

	if (!err)
		err = print_problems(problems, true, out);
	if (!err)
		err = rows_print(json_object_get(routes, "rules"), columns,
				 sizeof(columns) / sizeof(*columns), add_rule, out);
	return err;
}

static int run(int argc, char **argv)
{
	struct skep_error error;
	struct options options;
	json_t *routes = NULL;
	int err, status = CLI_OK;

	if (options_parse(&options, OPTIONS_JSON, argc, argv, &error))
		return cli_usage("%s", error.text);
	if (client_get(options.run_dir, PATH, false, &routes, &error))
		return cli_failure("%s", error.text);
	err = options.json ? list_print_json(routes, stdout) : routes_print(routes, stdout);
	if (err)
		status = cli_failure("cannot list routes: %s", strerror(-err));
	json_decref(routes);
	return status;
}

const struct cli_command cli_routes = {
	"routes",
	"[--json] [--run-dir DIR]",
	"list the rules by which HTTP requests are routed, and what is wrong with others",
	"Rules are made from services' labels (skep(8), LABELS FOR HTTP). They are listed in "
	"their\n"
	"order: the first that matches takes a request. In PATH and HOST, `=` is before what must\n"
	"be all of it, `~` before a regular expression, `…` where anything may follow.\n\n"
	"  --json          for programs\n"
	"  --run-dir DIR   the agent to ask, /run/skep\n",
	run,
};
