/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "lib/version.h"

static int version_run(int argc, char **argv);
static int help_run(int argc, char **argv);

static const struct cli_command version = {"version", "", "print the version", "", version_run};
static const struct cli_command help = {"help", "[COMMAND]", "print help, of a command or of all",
					"", help_run};

static const struct cli_command *const commands[] = {
	&cli_agent, &cli_proxy,	   &cli_status, &cli_nodes, &cli_services, &cli_tasks,
	&cli_flows, &cli_model,	   &cli_routes, &cli_route, &cli_verify,   &cli_resolve,
	&cli_vip,   &cli_override, &cli_unload, &version,   &help,	   NULL,
};

static const struct cli_command *find(const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	cli_error("no command named %s; see skep help", name);
	return NULL;
}

static void print_all(FILE *out)
{
	fprintf(out, "usage: skep COMMAND [OPTION]…\n\nAn eBPF routing mesh for Docker Swarm.\n\n");
	for (size_t i = 0; commands[i]; i++)
		fprintf(out, "  %-10s%s\n", commands[i]->name, commands[i]->summary);
	fprintf(out, "\nskep help COMMAND tells more; so does skep(8).\n");
}

static void print_one(const struct cli_command *command)
{
	printf("usage: skep %s %s\n\n%s: %s.\n", command->name, command->arguments, command->name,
	       command->summary);
	if (*command->help)
		printf("\n%s", command->help);
}

static int version_run(int argc, char **argv)
{
	if (argc > 1)
		return cli_usage("version takes no argument, but got %s", argv[1]);
	printf("skep %s\n", SKEP_VERSION);
	return CLI_OK;
}

static int help_run(int argc, char **argv)
{
	const struct cli_command *command;

	if (argc > 2)
		return cli_usage("help takes one command, but got %s too", argv[2]);
	if (argc < 2) {
		print_all(stdout);
		return CLI_OK;
	}
	command = find(argv[1]);
	if (!command)
		return CLI_USAGE;
	print_one(command);
	return CLI_OK;
}

int main(int argc, char **argv)
{
	const struct cli_command *command;
	int status;

	if (argc < 2) {
		print_all(stderr);
		return CLI_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		command = &help, argc = 2;
	else if (!strcmp(argv[1], "--version"))
		command = &version;
	else
		command = find(argv[1]);
	if (!command)
		return CLI_USAGE;

	status = -1;
	for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			print_one(command);
			status = CLI_OK;
			break;
		}
	if (status < 0)
		status = command->run(argc - 1, argv + 1);
	return cli_flush(status);
}
