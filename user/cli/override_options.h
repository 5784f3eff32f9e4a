/* SPDX-License-Identifier: GPL-2.0-only */
/* The flags and arguments of `skep override …`. */
#ifndef SKEP_CLI_OVERRIDE_OPTIONS_H
#define SKEP_CLI_OVERRIDE_OPTIONS_H

#include <stdbool.h>

#include "lib/error.h"

struct override_options { /* strings point into argv or are constants */
	const char *run_dir;
	char *const *arguments;
	unsigned int seconds; /* --for; 0: not given */
	const char *reason;   /* NULL: not given */
	bool cluster;
	bool json;
};

/* Exactly n arguments. lasts: --for and --reason are taken. -EINVAL: error is one line. */
int override_options_parse(struct override_options *options, unsigned int n, bool lasts, int argc,
			   char **argv, struct skep_error *error);

/* "30s", "10m", "2h", "1d"; up to ten years. -EINVAL. */
int override_parse_duration(const char *text, unsigned int *seconds);

/* Digits, nothing else around them. -EINVAL. */
int override_parse_number(const char *text, unsigned int least, unsigned int most,
			  unsigned int *number);

#endif
