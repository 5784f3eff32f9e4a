/* SPDX-License-Identifier: GPL-2.0-only */
#include "backend.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "endpoint.h"
#include "pattern.h"

#define HEAD_MAX  8192
#define LINGER_MS 2000
#define SLOW_MAX  60000

enum state {
	READING, /* a request's head or body */
	WAITING, /* /slow: for the time to answer */
	SENDING,
	LINGERING, /* answered for the last time: for the client's FIN */
};

struct connection {
	struct watched watched;
	struct backend *backend;
	struct connection *next, **link;
	enum state state;
	char client[ENDPOINT_TEXT];
	char in[HEAD_MAX];
	size_t in_length;
	bool in_body;
	uint64_t body_left, body_bytes, body_hash;
	char out[1024];
	size_t out_length, out_sent;
	uint64_t stream_offset, stream_left; /* of the pattern, after out */
	bool zeros;			     /* instead of the pattern */
	uint64_t due_ms;		     /* WAITING and LINGERING */
	bool close_after;
};

struct listener {
	struct watched watched;
	struct backend *backend;
};

static uint8_t chunk[65536]; /* shared: nothing stays in it between calls */
static const uint8_t zeros[sizeof(chunk)];

static bool timed(const struct connection *connection)
{
	return connection->state == WAITING || connection->state == LINGERING;
}

static void connection_close(struct connection *connection)
{
	struct backend *backend = connection->backend;

	*connection->link = connection->next;
	if (connection->next)
		connection->next->link = connection->link;
	backend->n_connections--;
	if (timed(connection))
		backend->n_timed--;
	close(connection->watched.fd);
	free(connection);
}

static void enter(struct connection *connection, enum state state)
{
	static const uint32_t events[] = {
		[READING] = EPOLLIN, [WAITING] = 0, [SENDING] = EPOLLOUT, [LINGERING] = EPOLLIN};
	struct epoll_event event = {.events = events[state], .data.ptr = &connection->watched};

	connection->backend->n_timed -= timed(connection);
	connection->state = state;
	connection->backend->n_timed += timed(connection);
	epoll_ctl(connection->backend->epoll, EPOLL_CTL_MOD, connection->watched.fd, &event);
}

static void respond(struct connection *connection, const char *status, const char *body,
		    uint64_t stream)
{
	connection->close_after |= connection->backend->draining;
	connection->out_length =
		(size_t)snprintf(connection->out, sizeof(connection->out),
				 "HTTP/1.1 %s\r\nContent-Type: text/plain\r\n"
				 "Content-Length: %llu\r\nConnection: %s\r\n\r\n%s",
				 status, (unsigned long long)stream + strlen(body),
				 connection->close_after ? "close" : "keep-alive", body);
	connection->out_sent = 0;
	connection->stream_offset = 0;
	connection->stream_left = stream;
	connection->zeros = false;
	enter(connection, SENDING);
}

static void respond_with_name(struct connection *connection)
{
	char line[512];

	snprintf(line, sizeof(line), "%.255s %s\n", connection->backend->name, connection->client);
	respond(connection, "200 OK", line, 0);
}

static bool number(const char *text, char end, uint64_t *value)
{
	char *stop;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &stop, 10);
	return *stop == end && errno == 0;
}

/* The value of a header field in a head that ends with an empty line; NULL: not there. */
static const char *field(const char *head, const char *name)
{
	size_t length = strlen(name);

	for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
		line += 2;
		if (strncasecmp(line, name, length) == 0 && line[length] == ':')
			return line + length + 1 + strspn(line + length + 1, " \t");
	}
	return NULL;
}

static void refuse(struct connection *connection, const char *status)
{
	connection->close_after = true;
	respond(connection, status, "", 0);
}

