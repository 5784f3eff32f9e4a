/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/list.h"
#include "cli/override_options.h"
#include "cli/override_rows.h"
#include "cli/rows.h"

#define PATH "/v1/overrides"

static int set(json_t *request, const char *key, json_t *value)
{
	return json_object_set_new(request, key, value) ? -EINVAL : 0;
}

/* "web" or "web:8080"; ports are whole numbers from 1 to 65535. */
static int set_service(json_t *request, const char *text, bool needs_port, struct skep_error *error)
{
	const char *colon = strrchr(text, ':');
	unsigned int port;
	int err;

	if (!colon && needs_port)
		return error_set(error, -EINVAL, "%s: a port is missing, as in web:8080", text);
	if (!colon)
		return set(request, "service", json_string(text));
	err = override_parse_number(colon + 1, 1, 65535, &port);
	if (err)
		return error_set(error, err, "%s: after the colon comes a port from 1 to 65535",
				 text);
	err = set(request, "service", json_stringn(text, (size_t)(colon - text)));
	return err ? err : set(request, "port", json_integer(port));
}

static int set_address(json_t *request, const char *text, struct skep_error *error)
{
	const char *colon = strrchr(text, ':');
	unsigned int port;
	int err = colon ? override_parse_number(colon + 1, 1, 65535, &port) : -EINVAL;

	if (err)
		return error_set(error, err, "%s: a back end is ADDRESS:PORT, as in 192.0.2.7:8080",
				 text);
	err = set(request, "address", json_stringn(text, (size_t)(colon - text)));
	return err ? err : set(request, "address_port", json_integer(port));
}

static int drain(json_t *request, char *const *arguments, struct skep_error *error)
{
	(void)error;
	return set(request, "target", json_string(arguments[0]));
}

static int weight(json_t *request, char *const *arguments, struct skep_error *error)
{
	unsigned int number;
	int err = override_parse_number(arguments[1], 0, 1000, &number);

	if (err)
		return error_set(error, err, "%s: a weight is a number from 0 to 1000",
				 arguments[1]);
	err = set(request, "task", json_string(arguments[0]));
	return err ? err : set(request, "weight", json_integer(number));
}

static int disable(json_t *request, char *const *arguments, struct skep_error *error)
{
	return set_service(request, arguments[0], false, error);
}

static int pin(json_t *request, char *const *arguments, struct skep_error *error)
{
	int err = set_service(request, arguments[0], false, error);

	return err ? err : set(request, "task", json_string(arguments[1]));
}

static int backend(json_t *request, char *const *arguments, struct skep_error *error)
{
	int err = set_service(request, arguments[0], true, error);

	return err ? err : set_address(request, arguments[1], error);
}

static int clear(json_t *request, char *const *arguments, struct skep_error *error)
{
	(void)error;
	return set(request, "id", json_string(arguments[0]));
}

static const struct subcommand {
	const char *name;
	unsigned int n; /* arguments */
	bool lasts;	/* takes --for and --reason */
	const char *arguments;
	int (*fill)(json_t *request, char *const *arguments, struct skep_error *error);
} subcommands[] = {
	{"drain", 1, true, "TASK|NODE", drain},
	{"weight", 2, true, "TASK N", weight},
	{"disable", 1, true, "SERVICE[:PORT]", disable},
	{"pin", 2, true, "SERVICE[:PORT] TASK", pin},
	{"add", 2, true, "SERVICE:PORT ADDRESS:PORT", backend},
	{"remove", 2, false, "SERVICE:PORT ADDRESS:PORT", backend},
	{"clear", 1, false, "ID|all", clear},
};

static int fill(json_t *request, const struct subcommand *subcommand,
		const struct override_options *options, struct skep_error *error)
{
	int err;

	error_set(error, 0, "an argument is not UTF-8");
	err = set(request, "action", json_string(subcommand->name));
	if (!err)
		err = subcommand->fill(request, options->arguments, error);
	if (!err && options->seconds)
		err = set(request, "for_s", json_integer(options->seconds));
	if (!err && options->reason)
		err = set(request, "reason", json_string(options->reason));
	if (!err && options->cluster)
		err = set(request, "cluster", json_true());
	return err;
}

