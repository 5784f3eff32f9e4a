/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Services, tasks and flows as the API lists them, from the pinned maps alone: for when no agent
 * runs. What the maps do not know is null. *rows is the caller's.
 */
#ifndef SKEP_CLI_MAPS_VIEW_H
#define SKEP_CLI_MAPS_VIEW_H

#include <jansson.h>

#include "cli/options.h"
#include "lib/error.h"

int maps_view_services(const struct options *options, json_t **rows, struct skep_error *error);
int maps_view_tasks(const struct options *options, json_t **rows, struct skep_error *error);
/* The options->limit flows that were used last. */
int maps_view_flows(const struct options *options, json_t **rows, struct skep_error *error);

#endif
