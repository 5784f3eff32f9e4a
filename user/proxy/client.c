/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/loop.h"
#include "proxy/exchange.h"
#include "proxy/opening.h"
#include "proxy/worker.h"

#define REQUESTS_AT_ONCE 16 /* of one client, before others have their turn */
#define LINGER_MS	 5000
#define LINGER_BYTES	 (256 * 1024)
#define LAST_CHANCE_MS	 2000 /* for a client between requests to begin another, when draining */

void client_close(struct worker *worker, struct client *client)
{
	if (client->exchange)
		exchange_end(worker, client->exchange);
	client->exchange = NULL;
	worker_not_again(worker, client);
	wheel_unset(&worker->wheel, &client->timer);
	buffer_give(&worker->buffers, &client->in);
	stream_close(&client->stream);
	*client->place = client->next;
	if (client->next)
		client->next->place = client->place;
	worker->n_clients--;
	counters_add(&worker->counters.clients_closed, 1);
	worker_bury(worker, client);
}

/* What comes now is nobody's. */
static void linger(struct worker *worker, struct client *client)
{
	char scrap[4096];
	ssize_t n;

	while (client->stream.readable && client->lingered < LINGER_BYTES) {
		n = stream_read(&client->stream, scrap, sizeof(scrap));
		if (n == -EAGAIN)
			return;
		if (n <= 0)
			break;
		client->lingered += (uint32_t)n;
	}
	if (client->stream.readable || client->lingered >= LINGER_BYTES)
		client_close(worker, client);
}

/* The beginning of a request, if something is there or comes. false: nothing, or the client is
 * gone. */
static bool begin(struct worker *worker, struct client *client)
{
	ssize_t n;

	if (!buffer_length(&client->in)) {
		if (!client->stream.readable)
			return false;
		if (buffer_take(&worker->buffers, &client->in)) {
			client_close(worker, client);
			return false;
		}
		n = stream_read(&client->stream, client->in.data,
				exchange_first_read(client->in.size, client->splices));
		if (n <= 0) {
			buffer_give(&worker->buffers, &client->in);
			if (n != -EAGAIN)
				client_close(worker, client);
			return false;
		}
		client->in.start = 0;
		client->in.end = (size_t)n;
	}
	client->exchange = exchange_begin(worker, client);
	if (!client->exchange) {
		client_close(worker, client);
		return false;
	}
	client->state = CLIENT_EXCHANGE;
	return true;
}

/* HTTP from here on. The first request must begin as soon as its head must have come. */
static bool speak_http(struct worker *worker, struct client *client)
{
	client->state = CLIENT_IDLE;
	wheel_set(&worker->wheel, &client->timer, worker->now_ms + worker->config->head_time_ms);
	return !worker->config->entries[client->entry].tls ||
	       !stream_encrypt(&client->stream, worker->tls);
}

/* Before the first request. false: the client is gone, or waits. */
static bool open_up(struct worker *worker, struct client *client, bool expired)
{
	switch (opening_run(worker, client, expired)) {
	case OPENING_WAITS:
		return false;
	case OPENING_TUNNEL:
		client->state = CLIENT_EXCHANGE;
		return true;
	case OPENING_HTTP:
		if (speak_http(worker, client))
			return true;
		break;
	case OPENING_ENDS:
		break;
	}
	client_close(worker, client);
	return false;
}

/*
 * Has a client that will close, as it said, nothing under way? Then a close is no reset. (RFC 9112
 * 9.6: it sends nothing more. Who does so all the same may lose the answer.)
 */
static bool is_done(const struct client *client)
{
	/* Whoever speaks TLS is owed a last word, and has one. */
	return !client->stream.tls && !client->exchange->head.keep_alive &&
	       client->exchange->request_ended && !buffer_length(&client->in) &&
	       (!client->stream.readable || client->stream.hung_up);
}

