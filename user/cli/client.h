/* SPDX-License-Identifier: GPL-2.0-only */
/* The client of the agent's local API: one blocking request at a time. */
#ifndef SKEP_CLI_CLIENT_H
#define SKEP_CLI_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/error.h"

/*
 * GET path (with its query, if any) from the agent of run_dir. *answer is the caller's. has_maps:
 * the error that no agent answers may advise --maps. -EREMOTEIO: it answered, with an error of its
 * own.
 */
int client_get(const char *run_dir, const char *path, bool has_maps, json_t **answer,
	       struct skep_error *error);

/* POST of a JSON object to path. The rest as above. */
int client_post(const char *run_dir, const char *path, const json_t *body, json_t **answer,
		struct skep_error *error);

/* Whether something listens on the socket of run_dir: 1, 0, or a negative errno if that cannot be
 * told. */
int client_agent_runs(const char *run_dir, struct skep_error *error);

#endif
