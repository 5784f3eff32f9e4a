/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/counters.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const uint32_t counters_bounds_ms[COUNTERS_BUCKETS - 1] = {1,	2,   5,	   10,	 25,   50,
							   100, 250, 1000, 5000, 30000};

void series_count(struct series_slot *slot, unsigned int status, uint64_t bytes_in,
		  uint64_t bytes_out, uint64_t ms)
{
	size_t bucket = 0;

	while (bucket < COUNTERS_BUCKETS - 1 && ms > counters_bounds_ms[bucket])
		bucket++;
	counters_add(&slot->answers[status / 100 < 6 ? status / 100 : 0], 1);
	counters_add(&slot->bytes_in, bytes_in);
	counters_add(&slot->bytes_out, bytes_out);
	counters_add(&slot->buckets[bucket], 1);
	counters_add(&slot->sum_ms, ms);
}

static struct series **chain_of(struct registry *registry, const char *name)
{
	uint64_t hash = 0xcbf29ce484222325ULL; /* FNV-1a */

	for (const char *at = name; *at; at++)
		hash = (hash ^ (unsigned char)*at) * 0x100000001b3ULL;
	return &registry->chains[hash % REGISTRY_CHAINS];
}

struct series *registry_get(struct registry *registry, const char *name)
{
	struct series **chain = chain_of(registry, name), *series;

	for (series = *chain; series; series = series->next)
		if (strcmp(series->name, name) == 0) {
			series->users++;
			return series;
		}
	series = calloc(1, sizeof(*series) + registry->workers * sizeof(*series->slots));
	if (!series)
		return NULL;
	series->name = strdup(name);
	if (!series->name) {
		free(series);
		return NULL;
	}
	series->users = 1;
	series->next = *chain;
	*chain = series;
	return series;
}

void registry_put(struct registry *registry, struct series *series)
{
	struct series **place;

	if (!series || --series->users)
		return;
	for (place = chain_of(registry, series->name); *place != series; place = &(*place)->next)
		;
	*place = series->next;
	free(series->name);
	free(series);
}

/* A label's value: backslash, quote and newline are escaped (Prometheus' exposition formats). */
static void print_label(const char *label, const char *value, FILE *out)
{
	fprintf(out, "%s=\"", label);
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			fputc('\\', out);
		if (*value == '\n')
			fputs("\\n", out);
		else
			fputc(*value, out);
	}
	fputc('"', out);
}

static uint64_t sum(const struct registry *registry, const struct series *series, size_t offset)
{
	uint64_t total = 0;

	for (size_t i = 0; i < registry->workers; i++)
		total += counters_read((const counter *)((const char *)&series->slots[i] + offset));
	return total;
}

#define SUM(field) sum(registry, series, offsetof(struct series_slot, field))

static void print_answers(const struct registry *registry, const struct series *series,
			  const char *prefix, const char *label, FILE *out)
{
	static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

	for (size_t i = 0; i < 6; i++) {
		uint64_t value = sum(registry, series,
				     offsetof(struct series_slot, answers) + i * sizeof(counter));

		if (!value && i != 2)
			continue;
		fprintf(out, "%s_requests_total{", prefix);
		print_label(label, series->name, out);
		fprintf(out, ",code=\"%s\"} %" PRIu64 "\n", classes[i], value);
	}
}

static void print_bytes(const struct registry *registry, const struct series *series,
			const char *prefix, const char *label, FILE *out)
{
	fprintf(out, "%s_bytes_total{", prefix);
	print_label(label, series->name, out);
	fprintf(out, ",direction=\"in\"} %" PRIu64 "\n%s_bytes_total{", SUM(bytes_in), prefix);
	print_label(label, series->name, out);
	fprintf(out, ",direction=\"out\"} %" PRIu64 "\n", SUM(bytes_out));
}

/* Only of those that had any: most have none, ever. */
static void print_tunnels(const struct registry *registry, const struct series *series,
			  const char *prefix, const char *label, FILE *out)
{
	uint64_t opened = SUM(tunnels_opened);

	if (!opened)
		return;
	fprintf(out, "%s_tunnels_total{", prefix);
	print_label(label, series->name, out);
	fprintf(out, "} %" PRIu64 "\n", opened);
}

static void print_open_tunnels(const struct registry *registry, const struct series *series,
			       const char *prefix, const char *label, FILE *out)
{
	/* Read while they change. */
	uint64_t closed = SUM(tunnels_closed), opened = SUM(tunnels_opened);

	if (!opened)
		return;
	fprintf(out, "%s_tunnels{", prefix);
	print_label(label, series->name, out);
	fprintf(out, "} %" PRIu64 "\n", opened > closed ? opened - closed : 0);
}

static void print_histogram(const struct registry *registry, const struct series *series,
			    const char *prefix, const char *label, FILE *out)
{
	uint64_t count = 0;

	for (size_t i = 0; i < COUNTERS_BUCKETS; i++) {
		count += sum(registry, series,
			     offsetof(struct series_slot, buckets) + i * sizeof(counter));
		fprintf(out, "%s_duration_seconds_bucket{", prefix);
		print_label(label, series->name, out);
		if (i < COUNTERS_BUCKETS - 1)
			fprintf(out, ",le=\"%g\"} %" PRIu64 "\n", counters_bounds_ms[i] / 1000.0,
				count);
		else
			fprintf(out, ",le=\"+Inf\"} %" PRIu64 "\n", count);
	}
	fprintf(out, "%s_duration_seconds_sum{", prefix);
	print_label(label, series->name, out);
	fprintf(out, "} %g\n%s_duration_seconds_count{", (double)SUM(sum_ms) / 1000, prefix);
	print_label(label, series->name, out);
	fprintf(out, "} %" PRIu64 "\n", count);
}

void registry_print(const struct registry *registry, const char *prefix, const char *label,
		    FILE *out)
{
	static void (*const metrics[])(const struct registry *, const struct series *, const char *,
				       const char *, FILE *) = {
		print_answers, print_bytes, print_tunnels, print_open_tunnels, print_histogram};
	static const char *const types[] = {"requests_total counter", "bytes_total counter",
					    "tunnels_total counter", "tunnels gauge",
					    "duration_seconds histogram"};

	/* A metric's lines must come together. */
	for (size_t m = 0; m < sizeof(metrics) / sizeof(*metrics); m++) {
		fprintf(out, "# TYPE %s_%s\n", prefix, types[m]);
		for (size_t i = 0; i < REGISTRY_CHAINS; i++)
			for (const struct series *series = registry->chains[i]; series;
			     series = series->next)
				metrics[m](registry, series, prefix, label, out);
	}
}
