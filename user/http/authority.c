/* SPDX-License-Identifier: GPL-2.0-only */
#include "http/authority.h"

#include <arpa/inet.h>

static enum http_refusal parse_port(struct http_text text, uint16_t *port)
{
	uint32_t value = 0;

	if (text.size < 1 || text.size > 5)
		return HTTP_REFUSED_PORT_BAD;
	for (size_t i = 0; i < text.size; i++) {
		if (!http_is(text.at[i], HTTP_DIGIT))
			return HTTP_REFUSED_PORT_BAD;
		value = value * 10 + (uint32_t)(text.at[i] - '0');
	}
	if (value < 1 || value > UINT16_MAX)
		return HTTP_REFUSED_PORT_BAD;
	*port = (uint16_t)value;
	return HTTP_NOT_REFUSED;
}

/* How many bytes of text are a name; 0: it begins with none. */
static size_t name_size(struct http_text text)
{
	size_t i = 0;

	while (i < text.size && http_is(text.at[i], HTTP_HOST)) {
		if (text.at[i] == '.' && (i == 0 || text.at[i - 1] == '.'))
			return 0;
		i++;
	}
	return i <= HTTP_HOST_MAX ? i : 0;
}

/* How many bytes are an IPv6 address with its brackets. */
static size_t bracketed_size(struct http_text text)
{
	char copy[INET6_ADDRSTRLEN];
	struct in6_addr addr;
	size_t i = 1;

	while (i < text.size &&
	       (http_is(text.at[i], HTTP_HEX) || text.at[i] == ':' || text.at[i] == '.'))
		i++;
	if (i == text.size || text.at[i] != ']' || i - 1 >= sizeof(copy))
		return 0;
	memcpy(copy, text.at + 1, i - 1);
	copy[i - 1] = '\0';
	return inet_pton(AF_INET6, copy, &addr) == 1 ? i + 1 : 0;
}

enum http_refusal http_authority_parse(struct http_text text, struct http_authority *authority)
{
	struct http_text host = text;
	size_t used;

	if (text.size > 0 && text.at[0] == '[') {
		used = bracketed_size(text);
		host.at++;
		host.size = used - 2;
	} else {
		used = name_size(text);
		host.size = used > 0 && text.at[used - 1] == '.' ? used - 1 : used;
	}
	if (memchr(text.at, '@', text.size))
		return HTTP_REFUSED_USERINFO;
	if (used == 0 || (used < text.size && text.at[used] != ':'))
		return HTTP_REFUSED_HOST_BAD;
	authority->host = host;
	authority->port = 0;
	if (used == text.size)
		return HTTP_NOT_REFUSED;
	return parse_port((struct http_text){text.at + used + 1, text.size - used - 1},
			  &authority->port);
}
