/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/file.h"
#include "proxy/tls.h"

static const struct {
	const char *name;
	size_t offset;
} totals[] = {
	{"skep_proxy_clients_opened_total", offsetof(struct counters, clients_opened)},
	{"skep_proxy_clients_closed_total", offsetof(struct counters, clients_closed)},
	{"skep_proxy_accept_pauses_total", offsetof(struct counters, accept_pauses)},
	{"skep_proxy_refused_requests_total", offsetof(struct counters, refused)},
	{"skep_proxy_unrouted_requests_total", offsetof(struct counters, unrouted)},
	{"skep_proxy_passwords_put_off_total", offsetof(struct counters, passwords_put_off)},
	{"skep_proxy_task_connections_opened_total", offsetof(struct counters, conns_opened)},
	{"skep_proxy_task_connections_reused_total", offsetof(struct counters, conns_reused)},
	{"skep_proxy_retries_total", offsetof(struct counters, retries)},
	{"skep_proxy_ejections_total", offsetof(struct counters, ejections)},
	{"skep_proxy_proxy_protocol_total", offsetof(struct counters, proxy_headers)},
	{"skep_proxy_refused_connections_total", offsetof(struct counters, openings_refused)},
	{"skep_proxy_tls_handshakes_total", offsetof(struct counters, tls_handshakes)},
	{"skep_proxy_tls_resumed_total", offsetof(struct counters, tls_resumed)},
	{"skep_proxy_tls_failed_total", offsetof(struct counters, tls_failed)},
	{"skep_proxy_copied_bytes_total", offsetof(struct counters, bytes_copied)},
	{"skep_proxy_spliced_bytes_total", offsetof(struct counters, bytes_spliced)},
};

static uint64_t total(const struct worker *workers, size_t n, size_t offset)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += counters_read(
			(const counter *)((const char *)&workers[i].counters + offset));
	return sum;
}

int metrics_write(const char *run_dir, const struct views *views, const struct worker *workers,
		  size_t n_workers, struct skep_error *error)
{
	char path[PROXY_PATH_SIZE], *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int err = 0;

	if (!out)
		return error_errno(error, -ENOMEM, "cannot write metrics");
	for (size_t i = 0; i < sizeof(totals) / sizeof(*totals); i++)
		fprintf(out, "# TYPE %s counter\n%s %" PRIu64 "\n", totals[i].name, totals[i].name,
			total(workers, n_workers, totals[i].offset));
	if (workers[0].access_log)
		fprintf(out,
			"# TYPE skep_proxy_access_log_dropped_total counter\n"
			"skep_proxy_access_log_dropped_total %" PRIu64 "\n",
			access_log_dropped(workers[0].access_log));
	if (workers[0].tls)
		tls_print_metrics(workers[0].tls, out);
	registry_print(&views->routes, "skep_route", "route", out);
	registry_print(&views->tasks, "skep_http_task", "task", out);
	if (fclose(out))
		err = error_errno(error, -ENOMEM, "cannot write metrics");
	snprintf(path, sizeof(path), "%s/%s", run_dir, METRICS_FILE);
	if (!err)
		err = file_replace(path, text, size, error);
	free(text);
	return err;
}
