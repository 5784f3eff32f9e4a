/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * http_backend PORT: the server of bench-http. GET /N is answered with N bytes, POST with 2 after
 * its body. An Upgrade is granted: through a tunnel to /echo comes back what was sent; from /N come
 * N bytes for each that is sent. One thread, and as cheap as it can be, so that it is not what is
 * measured: no more parsing than that takes, answers of constant bytes, bodies cut off in the
 * kernel (MSG_TRUNC).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX 4096
#define BYTES	 (256 * 1024)
#define TRUNCATE (1024 * 1024)

struct connection {
	int fd;
	bool waits_out, closes;
	bool tunnel;
	size_t length;	    /* of the request's head, so far; of what is to be echoed */
	uint64_t each;	    /* tunnel: bytes for each that comes; 0: it is echoed */
	uint64_t body_left; /* of the request */
	uint64_t answer;    /* bytes of body to be sent */
	char head[HEAD_MAX];
};

static int epoll_fd;
static char bytes[BYTES];

static void watch(struct connection *connection, int operation, bool out)
{
	struct epoll_event event = {.events = out ? EPOLLOUT : EPOLLIN, .data.ptr = connection};

	if (epoll_ctl(epoll_fd, operation, connection->fd, &event)) {
		perror("http_backend: epoll_ctl");
		exit(1);
	}
	connection->waits_out = out;
}

static void drop(struct connection *connection)
{
	close(connection->fd);
	free(connection);
}

/* What there is of the answer's body. false: the connection is gone. */
static bool send_body(struct connection *connection)
{
	while (connection->answer) {
		size_t size = connection->answer < BYTES ? (size_t)connection->answer : BYTES;
		ssize_t n = send(connection->fd, bytes, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			if (!connection->waits_out)
				watch(connection, EPOLL_CTL_MOD, true);
			return true;
		}
		if (n < 0) {
			drop(connection);
			return false;
		}
		connection->answer -= (uint64_t)n;
	}
	if (connection->closes) {
		drop(connection);
		return false;
	}
	if (connection->waits_out)
		watch(connection, EPOLL_CTL_MOD, false);
	return true;
}

static bool answer(struct connection *connection, uint64_t size)
{
	char head[256];
	size_t first = size < BYTES ? (size_t)size : BYTES;
	struct iovec parts[2] = {{head, 0}, {bytes, first}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	ssize_t n;

	parts[0].iov_len = (size_t)snprintf(
		head, sizeof(head),
		"HTTP/1.1 200 OK\r\nServer: bench\r\n"
		"Content-Type: text/plain\r\nContent-Length: %llu\r\n%s\r\n",
		(unsigned long long)size, connection->closes ? "Connection: close\r\n" : "");
	n = sendmsg(connection->fd, &message, MSG_NOSIGNAL);
	/* One answer is under way at a time: its head always fits. */
	if (n < (ssize_t)parts[0].iov_len) {
		drop(connection);
		return false;
	}
	connection->length = 0;
	connection->answer = size - ((uint64_t)n - parts[0].iov_len);
	return send_body(connection);
}

static bool begin_tunnel(struct connection *connection)
{
	static const char head[] = "HTTP/1.1 101 Switching Protocols\r\n"
				   "Connection: Upgrade\r\nUpgrade: bench\r\n\r\n";

	connection->tunnel = true;
	connection->each = strtoull(connection->head + 5, NULL, 10);
	connection->length = 0;
	if (send(connection->fd, head, sizeof(head) - 1, MSG_NOSIGNAL) == sizeof(head) - 1)
		return true;
	drop(connection);
	return false;
}

/* Nothing more is read until all has gone back. */
static void send_echo(struct connection *connection)
{
	while (connection->length) {
		ssize_t n =
			send(connection->fd, connection->head, connection->length, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			if (!connection->waits_out)
				watch(connection, EPOLL_CTL_MOD, true);
			return;
		}
		if (n < 0) {
			drop(connection);
			return;
		}
		connection->length -= (size_t)n;
		memmove(connection->head, connection->head + n, connection->length);
	}
	if (connection->waits_out)
		watch(connection, EPOLL_CTL_MOD, false);
}

static void receive_from_tunnel(struct connection *connection)
{
	ssize_t n = recv(connection->fd, connection->head, HEAD_MAX, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		drop(connection);
	} else if (connection->each) {
		connection->answer = (uint64_t)n * connection->each;
		send_body(connection);
	} else {
		connection->length = (size_t)n;
		send_echo(connection);
	}
}

/* false: the connection is gone. */
static bool take_request(struct connection *connection)
{
	const char *end, *field;

	connection->head[connection->length] = '\0';
	end = strstr(connection->head, "\r\n\r\n");
	if (!end)
		return true;
	if (strcasestr(connection->head, "\r\nUpgrade:"))
		return begin_tunnel(connection);
	connection->closes = strcasestr(connection->head, "\r\nConnection: close") != NULL;
	if (strncmp(connection->head, "GET /", 5) == 0)
		return answer(connection, strtoull(connection->head + 5, NULL, 10));
	field = strcasestr(connection->head, "\r\nContent-Length:");
	if (!field) {
		drop(connection);
		return false;
	}
	connection->body_left = strtoull(field + strlen("\r\nContent-Length:"), NULL, 10);
	connection->body_left -= connection->length - (size_t)(end + 4 - connection->head);
	return connection->body_left || answer(connection, 2);
}

static void receive(struct connection *connection)
{
	ssize_t n;

	do {
		bool body = connection->body_left;

		if (body)
			n = recv(connection->fd, NULL,
				 connection->body_left < TRUNCATE ? connection->body_left
								  : TRUNCATE,
				 MSG_TRUNC);
		else
			n = recv(connection->fd, connection->head + connection->length,
				 HEAD_MAX - 1 - connection->length, 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			drop(connection);
			return;
		}
		if (!body) {
			connection->length += (size_t)n;
			if (!take_request(connection))
				return;
		} else if (!(connection->body_left -= (uint64_t)n)) {
			if (!answer(connection, 2))
				return;
		}
	} while (connection->body_left);
}

static void take_clients(int listener)
{
	const int on = 1;

	for (;;) {
		struct connection *connection;
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		connection = malloc(sizeof(*connection));
		if (!connection)
			exit(1);
		memset(connection, 0, offsetof(struct connection, head));
		connection->fd = fd;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		watch(connection, EPOLL_CTL_ADD, false);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event event = {.events = EPOLLIN};
	struct rlimit limit;
	const int on = 1;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	addr.sin_port = htons((uint16_t)(argc > 1 ? strtoul(argv[1], NULL, 10) : 0));
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	memset(bytes, 'x', sizeof(bytes));
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (listener < 0 || epoll_fd < 0 ||
	    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(listener, (struct sockaddr *)&addr, sizeof(addr)) || listen(listener, 4096) ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event)) {
		perror("http_backend");
		return 1;
	}
	for (;;) {
		struct epoll_event events[256];
		int n = epoll_wait(epoll_fd, events, 256, -1);

		for (int i = 0; i < n; i++) {
			struct connection *connection = events[i].data.ptr;

			if (!connection)
				take_clients(listener);
			else if (connection->answer)
				send_body(connection);
			else if (connection->tunnel && connection->length)
				send_echo(connection);
			else if (connection->tunnel)
				receive_from_tunnel(connection);
			else
				receive(connection);
		}
	}
}
