/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A stand-in for dockerd in the test's own loop: answers GETs on a unix socket from a table, keeps
 * /events open. The answers that tests put in are what a real Engine 20.10 said (swarm directory),
 * or are changed from that.
 */
#ifndef SELFTESTS_UNIT_FAKE_ENGINE_H
#define SELFTESTS_UNIT_FAKE_ENGINE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/loop.h"

#define FAKE_PAGES 32

struct fake_page {
	char *path; /* without the query */
	int status;
	char *body;
	unsigned int asked;
};

struct fake_connection {
	struct fake_engine *engine;
	struct loop_watch watch;
	struct fake_connection *next;
	char head[4096];
	size_t size;
	bool is_stream;
};

struct fake_engine {
	struct loop *loop;
	struct loop_watch listener;
	struct fake_page pages[FAKE_PAGES];
	struct fake_connection *connections;
	char path[100];
};

static inline struct fake_page *fake_page(struct fake_engine *engine, const char *path)
{
	for (int i = 0; i < FAKE_PAGES; i++) {
		struct fake_page *page = &engine->pages[i];
		if (!page->path)
			page->path = strdup(path);
		if (strcmp(page->path, path) == 0)
			return page;
	}
	abort();
}

static inline void fake_set(struct fake_engine *engine, const char *path, int status,
			    const char *body)
{
	struct fake_page *page = fake_page(engine, path);

	free(page->body);
	page->body = strdup(body);
	page->status = status;
}

static inline void fake_write(int fd, const char *data, size_t size)
{
	/* Blocking: what a test says fits into the socket's buffer, or the reader is this very
	 * loop's and then it must. */
	while (size > 0) {
		ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
		if (n <= 0)
			return;
		data += n;
		size -= (size_t)n;
	}
}

static inline void fake_drop(struct fake_connection *connection)
{
	struct fake_connection **place = &connection->engine->connections;

	while (*place != connection)
		place = &(*place)->next;
	*place = connection->next;
	loop_remove(connection->engine->loop, &connection->watch);
	close(connection->watch.fd);
	free(connection);
}

static inline void fake_answer(struct fake_connection *connection)
{
	struct fake_page *page;
	char path[512], head[256];

	if (sscanf(connection->head, "GET %511[^? ]", path) != 1)
		abort();
	page = fake_page(connection->engine, path);
	page->asked++;
	connection->size = 0;
	if (strcmp(path, "/events") == 0 && page->status == 200) {
		static const char start[] =
			"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
		connection->is_stream = true;
		fake_write(connection->watch.fd, start, strlen(start));
		return;
	}
	const char *body = page->body ? page->body : "{\"message\":\"page not found\"}";
	snprintf(head, sizeof(head),
		 "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
		 page->status ? page->status : 404, strlen(body));
	fake_write(connection->watch.fd, head, strlen(head));
	fake_write(connection->watch.fd, body, strlen(body));
}

static inline void fake_readable(struct loop_watch *watch, uint32_t events)
{
	struct fake_connection *connection = container_of(watch, struct fake_connection, watch);
	ssize_t n = recv(watch->fd, connection->head + connection->size,
			 sizeof(connection->head) - 1 - connection->size, MSG_DONTWAIT);

	(void)events;
	if (n <= 0) {
		fake_drop(connection);
		return;
	}
	connection->size += (size_t)n;
	connection->head[connection->size] = '\0';
	if (strstr(connection->head, "\r\n\r\n"))
		fake_answer(connection);
}

static inline void fake_accept(struct loop_watch *watch, uint32_t events)
{
	struct fake_engine *engine = container_of(watch, struct fake_engine, listener);
	struct fake_connection *connection = calloc(1, sizeof(*connection));
	const int buffer = 4 << 20;

	(void)events;
	connection->engine = engine;
	connection->watch.fd = accept(watch->fd, NULL, NULL);
	connection->watch.ready = fake_readable;
	setsockopt(connection->watch.fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
	connection->next = engine->connections;
	engine->connections = connection;
	loop_add(engine->loop, &connection->watch, EPOLLIN);
}

static inline void fake_up(struct fake_engine *engine)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strcpy(address.sun_path, engine->path);
	engine->listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	engine->listener.ready = fake_accept;
	if (bind(engine->listener.fd, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(engine->listener.fd, 100) || loop_add(engine->loop, &engine->listener, EPOLLIN))
		abort();
}

/* As when dockerd dies. */
static inline void fake_down(struct fake_engine *engine)
{
	while (engine->connections)
		fake_drop(engine->connections);
	if (engine->listener.fd >= 0) {
		loop_remove(engine->loop, &engine->listener);
		close(engine->listener.fd);
		engine->listener.fd = -1;
		unlink(engine->path);
	}
}

static inline void fake_start(struct fake_engine *engine, struct loop *loop, const char *directory)
{
	memset(engine, 0, sizeof(*engine));
	engine->loop = loop;
	snprintf(engine->path, sizeof(engine->path), "%s/docker.sock", directory);
	fake_set(engine, "/events", 200, "");
	fake_up(engine);
}

static inline void fake_stop(struct fake_engine *engine)
{
	fake_down(engine);
	for (int i = 0; i < FAKE_PAGES; i++) {
		free(engine->pages[i].path);
		free(engine->pages[i].body);
	}
}

static inline size_t fake_event(struct fake_engine *engine, const char *event)
{
	size_t n = 0;

	for (struct fake_connection *c = engine->connections; c; c = c->next) {
		if (!c->is_stream)
			continue;
		fake_write(c->watch.fd, event, strlen(event));
		fake_write(c->watch.fd, "\n", 1);
		n++;
	}
	return n;
}

#endif
