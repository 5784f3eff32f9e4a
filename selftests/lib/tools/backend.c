/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * backend [--name NAME] [--port PORT] [--udp-port PORT]
 *
 * HTTP: GET /           "NAME CLIENT:PORT"
 *       GET /bytes/N    N bytes of the pattern (pattern.h)
 *       GET /zeros/N    N zero bytes, which cost nothing to make
 *       GET /slow/MS    as /, after MS milliseconds
 *       POST /upload    "BYTES HASH": how much arrived, and its FNV-1a 64
 * UDP:  "NAME CLIENT:PORT PAYLOAD", from the address that was asked.
 *
 * NAME is the hostname unless given. On SIGTERM it finishes: it accepts for ACCEPT_MS more, answers
 * one more request on each connection with "Connection: close", and exits 0 once nothing is open,
 * or nothing moved for IDLE_MS.
 */
#include "backend.h"

#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ACCEPT_MS 1500
#define IDLE_MS	  8000 /* under the ten seconds that Docker gives a task */

struct terminator {
	struct watched watched;
	struct backend *backend;
	uint64_t drain_start_ms;
};

uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool watch(struct backend *backend, struct watched *watched, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watched};

	return epoll_ctl(backend->epoll, EPOLL_CTL_ADD, watched->fd, &event) == 0;
}

int bound_socket(int family, int type, uint16_t port)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	int one = 1;
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int failed;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (family == AF_INET6) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
		failed = bind(fd, (struct sockaddr *)&v6, sizeof(v6));
	} else {
		failed = bind(fd, (struct sockaddr *)&v4, sizeof(v4));
	}
	if (failed) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static void terminate(struct watched *watched, uint32_t events)
{
	struct terminator *terminator = (struct terminator *)watched;
	struct signalfd_siginfo info;

	(void)events;
	if (read(watched->fd, &info, sizeof(info)) != sizeof(info) || terminator->backend->draining)
		return;
	terminator->backend->draining = true;
	terminator->drain_start_ms = terminator->backend->last_active_ms = now_ms();
}

static bool terminator_open(struct terminator *terminator, struct backend *backend)
{
	sigset_t signals;

	/* Blocked, so that it is not ignored even where this is process 1 of a container. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	if (sigprocmask(SIG_BLOCK, &signals, NULL))
		return false;
	*terminator = (struct terminator){
		.watched = {.ready = terminate,
			    .fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC)},
		.backend = backend,
	};
	return terminator->watched.fd >= 0 && watch(backend, &terminator->watched, EPOLLIN);
}

static int sooner(int a, int b)
{
	if (a < 0)
		return b;
	return b < 0 || a < b ? a : b;
}

/* Returns false when it is time to exit; *timeout: when to look again. */
static bool drain(const struct terminator *terminator, struct watched *listeners[2], int *timeout)
{
	const struct backend *backend = terminator->backend;
	uint64_t now = now_ms();
	bool accepting = now < terminator->drain_start_ms + ACCEPT_MS;

	if (!backend->draining)
		return true;
	if (now >= backend->last_active_ms + IDLE_MS || (!accepting && backend->n_connections == 0))
		return false;
	for (int i = 0; i < 2 && !accepting; i++) {
		if (listeners[i] && listeners[i]->fd >= 0)
			close(listeners[i]->fd);
		if (listeners[i])
			listeners[i]->fd = -1;
	}
	if (accepting)
		*timeout = sooner(*timeout, (int)(terminator->drain_start_ms + ACCEPT_MS - now));
	*timeout = sooner(*timeout, (int)(backend->last_active_ms + IDLE_MS - now));
	return true;
}

static void run(struct backend *backend, struct terminator *terminator,
		struct watched *listeners[2])
{
	struct epoll_event events[64];

	for (;;) {
		int timeout = http_timers(backend);
		int n;

		if (!drain(terminator, listeners, &timeout))
			return;
		n = epoll_wait(backend->epoll, events, 64, timeout);
		for (int i = 0; i < n; i++) {
			struct watched *watched = events[i].data.ptr;

			watched->ready(watched, events[i].events);
		}
	}
}

static uint16_t port_argument(const char *text)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	if (*end || end == text || port == 0 || port > 65535) {
		fprintf(stderr, "backend: %s is no port\n", text);
		exit(2);
	}
	return (uint16_t)port;
}

/* IPv6 may be switched off: then IPv4 alone will do. */
static bool listen_on(struct backend *backend, struct watched *listeners[2], uint16_t port,
		      struct watched *(*open)(struct backend *, int, uint16_t))
{
	if (port == 0)
		return true;
	listeners[0] = open(backend, AF_INET, port);
	if (!listeners[0]) {
		fprintf(stderr, "backend: port %u: %s\n", port, strerror(errno));
		return false;
	}
	listeners[1] = open(backend, AF_INET6, port);
	return true;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"name", required_argument, NULL, 'n'},
						{"port", required_argument, NULL, 'p'},
						{"udp-port", required_argument, NULL, 'u'},
						{0}};
	struct watched *udp[2] = {NULL}, *listeners[2] = {NULL};
	uint16_t port = 0, udp_port = 0;
	struct terminator terminator;
	struct backend backend = {0};
	char hostname[256] = "";
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'n')
			backend.name = optarg;
		else if (option == 'p')
			port = port_argument(optarg);
		else if (option == 'u')
			udp_port = port_argument(optarg);
		else
			return 2;
	}
	if (!backend.name) {
		gethostname(hostname, sizeof(hostname) - 1);
		backend.name = hostname;
	}
	backend.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (backend.epoll < 0 || !terminator_open(&terminator, &backend)) {
		perror("backend");
		return 1;
	}
	if (!listen_on(&backend, listeners, port, http_listen) ||
	    !listen_on(&backend, udp, udp_port, udp_listen))
		return 1;
	run(&backend, &terminator, listeners);
	return 0;
}
