/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/metrics.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "agent/proxy_facts.h"
#include "lib/file.h"

static void print_one(FILE *out, const char *name, const char *type, double value)
{
	fprintf(out, "# TYPE %s %s\n%s %.15g\n", name, type, name, value);
}

/* Names in a model are printable ASCII without quote or backslash, and need no escape. */

static const struct {
	const char *name;
	size_t offset;
} counters[] = {
	{"packets", offsetof(struct skep_counter, packets)},
	{"bytes", offsetof(struct skep_counter, bytes)},
	{"new_flows", offsetof(struct skep_counter, new_flows)},
};
#define N_COUNTERS (sizeof(counters) / sizeof(*counters))

static uint64_t value_of(const struct skep_counter *counter, size_t which)
{
	__u64 value;

	memcpy(&value, (const char *)counter + counters[which].offset, sizeof(value));
	return value;
}

static void print_services(const struct metrics_facts *facts, FILE *out)
{
	for (size_t c = 0; c < N_COUNTERS; c++) {
		fprintf(out, "# TYPE skep_service_%s_total counter\n", counters[c].name);
		for (size_t i = 0; i < facts->model->n_services; i++) {
			const struct model_service *service = &facts->model->services[i];
			const struct snapshot_service *found =
				snapshot_find_service(facts->snapshot, service->id);

			if (found && service->n_ports)
				fprintf(out, "skep_service_%s_total{service=\"%s\"} %" PRIu64 "\n",
					counters[c].name, service->name,
					value_of(&found->counter, c));
		}
	}
}

static const struct snapshot_task *find_task(const struct metrics_facts *facts,
					     const struct model_task *task)
{
	if (model_task_level(task) == MODEL_ABSENT || !task->n_addresses)
		return NULL;
	return snapshot_find_task(facts->snapshot, &task->addresses[0].address);
}

static void print_labels(const struct model_task *task, FILE *out)
{
	fprintf(out, "{service=\"%s\",task=\"%s\",node=\"%s\"}", task->service->name, task->name,
		task->node ? task->node->name : "");
}

static void print_tasks(const struct metrics_facts *facts, FILE *out)
{
	for (size_t c = 0; c <= N_COUNTERS; c++) {
		if (c < N_COUNTERS)
			fprintf(out, "# TYPE skep_task_%s_total counter\n", counters[c].name);
		else
			fprintf(out, "# TYPE skep_task_flows gauge\n");
		for (size_t i = 0; i < facts->model->n_tasks; i++) {
			const struct model_task *task = &facts->model->tasks[i];
			const struct snapshot_task *found = find_task(facts, task);

			if (!found)
				continue;
			if (c < N_COUNTERS)
				fprintf(out, "skep_task_%s_total", counters[c].name);
			else
				fprintf(out, "skep_task_flows");
			print_labels(task, out);
			fprintf(out, " %" PRIu64 "\n",
				c < N_COUNTERS ? value_of(&found->counter, c)
					       : (uint64_t)found->flows);
		}
	}
	fprintf(out, "# TYPE skep_task_serving gauge\n");
	for (size_t i = 0; i < facts->model->n_tasks; i++) {
		const struct model_task *task = &facts->model->tasks[i];
		const struct snapshot_task *found = find_task(facts, task);

		if (!found)
			continue;
		fprintf(out, "skep_task_serving");
		print_labels(task, out);
		fprintf(out, " %d\n", found->task.state == SKEP_TASK_SERVING);
	}
}

static void print_verdicts(const struct metrics_facts *facts, FILE *out)
{
	static const char *const ways[SKEP_XDP_WAY_COUNT] = {
		[SKEP_XDP_FORWARDED] = "forwarded",
		[SKEP_XDP_RETURNED] = "returned",
		[SKEP_XDP_HINTED] = "hinted",
		[SKEP_XDP_STRIPPED] = "stripped",
	};

	fprintf(out, "# TYPE skep_verdicts_total counter\n");
	for (int i = 0; i < SKEP_VERDICT_COUNT; i++)
		fprintf(out, "skep_verdicts_total{verdict=\"%s\"} %" PRIu64 "\n",
			maps_verdict_name((enum skep_verdict)i), facts->verdicts[i]);
	fprintf(out, "# TYPE skep_xdp_packets_total counter\n");
	for (int i = 0; i < SKEP_XDP_WAY_COUNT; i++)
		fprintf(out, "skep_xdp_packets_total{way=\"%s\"} %" PRIu64 "\n", ways[i],
			facts->xdp[i]);
}

void metrics_print(const struct metrics_facts *facts, FILE *out)
{
	fprintf(out, "# TYPE skep_build_info gauge\nskep_build_info{version=\"%s\"} 1\n",
		facts->version);
	print_one(out, "skep_uptime_seconds", "gauge", (double)facts->uptime_s);
	print_one(out, "skep_source_current", "gauge", facts->source_current);
	print_one(out, "skep_problem", "gauge", facts->problem);
	print_verdicts(facts, out);
	if (!facts->model)
		return;
	print_one(out, "skep_model_age_seconds", "gauge", (double)facts->model_age_s);
	print_one(out, "skep_model_services", "gauge", (double)facts->model->n_services);
	print_one(out, "skep_model_tasks", "gauge", (double)facts->model->n_tasks);
	print_one(out, "skep_model_nodes", "gauge", (double)facts->model->n_nodes);
	print_services(facts, out);
	print_tasks(facts, out);
}

void metrics_print_proxy(const char *path, FILE *out)
{
	struct skep_error error;
	struct timespec now;
	struct stat status;
	char *text = NULL;
	size_t size;

	clock_gettime(CLOCK_REALTIME, &now);
	if (stat(path, &status) || now.tv_sec - status.st_mtime > PROXY_FACTS_AGE_S ||
	    file_read(path, PROXY_FACTS_LIMIT, &text, &size, &error))
		return;
	fwrite(text, 1, size, out);
	free(text);
}
