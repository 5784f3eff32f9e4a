/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdlib.h>

#include "cli/clean.h"
#include "cli/cli.h"
#include "cli/list.h"
#include "cli/maps_view.h"
#include "cli/rows.h"

static const struct text_table_column columns[] = {
	{"SERVICE", TEXT_TABLE_LEFT},  {"PORTS", TEXT_TABLE_LEFT},
	{"SERVING", TEXT_TABLE_RIGHT}, {"DRAINING", TEXT_TABLE_RIGHT},
	{"RING", TEXT_TABLE_RIGHT},    {"NEW FLOWS", TEXT_TABLE_RIGHT},
	{"PACKETS", TEXT_TABLE_RIGHT}, {"BYTES", TEXT_TABLE_RIGHT},
};

/* "8080->80/tcp,5353->53/udp" */
static int ports_cell(struct text_table *table, const json_t *ports)
{
	char *text = NULL;
	size_t size, i;
	json_t *port;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return -ENOMEM;
	json_array_foreach (ports, i, port)
		fprintf(stream, "%s%llu->%llu/%s", i ? "," : "",
			(unsigned long long)row_number(port, "published"),
			(unsigned long long)row_number(port, "target"), row_text(port, "protocol"));
	if (fclose(stream)) {
		free(text);
		return -ENOMEM;
	}
	text_table_cell(table, text);
	free(text);
	return 0;
}

static void print_conflicts(const json_t *rows, FILE *out)
{
	const json_t *row, *line;
	size_t i, j;

	json_array_foreach (rows, i, row)
		json_array_foreach (json_object_get(row, "conflicts"), j, line) {
			fputs("CONFLICT ", out);
			clean_print(row_text(row, "name"), out);
			fputs(": ", out);
			clean_print(json_is_string(line) ? json_string_value(line) : "?", out);
			fputs("; this machine's own processes reach that instead\n", out);
		}
}

int services_print(const json_t *rows, FILE *out)
{
	struct text_table *table = text_table_new(columns, sizeof(columns) / sizeof(*columns));
	json_t *row;
	size_t i;
	int err = table ? 0 : -ENOMEM;

	json_array_foreach (rows, i, row) {
		const json_t *tasks = json_object_get(row, "tasks");

		if (err)
			break;
		row_cell_text(table, row, "name");
		err = ports_cell(table, json_object_get(row, "ports"));
		row_cell_number(table, tasks, "serving");
		row_cell_number(table, tasks, "draining");
		row_cell_number(table, row, "ring");
		row_cell_number(table, row, "new_flows");
		row_cell_number(table, row, "packets");
		row_cell_bytes(table, row, "bytes");
	}
	if (!err)
		err = text_table_print(table, out);
	if (!err)
		print_conflicts(rows, out);
	text_table_free(table);
	return err;
}

static int run(int argc, char **argv)
{
	static const char *const sort[] = {"name", "id", NULL};
	static const struct list list = {
		.path = "/v1/services",
		.allowed = OPTIONS_JSON | OPTIONS_MAPS | OPTIONS_NAME,
		.from_maps = maps_view_services,
		.name_key = "name",
		.name_missing = "no service named",
		.sort = sort,
		.print = services_print,
	};

	return list_run(&list, argc, argv);
}

const struct cli_command cli_services = {
	"services",
	"[NAME] [--json] [--maps [--bpffs DIR]] [--run-dir DIR]",
	"list services, their published ports and traffic",
	"PORTS are published->target/protocol. RING is how many tasks new flows are given to.\n"
	"Flows, packets and bytes are those that clients sent in through this node.\n\n"
	"  --json          for programs\n"
	"  --maps          read the pinned maps, no agent needed\n"
	"  --bpffs DIR     where they are pinned, /sys/fs/bpf/skep\n"
	"  --run-dir DIR   the agent to ask, /run/skep\n",
	run,
};
