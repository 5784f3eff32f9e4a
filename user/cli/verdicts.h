/* SPDX-License-Identifier: GPL-2.0-only */
/* What each verdict counter means to a person who finds it not to be zero. */
#ifndef SKEP_CLI_VERDICTS_H
#define SKEP_CLI_VERDICTS_H

#include <jansson.h>
#include <stdio.h>

/*
 * A paragraph (an empty line, a heading) with a line for each counter that is not zero, what was
 * lost first; nothing at all if all are zero.
 */
void verdicts_print(const json_t *verdicts, FILE *out);

#endif
