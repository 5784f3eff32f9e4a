/* SPDX-License-Identifier: GPL-2.0-only */
/* What a name means in a Swarm: its VIP and tasks. */
#ifndef SKEP_CLI_RESOLVE_H
#define SKEP_CLI_RESOLVE_H

#include <jansson.h>
#include <stdio.h>

#include "lib/error.h"
#include "model/model.h"

/*
 * name: SERVICE, TASK, or either with .NETWORK. A service or network of a stack is also meant by
 * what follows its stack's name (web for shop_web), if there is but one. *rows: one for each
 * address: {"name", "network", "address", "kind": "vip" | "task", "node" | null, "level" | null}.
 * -ENOENT, -EEXIST: the error lists what could be meant.
 */
int resolve_name(const struct model *model, const char *name, json_t **rows,
		 struct skep_error *error);

int resolve_print(const json_t *rows, FILE *out); /* -ENOMEM */

#endif
