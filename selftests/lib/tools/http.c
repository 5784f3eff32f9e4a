/* SPDX-License-Identifier: GPL-2.0-only */
#include "http.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int http_parse(const char *text, size_t size, struct http_response *response)
{
	const char *end = memmem(text, size, "\r\n\r\n", 4);
	const char *line = text;
	bool length_known = false;

	if (!end)
		return 0;
	if (size < 13 || strncmp(text, "HTTP/1.", 7) != 0)
		return -1;
	*response = (struct http_response){.status = atoi(text + 9), .close = text[7] == '0'};
	while ((line = memmem(line, (size_t)(end + 2 - line), "\r\n", 2)) && line < end) {
		line += 2;
		if (strncasecmp(line, "Content-Length:", 15) == 0) {
			response->length = strtoull(line + 15, NULL, 10);
			length_known = true;
		} else if (strncasecmp(line, "Connection: close", 17) == 0) {
			response->close = true;
		}
	}
	return length_known ? (int)(end + 4 - text) : -1;
}

static int bind_shared(int fd, uint16_t *port)
{
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(*port)};
	socklen_t length = sizeof(own);
	int one = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (const struct sockaddr *)&own, sizeof(own)) ||
	    getsockname(fd, (struct sockaddr *)&own, &length))
		return -1;
	*port = ntohs(own.sin_port);
	return 0;
}

int connect_to(const struct endpoint *server, int type)
{
	return connect_from(server, type, NULL);
}

int connect_from(const struct endpoint *server, int type, uint16_t *port)
{
	struct timeval limit = {.tv_sec = HTTP_TIMEOUT_S};
	int one = 1;
	int fd = socket(server->address.ss_family, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)); /* bounds connect() too */
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if ((port && bind_shared(fd, port)) ||
	    connect(fd, (const struct sockaddr *)&server->address, server->length)) {
		int saved = errno == EINPROGRESS ? ETIMEDOUT : errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

void http_close(struct http *http)
{
	if (http->fd >= 0)
		close(http->fd);
	http->fd = -1;
}

__attribute__((format(printf, 2, 3))) static bool fail(struct http *http, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(http->reason, sizeof(http->reason), format, arguments);
	va_end(arguments);
	http_close(http);
	return false;
}

static const char *error_text(void)
{
	return errno == EAGAIN ? "timed out" : strerror(errno);
}

bool http_open(struct http *http, const struct endpoint *server)
{
	http->begin = http->end = 0;
	http->fd = connect_to(server, SOCK_STREAM);
	return http->fd >= 0 || fail(http, "connect: %s", strerror(errno));
}

bool http_send(struct http *http, const void *bytes, size_t size)
{
	const char *from = bytes;

	while (size > 0) {
		ssize_t n = send(http->fd, from, size, MSG_NOSIGNAL);

		if (n < 0)
			return fail(http, "send: %s", error_text());
		from += n;
		size -= (size_t)n;
	}
	return true;
}

bool http_get(struct http *http, const char *path, bool keep_alive)
{
	char head[512];
	int n = snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\nHost: selftest\r\n%s\r\n", path,
			 keep_alive ? "" : "Connection: close\r\n");

	if (n >= (int)sizeof(head))
		return fail(http, "path too long");
	return http_send(http, head, (size_t)n);
}

static bool fill(struct http *http)
{
	ssize_t n;

	if (http->begin == http->end)
		http->begin = http->end = 0;
	if (http->end == sizeof(http->buffer))
		return fail(http, "response head too long");
	n = recv(http->fd, http->buffer + http->end, sizeof(http->buffer) - http->end, 0);
	if (n < 0)
		return fail(http, "receive: %s", error_text());
	if (n == 0)
		return fail(http, "closed before the answer was complete");
	http->end += (size_t)n;
	return true;
}

bool http_response(struct http *http, struct http_response *response)
{
	int used;

	while ((used = http_parse(http->buffer + http->begin, http->end - http->begin, response)) ==
	       0)
		if (!fill(http))
			return false;
	if (used < 0)
		return fail(http, "the answer is not HTTP with a Content-Length");
	http->begin += (size_t)used;
	return true;
}

bool http_read(struct http *http, void *bytes, size_t size, size_t *n)
{
	if (http->begin == http->end && !fill(http))
		return false;
	*n = http->end - http->begin < size ? http->end - http->begin : size;
	memcpy(bytes, http->buffer + http->begin, *n);
	http->begin += *n;
	return true;
}

bool http_line(struct http *http, char *line, size_t size, bool *closes)
{
	struct http_response response = {0};
	size_t have = 0, n;

	if (!http_response(http, &response))
		return false;
	if (response.status != 200)
		return fail(http, "status %d", response.status);
	if (response.length == 0 || response.length >= size)
		return fail(http, "a body of %llu bytes is not one line",
			    (unsigned long long)response.length);
	while (have < response.length) {
		if (!http_read(http, line + have, response.length - have, &n))
			return false;
		have += n;
	}
	if (line[have - 1] != '\n')
		return fail(http, "the body does not end its line");
	line[have - 1] = '\0';
	*closes = response.close;
	return true;
}
