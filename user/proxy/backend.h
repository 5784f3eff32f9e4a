/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tasks that requests go to, as one worker knows them: their idle connections, and how they
 * fared. Each worker has its own, so that nothing is shared.
 */
#ifndef SKEP_PROXY_BACKEND_H
#define SKEP_PROXY_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/stream.h"
#include "proxy/wheel.h"
#include "skep/addr.h"

struct worker;
struct backend;
struct buffer;

/* A connection to a task. Idle, in its backend's list; or lent to an exchange. */
struct conn {
	struct stream stream;
	struct backend *backend;
	struct conn *next, *previous; /* among the idle: the one used last is first */
	struct wheel_timer timer;     /* of an idle one */
	bool connecting;
	bool used; /* has answered a request before: the task may close it at any moment */
	/* Whom it is lent to: called when the socket may have something new. NULL: it is idle. */
	void (*progress)(void *context);
	void *context;
};

struct backend {
	struct backend *next; /* in its chain */
	struct skep_addr addr;
	uint16_t port;	/* host order */
	bool wanted;	/* a task of the view in force */
	bool splices;	/* its last answer's payload was better spliced */
	uint32_t users; /* views, also older ones whose requests may try it yet */
	struct conn *idle, *oldest;
	uint32_t n_idle;
	uint32_t n_busy;
	uint32_t failures; /* one after another */
	uint32_t ejections;
	uint64_t ejected_until_ms;
};

#define BACKEND_CHAINS 1024

struct backends {
	struct backend *chains[BACKEND_CHAINS];
};

/* Finds it or makes it; NULL: no memory. */
struct backend *backend_get(struct worker *worker, const struct skep_addr *addr, uint16_t port);

/* All that are not wanted again before backends_sweep() lose their idle connections, and go when
 * nobody uses them. */
void backends_unwant(struct worker *worker);
void backends_sweep(struct worker *worker);
void backends_free(struct worker *worker);

/*
 * A connection to the task: an idle one, or (fresh: in any case) a new one, which is connecting.
 * progress() will be called, never from within this. NULL: errno says why.
 */
struct conn *conn_take(struct worker *worker, struct backend *backend, bool fresh,
		       void (*progress)(void *context), void *context);
/* After a whole answer, with nothing left in it: it may serve another request. */
void conn_keep(struct worker *worker, struct conn *conn);
void conn_close(struct worker *worker, struct conn *conn);

/*
 * How a request fared with it. After FAILURES_MAX failures in a row (no connection, no answer or a
 * broken one) it is left out for a while, ever longer if it happens again, unless all of a
 * service's tasks are (balance_pick()).
 */
#define BACKEND_FAILURES_MAX   3
#define BACKEND_EJECT_FIRST_MS 1000
#define BACKEND_EJECT_LAST_MS  60000
void backend_succeeded(struct backend *backend);
void backend_failed(struct worker *worker, struct backend *backend);

#endif
