/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A worker: a thread with an epoll set, listening sockets, connections, buffers, counters of its
 * own. What it shares with others is read only: the configuration, and the view of routes and
 * tasks, which it changes for the next between two rounds of events.
 */
#ifndef SKEP_PROXY_WORKER_H
#define SKEP_PROXY_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "proxy/access_log.h"
#include "proxy/backend.h"
#include "proxy/balance.h"
#include "proxy/buffer.h"
#include "proxy/config.h"
#include "proxy/counters.h"
#include "proxy/listeners.h"
#include "proxy/pipe.h"
#include "proxy/stream.h"
#include "proxy/view.h"
#include "proxy/wheel.h"

struct client;
struct exchange;
struct route_scratch;
struct auth_cache;
struct tls;

struct worker_listener {
	struct source source;
	size_t entry;
};

struct worker {
	size_t number;
	const struct proxy_config *config;
	struct access_log *access_log; /* NULL: none */
	struct tls *tls;	       /* NULL: no entry is encrypted */
	uint32_t max_clients;

	int epoll_fd;
	uint64_t now_ms; /* CLOCK_MONOTONIC, of this round */
	struct wheel wheel;
	struct buffers buffers;
	struct pipes pipes;
	struct backends backends;
	struct client *clients; /* all of them */
	struct client *again;	/* those that could go on, but let others go first */
	uint32_t n_clients;
	struct worker_listener *listeners;
	size_t n_listeners;
	struct wheel_timer
		accept_again;	/* set while it takes no new clients: too many, or no descriptors */
	struct balance balance; /* the view in force, as this worker uses it */
	struct exchange *free_exchanges;
	size_t n_free_exchanges;
	struct route_scratch *scratch;
	struct auth_cache *auth_cache;
	char *path_room;  /* config->head_bytes of them: a path made normal */
	char *route_room; /* ROUTE_BUFFER_SIZE */
	uint64_t random;  /* state of worker_random() */
	void *buried;	  /* to be freed when the round ends */

	/* Written by this worker, read by others at any time. */
	struct counters counters;

	/* From the main thread: a new view, or orders; it wakes the worker by wake. */
	struct source wake;
	_Atomic(struct view *) next_view;
	atomic_bool drain, last, stop;
	bool draining; /* no new clients, no request after the present one */
	pthread_t thread;
	bool running;
};

/* listeners: those of its share are watched until it drains. The view's reference is taken over. */
int worker_start(struct worker *worker, size_t number, const struct proxy_config *config,
		 size_t workers, const struct listeners *listeners, struct access_log *access_log,
		 struct tls *tls, struct view *view, struct skep_error *error);
/* Takes over the reference. */
void worker_give_view(struct worker *worker, struct view *view);
/* No new connections; those there are end after the present request or the next, see
 * clients_drain(). Ends by itself when there is none left. last: nobody else takes over the
 * listening sockets, so who waits in them is served yet, and who comes after is refused. */
void worker_drain(struct worker *worker, bool last);
/* Ends connections whatever they do; waits for the thread. */
void worker_stop(struct worker *worker);
/* It has drained: the thread is at its end. */
bool worker_is_done(const struct worker *worker);

/* ---- for the worker's own thread */

struct worker *worker_self(void);
/* From here on the calling thread is this one's. */
void worker_enter(struct worker *worker);
/* Frees memory that events of this round may still name. It begins with room for a pointer, whose
 * content is lost. */
void worker_bury(struct worker *worker, void *memory);
/* Its client_run() comes again after the other events of this round. */
void worker_again(struct worker *worker, struct client *client);
void worker_not_again(struct worker *worker, struct client *client);
uint64_t worker_random(struct worker *worker);

#endif
