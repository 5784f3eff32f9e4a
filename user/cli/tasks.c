/* SPDX-License-Identifier: GPL-2.0-only */
#include <string.h>

#include "cli/cli.h"
#include "cli/list.h"
#include "cli/maps_view.h"
#include "cli/rows.h"

static const struct text_table_column columns[] = {
	{"TASK", TEXT_TABLE_LEFT},	 {"SERVICE", TEXT_TABLE_LEFT},
	{"ADDRESS", TEXT_TABLE_LEFT},	 {"LEVEL", TEXT_TABLE_LEFT},
	{"STATE", TEXT_TABLE_LEFT},	 {"NODE", TEXT_TABLE_LEFT},
	{"INTERFACE", TEXT_TABLE_LEFT},	 {"FLOWS", TEXT_TABLE_RIGHT},
	{"NEW FLOWS", TEXT_TABLE_RIGHT}, {"PACKETS", TEXT_TABLE_RIGHT},
	{"BYTES", TEXT_TABLE_RIGHT},
};

/* Swarm's state, and the desired one where that is another. */
static void state_cell(struct text_table *table, const json_t *row)
{
	const char *state = row_text(row, "state"), *desired = row_text(row, "desired");

	if (*desired && strcmp(state, desired) != 0)
		text_table_format(table, "%s, to be %s", state, desired);
	else
		text_table_cell(table, state);
}

static void row_cells(struct text_table *table, const json_t *row)
{
	const char *node = row_text(row, "node");

	row_cell_text(table, row, "name");
	row_cell_text(table, row, "service");
	row_cell_text(table, row, "address");
	row_cell_text(table, row, "level");
	state_cell(table, row);
	text_table_cell(table, *node ? node : row_text(row, "node_address"));
	row_cell_text(table, row, "interface");
	row_cell_number(table, row, "flows");
	row_cell_number(table, row, "new_flows");
	row_cell_number(table, row, "packets");
	row_cell_bytes(table, row, "bytes");
}

int tasks_print(const json_t *rows, FILE *out)
{
	return rows_print(rows, columns, sizeof(columns) / sizeof(*columns), row_cells, out);
}

static int run(int argc, char **argv)
{
	static const char *const sort[] = {"service", "name", "address", "id", NULL};
	static const struct list list = {
		.path = "/v1/tasks",
		.allowed = OPTIONS_JSON | OPTIONS_MAPS | OPTIONS_NAME,
		.from_maps = maps_view_tasks,
		.name_key = "service",
		.name_missing = "no task of a service named",
		.sort = sort,
		.print = tasks_print,
	};

	return list_run(&list, argc, argv);
}

const struct cli_command cli_tasks = {
	"tasks",
	"[SERVICE] [--json] [--maps [--bpffs DIR]] [--run-dir DIR]",
	"list tasks, of one service or of all",
	"LEVEL is what a task is to the mesh: serving (takes new flows), draining (keeps those it\n"
	"has), absent. INTERFACE is the host's end of a local task's veth. FLOWS are those that "
	"live,\n"
	"NEW FLOWS all that this node gave to the task.\n\n"
	"  --json          for programs\n"
	"  --maps          read the pinned maps, no agent needed\n"
	"  --bpffs DIR     where they are pinned, /sys/fs/bpf/skep\n"
	"  --run-dir DIR   the agent to ask, /run/skep\n",
	run,
};
