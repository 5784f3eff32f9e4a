/* SPDX-License-Identifier: GPL-2.0-only */
/* Quantities as people read them. */
#ifndef SKEP_CLI_QUANTITY_H
#define SKEP_CLI_QUANTITY_H

#include <stdint.h>

#define QUANTITY_SIZE 32

/* "0 B", "1023 B", "1.5 KiB", "12 GiB"; returns buffer. */
const char *quantity_bytes(uint64_t bytes, char buffer[QUANTITY_SIZE]);
/* "12 ms", "1.2 s", "5 min 3 s", "2 h 10 min", "3 d 4 h"; returns buffer. */
const char *quantity_duration(uint64_t ms, char buffer[QUANTITY_SIZE]);
/* The same of what is known to the second: "0 s", "12 s", "5 min 3 s". */
const char *quantity_seconds(uint64_t s, char buffer[QUANTITY_SIZE]);

#endif
