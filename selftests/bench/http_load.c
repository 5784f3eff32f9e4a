/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * http_load PORT PATH [close | post BYTES | idle | upgrade SENT RECEIVED | tls | tls-full |
 * tls-resumed]: the client of bench-http, on 127.0.0.1.
 *
 * $CONNECTIONS connections (64), each with one request at a time, as fast as answers come, for
 * $SECONDS_EACH (2) after a tenth of that to warm up. Cheap, so that what is in front of it is
 * measured: bodies are cut off in the kernel (MSG_TRUNC), but where they are encrypted. Prints "ALL
 * REQUESTS SECONDS P50_US P99_US CPU_US": ALL with those of the warming up and after the end,
 * CPU_US what it has used itself. Any answer but a whole 200 ends it with status 1.
 *
 * close: a connection for each request. post: with a body. idle: one request on each connection,
 * prints "idle" when all have been answered, and keeps them until its input ends. upgrade: each
 * connection becomes a tunnel; a "request" is a message of SENT bytes then, its answer RECEIVED
 * bytes. tls: encrypted. tls-full: and a connection for each request, with a whole handshake, which
 * is part of its time. tls-resumed: the same, each but the first resumes the session before.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "http_tls.h"

#define HEAD_MAX    2048
#define SAMPLES_MAX 4000000
#define TRUNCATE    (1024 * 1024) /* bytes of a body at once */

struct connection {
	int fd;
	bool waits_out; /* epoll is asked for EPOLLOUT */
	size_t sent;	/* of the request */
	size_t length;	/* of the head, so far */
	uint64_t left;	/* of the body; the head is whole */
	bool in_body, closes;
	bool tunnel; /* the upgrade is done */
	uint64_t began_ns;
	struct ssl_st *tls;
	struct ssl_session_st *session;
	char head[HEAD_MAX];
};

static int epoll_fd;
static struct sockaddr_in server;
static char *request, *message; /* a message goes through a tunnel, as requests do elsewhere */
static size_t request_size, message_size, message_answer;
static bool close_each, idle, encrypted;
static uint32_t *samples;
static size_t n_samples, n_answers, n_open;
static uint64_t count_from_ns, count_to_ns;

static void die(const char *what)
{
	fprintf(stderr, "http_load: %s: %s\n", what, errno ? strerror(errno) : "unexpected");
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void watch(struct connection *connection, int operation, bool out)
{
	struct epoll_event event = {.events = EPOLLIN | (out ? EPOLLOUT : 0U),
				    .data.ptr = connection};

	if (epoll_ctl(epoll_fd, operation, connection->fd, &event))
		die("epoll_ctl");
	connection->waits_out = out;
}

static void open_connection(struct connection *connection)
{
	const int on = 1;

	connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connection->fd < 0 ||
	    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) ||
	    connect(connection->fd, (struct sockaddr *)&server, sizeof(server)) ||
	    fcntl(connection->fd, F_SETFL, O_NONBLOCK))
		die("connect");
	if (encrypted)
		connection->tls = tls_open(connection->fd, connection->session);
	watch(connection, EPOLL_CTL_ADD, false);
}

static void close_connection(struct connection *connection)
{
	if (connection->tls)
		tls_close(connection->tls, &connection->session);
	close(connection->fd);
	connection->tls = NULL;
	connection->fd = -1;
}

static size_t size_to_send(const struct connection *connection)
{
	return connection->tunnel ? message_size : request_size;
}

static void send_request(struct connection *connection)
{
	const char *data = (connection->tunnel ? message : request) + connection->sent;
	size_t size = size_to_send(connection) - connection->sent;
	ssize_t n = connection->tls ? tls_send(connection->tls, data, size)
				    : send(connection->fd, data, size, MSG_NOSIGNAL);
	bool full;

	if (n < 0 && errno != EAGAIN)
		die("send");
	connection->sent += n > 0 ? (size_t)n : 0;
	full = connection->tls ? n < 0 && tls_wants_out(connection->tls)
			       : connection->sent < size_to_send(connection);
	if (full != connection->waits_out)
		watch(connection, EPOLL_CTL_MOD, full);
}

static void begin(struct connection *connection)
{
	n_open++;
	connection->began_ns = now_ns();
	connection->sent = connection->length = 0;
	connection->in_body = connection->tunnel;
	connection->left = connection->tunnel ? message_answer : 0;
	if (connection->fd < 0)
		open_connection(connection);
	send_request(connection);
}

static void answered(struct connection *connection)
{
	uint64_t now = now_ns();

	n_open--;
	if (message && !connection->tunnel) {
		connection->tunnel = true;
		begin(connection);
		return;
	}
	n_answers++;
	if (!idle && now >= count_from_ns && now < count_to_ns && n_samples < SAMPLES_MAX)
		samples[n_samples++] = (uint32_t)((now - connection->began_ns) / 1000);
	if (connection->closes && !close_each)
		die("the server closes");
	if (close_each)
		close_connection(connection);
	if (!idle && now < count_to_ns)
		begin(connection);
}

