/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SKEP_CLI_VERIFY_H
#define SKEP_CLI_VERIFY_H

#include <jansson.h>
#include <stdio.h>

/* Prints the API's answer for a person; returns enum cli_status, CLI_FAILURE if there are
 * differences. */
int verify_print(const json_t *answer, FILE *out);

#endif
