/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * load: requests at a fixed rate, whatever the answers do (open loop): a stall shows as latency,
 * counted from when a request was due. With rate 0: on every connection the next as soon as the
 * last is answered (closed loop).
 *
 * A kept connection that the server closed before our request was written is opened anew, as every
 * HTTP client does; one that it closed after is a failure.
 */
#include "client.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "endpoint.h"
#include "http.h"
#include "tally.h"

#define MAX_CONNECTIONS 4096
#define MAX_SAMPLES	10000000
#define SHOWN_FAILURES	10

enum state {
	CLOSED,
	IDLE,
	CONNECTING,
	READING
};

struct connection {
	int fd;
	enum state state;
	const char *server_text;
	struct endpoint server;
	uint64_t due_us; /* of the request that it carries */
	size_t length;
	char in[2048];
};

struct load {
	unsigned long rate, seconds, n_connections, timeout_s;
	bool keep_alive, until_eof, stopping, in_turn;
	char request[512];
	size_t request_length;
	char **servers;
	size_t n_servers;
	int epoll;
	struct connection *connections;
	size_t busy;
	uint64_t start_us, issued, failures, opened;
	uint32_t *samples;
	size_t n_samples, room;
	struct tally tasks, clients;
};

static volatile sig_atomic_t terminated;

static void terminate(int signal)
{
	(void)signal;
	terminated = 1;
}

static bool arm(struct load *load, struct connection *connection, int operation, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = connection};

	return epoll_ctl(load->epoll, operation, connection->fd, &event) == 0;
}

static void close_connection(struct connection *connection)
{
	if (connection->fd >= 0)
		close(connection->fd);
	connection->fd = -1;
	connection->state = CLOSED;
}

static void sample(struct load *load, const struct connection *connection)
{
	if (load->n_samples == load->room) {
		load->room = load->room ? load->room * 2 : 4096;
		load->samples = realloc(load->samples, load->room * sizeof(*load->samples));
		if (!load->samples)
			abort();
	}
	load->samples[load->n_samples++] = (uint32_t)(now_us() - connection->due_us);
}

static void failed(struct load *load, struct connection *connection, const char *reason)
{
	if (load->failures++ < SHOWN_FAILURES)
		fprintf(stderr, "failure: at %.3f s, %s: %s\n",
			(double)(connection->due_us - load->start_us) / 1e6,
			connection->server_text, reason);
	sample(load, connection);
	load->busy--;
	close_connection(connection);
}

static void answered(struct load *load, struct connection *connection, const char *line,
		     bool closes)
{
	if (!tally_answer(&load->tasks, &load->clients, line)) {
		failed(load, connection, "not a backend's answer");
		return;
	}
	sample(load, connection);
	load->busy--;
	connection->state = IDLE;
	if (closes || !load->keep_alive)
		close_connection(connection);
}