static void print_answer(const json_t *answer)
{
	const json_t *override = json_object_get(answer, "override"), *id;
	size_t i;

	if (override)
		override_print(override, stdout);
	json_array_foreach (json_object_get(answer, "cleared"), i, id)
		printf("cleared %s\n", json_is_string(id) ? json_string_value(id) : "?");
	if (json_is_array(json_object_get(answer, "cleared")) &&
	    !json_array_size(json_object_get(answer, "cleared")))
		puts("there was nothing to clear");
}

static int order(const struct subcommand *subcommand, int argc, char **argv)
{
	json_t *request = json_object(), *answer = NULL;
	struct override_options options;
	struct skep_error error;
	int status = CLI_OK;

	if (override_options_parse(&options, subcommand->n, subcommand->lasts, argc, argv,
				   &error)) {
		json_decref(request);
		return cli_usage("override %s %s: %s", subcommand->name, subcommand->arguments,
				 error.text);
	}
	if (!request || fill(request, subcommand, &options, &error))
		status = cli_usage("%s", error.text);
	else if (client_post(options.run_dir, PATH, request, &answer, &error))
		status = cli_failure("%s", error.text);
	else if (!options.json)
		print_answer(answer);
	else if (list_print_json(answer, stdout))
		status = cli_failure("cannot print the answer");
	json_decref(request);
	json_decref(answer);
	return status;
}

static int list(int argc, char **argv)
{
	static const char *const sort[] = {"since_ms", "id", NULL};
	static const struct list overrides = {
		.path = PATH,
		.allowed = OPTIONS_JSON,
		.sort = sort,
		.print = overrides_print,
	};

	return list_run(&overrides, argc, argv);
}

static int run(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	/* What follows is parsed as override's own. */
	if (argc > 1)
		argv[1] = argv[0];
	if (!strcmp(name, "list"))
		return list(argc - 1, argv + 1);
	for (size_t i = 0; i < sizeof(subcommands) / sizeof(*subcommands); i++)
		if (!strcmp(name, subcommands[i].name))
			return order(&subcommands[i], argc - 1, argv + 1);
	return cli_usage(
		"override is followed by list, drain, weight, disable, pin, add, remove or "
		"clear; see skep help override");
}

const struct cli_command cli_override = {
	"override",
	"list | drain TASK|NODE | weight TASK N | disable SERVICE[:PORT] | pin SERVICE[:PORT] "
	"TASK\n"
	"       | add SERVICE:PORT ADDRESS:PORT | remove SERVICE:PORT ADDRESS:PORT | clear ID|all\n"
	"       [--for TIME] [--reason TEXT] [--cluster] [--json] [--run-dir DIR]",
	"decide otherwise than the Swarm, for a while",
	"  drain TASK|NODE         new connections go elsewhere\n"
	"  weight TASK N           it takes N times its share, 0 to 1000\n"
	"  disable SERVICE[:PORT]  refuse new connections, and cut those that are open\n"
	"  pin SERVICE[:PORT] TASK new connections go to this task only, while it serves\n"
	"  add SERVICE:PORT ADDRESS:PORT     a back end outside the Swarm takes its share, too\n"
	"  remove SERVICE:PORT ADDRESS:PORT  no more\n"
	"  list                    what is overridden, since when, until when and why\n"
	"  clear ID|all            end one, or all of this node (with --cluster: all of the "
	"cluster)\n\n"
	"Connections that are open stay where they are, but for disable. TASK is a name, an id or\n"
	"the beginning of one; what is overridden is the task that runs by that name now, not one\n"
	"that Swarm starts in its place. It concerns this node only, what clients send in here.\n\n"
	"  --for TIME      ends by itself: 30s, 10m, 2h, 1d\n"
	"  --reason TEXT   shown wherever the override is\n"
	"  --cluster       on every node, kept by the Swarm in a label; on managers only\n"
	"  --json          for programs\n"
	"  --run-dir DIR   the agent to ask, /run/skep\n",
	run,
};