static void handle_request(struct connection *connection, char *head)
{
	const char *length = field(head, "Content-Length");
	const char *option = field(head, "Connection");
	char method[8], target[256];
	uint64_t value, body = 0;
	int minor;

	if (sscanf(head, "%7s %255s HTTP/1.%d", method, target, &minor) != 3 ||
	    (length && !number(length, '\r', &body))) {
		refuse(connection, "400 Bad Request");
		return;
	}
	connection->close_after = minor == 0;
	if (option && strncasecmp(option, "close", 5) == 0)
		connection->close_after = true;
	else if (option && strncasecmp(option, "keep-alive", 10) == 0)
		connection->close_after = false;

	if (strcmp(method, "POST") == 0 && strcmp(target, "/upload") == 0 && length) {
		connection->in_body = true;
		connection->body_left = body;
		connection->body_bytes = 0;
		connection->body_hash = FNV1A_START;
	} else if (strcmp(method, "GET") != 0 || body > 0) {
		refuse(connection, "405 Method Not Allowed");
	} else if (strcmp(target, "/") == 0) {
		respond_with_name(connection);
	} else if (strncmp(target, "/bytes/", 7) == 0 && number(target + 7, '\0', &value)) {
		respond(connection, "200 OK", "", value);
	} else if (strncmp(target, "/zeros/", 7) == 0 && number(target + 7, '\0', &value)) {
		respond(connection, "200 OK", "", value);
		connection->zeros = true;
	} else if (strncmp(target, "/slow/", 6) == 0 && number(target + 6, '\0', &value) &&
		   value <= SLOW_MAX) {
		connection->due_ms = now_ms() + value;
		enter(connection, WAITING);
	} else {
		respond(connection, "404 Not Found", "", 0);
	}
}

static void body_arrived(struct connection *connection, const uint8_t *bytes, size_t size)
{
	connection->body_hash = fnv1a(connection->body_hash, bytes, size);
	connection->body_bytes += size;
	connection->body_left -= size;
}

/* Takes what is in the buffer for as long as a request is being read. */
static void consume(struct connection *connection)
{
	while (connection->state == READING) {
		size_t used;

		if (connection->in_body) {
			used = connection->in_length < connection->body_left
				       ? connection->in_length
				       : connection->body_left;
			body_arrived(connection, (uint8_t *)connection->in, used);
		} else {
			char *end = memmem(connection->in, connection->in_length, "\r\n\r\n", 4);

			if (!end && connection->in_length >= HEAD_MAX - 1)
				refuse(connection, "431 Request Header Fields Too Large");
			if (!end)
				return;
			end[2] = '\0'; /* after the last field's line end */
			used = (size_t)(end + 4 - connection->in);
			handle_request(connection, connection->in);
		}
		connection->in_length -= used;
		memmove(connection->in, connection->in + used, connection->in_length);
		if (connection->in_body && connection->body_left == 0) {
			char line[64];

			connection->in_body = false;
			snprintf(line, sizeof(line), "%llu %016llx\n",
				 (unsigned long long)connection->body_bytes,
				 (unsigned long long)connection->body_hash);
			respond(connection, "200 OK", line, 0);
		}
		if (connection->in_length == 0)
			return;
	}
}

/* Returns false if the connection is gone. */
static bool receive(struct connection *connection)
{
	bool bulk = connection->state == LINGERING ||
		    (connection->in_body && connection->in_length == 0);
	uint8_t *to = bulk ? chunk : (uint8_t *)connection->in + connection->in_length;
	size_t room = bulk ? sizeof(chunk) : HEAD_MAX - 1 - connection->in_length;
	ssize_t n;

	if (connection->in_body && bulk && room > connection->body_left)
		room = connection->body_left;
	n = recv(connection->watched.fd, to, room, 0);
	if (n < 0 && errno == EAGAIN)
		return true;
	if (n <= 0) {
		connection_close(connection);
		return false;
	}
	if (connection->state == LINGERING)
		return true;
	if (bulk)
		body_arrived(connection, chunk, (size_t)n);
	else
		connection->in_length += (size_t)n;
	consume(connection);
	return true;
}