static void open_connection(struct load *load, struct connection *connection)
{
	int one = 1;

	load->opened++;
	connection->length = 0;
	connection->fd = socket(connection->server.address.ss_family,
				SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (connection->fd < 0) {
		failed(load, connection, strerror(errno));
		return;
	}
	setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	connection->state = CONNECTING;
	if ((connect(connection->fd, (struct sockaddr *)&connection->server.address,
		     connection->server.length) &&
	     errno != EINPROGRESS) ||
	    !arm(load, connection, EPOLL_CTL_ADD, EPOLLOUT))
		failed(load, connection, strerror(errno));
}

/* A request is less than any socket buffer: it is written whole or not at all. */
static bool write_request(struct load *load, struct connection *connection)
{
	ssize_t n = send(connection->fd, load->request, load->request_length, MSG_NOSIGNAL);

	if (n != (ssize_t)load->request_length)
		return false;
	connection->length = 0;
	connection->state = READING;
	return true;
}

static void issue(struct load *load, struct connection *connection, uint64_t due_us)
{
	char byte;

	load->issued++;
	load->busy++;
	connection->due_us = due_us;
	if (connection->state == IDLE) {
		bool open = recv(connection->fd, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;

		if (open && write_request(load, connection))
			return;
		close_connection(connection);
	}
	open_connection(load, connection);
}

static void receive(struct load *load, struct connection *connection)
{
	struct http_response response;
	ssize_t n = recv(connection->fd, connection->in + connection->length,
			 sizeof(connection->in) - 1 - connection->length, 0);
	int head;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0) {
		failed(load, connection, strerror(errno));
		return;
	}
	if (n == 0) {
		failed(load, connection, "closed before the answer was complete");
		return;
	}
	connection->length += (size_t)n;
	head = http_parse(connection->in, connection->length, &response);
	if (head < 0 || response.length > sizeof(connection->in) - 1 - (size_t)head) {
		failed(load, connection, "the answer is not a short HTTP response");
	} else if (head > 0 && response.status != 200) {
		char reason[32];

		snprintf(reason, sizeof(reason), "status %d", response.status);
		failed(load, connection, reason);
	} else if (head > 0 && connection->length - (size_t)head >= response.length) {
		connection->in[(size_t)head + response.length] = '\0';
		answered(load, connection, connection->in + head, response.close);
	}
}

static void ready(struct load *load, struct connection *connection)
{
	socklen_t size = sizeof(int);
	int error = 0;

	if (connection->state == IDLE) { /* the server closed it, with no request on the way */
		close_connection(connection);
	} else if (connection->state == READING) {
		receive(load, connection);
	} else if (connection->state == CONNECTING) {
		getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size);
		if (error)
			failed(load, connection, strerror(error));
		else if (!write_request(load, connection) ||
			 !arm(load, connection, EPOLL_CTL_MOD, EPOLLIN))
			failed(load, connection, strerror(errno));
	}
}

/* The connection for request number i: a free one of the server whose turn it is; with --in-turn,
 * looked for from another one on each time. */
static struct connection *free_connection(struct load *load, uint64_t i)
{
	size_t server = i % load->n_servers;
	size_t n = (load->n_connections - server + load->n_servers - 1) / load->n_servers;
	size_t first = load->in_turn ? i / load->n_servers : 0;
	struct connection *closed = NULL;

	for (size_t j = 0; j < n; j++) {
		struct connection *connection =
			&load->connections[server + (first + j) % n * load->n_servers];

		if (load->in_turn && j == 0 && connection->state == CLOSED)
			return connection;

		if (connection->state == IDLE)
			return connection;
		if (connection->state == CLOSED && !closed)
			closed = connection;
	}
	return closed;
}

/* Issues what is due. Returns microseconds until something is to be done, -1 when all is done. */
static long step(struct load *load)
{
	uint64_t now = now_us();
	uint64_t total =
		load->seconds && load->rate ? (uint64_t)load->rate * load->seconds : UINT64_MAX;
	uint64_t limit = (uint64_t)load->timeout_s * 1000000;

	load->stopping |= terminated;
	if (!load->rate && load->seconds && now - load->start_us >= load->seconds * 1000000)
		load->stopping = true;
	while (!load->stopping && load->issued < total && load->issued < MAX_SAMPLES) {
		uint64_t due =
			load->rate ? load->start_us + load->issued * 1000000 / load->rate : now;
		struct connection *connection;

		if (due > now)
			return (long)(due - now);
		connection = free_connection(load, load->issued);
		if (!connection)
			break;
		issue(load, connection, due);
	}
	for (size_t k = 0; k < load->n_connections; k++)
		if (load->connections[k].state >= CONNECTING &&
		    now > load->connections[k].due_us + limit)
			failed(load, &load->connections[k],
			       load->connections[k].state == CONNECTING ? "connect timed out"
									: "answer timed out");
	if (load->busy == 0 &&
	    (load->stopping || load->issued == total || load->issued == MAX_SAMPLES))
		return -1;
	return 100000;
}

