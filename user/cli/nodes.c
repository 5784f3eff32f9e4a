/* SPDX-License-Identifier: GPL-2.0-only */

#include "cli/cli.h"
#include "cli/list.h"
#include "cli/rows.h"

static const struct text_table_column columns[] = {
	{"NODE", TEXT_TABLE_LEFT},  {"ADDRESS", TEXT_TABLE_LEFT},  {"ROLE", TEXT_TABLE_LEFT},
	{"STATE", TEXT_TABLE_LEFT}, {"SERVING", TEXT_TABLE_RIGHT}, {"DRAINING", TEXT_TABLE_RIGHT},
	{"ID", TEXT_TABLE_LEFT},
};

static void row_cells(struct text_table *table, const json_t *row)
{
	const json_t *tasks = json_object_get(row, "tasks");

	text_table_format(table, "%s%s", row_text(row, "name"),
			  json_is_true(json_object_get(row, "self")) ? " (this)" : "");
	row_cell_text(table, row, "address");
	row_cell_text(table, row, "role");
	text_table_cell(table, json_is_true(json_object_get(row, "ready")) ? "ready" : "not ready");
	row_cell_number(table, tasks, "serving");
	row_cell_number(table, tasks, "draining");
	row_cell_text(table, row, "id");
}

int nodes_print(const json_t *rows, FILE *out)
{
	return rows_print(rows, columns, sizeof(columns) / sizeof(*columns), row_cells, out);
}

static int run(int argc, char **argv)
{
	static const char *const sort[] = {"name", "id", NULL};
	static const struct list list = {
		.path = "/v1/nodes",
		.allowed = OPTIONS_JSON,
		.sort = sort,
		.print = nodes_print,
	};

	return list_run(&list, argc, argv);
}

const struct cli_command cli_nodes = {
	"nodes",
	"[--json] [--run-dir DIR]",
	"list the Swarm's nodes",
	"  --json          for programs\n"
	"  --run-dir DIR   the agent to ask, /run/skep\n",
	run,
};
