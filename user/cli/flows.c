/* SPDX-License-Identifier: GPL-2.0-only */

#include "cli/cli.h"
#include "cli/list.h"
#include "cli/maps_view.h"
#include "cli/quantity.h"
#include "cli/rows.h"

static const struct text_table_column columns[] = {
	{"PROTOCOL", TEXT_TABLE_LEFT}, {"CLIENT", TEXT_TABLE_LEFT},  {"FRONTEND", TEXT_TABLE_LEFT},
	{"TASK", TEXT_TABLE_LEFT},     {"BACKEND", TEXT_TABLE_LEFT}, {"SERVICE", TEXT_TABLE_LEFT},
	{"STATE", TEXT_TABLE_LEFT},    {"IDLE", TEXT_TABLE_RIGHT},
};

static void endpoint_cell(struct text_table *table, const json_t *row, const char *addr,
			  const char *port)
{
	text_table_format(table, "%s:%llu", row_text(row, addr),
			  (unsigned long long)row_number(row, port));
}

static void row_cells(struct text_table *table, const json_t *row)
{
	char idle[QUANTITY_SIZE];

	row_cell_text(table, row, "protocol");
	endpoint_cell(table, row, "client", "client_port");
	endpoint_cell(table, row, "frontend", "frontend_port");
	row_cell_text(table, row, "task_name");
	endpoint_cell(table, row, "task", "target_port");
	row_cell_text(table, row, "service");
	row_cell_text(table, row, "state");
	text_table_cell(table, quantity_duration(row_number(row, "idle_ms"), idle));
}

int flows_print(const json_t *rows, FILE *out)
{
	return rows_print(rows, columns, sizeof(columns) / sizeof(*columns), row_cells, out);
}

static int run(int argc, char **argv)
{
	static const char *const sort[] = {"idle_ms", "client", "client_port", NULL};
	static const struct list list = {
		.path = "/v1/flows",
		.allowed = OPTIONS_JSON | OPTIONS_MAPS | OPTIONS_LIMIT,
		.from_maps = maps_view_flows,
		.sort = sort,
		.print = flows_print,
	};

	return list_run(&list, argc, argv);
}

const struct cli_command cli_flows = {
	"flows",
	"[--limit N] [--json] [--maps [--bpffs DIR]] [--run-dir DIR]",
	"list the flows that came in at this node, last used first",
	"A flow is a client's connection and the task it was given. A closed one stays in the "
	"list\n"
	"until its place is needed.\n\n"
	"  --limit N       at most N flows (100)\n"
	"  --json          for programs\n"
	"  --maps          read the pinned maps, no agent needed\n"
	"  --bpffs DIR     where they are pinned, /sys/fs/bpf/skep\n"
	"  --run-dir DIR   the agent to ask, /run/skep\n",
	run,
};
