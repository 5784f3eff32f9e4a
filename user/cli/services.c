/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cli/clean.h"
#include "cli/cli.h"
#include "cli/list.h"
#include "cli/maps_view.h"
#include "cli/quantity.h"
#include "cli/rows.h"

static const struct text_table_column columns[] = {
	{"SERVICE", TEXT_TABLE_LEFT},	 {"PORTS", TEXT_TABLE_LEFT},
	{"SERVING", TEXT_TABLE_RIGHT},	 {"DRAINING", TEXT_TABLE_RIGHT},
	{"RING", TEXT_TABLE_RIGHT},	 {"RETURN", TEXT_TABLE_LEFT},
	{"NEW FLOWS", TEXT_TABLE_RIGHT}, {"PACKETS", TEXT_TABLE_RIGHT},
	{"BYTES", TEXT_TABLE_RIGHT},
};

/* "8080->80/tcp,5353->53/udp" */
static void ports_cell(struct text_table *table, const json_t *ports)
{
	char *text = NULL;
	size_t size, i;
	json_t *port;
	FILE *stream = open_memstream(&text, &size);

	if (!stream) {
		text_table_no_memory(table);
		return;
	}
	json_array_foreach (ports, i, port)
		fprintf(stream, "%s%llu->%llu/%s", i ? "," : "",
			(unsigned long long)row_number(port, "published"),
			(unsigned long long)row_number(port, "target"), row_text(port, "protocol"));
	if (fclose(stream))
		text_table_no_memory(table);
	else
		text_table_cell(table, text);
	free(text);
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

static bool has_problems(const json_t *row)
{
	return json_array_size(json_object_get(row, "problems")) > 0;
}

static void name_cell(struct text_table *table, const json_t *row)
{
	if (has_problems(row))
		text_table_format(table, "%s !", row_text(row, "name"));
	else
		row_cell_text(table, row, "name");
}

/* Below the table, for what is marked in it. */
static void print_problems(const json_t *rows, FILE *out)
{
	json_t *row, *problem;
	bool heading = false;
	size_t i, j;

	json_array_foreach (rows, i, row)
		json_array_foreach (json_object_get(row, "problems"), j, problem) {
			if (!heading)
				fputs("\nlabels that cannot be honoured\n", out);
			heading = true;
			fputs("! ", out);
			clean_print(row_text(row, "name"), out);
			fputs(": ", out);
			clean_print(row_text(problem, "label"), out);
			fputs(": ", out);
			clean_print(row_text(problem, "why"), out);
			fputc('\n', out);
		}
}

/* "allow      192.0.2.0/24, 10.0.0.0/8" */
static void print_places(const char *name, const json_t *places, const char *all, const char *none,
			 FILE *out)
{
	json_t *place;
	size_t i;

	fprintf(out, "%-11s", name);
	if (!json_is_array(places))
		fputs(all, out);
	else if (!json_array_size(places))
		fputs(none, out);
	json_array_foreach (places, i, place) {
		const char *text = json_string_value(place);

		fputs(i ? ", " : "", out);
		clean_print(text ? text : "?", out);
	}
	fputc('\n', out);
}

static void print_policy(const json_t *options, FILE *out)
{
	char time[QUANTITY_SIZE];

	fprintf(out, "%-11s", "policy");
	clean_print(row_text(options, "policy"), out);
	if (!strcmp(row_text(options, "policy"), "source"))
		fprintf(out, ", a client is remembered for %s",
			quantity_seconds(row_number(options, "affinity_s"), time));
	if (*row_text(options, "prefer"))
		fputs(", tasks of the node that a client came in at first", out);
	fputc('\n', out);
}

void services_details(const json_t *row, FILE *out)
{
	const json_t *options = json_object_get(row, "options");
	uint64_t idle_s = row_number(options, "idle_s");
	char idle[QUANTITY_SIZE], udp_idle[QUANTITY_SIZE];

	if (!json_is_object(options))
		return; /* maps alone do not know */
	fputc('\n', out);
	print_policy(options, out);
	fprintf(out, "%-11s", "return");
	clean_print(*row_text(options, "return") ? row_text(options, "return")
						 : "as the node's agent has it",
		    out);
	fprintf(out, "\n%-11sTCP %s%s, UDP after %s\n", "idle", idle_s ? "after " : "never",
		idle_s ? quantity_seconds(idle_s, idle) : "",
		quantity_seconds(row_number(options, "udp_idle_s"), udp_idle));
	print_places("allow", json_object_get(options, "allow"), "all clients", "no client", out);
	print_places("bind", json_object_get(options, "bind"), "all addresses", "no address", out);
}

static void row_cells(struct text_table *table, const json_t *row)
{
	const json_t *tasks = json_object_get(row, "tasks");

	name_cell(table, row);
	ports_cell(table, json_object_get(row, "ports"));
	row_cell_number(table, tasks, "serving");
	row_cell_number(table, tasks, "draining");
	row_cell_number(table, row, "ring");
	row_cell_text(table, row, "return");
	row_cell_number(table, row, "new_flows");
	row_cell_number(table, row, "packets");
	row_cell_bytes(table, row, "bytes");
}

int services_print(const json_t *rows, FILE *out)
{
	int err = rows_print(rows, columns, sizeof(columns) / sizeof(*columns), row_cells, out);

	if (!err)
		print_conflicts(rows, out);
	if (!err)
		print_problems(rows, out);
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
		.details = services_details,
	};

	return list_run(&list, argc, argv);
}

const struct cli_command cli_services = {
	"services",
	"[NAME] [--json] [--maps [--bpffs DIR]] [--run-dir DIR]",
	"list services, their published ports and traffic",
	"PORTS are published->target/protocol. RING is how many tasks new flows are given to.\n"
	"RETURN is how replies of tasks on other nodes reach the client: by the tunnel, or "
	"straight (dsr).\n"
	"Flows, packets and bytes are those that clients sent in through this node. A service "
	"with\n"
	"a label that cannot be honoured is marked with !, and what is wrong is told below. With\n"
	"NAME, what its labels ask for is shown, too.\n\n"
	"  --json          for programs\n"
	"  --maps          read the pinned maps, no agent needed\n"
	"  --bpffs DIR     where they are pinned, /sys/fs/bpf/skep\n"
	"  --run-dir DIR   the agent to ask, /run/skep\n",
	run,
};
