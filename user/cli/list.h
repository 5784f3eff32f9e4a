/* SPDX-License-Identifier: GPL-2.0-only */
/* What the listing subcommands have in common: get rows, pick, sort, print. */
#ifndef SKEP_CLI_LIST_H
#define SKEP_CLI_LIST_H

#include <jansson.h>
#include <stdio.h>

#include "cli/options.h"
#include "lib/error.h"

struct list {
	const char *path;     /* of the API */
	unsigned int allowed; /* enum options_allowed */
	/* The same rows from the pinned maps; NULL: the maps do not know. */
	int (*from_maps)(const struct options *options, json_t **rows, struct skep_error *error);
	const char *name_key;	  /* field that the name given must equal */
	const char *name_missing; /* "no service named": said, with the name, if no row is left */
	const char *const *sort;  /* fields, NULL ends them */
	int (*print)(const json_t *rows, FILE *out); /* -ENOMEM */
	/* What is said besides of the row whose name was given; NULL: nothing. */
	void (*details)(const json_t *row, FILE *out);
};

/* A whole subcommand; returns enum cli_status. */
int list_run(const struct list *list, int argc, char **argv);

/* The printers, each in the file of its subcommand. Rows are as in the API. -ENOMEM: printed
 * nothing. */
void services_details(const json_t *row, FILE *out);
int nodes_print(const json_t *rows, FILE *out);
int services_print(const json_t *rows, FILE *out);
int tasks_print(const json_t *rows, FILE *out);
int flows_print(const json_t *rows, FILE *out);
int vips_print(const json_t *rows, FILE *out);
int overrides_print(const json_t *rows, FILE *out);
/* Of /v1/routes, whose answer is an object. */
int routes_print(const json_t *routes, FILE *out);
/* Of /v1/route. */
int route_print(const json_t *answer, FILE *out);

/* JSON for programs: indented, with a newline at the end. -EIO. */
int list_print_json(const json_t *json, FILE *out);

#endif
