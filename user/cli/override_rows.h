/* SPDX-License-Identifier: GPL-2.0-only */
/* Overrides as people read them, from rows of the API. */
#ifndef SKEP_CLI_OVERRIDE_ROWS_H
#define SKEP_CLI_OVERRIDE_ROWS_H

#include <jansson.h>
#include <stdio.h>

/* "a1b2c  drain web.3, since 14:02:11, until 14:12:11 (9 min 3 s more): bad disk", a line. */
void override_print(const json_t *override, FILE *out);

/* What is overridden in the rows of another list, each once; nothing if nothing is. */
void override_notes(const json_t *rows, FILE *out);

#endif
