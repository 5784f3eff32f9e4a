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

static void unlink_idle(struct upstream *upstream)
{
	struct backend *backend = upstream->backend;

	*(upstream->previous ? &upstream->previous->next : &backend->idle) = upstream->next;
	*(upstream->next ? &upstream->next->previous : &backend->oldest) = upstream->previous;
	backend->n_idle--;
}

void upstream_close(struct worker *worker, struct upstream *upstream)
{
	if (upstream->progress)
		upstream->backend->n_busy--;
	else
		unlink_idle(upstream);
	wheel_unset(&worker->wheel, &upstream->timer);
	stream_close(&upstream->stream);
	worker_bury(worker, upstream);
}

static void close_idle(struct worker *worker, struct backend *backend)
{
	while (backend->idle)
		upstream_close(worker, backend->idle);
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
	struct upstream *upstream = container_of(timer, struct upstream, timer);

	upstream_close(worker_self(), upstream);
}

static void upstream_ready(struct source *source, uint32_t events)
{
	struct upstream *upstream = container_of(source, struct upstream, stream.source);

	stream_note(&upstream->stream, events);
	if (upstream->progress)
		upstream->progress(upstream->context);
	else if (upstream->stream.readable)
		/* Nobody asked for anything: it is the end, or nonsense. */
		upstream_close(worker_self(), upstream);
}

static int upstream_connect(struct worker *worker, struct upstream *upstream)
{
	const struct backend *backend = upstream->backend;
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
	upstream->stream.source = (struct source){fd, upstream_ready};
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) ||
	    (connect(fd, v4 ? (struct sockaddr *)&four : (struct sockaddr *)&six,
		     v4 ? sizeof(four) : sizeof(six)) &&
	     errno != EINPROGRESS)) {
		err = -errno;
		close(fd);
		return err;
	}
	err = stream_watch(worker, &upstream->stream);
	if (err)
		close(fd);
	return err;
}

struct upstream *upstream_take(struct worker *worker, struct backend *backend, bool fresh,
			       void (*progress)(void *context), void *context)
{
	struct upstream *upstream = fresh ? NULL : backend->idle;
	int err;

	if (upstream) {
		unlink_idle(upstream);
		wheel_unset(&worker->wheel, &upstream->timer);
	} else {
		upstream = calloc(1, sizeof(*upstream));
		if (!upstream)
			return NULL;
		upstream->backend = backend;
		upstream->connecting = true;
		upstream->timer.expired = idle_expired;
		err = upstream_connect(worker, upstream);
		if (err) {
			free(upstream);
			errno = -err;
			return NULL;
		}
	}
	upstream->progress = progress;
	upstream->context = context;
	backend->n_busy++;
	return upstream;
}

void upstream_keep(struct worker *worker, struct upstream *upstream)
{
	struct backend *backend = upstream->backend;

	upstream->used = true;
	if (!backend->wanted || upstream->stream.readable || upstream->stream.hung_up ||
	    !worker->config->pool || worker->draining) {
		upstream_close(worker, upstream);
		return;
	}
	if (backend->n_idle >= worker->config->pool)
		upstream_close(worker, backend->oldest);
	upstream->progress = NULL;
	upstream->context = NULL;
	backend->n_busy--;
	upstream->previous = NULL;
	upstream->next = backend->idle;
	*(backend->idle ? &backend->idle->previous : &backend->oldest) = upstream;
	backend->idle = upstream;
	backend->n_idle++;
	wheel_set(&worker->wheel, &upstream->timer, worker->now_ms + worker->config->pool_time_ms);
}

void backend_succeeded(struct backend *backend)
{
	backend->failures = 0;
	backend->ejections = 0;
}

bool backend_failed(struct backend *backend, uint64_t now_ms)
{
	uint64_t away_ms = BACKEND_EJECT_FIRST_MS;

	if (++backend->failures < BACKEND_FAILURES_MAX)
		return false;
	backend->failures = 0;
	for (uint32_t i = 0; i < backend->ejections && away_ms < BACKEND_EJECT_LAST_MS; i++)
		away_ms *= 2;
	backend->ejections++;
	backend->ejected_until_ms =
		now_ms + (away_ms < BACKEND_EJECT_LAST_MS ? away_ms : BACKEND_EJECT_LAST_MS);
	return true;
}
