/* SPDX-License-Identifier: GPL-2.0-only */
/* The test backend: what a task of a test service runs. One thread, one epoll instance. */
#ifndef SELFTESTS_BACKEND_H
#define SELFTESTS_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct connection;

/* First member of all that the epoll instance watches. */
struct watched {
	void (*ready)(struct watched *watched, uint32_t events);
	int fd;
};

struct backend {
	int epoll;
	const char *name;
	struct connection *connections; /* a list */
	size_t n_connections;
	size_t n_timed; /* of these, those that wait for a time */
	bool draining;
	uint64_t last_active_ms;
};

uint64_t now_ms(void);

/* Listens for HTTP on a port, IPv4 or IPv6. Memory that is never freed: it lasts as long as the
 * process. */
struct watched *http_listen(struct backend *backend, int family, uint16_t port);
/* Acts on connections whose time came; returns milliseconds to the next such time, -1 if there is
 * none. */
int http_timers(struct backend *backend);

/* Answers datagrams on a port. */
struct watched *udp_listen(struct backend *backend, int family, uint16_t port);

/* A bound non-blocking socket; -1 with errno set. */
int bound_socket(int family, int type, uint16_t port);
bool watch(struct backend *backend, struct watched *watched, uint32_t events);

#endif
