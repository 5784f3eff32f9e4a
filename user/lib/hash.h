/* SPDX-License-Identifier: GPL-2.0-only */
/* FNV-1a, 64 bits: names a text, such as a model's version. Not a defence against collisions on
 * purpose. */
#ifndef SKEP_LIB_HASH_H
#define SKEP_LIB_HASH_H

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define HASH_START     0xcbf29ce484222325ULL
#define HASH_TEXT_SIZE 17

/* Goes on from hash (HASH_START at first) over size more bytes. */
static inline uint64_t hash_bytes(uint64_t hash, const void *data, size_t size)
{
	const unsigned char *byte = data;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ byte[i]) * 0x100000001b3ULL;
	return hash;
}

static inline const char *hash_text(uint64_t hash, char buffer[HASH_TEXT_SIZE])
{
	snprintf(buffer, HASH_TEXT_SIZE, "%016" PRIx64, hash);
	return buffer;
}

#endif