static void run(struct load *load)
{
	struct epoll_event events[64];
	char drain[256];
	long timeout;

	load->start_us = now_us();
	while ((timeout = step(load)) >= 0) {
		const struct timespec wait = {.tv_sec = timeout / 1000000,
					      .tv_nsec = timeout % 1000000 * 1000};
		int n = epoll_pwait2(load->epoll, events, 64, &wait, NULL);

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr) {
				ready(load, events[i].data.ptr);
			} else if (read(STDIN_FILENO, drain, sizeof(drain)) <= 0) {
				load->stopping = true;
				epoll_ctl(load->epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
			}
		}
	}
}

static int report(struct load *load)
{
	size_t n = load->n_samples;

	if (n == 0) {
		fprintf(stderr, "client load: stopped before the first request\n");
		return 1;
	}
	latency_print(load->samples, n, load->failures);
	printf("opened %" PRIu64 " seconds %.3f\n", load->opened,
	       (double)(now_us() - load->start_us) / 1e6);
	tally_print(&load->tasks, "task");
	tally_print(&load->clients, "client");
	free(load->samples);
	return load->failures ? 1 : 0;
}

static bool parse(int argc, char **argv, struct load *load)
{
	static const struct option options[] = {{"rate", required_argument, NULL, 'r'},
						{"seconds", required_argument, NULL, 's'},
						{"until-stdin-eof", no_argument, NULL, 'e'},
						{"keep-alive", no_argument, NULL, 'k'},
						{"connections", required_argument, NULL, 'c'},
						{"path", required_argument, NULL, 'p'},
						{"timeout", required_argument, NULL, 't'},
						{"in-turn", no_argument, NULL, 'i'},
						{0}};
	const char *path = "/";
	bool rated = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'r') {
			load->rate = strtoul(optarg, NULL, 10);
			rated = true;
		} else if (option == 's')
			load->seconds = strtoul(optarg, NULL, 10);
		else if (option == 'e')
			load->until_eof = true;
		else if (option == 'k')
			load->keep_alive = true;
		else if (option == 'c')
			load->n_connections = strtoul(optarg, NULL, 10);
		else if (option == 'p')
			path = optarg;
		else if (option == 'i')
			load->in_turn = true;
		else if (option == 't')
			load->timeout_s = strtoul(optarg, NULL, 10);
		else
			return false;
	}
	load->servers = argv + optind;
	load->n_servers = (size_t)(argc - optind);
	if (load->n_connections == 0)
		load->n_connections = load->keep_alive ? 4 * load->n_servers : 1024;
	load->request_length = (size_t)snprintf(load->request, sizeof(load->request),
						"GET %s HTTP/1.1\r\nHost: selftest\r\n%s\r\n", path,
						load->keep_alive ? "" : "Connection: close\r\n");
	if (load->timeout_s == 0)
		load->timeout_s = HTTP_TIMEOUT_S;
	return load->n_servers > 0 && rated && load->n_connections >= load->n_servers &&
	       load->n_connections <= MAX_CONNECTIONS &&
	       load->request_length < sizeof(load->request);
}

int load_main(int argc, char **argv)
{
	struct epoll_event stdin_event = {.events = EPOLLIN};
	struct load load = {0};
	int status = 2;

	if (!parse(argc, argv, &load)) {
		fprintf(stderr, "client load: wants --rate and servers\n");
		return 2;
	}
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	load.connections = calloc(load.n_connections, sizeof(*load.connections));
	if (load.epoll < 0 || !load.connections)
		abort();
	for (size_t k = 0; k < load.n_connections; k++) {
		struct connection *connection = &load.connections[k];

		connection->fd = -1;
		connection->server_text = load.servers[k % load.n_servers];
		if (!endpoint_parse(connection->server_text, &connection->server)) {
			fprintf(stderr, "client load: %s is no server\n", connection->server_text);
			goto cleanup;
		}
	}
	if (load.until_eof && epoll_ctl(load.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &stdin_event)) {
		perror("client load: stdin");
		goto cleanup;
	}
	signal(SIGTERM, terminate);
	prctl(PR_SET_TIMERSLACK, 1UL); /* requests are to leave when they are due */
	run(&load);
	status = report(&load);
cleanup:
	for (size_t k = 0; k < load.n_connections; k++)
		close_connection(&load.connections[k]);
	free(load.connections);
	close(load.epoll);
	return status;
}
