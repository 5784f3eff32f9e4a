/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the agent tells of the proxy on its node, in /v1/status: taken from the metrics that the
 * proxy writes to a file (proxy/metrics.h), so that neither waits for the other. That file is of a
 * process which faces the world, and believed to be nothing but text.
 */
#ifndef SKEP_AGENT_PROXY_FACTS_H
#define SKEP_AGENT_PROXY_FACTS_H

#include <jansson.h>
#include <stddef.h>
#include <time.h>

#define PROXY_FACTS_LIMIT    (64UL * 1024 * 1024) /* bytes of the file */
#define PROXY_FACTS_AGE_S    15 /* it is written every two seconds: older, its proxy has ended */
#define PROXY_FACTS_EXPIRY_S (14 * 86400) /* certificates that end sooner are told of */
#define PROXY_FACTS_NAMES    20		  /* of certificates, those that end first */

/* JSON null: there is no such file. NULL: no memory. */
json_t *proxy_facts(const char *path, time_t now);
/* The same of its text. */
json_t *proxy_facts_of(const char *text, size_t size, time_t age_s, time_t now);

#endif
