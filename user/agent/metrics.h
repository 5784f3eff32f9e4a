/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the agent, and through it the proxy on this node, tell Prometheus: GET /metrics on an
 * address of one's choice (--metrics), in its text format. Read-only, without secrets; who may ask
 * is the firewall's business.
 */
#ifndef SKEP_AGENT_METRICS_H
#define SKEP_AGENT_METRICS_H

#include <stdio.h>

#include "agent/snapshot.h"
#include "lib/addr.h"
#include "lib/error.h"
#include "lib/loop.h"
#include "model/model.h"

struct metrics_facts {
	const char *version;
	uint64_t uptime_s;
	uint64_t model_age_s;
	bool source_current;	   /* the Swarm is being followed */
	bool problem;		   /* skep status tells of one */
	const struct model *model; /* in force; NULL: none */
	const struct snapshot *snapshot;
	const uint64_t *verdicts; /* SKEP_VERDICT_COUNT */
	const uint64_t *xdp;	  /* SKEP_XDP_WAY_COUNT */
};

void metrics_print(const struct metrics_facts *facts, FILE *out);

/* The proxy's metrics file (proxy/metrics.h), if one runs: if it was written within the last
 * seconds. */
void metrics_print_proxy(const char *path, FILE *out);

struct metrics_server;

/*
 * print(): the body, made in the loop's thread. addr zero: any. A failure names the address.
 */
int metrics_server_open(struct metrics_server **server, struct loop *loop,
			const struct skep_addr *addr, uint16_t port,
			int (*print)(void *context, FILE *out, struct skep_error *error),
			void *context, struct skep_error *error);
void metrics_server_close(struct metrics_server *server); /* NULL is fine */

#endif