static bool flush(struct connection *connection)
{
	while (connection->out_sent < connection->out_length || connection->stream_left > 0) {
		bool head = connection->out_sent < connection->out_length;
		const void *from = head ? (const void *)(connection->out + connection->out_sent)
					: (connection->zeros ? zeros : chunk);
		size_t size = head ? connection->out_length - connection->out_sent : sizeof(chunk);
		ssize_t n;

		if (!head && size > connection->stream_left)
			size = connection->stream_left;
		if (!head && !connection->zeros)
			pattern_fill(chunk, size, connection->stream_offset);
		n = send(connection->watched.fd, from, size, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0) {
			connection_close(connection);
			return false;
		}
		if (head) {
			connection->out_sent += (size_t)n;
		} else {
			connection->stream_offset += (size_t)n;
			connection->stream_left -= (size_t)n;
		}
	}
	if (connection->close_after) {
		/*
		 * A container's network goes with its last process, and unsent bytes with it: wait
		 * for the client to say by its FIN that it has everything.
		 */
		shutdown(connection->watched.fd, SHUT_WR);
		connection->due_ms = now_ms() + LINGER_MS;
		enter(connection, LINGERING);
		return true;
	}
	enter(connection, READING);
	consume(connection); /* a pipelined request may be here already */
	return true;
}

static void connection_ready(struct watched *watched, uint32_t events)
{
	struct connection *connection = (struct connection *)watched;

	connection->backend->last_active_ms = now_ms();
	if (connection->state == WAITING) { /* asked for nothing: an error or hang-up */
		connection_close(connection);
		return;
	}
	if (connection->state != SENDING && !receive(connection))
		return;
	(void)events;
	while (connection->state == SENDING) {
		size_t sent = connection->out_sent;
		uint64_t left = connection->stream_left;

		if (!flush(connection))
			return;
		if (connection->state == SENDING && connection->out_sent == sent &&
		    connection->stream_left == left)
			return; /* the socket is full */
	}
}

static void accept_ready(struct watched *watched, uint32_t events)
{
	struct backend *backend = ((struct listener *)watched)->backend;
	int one = 1;

	(void)events;
	for (;;) {
		struct endpoint client = {.length = sizeof(client.address)};
		struct connection *connection;
		int fd = accept4(watched->fd, (struct sockaddr *)&client.address, &client.length,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		connection = calloc(1, sizeof(*connection));
		if (!connection) {
			close(fd);
			return;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		connection->watched = (struct watched){connection_ready, fd};
		connection->backend = backend;
		endpoint_format(&client, connection->client);
		connection->next = backend->connections;
		if (connection->next)
			connection->next->link = &connection->next;
		connection->link = &backend->connections;
		backend->connections = connection;
		backend->n_connections++;
		backend->last_active_ms = now_ms();
		if (!watch(backend, &connection->watched, EPOLLIN))
			connection_close(connection);
	}
}

int http_timers(struct backend *backend)
{
	struct connection *connection, *next;
	uint64_t now = now_ms();
	int timeout = -1;

	if (backend->n_timed == 0)
		return -1;
	for (connection = backend->connections; connection; connection = next) {
		next = connection->next;
		if (!timed(connection))
			continue;
		if (connection->due_ms > now) {
			int wait = (int)(connection->due_ms - now);

			timeout = timeout < 0 || wait < timeout ? wait : timeout;
		} else if (connection->state == LINGERING) {
			connection_close(connection);
		} else {
			respond_with_name(connection); /* sent when epoll says that it can be */
		}
	}
	return timeout;
}

struct watched *http_listen(struct backend *backend, int family, uint16_t port)
{
	struct listener *listener = calloc(1, sizeof(*listener));

	if (!listener)
		return NULL;
	listener->backend = backend;
	listener->watched.ready = accept_ready;
	listener->watched.fd = bound_socket(family, SOCK_STREAM, port);
	if (listener->watched.fd < 0)
		goto cleanup;
	if (listen(listener->watched.fd, 4096) == 0 && watch(backend, &listener->watched, EPOLLIN))
		return &listener->watched;
cleanup:
	if (listener->watched.fd >= 0)
		close(listener->watched.fd);
	free(listener);
	return NULL;
}
