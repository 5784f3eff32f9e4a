/* SPDX-License-Identifier: GPL-2.0-only */
#include "tally.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tally_add(struct tally *tally, const char *name, size_t length)
{
	size_t i;

	if (length >= sizeof(tally->entries->name))
		length = sizeof(tally->entries->name) - 1;
	for (i = 0; i < tally->n; i++)
		if (strncmp(tally->entries[i].name, name, length) == 0 &&
		    tally->entries[i].name[length] == '\0')
			break;
	if (i == tally->n) {
		void *larger = realloc(tally->entries, (tally->n + 1) * sizeof(*tally->entries));

		if (!larger)
			abort();
		tally->entries = larger;
		memcpy(tally->entries[i].name, name, length);
		tally->entries[i].name[length] = '\0';
		tally->entries[i].count = 0;
		tally->n++;
	}
	tally->entries[i].count++;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b); /* the name is the entry's first member */
}

void tally_print(struct tally *tally, const char *what)
{
	if (tally->n)
		qsort(tally->entries, tally->n, sizeof(*tally->entries), by_name);
	for (size_t i = 0; i < tally->n; i++)
		printf("%s %s %lu\n", what, tally->entries[i].name, tally->entries[i].count);
	free(tally->entries);
	*tally = (struct tally){0};
}

int tally_answer(struct tally *tasks, struct tally *clients, const char *line)
{
	const char *client = strchr(line, ' ');
	size_t length;

	if (!client)
		return 0;
	tally_add(tasks, line, (size_t)(client - line));
	client++;
	length = strcspn(client, " ");
	while (length > 0 && client[length] != ':')
		length--;
	if (length == 0)
		return 0;
	tally_add(clients, client, length);
	return 1;
}

static int ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

void latency_print(uint32_t *took_us, size_t n, uint64_t failures)
{
	size_t last_of_99_percent = (n - 1) * 99 / 100;

	qsort(took_us, n, sizeof(*took_us), ascending);
	printf("requests=%zu failures=%" PRIu64 " max_ms=%.1f p99_ms=%.3f p50_ms=%.3f\n", n,
	       failures, took_us[n - 1] / 1000.0, took_us[last_of_99_percent] / 1000.0,
	       took_us[(n - 1) / 2] / 1000.0);
}
