/* SPDX-License-Identifier: GPL-2.0-only */
/* What bulk transfers carry: bytes that both ends can make at any offset, and a hash to tell what
 * arrived. */
#ifndef SELFTESTS_PATTERN_H
#define SELFTESTS_PATTERN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* splitmix64 of the word's index: no two words of a transfer alike, so a shifted or repeated
 * segment shows. */
static inline uint64_t pattern_word(uint64_t index)
{
	uint64_t z = (index + 1) * 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static inline void pattern_fill(uint8_t *bytes, size_t size, uint64_t offset)
{
	while (size > 0) {
		uint64_t word = pattern_word(offset / 8);
		size_t skip = offset % 8;
		size_t n = 8 - skip < size ? 8 - skip : size;

		memcpy(bytes, (const uint8_t *)&word + skip, n);
		bytes += n;
		size -= n;
		offset += n;
	}
}

#define FNV1A_START 0xcbf29ce484222325ULL

static inline uint64_t fnv1a(uint64_t hash, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
	return hash;
}

#endif
