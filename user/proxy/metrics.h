/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The proxy's counters in Prometheus' text format. They go to a file in the run directory, from
 * which the agent takes them along with its own when it is asked: so one address has all, and a
 * proxy that hangs holds up nobody.
 */
#ifndef SKEP_PROXY_METRICS_H
#define SKEP_PROXY_METRICS_H

#include "lib/error.h"
#include "proxy/worker.h"

#define METRICS_FILE	 "metrics.prom"
#define METRICS_EVERY_MS 2000

/* Replaces run_dir/metrics.prom. */
int metrics_write(const char *run_dir, const struct views *views, const struct worker *workers,
		  size_t n_workers, struct skep_error *error);

#endif
