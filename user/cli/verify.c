/* SPDX-License-Identifier: GPL-2.0-only */
#include "cli/verify.h"

#include <string.h>

#include "cli/clean.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/list.h"
#include "cli/rows.h"

int verify_print(const json_t *answer, FILE *out)
{
	const json_t *line;
	size_t i;

	if (!row_number(answer, "differences")) {
		fputs("in order: maps and programs are what the model asks for\n", out);
		return CLI_OK;
	}
	json_array_foreach (json_object_get(answer, "lines"), i, line) {
		const char *text = json_string_value(line);

		if (text)
			clean_line(text, out);
	}
	return CLI_FAILURE;
}

static int run(int argc, char **argv)
{
	struct skep_error error;
	struct options options;
	json_t *answer = NULL;
	int status;

	if (options_parse(&options, OPTIONS_JSON, argc, argv, &error))
		return cli_usage("%s", error.text);
	if (client_get(options.run_dir, "/v1/verify", false, &answer, &error))
		return cli_failure("%s", error.text);
	if (!json_is_integer(json_object_get(answer, "differences"))) {
		status = cli_failure(
			"the agent's answer does not say whether there are differences");
		goto cleanup;
	}
	if (options.json) {
		status = row_number(answer, "differences") ? CLI_FAILURE : CLI_OK;
		if (list_print_json(answer, stdout))
			status = cli_failure("cannot print the answer");
	} else {
		status = verify_print(answer, stdout);
	}
cleanup:
	json_decref(answer);
	return status;
}

const struct cli_command cli_verify = {
	"verify",
	"[--json] [--run-dir DIR]",
	"compare the kernel's maps and programs with the model",
	"Exits with 0 and one line if all is in order, else with 1 and a line for each "
	"difference.\n"
	"Changes nothing.\n\n"
	"  --json          for programs\n"
	"  --run-dir DIR   the agent to ask, /run/skep\n",
	run,
};
