/* SPDX-License-Identifier: GPL-2.0-only */
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/list.h"
#include "cli/rows.h"

#define PATH "/v1/vip"

static const struct text_table_column columns[] = {
	{"VIP", TEXT_TABLE_LEFT},
	{"HELD HERE", TEXT_TABLE_LEFT},
	{"INTERFACE", TEXT_TABLE_LEFT},
};

static const char *holding(const json_t *row)
{
	const char *holder = row_text(row, "holder");

	if (!strcmp(holder, "skep"))
		return "yes";
	if (*holder)
		return "by another program";
	return json_is_true(json_object_get(row, "hold")) ? "not yet" : "no";
}

static void row_cells(struct text_table *table, const json_t *row)
{
	row_cell_text(table, row, "address");
	text_table_cell(table, holding(row));
	row_cell_text(table, row, "interface");
}

int vips_print(const json_t *rows, FILE *out)
{
	return rows_print(rows, columns, sizeof(columns) / sizeof(*columns), row_cells, out);
}

static int list(int argc, char **argv)
{
	static const char *const sort[] = {"address", NULL};
	static const struct list vips = {
		.path = PATH,
		.allowed = OPTIONS_JSON,
		.sort = sort,
		.print = vips_print,
	};

	return list_run(&vips, argc, argv);
}

static int order(const char *action, int argc, char **argv)
{
	json_t *request = NULL, *answer = NULL;
	struct skep_error error;
	struct options options;
	int status = CLI_OK;

	if (options_parse(&options, OPTIONS_NAME, argc, argv, &error))
		return cli_usage("%s", error.text);
	if (!options.name)
		return cli_usage("vip %s needs the address of a VIP", action);
	request = json_pack("{s:s, s:s}", "action", action, "address", options.name);
	if (!request)
		status = cli_usage("%s is no address", options.name); /* not UTF-8 */
	else if (client_post(options.run_dir, PATH, request, &answer, &error))
		status = cli_failure("%s", error.text);
	json_decref(request);
	json_decref(answer);
	return status;
}

static int run(int argc, char **argv)
{
	const char *action = argc > 1 ? argv[1] : "";

	/* What follows is parsed as vip's own. */
	if (argc > 1)
		argv[1] = argv[0];
	if (!strcmp(action, "list"))
		return list(argc - 1, argv + 1);
	if (!strcmp(action, "take") || !strcmp(action, "release"))
		return order(action, argc - 1, argv + 1);
	return cli_usage("vip is followed by list, take ADDR or release ADDR; see skep help vip");
}

const struct cli_command cli_vip = {
	"vip",
	"list [--json] | take ADDR | release ADDR [--run-dir DIR]",
	"list the VIPs; have this node hold one, or not",
	"A node that holds a VIP has it on an interface: the kernel answers ARP and ping for it,\n"
	"and the agent tells the link that it is here. Of the nodes that share a VIP one should.\n"
	"ADDR is one of the agent's --vip. What is taken or released stays so when the agent\n"
	"starts anew; when the machine does, --vip ADDR,hold decides.\n\n"
	"  --json          for programs\n"
	"  --run-dir DIR   the agent to ask, /run/skep\n",
	run,
};
