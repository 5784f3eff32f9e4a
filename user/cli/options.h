/* SPDX-License-Identifier: GPL-2.0-only */
/* The flags that subcommands share. The agent's are its own: agent/config.h. */
#ifndef SKEP_CLI_OPTIONS_H
#define SKEP_CLI_OPTIONS_H

#include <stdbool.h>

#include "lib/error.h"

#define OPTIONS_LIMIT_DEFAULT 100
#define OPTIONS_LIMIT_MAX     1000000

/* Which flags a subcommand takes besides --run-dir, and whether a name may follow. */
enum options_allowed {
	OPTIONS_JSON = 1 << 0,
	OPTIONS_MAPS = 1 << 1, /* --maps, and --bpffs with it */
	OPTIONS_LIMIT = 1 << 2,
	OPTIONS_FORCE = 1 << 3,
	OPTIONS_BPFFS = 1 << 4, /* --bpffs alone */
	OPTIONS_NAME = 1 << 5,
};

struct options { /* strings point into argv or are constants */
	const char *run_dir;
	const char *bpffs;
	const char *name; /* NULL: none given */
	unsigned int limit;
	bool json;
	bool maps;
	bool force;
};

/* argv[0] is the subcommand's name. -EINVAL: error is one line for a person. */
int options_parse(struct options *options, unsigned int allowed, int argc, char **argv,
		  struct skep_error *error);

#endif