static void read_head(struct connection *connection)
{
	const char *wanted = message ? "HTTP/1.1 101" : "HTTP/1.1 200", *end, *field;

	connection->head[connection->length] = '\0';
	end = strstr(connection->head, "\r\n\r\n");
	if (!end) {
		if (connection->length == HEAD_MAX - 1)
			die("a long head");
		return;
	}
	field = strcasestr(connection->head, "\r\nContent-Length:");
	if (strncmp(connection->head, wanted, strlen(wanted)) != 0 ||
	    (!message && (!field || field > end))) {
		fprintf(stderr, "%s\n", connection->head);
		errno = 0;
		die("not an answer with status 200 and a length, or 101 to an upgrade");
	}
	if (!message) {
		connection->left = strtoull(field + strlen("\r\nContent-Length:"), NULL, 10);
		connection->closes = strcasestr(connection->head, "\r\nConnection: close") != NULL;
	}
	connection->left -= connection->length - (size_t)(end + 4 - connection->head);
	connection->in_body = true;
}

static ssize_t receive_head(struct connection *connection)
{
	char *to = connection->head + connection->length;
	size_t room = HEAD_MAX - 1 - connection->length;

	return connection->tls ? tls_recv(connection->tls, to, room)
			       : recv(connection->fd, to, room, 0);
}

static ssize_t receive_body(struct connection *connection)
{
	static char scrap[TRUNCATE];
	size_t size = connection->left < TRUNCATE ? connection->left : TRUNCATE;

	return connection->tls ? tls_recv(connection->tls, scrap, size)
			       : recv(connection->fd, NULL, size, MSG_TRUNC);
}

static void receive(struct connection *connection)
{
	ssize_t n;

	do {
		n = connection->in_body ? receive_body(connection) : receive_head(connection);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			die("recv");
		if (connection->in_body) {
			connection->left -= (uint64_t)n;
		} else {
			connection->length += (size_t)n;
			read_head(connection);
		}
	} while (!connection->in_body || connection->left);
	answered(connection);
}

static int ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static size_t number(const char *name, size_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 10) : otherwise;
}

static double seconds_of(const char *text)
{
	return text ? strtod(text, NULL) : 2;
}

static void make_request(const char *path, size_t body)
{
	size_t room = strlen(path) + body + 256;
	int n;

	request = calloc(1, room);
	if (!request)
		die("memory");
	n = snprintf(request, room, "%s %s HTTP/1.1\r\nHost: bench.example\r\nAccept: */*\r\n",
		     body ? "POST" : "GET", path);
	if (body)
		n += snprintf(request + n, room - (size_t)n, "Content-Length: %zu\r\n", body);
	n += snprintf(request + n, room - (size_t)n, "%s%s\r\n",
		      close_each ? "Connection: close\r\n" : "",
		      message ? "Connection: Upgrade\r\nUpgrade: bench\r\n" : "");
	memset(request + n, 'x', body);
	request_size = (size_t)n + body;
}

/* Of a tunnel. */
static void make_message(size_t sent, size_t received)
{
	message_size = sent;
	message_answer = received;
	message = malloc(sent);
	if (!message)
		die("memory");
	memset(message, 'x', sent);
}

static long cpu_us(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage))
		die("getrusage");
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000L + usage.ru_utime.tv_usec +
	       usage.ru_stime.tv_usec;
}

static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	size_t n_connections = number("CONNECTIONS", 64);
	double seconds = seconds_of(getenv("SECONDS_EACH"));
	struct connection *connections = calloc(n_connections, sizeof(*connections));
	const char *mode = argc > 3 ? argv[3] : "";
	char byte;

	if (argc < 3 || !connections) {
		fprintf(stderr, "http_load PORT PATH [close | post BYTES | idle | "
				"upgrade SENT RECEIVED | tls | tls-full | tls-resumed]\n");
		return 2;
	}
	encrypted = strncmp(mode, "tls", 3) == 0;
	close_each = strcmp(mode, "close") == 0 || strncmp(mode, "tls-", 4) == 0;
	idle = strcmp(mode, "idle") == 0;
	if (encrypted)
		tls_begin(strcmp(mode, "tls-resumed") == 0);
	if (argc > 5)
		make_message(strtoul(argv[4], NULL, 10), strtoul(argv[5], NULL, 10));
	make_request(argv[2], argc == 5 ? strtoul(argv[4], NULL, 10) : 0);
	server = (struct sockaddr_in){.sin_family = AF_INET,
				      .sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10)),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	samples = malloc(SAMPLES_MAX * sizeof(*samples));
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!samples || epoll_fd < 0)
		die("start");
	raise_file_limit();
	count_from_ns = now_ns() + (uint64_t)(seconds * 1e8);
	count_to_ns = count_from_ns + (uint64_t)(seconds * 1e9);
	for (size_t i = 0; i < n_connections; i++) {
		connections[i].fd = -1;
		begin(&connections[i]);
	}
	while (n_open) {
		struct epoll_event events[256];
		int n = epoll_wait(epoll_fd, events, 256, 10000);

		if (n == 0) {
			errno = ETIMEDOUT;
			die("no answer");
		}
		for (int i = 0; i < n; i++) {
			struct connection *connection = events[i].data.ptr;

			if (connection->sent < size_to_send(connection))
				send_request(connection);
			if (connection->tls && connection->sent < size_to_send(connection))
				continue;
			if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
				receive(connection);
		}
	}
	if (idle) {
		puts("idle");
		fflush(stdout);
		while (read(STDIN_FILENO, &byte, 1) > 0)
			;
		return 0;
	}
	if (!n_samples)
		die("no answer in time");
	qsort(samples, n_samples, sizeof(*samples), ascending);
	printf("%zu %zu %.3f %u %u %ld\n", n_answers, n_samples, seconds, samples[n_samples / 2],
	       samples[(n_samples - 1) * 99 / 100], cpu_us());
	return 0;
}
