/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/opening.h"

#include <errno.h>
#include <string.h>

#include "proxy/client.h"
#include "proxy/exchange.h"
#include "proxy/hello.h"
#include "proxy/proxy_header.h"
#include "proxy/worker.h"

#define OPENING_MS 5000 /* HAProxy's inspect-delay, as Docker Flow Proxy sets it */
#define SILENCE_MS 1000 /* where the server may be the one that speaks first */
#define PEEKS_MAX  64	/* whoever sends a byte at a time must not have all read again each time */

/* What rules there are for its port: bits of route_table_modes(). Connections to the entries of
 * HTTP are nobody's alone, whatever a label says. */
static unsigned int modes(const struct worker *worker, const struct client *client)
{
	const struct proxy_entry *entry = &worker->config->entries[client->entry];
	unsigned int found;

	if (!worker->balance.now)
		return 0;
	found = route_table_modes(worker->balance.now->view->routes, entry->port);
	if (strcmp(entry->name, PROXY_HTTP) == 0 || strcmp(entry->name, PROXY_HTTPS) == 0)
		found &= ~(1U << ROUTE_TCP);
	return found;
}

bool opening_begin(struct worker *worker, struct client *client)
{
	unsigned int found = modes(worker, client);

	client->header_due =
		worker->config->n_trusted && proxy_config_trusts(worker->config, &client->addr);
	if (!client->header_due && !found)
		return false;
	wheel_set(&worker->wheel, &client->timer,
		  worker->now_ms + (found & 1U << ROUTE_TCP   ? SILENCE_MS
				    : found & 1U << ROUTE_SNI ? OPENING_MS
							      : worker->config->head_time_ms));
	return true;
}

/* Bytes; -EAGAIN; another negative errno: there is no more to come of it. */
static ssize_t look(struct worker *worker, struct client *client)
{
	ssize_t n;

	if (!client->stream.readable)
		return -EAGAIN;
	if (client->peeks == PEEKS_MAX)
		return -E2BIG;
	client->peeks++;
	if (buffer_take(&worker->buffers, &client->in))
		return -ENOMEM;
	n = stream_peek(&client->stream, client->in.data, client->in.size);
	return n ? n : -ENODATA;
}

static enum opening refuse(struct worker *worker)
{
	counters_add(&worker->counters.openings_refused, 1);
	return OPENING_ENDS;
}

static int take_header(struct worker *worker, struct client *client,
		       const struct proxy_header *header)
{
	/* Just these bytes, which are there. */
	ssize_t n = stream_read(&client->stream, client->in.data, header->size);

	if (n != (ssize_t)header->size)
		return -EIO;
	counters_add(&worker->counters.proxy_headers, 1);
	if (header->local)
		return 0;
	client->addr = header->client;
	client->port = header->client_port;
	client->server = header->server;
	client->server_port = header->server_port;
	client->server_told = true;
	return 0;
}

/* 0: it is read, or there is none; -EAGAIN; another negative errno. */
static int read_header(struct worker *worker, struct client *client)
{
	struct proxy_header header;
	ssize_t n = look(worker, client);
	int err;

	if (n < 0)
		return (int)n;
	err = proxy_header_parse(&header, client->in.data, (size_t)n);
	if (err == -ENOENT)
		return 0;
	return err ? err : take_header(worker, client, &header);
}

static enum opening begin_tunnel(struct worker *worker, struct client *client, enum route_mode mode,
				 const char *host)
{
	const struct proxy_entry *entry = &worker->config->entries[client->entry];
	const struct route_request request = {
		.mode = mode,
		.entry = entry->name,
		.port = entry->port,
		.host = {host, strlen(host)},
		.path = {"", 0},
		.client = client->addr,
	};
	const struct route_rule *rule = NULL;
	bool gave_up = false;

	if (worker->balance.now)
		rule = route_table_find(worker->balance.now->view->routes, &request,
					worker->scratch, &gave_up);
	if (!rule || gave_up)
		return OPENING_HTTP;
	buffer_give(&worker->buffers, &client->in);
	client->exchange = exchange_begin_tunnel(worker, client, rule, host);
	return client->exchange ? OPENING_TUNNEL : OPENING_ENDS;
}

/* A client that does not speak TLS, or not well, is a matter of whoever ends TLS or speaks HTTP
 * here. */
static enum opening read_hello(struct worker *worker, struct client *client)
{
	struct hello hello;
	ssize_t n = look(worker, client);
	int err;

	if (n == -EAGAIN)
		return OPENING_WAITS;
	if (n < 0)
		return refuse(worker);
	err = hello_parse(&hello, client->in.data, (size_t)n);
	if (err == -EAGAIN && (size_t)n < client->in.size)
		return OPENING_WAITS;
	return err ? OPENING_HTTP : begin_tunnel(worker, client, ROUTE_SNI, hello.host);
}

static enum opening find_out(struct worker *worker, struct client *client, bool expired)
{
	unsigned int found = modes(worker, client);
	enum opening opening = OPENING_HTTP;

	if (client->header_due) {
		int err = read_header(worker, client);

		/* Silence is no header, where the server may speak first. */
		if (err == -EAGAIN && expired && found & 1U << ROUTE_TCP && !client->peeks)
			err = 0;
		if (err == -EAGAIN)
			return OPENING_WAITS;
		if (err)
			return refuse(worker);
		client->header_due = false;
	}
	if (found & 1U << ROUTE_TCP)
		opening = begin_tunnel(worker, client, ROUTE_TCP, "");
	if (opening == OPENING_HTTP && found & 1U << ROUTE_SNI)
		opening = read_hello(worker, client);
	return opening;
}

enum opening opening_run(struct worker *worker, struct client *client, bool expired)
{
	enum opening opening = find_out(worker, client, expired);

	/* Who has said nothing has done nothing wrong. */
	if (opening == OPENING_WAITS && expired)
		opening = client->peeks ? refuse(worker) : OPENING_ENDS;
	/* All that was looked at is in the socket yet. */
	buffer_give(&worker->buffers, &client->in);
	return opening;
}
