/* SPDX-License-Identifier: GPL-2.0-only */
/* An address and port as text and as a socket address; IPv4 and IPv6. */
#ifndef SELFTESTS_ENDPOINT_H
#define SELFTESTS_ENDPOINT_H

#include <stdbool.h>
#include <sys/socket.h>

#define ENDPOINT_TEXT 64 /* room for "[ADDRESS]:PORT" and the final NUL */

struct endpoint {
	struct sockaddr_storage address;
	socklen_t length;
};

/* "192.0.2.1:80" or "[2001:db8::1]:80", with or without "http://" before and a path behind. */
bool endpoint_parse(const char *text, struct endpoint *endpoint);

/* The reverse; a v4-mapped address is shown as the IPv4 address it is. */
void endpoint_format(const struct endpoint *endpoint, char text[ENDPOINT_TEXT]);

#endif
