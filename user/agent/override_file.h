/* SPDX-License-Identifier: GPL-2.0-only */
/* This node's own overrides on disk: STATE_DIR/overrides.json, {"overrides": [JSON form, …]}. */
#ifndef SKEP_AGENT_OVERRIDE_FILE_H
#define SKEP_AGENT_OVERRIDE_FILE_H

#include <stddef.h>

#include "lib/error.h"
#include "model/override.h"

/*
 * *list is malloc'ed. No file: none. -EINVAL: it makes no sense, and lies aside now as
 * overrides.json.broken, so that it is not overwritten.
 */
int override_file_read(const char *directory, struct override **list, size_t *n,
		       struct skep_error *error);
int override_file_write(const char *directory, const struct override *list, size_t n,
			struct skep_error *error);

#endif