/* After an exchange: the next request, or the end. */
static void conclude(struct worker *worker, struct client *client, enum exchange_state state)
{
	bool done = state == EXCHANGE_LAST && is_done(client);

	exchange_end(worker, client->exchange);
	client->exchange = NULL;
	if (state == EXCHANGE_BROKEN || done) {
		client_close(worker, client);
	} else if (state == EXCHANGE_LAST) {
		client->state = CLIENT_LINGERS;
		client->lingered = (uint32_t)buffer_length(&client->in);
		buffer_give(&worker->buffers, &client->in);
		stream_shut(&client->stream);
		wheel_set(&worker->wheel, &client->timer, worker->now_ms + LINGER_MS);
		linger(worker, client);
	} else {
		if (!buffer_length(&client->in))
			buffer_give(&worker->buffers, &client->in);
		client->state = CLIENT_IDLE;
		wheel_set(&worker->wheel, &client->timer,
			  worker->now_ms + (worker->draining ? LAST_CHANCE_MS
							     : worker->config->idle_time_ms));
	}
}

void client_run(struct worker *worker, struct client *client)
{
	for (int requests = 0; requests < REQUESTS_AT_ONCE; requests++) {
		enum exchange_state state;

		if (client->state == CLIENT_LINGERS) {
			linger(worker, client);
			return;
		}
		if (client->state == CLIENT_OPENS && !open_up(worker, client, false))
			return;
		if (client->state == CLIENT_IDLE && !begin(worker, client))
			return;
		state = exchange_run(worker, client->exchange);
		if (state == EXCHANGE_GOES_ON)
			return;
		if (state == EXCHANGE_AGAIN)
			break;
		conclude(worker, client, state);
		if (state != EXCHANGE_DONE || client->state != CLIENT_IDLE)
			return;
	}
	worker_again(worker, client);
}

static void client_ready(struct source *source, uint32_t events)
{
	struct client *client = container_of(source, struct client, stream.source);

	stream_note(&client->stream, events);
	client_run(worker_self(), client);
}

static void client_expired(struct wheel_timer *timer)
{
	struct client *client = container_of(timer, struct client, timer);
	struct worker *worker = worker_self();

	if (client->state == CLIENT_OPENS) {
		if (open_up(worker, client, true))
			client_run(worker, client);
		return;
	}
	if (client->state != CLIENT_EXCHANGE) {
		/* Whoever speaks TLS is told that nothing is missing. */
		if (client->state == CLIENT_IDLE && client->stream.tls)
			stream_shut(&client->stream);
		client_close(worker, client);
		return;
	}
	exchange_expired(worker, client->exchange);
	client_run(worker, client);
}

static void take_address(struct client *client, const struct sockaddr *address)
{
	if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;

		memcpy(&client->addr, &six->sin6_addr, sizeof(client->addr));
		client->port = ntohs(six->sin6_port);
	} else {
		const struct sockaddr_in *four = (const struct sockaddr_in *)address;

		client->addr = skep_addr_v4(four->sin_addr.s_addr);
		client->port = ntohs(four->sin_port);
	}
}

void client_open(struct worker *worker, int fd, size_t entry, const struct sockaddr *address)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client) {
		close(fd);
		return;
	}
	client->stream.source = (struct source){fd, client_ready};
	client->timer.expired = client_expired;
	client->entry = (uint8_t)entry;
	take_address(client, address);
	client->state = CLIENT_OPENS;
	if ((!opening_begin(worker, client) && !speak_http(worker, client)) ||
	    stream_watch(worker, &client->stream)) {
		wheel_unset(&worker->wheel, &client->timer);
		stream_close(&client->stream);
		free(client);
		return;
	}
	client->next = worker->clients;
	client->place = &worker->clients;
	if (client->next)
		client->next->place = &client->next;
	worker->clients = client;
	worker->n_clients++;
	counters_add(&worker->counters.clients_opened, 1);
}

void clients_drain(struct worker *worker)
{
	for (struct client *client = worker->clients; client; client = client->next)
		if (client->state == CLIENT_IDLE)
			wheel_set(&worker->wheel, &client->timer, worker->now_ms + LAST_CHANCE_MS);
}

void clients_close(struct worker *worker)
{
	while (worker->clients)
		client_close(worker, worker->clients);
}
