/* SPDX-License-Identifier: GPL-2.0-only */
/* Connections that are relayed as they are, and what tells a task whose connection it has. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "proxy/access_line.h"
#include "proxy/client.h"
#include "proxy/exchange_parts.h"
#include "proxy/proxy_header.h"
#include "proxy/worker.h"

#define TUNNEL_STATUS 101 /* that it is counted with, as tunnels of Upgrade are */

/* Where the client's connection came to. */
static void find_server(const struct client *client, struct proxy_header *header)
{
	union {
		struct sockaddr any;
		struct sockaddr_in four;
		struct sockaddr_in6 six;
	} address = {.six = {0}};
	socklen_t size = sizeof(address);

	if (client->server_told) {
		header->server = client->server;
		header->server_port = client->server_port;
		return;
	}
	/* Zeroes say that it is not known, which is no reason to fail. */
	(void)getsockname(client->stream.source.fd, &address.any, &size);
	if (address.any.sa_family == AF_INET6) {
		memcpy(&header->server, &address.six.sin6_addr, sizeof(header->server));
		header->server_port = ntohs(address.six.sin6_port);
	} else {
		header->server = skep_addr_v4(address.four.sin_addr.s_addr);
		header->server_port = ntohs(address.four.sin_port);
	}
}

int exchange_greet(struct worker *worker, struct exchange *exchange, struct buffer *out)
{
	const struct client *client = exchange->client;
	struct proxy_header header = {.client = client->addr, .client_port = client->port};

	if (!exchange->rule->proxy_protocol)
		return 0;
	if (exchange_room(worker, out, PROXY_HEADER_WRITE_MAX))
		return -ENOMEM;
	find_server(client, &header);
	out->end +=
		proxy_header_write(&header, exchange->rule->proxy_protocol, out->data + out->end);
	return 0;
}

struct exchange *exchange_begin_tunnel(struct worker *worker, struct client *client,
				       const struct route_rule *rule, const char *host)
{
	struct exchange *exchange = exchange_begin(worker, client);

	if (!exchange)
		return NULL;
	exchange->raw = true;
	exchange->head_read = true;
	exchange_take_rule(worker, exchange, rule);
	if (worker->access_log)
		exchange->line = access_line_raw(exchange, host);
	relay_begin(&exchange->request, &client->stream, NULL, &client->in, HTTP_FRAMING_TUNNEL, 0,
		    exchange->fields);
	if (exchange_greet(worker, exchange, &exchange->request.out))
		exchange->phase = PHASE_CUT;
	else
		exchange_connect(worker, exchange, 0);
	return exchange;
}

static struct series_slot *task_slot(const struct worker *worker, const struct exchange *exchange)
{
	return &exchange->group->group->tasks[exchange->task].series->slots[worker->number];
}

void exchange_tunnel_opened(const struct worker *worker, struct exchange *exchange)
{
	exchange->tunnel_ms = worker->now_ms;
	counters_add(&exchange->route_slot->tunnels_opened, 1);
	counters_add(&task_slot(worker, exchange)->tunnels_opened, 1);
}

void exchange_tunnel_closed(const struct worker *worker, struct exchange *exchange)
{
	counters_add(&exchange->route_slot->tunnels_closed, 1);
	counters_add(&task_slot(worker, exchange)->tunnels_closed, 1);
}

void exchange_tunnel_connected(struct worker *worker, struct exchange *exchange)
{
	exchange->phase = PHASE_TUNNEL;
	exchange_tunnel_opened(worker, exchange);
	exchange->status = TUNNEL_STATUS;
	exchange->reply_begun = exchange->reply_read = true;
	relay_begin(&exchange->answer, &exchange->conn->stream, &exchange->client->stream,
		    &exchange->up, HTTP_FRAMING_TUNNEL, 0, exchange->reply_fields);
}
