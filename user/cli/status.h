/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SKEP_CLI_STATUS_H
#define SKEP_CLI_STATUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Prints the API's status for a person, problems first; colours: problems stand out on a terminal.
 */
void status_print(const json_t *status, bool colours, FILE *out);

#endif
