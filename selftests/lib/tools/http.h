/* SPDX-License-Identifier: GPL-2.0-only */
/* The test client's HTTP: one exchange after another on a blocking socket, every step bounded in
 * time. */
#ifndef SELFTESTS_HTTP_H
#define SELFTESTS_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "endpoint.h"

#define HTTP_TIMEOUT_S 5

struct http_response {
	int status;
	uint64_t length; /* of the body */
	bool close;	 /* the server closes after it */
};

/* Returns the head's size, 0 if it is not whole yet, -1 if it is none (or has no Content-Length).
 */
int http_parse(const char *text, size_t size, struct http_response *response);

struct http {
	int fd;		  /* -1: not connected */
	char reason[160]; /* of the last failure */
	size_t begin, end;
	char buffer[65536];
};

/* All return false on failure, with the reason, and the connection closed. */
bool http_open(struct http *http, const struct endpoint *server);
bool http_send(struct http *http, const void *bytes, size_t size);
bool http_get(struct http *http, const char *path, bool keep_alive);
bool http_response(struct http *http, struct http_response *response);
/* Some bytes of the body, at most size; *n is at least 1. */
bool http_read(struct http *http, void *bytes, size_t size, size_t *n);
/* The response and a body of one line, without its newline. Anything but a 200 is a failure. */
bool http_line(struct http *http, char *line, size_t size, bool *closes);
void http_close(struct http *http);

/* A connected socket with time-outs set; -1 with errno set. type: SOCK_STREAM or SOCK_DGRAM. */
int connect_to(const struct endpoint *server, int type);
/* The same from a port of one's own that others may share; *port 0: any, which it then is. Host
 * order, IPv4. */
int connect_from(const struct endpoint *server, int type, uint16_t *port);
uint64_t now_us(void);

#endif
