/* SPDX-License-Identifier: GPL-2.0-only */
#include "endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool port_parse(const char *text, in_port_t *port)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (end == text || (*end && *end != '/') || value == 0 || value > 65535)
		return false;
	*port = htons((in_port_t)value);
	return true;
}

bool endpoint_parse(const char *text, struct endpoint *endpoint)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&endpoint->address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&endpoint->address;
	char host[INET6_ADDRSTRLEN];
	const char *host_end;
	size_t length;
	bool bracket;

	memset(endpoint, 0, sizeof(*endpoint));
	if (strncmp(text, "http://", 7) == 0)
		text += 7;
	bracket = *text == '[';
	if (bracket)
		text++;
	host_end = strchr(text, bracket ? ']' : ':');
	if (!host_end)
		return false;
	length = (size_t)(host_end - text);
	if (length >= sizeof(host))
		return false;
	memcpy(host, text, length);
	host[length] = '\0';
	if (bracket)
		host_end++;
	if (*host_end != ':')
		return false;
	if (bracket) {
		v6->sin6_family = AF_INET6;
		endpoint->length = sizeof(*v6);
		return inet_pton(AF_INET6, host, &v6->sin6_addr) == 1 &&
		       port_parse(host_end + 1, &v6->sin6_port);
	}
	v4->sin_family = AF_INET;
	endpoint->length = sizeof(*v4);
	return inet_pton(AF_INET, host, &v4->sin_addr) == 1 &&
	       port_parse(host_end + 1, &v4->sin_port);
}

void endpoint_format(const struct endpoint *endpoint, char text[ENDPOINT_TEXT])
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&endpoint->address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&endpoint->address;
	char host[INET6_ADDRSTRLEN] = "?";

	if (endpoint->address.ss_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
		snprintf(text, ENDPOINT_TEXT, "%s:%u", host, ntohs(v4->sin_port));
	} else if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, host, sizeof(host));
		snprintf(text, ENDPOINT_TEXT, "%s:%u", host, ntohs(v6->sin6_port));
	} else {
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
		snprintf(text, ENDPOINT_TEXT, "[%s]:%u", host, ntohs(v6->sin6_port));
	}
}
