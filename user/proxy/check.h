/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Health checks of tasks, by asking: one for each address, port and question, however many routes
 * want it. The main thread asks; workers only read the outcome.
 */
#ifndef SKEP_PROXY_CHECK_H
#define SKEP_PROXY_CHECK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/http.h"
#include "lib/loop.h"
#include "route/rule.h"
#include "skep/addr.h"

#define CHECK_INTERVAL_MS 10000
#define CHECK_TIMEOUT_MS  3000
#define CHECK_FAILURES	  3 /* one after another make a task down, one success makes it well */

struct check {
	atomic_bool down;
	/* The rest is the main thread's. */
	struct checks *checks;
	struct check *next;
	unsigned int users;
	struct skep_addr addr;
	uint16_t port;
	char *path, *host;
	char method[16];
	uint16_t status;
	uint32_t interval_ms, timeout_ms;
	unsigned int failures;
	struct loop_timer timer;
	struct http_request *request;
};

int checks_open(struct checks **checks, struct loop *loop, struct http *http,
		struct skep_error *error);
void checks_close(struct checks *checks); /* NULL is fine */

/* One more user of the check of this task. -ENOMEM. */
int checks_want(struct checks *checks, const struct route_check *want, const struct skep_addr *addr,
		uint16_t port, const struct check **check);
void checks_unwant(struct checks *checks, const struct check *check); /* NULL is fine */

/* By any thread. NULL: it is not asked, and so not down. */
static inline bool check_is_down(const struct check *check)
{
	return check && atomic_load_explicit(&check->down, memory_order_relaxed);
}

#endif
