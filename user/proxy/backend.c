/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/backend.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/loop.h"
#include "proxy/worker.h"

static struct backend **chain_of(struct worker *worker, const struct skep_addr *addr, uint16_t port)
{
	uint64_t hash = ((uint64_t)addr->word[2] << 32 | addr->word[3]) ^
			((uint64_t)addr->word[0] << 32 | addr->word[1]) ^ port;

	hash *= 0x9e3779b97f4a7c15ULL;
	return &worker->backends.chains[(hash >> 40) % BACKEND_CHAINS];
}

struct backend *backend_get(struct worker *worker, const struct skep_addr *addr, uint16_t port)
{
	struct backend **chain = chain_of(worker, addr, port), *backend;

	for (backend = *chain; backend; backend = backend->next)
		if (backend->port == port && skep_addr_equal(&backend->addr, addr))
			return backend;
	backend = calloc(1, sizeof(*backend));
	if (!backend)
		return NULL;
	backend->addr = *addr;
	backend->port = port;
	backend->next = *chain;
	*chain = backend;
	return backend;
}

static void unlink_idle(struct conn *conn)
{
	struct backend *backend = conn->backend;

	*(conn->previous ? &conn->previous->next : &backend->idle) = conn->next;
	*(conn->next ? &conn->next->previous : &backend->oldest) = conn->previous;
	backend->n_idle--;
}

void conn_close(struct worker *worker, struct conn *conn)
{
	if (conn->progress)
		conn->backend->n_busy--;
	else
		unlink_idle(conn);
	wheel_unset(&worker->wheel, &conn->timer);
	stream_close(&conn->stream);
	worker_bury(worker, conn);
}

static void close_idle(struct worker *worker, struct backend *backend)
{
	while (backend->idle)
		conn_close(worker, backend->idle);
}

void backends_unwant(struct worker *worker)
{
	for (size_t i = 0; i < BACKEND_CHAINS; i++)
		for (struct backend *backend = worker->backends.chains[i]; backend;
		     backend = backend->next)
			backend->wanted = false;
}

void backends_sweep(struct worker *worker)
{
	for (size_t i = 0; i < BACKEND_CHAINS; i++) {
		struct backend **place = &worker->backends.chains[i];

		while (*place) {
			struct backend *backend = *place;

			if (!backend->wanted)
				close_idle(worker, backend);
			if (backend->wanted || backend->users || backend->n_busy) {
				place = &backend->next;
				continue;
			}
			*place = backend->next;
			free(backend);
		}
	}
}

void backends_free(struct worker *worker)
{
	backends_unwant(worker);
	backends_sweep(worker);
}

static void idle_expired(struct wheel_timer *timer)
{
	struct conn *conn = container_of(timer, struct conn, timer);

	conn_close(worker_self(), conn);
}

static void conn_ready(struct source *source, uint32_t events)
{
	struct conn *conn = container_of(source, struct conn, stream.source);

	stream_note(&conn->stream, events);
	if (conn->progress)
		conn->progress(conn->context);
	else if (conn->stream.readable)
		/* Nobody asked for anything: it is the end, or nonsense. */
		conn_close(worker_self(), conn);
}

static int conn_connect(struct worker *worker, struct conn *conn)
{
	const struct backend *backend = conn->backend;
	bool v4 = skep_addr_is_v4(&backend->addr);
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(backend->port)};
	struct sockaddr_in four = {.sin_family = AF_INET,
				   .sin_port = htons(backend->port),
				   .sin_addr.s_addr = backend->addr.word[3]};
	const int on = 1;
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	memcpy(&six.sin6_addr, &backend->addr, sizeof(six.sin6_addr));
	conn->stream.source = (struct source){fd, conn_ready};
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) ||
	    (connect(fd, v4 ? (struct sockaddr *)&four : (struct sockaddr *)&six,
		     v4 ? sizeof(four) : sizeof(six)) &&
	     errno != EINPROGRESS)) {
		err = -errno;
		close(fd);
		return err;
	}
	err = stream_watch(worker, &conn->stream);
	if (err)
		close(fd);
	return err;
}

struct conn *conn_take(struct worker *worker, struct backend *backend, bool fresh,
		       void (*progress)(void *context), void *context)
{
	struct conn *conn = fresh ? NULL : backend->idle;
	int err;

	if (conn) {
		unlink_idle(conn);
		wheel_unset(&worker->wheel, &conn->timer);
	} else {
		conn = calloc(1, sizeof(*conn));
		if (!conn)
			return NULL;
		conn->backend = backend;
		conn->connecting = true;
		conn->timer.expired = idle_expired;
		err = conn_connect(worker, conn);
		if (err) {
			free(conn);
			errno = -err;
			return NULL;
		}
	}
	conn->progress = progress;
	conn->context = context;
	backend->n_busy++;
	return conn;
}

/* Has the task sent more than the answer, or its end? Whoever moved the last of it by splice(2)
 * does not know. */
static bool has_more(struct conn *conn)
{
	char byte;

	if (conn->stream.readable && recv(conn->stream.source.fd, &byte, 1, MSG_PEEK) < 0 &&
	    errno == EAGAIN)
		conn->stream.readable = false;
	return conn->stream.readable || conn->stream.hung_up;
}

void conn_keep(struct worker *worker, struct conn *conn)
{
	struct backend *backend = conn->backend;

	conn->used = true;
	if (!backend->wanted || !worker->config->pool || worker->draining || has_more(conn)) {
		conn_close(worker, conn);
		return;
	}
	if (backend->n_idle >= worker->config->pool)
		conn_close(worker, backend->oldest);
	conn->progress = NULL;
	conn->context = NULL;
	backend->n_busy--;
	conn->previous = NULL;
	conn->next = backend->idle;
	*(backend->idle ? &backend->idle->previous : &backend->oldest) = conn;
	backend->idle = conn;
	backend->n_idle++;
	wheel_set(&worker->wheel, &conn->timer, worker->now_ms + worker->config->pool_time_ms);
}

void backend_succeeded(struct backend *backend)
{
	backend->failures = 0;
	backend->ejections = 0;
	backend->ejected_until_ms = 0;
}

void backend_failed(struct worker *worker, struct backend *backend)
{
	uint64_t away_ms = BACKEND_EJECT_FIRST_MS;

	if (++backend->failures < BACKEND_FAILURES_MAX)
		return;
	backend->failures = 0;
	for (uint32_t i = 0; i < backend->ejections && away_ms < BACKEND_EJECT_LAST_MS; i++)
		away_ms *= 2;
	backend->ejections++;
	backend->ejected_until_ms =
		worker->now_ms +
		(away_ms < BACKEND_EJECT_LAST_MS ? away_ms : BACKEND_EJECT_LAST_MS);
	counters_add(&worker->counters.ejections, 1);
}
