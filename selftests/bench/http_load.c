/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * http_load PORT PATH [close | post BYTES | idle]: the client of bench-http, on 127.0.0.1.
 *
 * $CONNECTIONS connections (64), each with one request at a time, as fast as answers come, for
 * $SECONDS_EACH (2) after a tenth of that to warm up. Cheap, so that what is in front of it is
 * measured: bodies are cut off in the kernel (MSG_TRUNC). Prints "ALL REQUESTS SECONDS P50_US
 * P99_US": ALL with those of the warming up and after the end. Any answer but a whole 200 ends it
 * with status 1.
 *
 * close: a connection for each request. post: with a body. idle: one request on each connection,
 * prints "idle" when all have been answered, and keeps them until its input ends.
 */
#include <arpa/inet.h>
#include <errno.h>
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
	uint64_t began_ns;
	char head[HEAD_MAX];
};

static int epoll_fd;
static struct sockaddr_in server;
static char *request;
static size_t request_size;
static bool close_each, idle;
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
	    connect(connection->fd, (struct sockaddr *)&server, sizeof(server)))
		die("connect");
	watch(connection, EPOLL_CTL_ADD, false);
}

static void send_request(struct connection *connection)
{
	ssize_t n = send(connection->fd, request + connection->sent,
			 request_size - connection->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN)
		die("send");
	connection->sent += n > 0 ? (size_t)n : 0;
	if ((connection->sent < request_size) != connection->waits_out)
		watch(connection, EPOLL_CTL_MOD, !connection->waits_out);
}

static void begin(struct connection *connection)
{
	n_open++;
	connection->began_ns = now_ns();
	connection->sent = connection->length = 0;
	connection->in_body = false;
	if (connection->fd < 0)
		open_connection(connection);
	send_request(connection);
}

static void answered(struct connection *connection)
{
	uint64_t now = now_ns();

	n_answers++;
	n_open--;
	if (!idle && now >= count_from_ns && now < count_to_ns && n_samples < SAMPLES_MAX)
		samples[n_samples++] = (uint32_t)((now - connection->began_ns) / 1000);
	if (close_each || connection->closes) {
		if (!close_each)
			die("the server closes");
		close(connection->fd);
		connection->fd = -1;
	}
	if (!idle && now < count_to_ns)
		begin(connection);
}

static void read_head(struct connection *connection)
{
	const char *end, *field;

	connection->head[connection->length] = '\0';
	end = strstr(connection->head, "\r\n\r\n");
	if (!end) {
		if (connection->length == HEAD_MAX - 1)
			die("a long head");
		return;
	}
	field = strcasestr(connection->head, "\r\nContent-Length:");
	if (strncmp(connection->head, "HTTP/1.1 200", 12) != 0 || !field || field > end) {
		fprintf(stderr, "%s\n", connection->head);
		errno = 0;
		die("not an answer with status 200 and a length");
	}
	field = field + strlen("\r\nContent-Length:");
	connection->left = strtoull(field, NULL, 10);
	connection->left -= connection->length - (size_t)(end + 4 - connection->head);
	connection->closes = strcasestr(connection->head, "\r\nConnection: close") != NULL;
	connection->in_body = true;
}

static void receive(struct connection *connection)
{
	ssize_t n;

	do {
		if (connection->in_body)
			n = recv(connection->fd, NULL,
				 connection->left < TRUNCATE ? connection->left : TRUNCATE,
				 MSG_DONTWAIT | MSG_TRUNC);
		else
			n = recv(connection->fd, connection->head + connection->length,
				 HEAD_MAX - 1 - connection->length, MSG_DONTWAIT);
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
	n += snprintf(request + n, room - (size_t)n, "%s\r\n",
		      close_each ? "Connection: close\r\n" : "");
	memset(request + n, 'x', body);
	request_size = (size_t)n + body;
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
		fprintf(stderr, "http_load PORT PATH [close | post BYTES | idle]\n");
		return 2;
	}
	close_each = strcmp(mode, "close") == 0;
	idle = strcmp(mode, "idle") == 0;
	make_request(argv[2], argc > 4 ? strtoul(argv[4], NULL, 10) : 0);
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

			if (connection->sent < request_size)
				send_request(connection);
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
	printf("%zu %zu %.3f %u %u\n", n_answers, n_samples, seconds, samples[n_samples / 2],
	       samples[(n_samples - 1) * 99 / 100]);
	return 0;
}
