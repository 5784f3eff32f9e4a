/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Settings of a program: lines `name value` of a file, and flags `--name value`; flags win. What
 * may be set is a table, and a setting's value lies in a struct of the program's.
 */
#ifndef SKEP_LIB_SETTINGS_H
#define SKEP_LIB_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"

struct setting {
	const char *name; /* without dashes */
	/* 0, or -EINVAL with a line that says what is wrong with value. */
	int (*set)(void *config, const struct setting *setting, const char *value,
		   struct skep_error *error);
	size_t offset; /* of the field in *config, for the setters below */
	unsigned long least, most;
	/* Not NULL: may be given several times; called before the first of the file's, and before
	 * the first flag's. */
	void (*clear)(void *config);
};

/*
 * Reads the file (default_file if it is there, or `--config PATH`, which must be), then the flags
 * in argv[0..argc-1], as `--name value` or `--name=value`, into *config, which has the defaults.
 * -EINVAL: usage; the error names the flag, or file and line. Other errors: the file could not be
 * read.
 */
int settings_read(const struct setting *settings, size_t n, void *config, const char *default_file,
		  int argc, char *const argv[], struct skep_error *error);

/* A whole number from least to most; an absolute path of at most `most` bytes, into a char array.
 */
int settings_u16(void *config, const struct setting *setting, const char *value,
		 struct skep_error *error);
int settings_u32(void *config, const struct setting *setting, const char *value,
		 struct skep_error *error);
int settings_path(void *config, const struct setting *setting, const char *value,
		  struct skep_error *error);

#endif
