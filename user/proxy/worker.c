/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/loop.h"
#include "proxy/client.h"
#include "proxy/exchange.h"
#include "route/apply.h"

#define EVENTS		256
#define ACCEPT_AT_ONCE	64 /* so that a flood of new clients does not starve those there are */
#define ACCEPT_PAUSE_MS 100
#define NS_PER_MS	1000000ULL

static _Thread_local struct worker *self;

struct worker *worker_self(void)
{
	return self;
}

void worker_bury(struct worker *worker, void *memory)
{
	memcpy(memory, &worker->buried, sizeof(worker->buried));
	worker->buried = memory;
}

static void free_buried(struct worker *worker)
{
	while (worker->buried) {
		void *memory = worker->buried;

		memcpy(&worker->buried, memory, sizeof(worker->buried));
		free(memory);
	}
}

/* xorshift64*: for spreading, not for secrets. */
uint64_t worker_random(struct worker *worker)
{
	worker->random ^= worker->random >> 12;
	worker->random ^= worker->random << 25;
	worker->random ^= worker->random >> 27;
	return worker->random * 0x2545f4914f6cdd1dULL;
}

static int watch(struct worker *worker, struct source *source, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) ? -errno : 0;
}

static void stop_accepting(struct worker *worker)
{
	for (size_t i = 0; i < worker->n_listeners; i++)
		epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, worker->listeners[i].source.fd, NULL);
	wheel_unset(&worker->wheel, &worker->accept_again);
}

/* Clients wait in the sockets' queues meanwhile. */
static void pause_accepting(struct worker *worker)
{
	stop_accepting(worker);
	counters_add(&worker->counters.accept_pauses, 1);
	wheel_set(&worker->wheel, &worker->accept_again, worker->now_ms + ACCEPT_PAUSE_MS);
}

static void accept_again(struct wheel_timer *timer)
{
	struct worker *worker = container_of(timer, struct worker, accept_again);

	for (size_t i = 0; i < worker->n_listeners; i++) {
		int err = watch(worker, &worker->listeners[i].source, EPOLLIN);

		if (err && err != -EEXIST) /* from a try that went half way */
			wheel_set(&worker->wheel, timer, worker->now_ms + ACCEPT_PAUSE_MS);
	}
}

static void listener_ready(struct source *source, uint32_t events)
{
	struct worker_listener *listener = container_of(source, struct worker_listener, source);
	struct worker *worker = self;

	(void)events;
	for (int i = 0; i < ACCEPT_AT_ONCE && !worker->draining; i++) {
		struct sockaddr_storage address;
		socklen_t size = sizeof(address);
		int fd;

		if (worker->n_clients >= worker->max_clients) {
			pause_accepting(worker);
			return;
		}
		fd = accept4(source->fd, (struct sockaddr *)&address, &size,
			     SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			/* ECONNABORTED and the like are that client's affair alone. */
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
			    errno == ENOBUFS)
				pause_accepting(worker);
			return;
		}
		client_open(worker, fd, listener->entry, (struct sockaddr *)&address);
	}
}

static void take_view(struct worker *worker)
{
	struct view *view = atomic_exchange(&worker->next_view, NULL);

	if (view && balance_switch(worker, view))
		log_error("worker %zu keeps the routes it has: %s", worker->number,
			  strerror(ENOMEM));
}

/* Takes whom the socket's queue holds, and refuses all others. */
static void shut_listener(struct worker_listener *listener)
{
	uint32_t before;

	do {
		before = self->n_clients;
		listener_ready(&listener->source, 0);
	} while (self->n_clients != before);
	shutdown(listener->source.fd, SHUT_RDWR);
}

static void drain(struct worker *worker)
{
	for (size_t i = 0; atomic_load(&worker->last) && i < worker->n_listeners; i++)
		shut_listener(&worker->listeners[i]);
	worker->draining = true;
	stop_accepting(worker);
	clients_drain(worker);
	backends_unwant(worker);
	backends_sweep(worker);
}

static void woken(struct source *source, uint32_t events)
{
	struct worker *worker = container_of(source, struct worker, wake);
	eventfd_t count;

	(void)events;
	eventfd_read(source->fd, &count);
	take_view(worker);
	if (atomic_load(&worker->drain) && !worker->draining)
		drain(worker);
}

void worker_again(struct worker *worker, struct client *client)
{
	if (client->again_place)
		return;
	client->again = worker->again;
	client->again_place = &worker->again;
	if (client->again)
		client->again->again_place = &client->again;
	worker->again = client;
}

void worker_not_again(struct worker *worker, struct client *client)
{
	(void)worker;
	if (!client->again_place)
		return;
	*client->again_place = client->again;
	if (client->again)
		client->again->again_place = client->again_place;
	client->again_place = NULL;
}

/* Those that were put off before this round; what they put off is for the next. */
static void run_again(struct worker *worker)
{
	struct client *list = worker->again;

	worker->again = NULL;
	if (list)
		list->again_place = &list;
	while (list) {
		struct client *client = list;

		worker_not_again(worker, client);
		client_run(worker, client);
	}
}

