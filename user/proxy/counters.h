/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the proxy counts. Each worker has slots of its own, which it alone writes and anybody may
 * read: no lock, no locked instruction.
 */
#ifndef SKEP_PROXY_COUNTERS_H
#define SKEP_PROXY_COUNTERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef _Atomic(uint64_t) counter;

static inline void counters_add(counter *value, uint64_t n)
{
	uint64_t now = atomic_load_explicit(value, memory_order_relaxed);

	atomic_store_explicit(value, now + n, memory_order_relaxed);
}

static inline uint64_t counters_read(const counter *value)
{
	return atomic_load_explicit(value, memory_order_relaxed);
}

/* Of one worker, all its traffic together. */
struct counters {
	counter clients_opened, clients_closed;
	counter accept_pauses; /* times that it took no new clients: too many, or no descriptors */
	counter refused;       /* requests that are not HTTP, or not as strict as they must be */
	counter unrouted;      /* requests that no rule takes */
	counter passwords_put_off; /* requests whose password was not looked at: route/auth.h */
	counter conns_opened, conns_reused;
	counter retries;
	counter ejections;
	counter proxy_headers, openings_refused;
	counter tls_handshakes, tls_resumed, tls_failed;
	counter bytes_copied, bytes_spliced; /* payload, both ways */
};

/* Times from a request's head to the end of its answer, or to a tunnel's beginning: upper bounds of
 * the buckets, ms. The last has none. */
#define COUNTERS_BUCKETS 12
extern const uint32_t counters_bounds_ms[COUNTERS_BUCKETS - 1];

struct series_slot {		     /* of one worker */
	counter answers[6];	     /* by status / 100; [0]: none was given */
	counter bytes_in, bytes_out; /* payload */
	counter tunnels_opened, tunnels_closed;
	counter buckets[COUNTERS_BUCKETS];
	counter sum_ms;
};

/* Of one route or one task. Owned by the registry, which is the main thread's. */
struct series {
	struct series *next;
	char *name;
	unsigned int users;	    /* views that have it */
	struct series_slot slots[]; /* one for each worker */
};

void series_count(struct series_slot *slot, unsigned int status, uint64_t bytes_in,
		  uint64_t bytes_out, uint64_t ms);

#define REGISTRY_CHAINS 1024

struct registry {
	size_t workers;
	struct series *chains[REGISTRY_CHAINS];
};

/* Finds or makes it, and counts one more user; NULL: no memory. */
struct series *registry_get(struct registry *registry, const char *name);
void registry_put(struct registry *registry, struct series *series); /* NULL is fine */
/* In Prometheus' text format: each metric begins with prefix, its label is `label`. */
void registry_print(const struct registry *registry, const char *prefix, const char *label,
		    FILE *out);

#endif
