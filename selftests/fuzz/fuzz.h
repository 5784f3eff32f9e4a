/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the fuzz targets share. A target is one file here: TARGET.c defines
 * LLVMFuzzerTestOneInput(), corpus/TARGET/ has inputs to start from. `make fuzz` searches on, `make
 * test` runs the corpus.
 */
#ifndef SKEP_FUZZ_H
#define SKEP_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold for every input; if it does not, that is a finding. */
#define MUST(holds)                                                                                \
	do {                                                                                       \
		if (!(holds)) {                                                                    \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #holds); \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* In memory of its own, so that a byte too far is noticed. free() it. */
static inline char *fuzz_copy(const void *data, size_t size)
{
	char *copy = malloc(size > 0 ? size : 1);

	MUST(copy);
	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

/* How many bytes come at a time, when an input comes in pieces: any number, but the same each time
 * for the same input. */
static inline size_t fuzz_step(const uint8_t *data, size_t size)
{
	return size > 0 ? 1 + (size_t)(data[size / 2] ^ data[size - 1]) % 29 : 1;
}

#endif
