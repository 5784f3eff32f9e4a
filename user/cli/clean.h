/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Text from elsewhere (Docker, other nodes, maps), made fit for a terminal: control characters, C0
 * and C1 alike, become `?`.
 */
#ifndef SKEP_CLI_CLEAN_H
#define SKEP_CLI_CLEAN_H

#include <stdio.h>

void clean_text(char *text); /* in place */
void clean_print(const char *text, FILE *out);
void clean_line(const char *text, FILE *out); /* the same, and a newline */

#endif
