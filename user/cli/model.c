/* SPDX-License-Identifier: GPL-2.0-only */
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/list.h"

static int run(int argc, char **argv)
{
	struct skep_error error;
	struct options options;
	json_t *model = NULL;
	int status = CLI_OK;

	if (options_parse(&options, OPTIONS_JSON, argc, argv, &error))
		return cli_usage("%s", error.text);
	if (client_get(options.run_dir, "/v1/model", false, &model, &error))
		status = cli_failure("%s", error.text);
	else if (list_print_json(model, stdout))
		status = cli_failure("cannot print the model");
	json_decref(model);
	return status;
}

const struct cli_command cli_model = {
	"model",
	"[--run-dir DIR]",
	"print the model that the agent works by, as JSON",
	"It is the form that `skep agent --source file:PATH` reads.\n\n"
	"  --json          as without it\n"
	"  --run-dir DIR   the agent to ask, /run/skep\n",
	run,
};
