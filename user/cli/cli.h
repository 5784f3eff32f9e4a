/* SPDX-License-Identifier: GPL-2.0-only */
/* What a subcommand is, and how it speaks to a person. */
#ifndef SKEP_CLI_CLI_H
#define SKEP_CLI_CLI_H

enum cli_status { /* of the process */
	CLI_OK = 0,
	CLI_FAILURE = 1, /* it did not work, or verify found differences */
	CLI_USAGE = 2,	 /* it was not asked rightly */
};

struct cli_command {
	const char *name;
	const char *arguments;		   /* what may follow the name, for the usage line */
	const char *summary;		   /* half a line */
	const char *help;		   /* the rest of `skep help NAME`: lines, or "" */
	int (*run)(int argc, char **argv); /* argv[0] is the name; returns enum cli_status */
};

extern const struct cli_command cli_agent;
extern const struct cli_command cli_status;
extern const struct cli_command cli_nodes;
extern const struct cli_command cli_services;
extern const struct cli_command cli_tasks;
extern const struct cli_command cli_flows;
extern const struct cli_command cli_model;
extern const struct cli_command cli_verify;
extern const struct cli_command cli_resolve;
extern const struct cli_command cli_routes;
extern const struct cli_command cli_route;
extern const struct cli_command cli_vip;
extern const struct cli_command cli_proxy;
extern const struct cli_command cli_override;
extern const struct cli_command cli_unload;

/* One line on stderr, "skep: …". The first returns nothing, the others what the process exits with.
 */
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
int cli_failure(const char *format, ...) __attribute__((format(printf, 1, 2)));
int cli_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes out what stdout still holds: status, or CLI_FAILURE (said on stderr) if that cannot be. */
int cli_flush(int status);

#endif
