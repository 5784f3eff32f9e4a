/* SPDX-License-Identifier: GPL-2.0-only */
/* Whole files, read with a bound and replaced so that a crash leaves the old or the new one. */
#ifndef SKEP_LIB_FILE_H
#define SKEP_LIB_FILE_H

#include <stddef.h>

#include "lib/error.h"

/*
 * Reads path whole: *data is malloc'ed, NUL-terminated (not counted in *size). -EFBIG if larger
 * than limit bytes, else a negative errno with the path in error.
 */
int file_read(const char *path, size_t limit, char **data, size_t *size, struct skep_error *error);

/* Writes path.tmp, syncs it, renames it to path and syncs the directory (mode 0600). */
int file_replace(const char *path, const void *data, size_t size, struct skep_error *error);

/* mkdir -p, 0755 for those made. */
int directory_make(const char *path, struct skep_error *error);

#endif
