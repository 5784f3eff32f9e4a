/* SPDX-License-Identifier: GPL-2.0-only */
/* How often each of a few names was seen, and how long requests took. */
#ifndef SELFTESTS_TALLY_H
#define SELFTESTS_TALLY_H

#include <stddef.h>
#include <stdint.h>

struct tally {
	struct {
		char name[256];
		unsigned long count;
	} * entries;
	size_t n;
};

void tally_add(struct tally *tally, const char *name, size_t length);
/* A line "WHAT NAME COUNT" for each, sorted by name; frees the tally. */
void tally_print(struct tally *tally, const char *what);

/* Counts an answer "TASK CLIENT:PORT …" by its task and by its client's address. Returns 0 if it is
 * none. */
int tally_answer(struct tally *tasks, struct tally *clients, const char *line);

/* The line "requests=N failures=F max_ms=… p99_ms=… p50_ms=…"; sorts the n (at least 1) times. */
void latency_print(uint32_t *took_us, size_t n, uint64_t failures);

#endif