static void run(struct worker *worker)
{
	struct epoll_event events[EVENTS];

	while (!atomic_load_explicit(&worker->stop, memory_order_relaxed) &&
	       !(worker->draining && !worker->clients)) {
		int wait_ms = worker->again ? 0 : wheel_wait_ms(&worker->wheel, worker->now_ms);
		int n = epoll_wait(worker->epoll_fd, events, EVENTS, wait_ms);

		worker->now_ms = loop_now_ns() / NS_PER_MS;
		for (int i = 0; i < n; i++) {
			struct source *source = events[i].data.ptr;

			source->ready(source, events[i].events);
		}
		run_again(worker);
		wheel_run(&worker->wheel, worker->now_ms);
		free_buried(worker);
	}
	stop_accepting(worker);
	clients_close(worker);
	balance_close(worker);
	backends_free(worker);
	free_buried(worker);
	exchanges_free(worker);
	buffers_free(&worker->buffers);
	pipes_free(&worker->pipes);
}

void worker_enter(struct worker *worker)
{
	self = worker;
}

static void *thread_main(void *context)
{
	worker_enter(context);
	run(self);
	atomic_store(&self->stop, true);
	return NULL;
}

static int share_of_listeners(struct worker *worker, const struct listeners *listeners,
			      size_t workers)
{
	int err = 0;

	worker->listeners = calloc(listeners->n + 1, sizeof(*worker->listeners));
	if (!worker->listeners)
		return -ENOMEM;
	for (size_t i = worker->number; i < listeners->n && !err; i += workers) {
		struct worker_listener *mine = &worker->listeners[worker->n_listeners++];

		*mine = (struct worker_listener){{listeners->list[i].fd, listener_ready},
						 listeners->list[i].entry};
		err = watch(worker, &mine->source, EPOLLIN);
	}
	return err;
}

int worker_start(struct worker *worker, size_t number, const struct proxy_config *config,
		 size_t workers, const struct listeners *listeners, struct access_log *access_log,
		 struct tls *tls, struct view *view, struct skep_error *error)
{
	sigset_t all, old;
	int err = 0;

	*worker = (struct worker){
		.number = number,
		.config = config,
		.access_log = access_log,
		.tls = tls,
		.max_clients = config->max_connections / (uint32_t)workers + 1,
		.epoll_fd = epoll_create1(EPOLL_CLOEXEC),
		.wake = {eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), woken},
		.now_ms = loop_now_ns() / NS_PER_MS,
	};
	atomic_store(&worker->next_view, view);
	wheel_init(&worker->wheel, worker->now_ms);
	if (worker->epoll_fd < 0 || worker->wake.fd < 0 ||
	    getrandom(&worker->random, sizeof(worker->random), 0) != sizeof(worker->random))
		err = -errno;
	worker->random |= 1; /* never zero */
	worker->accept_again.expired = accept_again;
	worker->scratch = route_scratch_new();
	worker->auth_cache = auth_cache_new();
	worker->path_room = malloc(config->head_bytes + 1);
	worker->route_room = malloc(ROUTE_BUFFER_SIZE);
	if (!worker->scratch || !worker->auth_cache || !worker->path_room || !worker->route_room)
		err = -ENOMEM;
	if (!err)
		err = watch(worker, &worker->wake, EPOLLIN);
	if (!err)
		err = share_of_listeners(worker, listeners, workers);
	if (!err) {
		eventfd_write(worker->wake.fd, 1); /* for the view */
		/* Signals are the main thread's. */
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		err = -pthread_create(&worker->thread, NULL, thread_main, worker);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
	if (err) {
		worker_stop(worker);
		return error_errno(error, err, "cannot start worker %zu", number);
	}
	worker->running = true;
	return 0;
}

void worker_give_view(struct worker *worker, struct view *view)
{
	/* One that it has not even looked at is out of date. */
	view_put(atomic_exchange(&worker->next_view, view));
	eventfd_write(worker->wake.fd, 1);
}

void worker_drain(struct worker *worker, bool last)
{
	atomic_store(&worker->last, last);
	atomic_store(&worker->drain, true);
	eventfd_write(worker->wake.fd, 1);
}

bool worker_is_done(const struct worker *worker)
{
	return atomic_load(&worker->stop);
}

void worker_stop(struct worker *worker)
{
	if (worker->running) {
		atomic_store(&worker->stop, true);
		eventfd_write(worker->wake.fd, 1);
		pthread_join(worker->thread, NULL);
		worker->running = false;
	}
	view_put(atomic_exchange(&worker->next_view, NULL));
	if (worker->epoll_fd >= 0)
		close(worker->epoll_fd);
	if (worker->wake.fd >= 0)
		close(worker->wake.fd);
	worker->epoll_fd = worker->wake.fd = -1;
	free(worker->listeners);
	route_scratch_free(worker->scratch);
	auth_cache_free(worker->auth_cache);
	free(worker->path_room);
	free(worker->route_room);
	worker->listeners = NULL;
	worker->scratch = NULL;
	worker->auth_cache = NULL;
	worker->path_room = worker->route_room = NULL;
}
