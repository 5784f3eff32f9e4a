/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/proxy_header.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/addr.h"

#define LINE_MAX_SIZE 107 /* of version 1, CR LF included */
#define V2_HEAD	      16
#define V2_LOCAL      0x20
#define V2_PROXY      0x21
#define V2_TCP4	      0x11
#define V2_TCP6	      0x21

static const char signature[] = "\r\n\r\n\0\r\nQUIT\n"; /* 12 bytes of version 2 */
#define SIGNATURE_SIZE (sizeof(signature) - 1)
static const char word[] = "PROXY ";
#define WORD_SIZE (sizeof(word) - 1)

/* ---- version 1 */

/* The next word, up to a space or the end, NUL-terminated in the line. NULL: there is none. */
static char *next_word(char **line)
{
	char *begin = *line, *space;

	if (!begin || !*begin || *begin == ' ')
		return NULL;
	space = strchr(begin, ' ');
	if (space)
		*space++ = '\0';
	*line = space;
	return begin;
}

static bool read_port(const char *text, uint16_t *port)
{
	size_t digits = text ? strspn(text, "0123456789") : 0;
	unsigned long number;

	if (!digits || digits > 5 || text[digits] || (*text == '0' && digits > 1))
		return false;
	number = strtoul(text, NULL, 10);
	*port = (uint16_t)number;
	return number <= UINT16_MAX;
}

static bool read_addr(const char *text, bool six, struct skep_addr *addr)
{
	return text && (strchr(text, ':') != NULL) == six && addr_parse(text, addr) == 0;
}

static bool read_line(struct proxy_header *header, char *line)
{
	const char *family = next_word(&line), *client, *server, *client_port, *server_port;
	bool six = family && strcmp(family, "TCP6") == 0;

	if (family && strcmp(family, "UNKNOWN") == 0) {
		header->local = true;
		return true;
	}
	if (!family || (!six && strcmp(family, "TCP4") != 0))
		return false;
	client = next_word(&line);
	server = next_word(&line);
	client_port = next_word(&line);
	server_port = next_word(&line);
	return !line && read_addr(client, six, &header->client) &&
	       read_addr(server, six, &header->server) &&
	       read_port(client_port, &header->client_port) &&
	       read_port(server_port, &header->server_port);
}

static int parse_v1(struct proxy_header *header, const char *data, size_t size)
{
	size_t most = size < LINE_MAX_SIZE ? size : LINE_MAX_SIZE;
	const char *end = memchr(data, '\n', most);
	char line[LINE_MAX_SIZE + 1];
	size_t length;

	if (!end)
		return size < LINE_MAX_SIZE ? -EAGAIN : -EBADMSG;
	header->size = (size_t)(end - data) + 1;
	if (end[-1] != '\r')
		return -EBADMSG;
	length = header->size - WORD_SIZE - 2;
	memcpy(line, data + WORD_SIZE, length);
	line[length] = '\0';
	if (strlen(line) != length)
		return -EBADMSG;
	return read_line(header, line) ? 0 : -EBADMSG;
}

/* ---- version 2 */

static uint16_t number16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static int parse_v2(struct proxy_header *header, const uint8_t *data, size_t size)
{
	const uint8_t *body = data + V2_HEAD;
	size_t length;

	if (size < V2_HEAD)
		return -EAGAIN;
	length = number16(data + 14);
	header->size = V2_HEAD + length;
	if ((data[12] != V2_LOCAL && data[12] != V2_PROXY) || header->size > PROXY_HEADER_MAX)
		return -EBADMSG;
	if (size < header->size)
		return -EAGAIN;
	header->local = data[12] == V2_LOCAL || (data[13] != V2_TCP4 && data[13] != V2_TCP6);
	if (header->local)
		return 0;
	if (length < (data[13] == V2_TCP4 ? 12 : 36))
		return -EBADMSG;
	if (data[13] == V2_TCP4) {
		uint32_t addr[2];

		memcpy(addr, body, sizeof(addr));
		header->client = skep_addr_v4(addr[0]);
		header->server = skep_addr_v4(addr[1]);
		body += sizeof(addr);
	} else {
		memcpy(&header->client, body, sizeof(header->client));
		memcpy(&header->server, body + 16, sizeof(header->server));
		body += 32;
	}
	header->client_port = number16(body);
	header->server_port = number16(body + 2);
	return 0;
}

static bool begins(const void *data, size_t size, const char *with, size_t with_size)
{
	return memcmp(data, with, size < with_size ? size : with_size) == 0;
}

int proxy_header_parse(struct proxy_header *header, const void *data, size_t size)
{
	*header = (struct proxy_header){0};
	if (!size)
		return -EAGAIN;
	if (begins(data, size, signature, SIGNATURE_SIZE))
		return size < SIGNATURE_SIZE ? -EAGAIN : parse_v2(header, data, size);
	if (begins(data, size, word, WORD_SIZE))
		return size < WORD_SIZE ? -EAGAIN : parse_v1(header, data, size);
	return -ENOENT;
}

/* ---- writing */

static const char *text_of(const struct skep_addr *addr, bool six, char buffer[ADDR_TEXT_SIZE])
{
	/* Of two kinds: the one that both can be told in. */
	if (six)
		return inet_ntop(AF_INET6, addr, buffer, ADDR_TEXT_SIZE);
	return addr_text(addr, buffer);
}

static size_t write_v1(const struct proxy_header *header, bool six,
		       char out[PROXY_HEADER_WRITE_MAX])
{
	char client[ADDR_TEXT_SIZE], server[ADDR_TEXT_SIZE];

	return (size_t)snprintf(out, PROXY_HEADER_WRITE_MAX, "PROXY TCP%c %s %s %u %u\r\n",
				six ? '6' : '4', text_of(&header->client, six, client),
				text_of(&header->server, six, server), header->client_port,
				header->server_port);
}

static size_t write_v2(const struct proxy_header *header, bool six,
		       char out[PROXY_HEADER_WRITE_MAX])
{
	const uint16_t ports[2] = {htons(header->client_port), htons(header->server_port)};
	char *at = out + V2_HEAD;

	memcpy(out, signature, SIGNATURE_SIZE);
	out[12] = V2_PROXY;
	out[13] = six ? V2_TCP6 : V2_TCP4;
	out[14] = 0;
	out[15] = six ? 36 : 12;
	if (six) {
		memcpy(at, &header->client, 16);
		memcpy(at + 16, &header->server, 16);
		at += 32;
	} else {
		memcpy(at, &header->client.word[3], 4);
		memcpy(at + 4, &header->server.word[3], 4);
		at += 8;
	}
	memcpy(at, ports, sizeof(ports));
	return (size_t)(at - out) + sizeof(ports);
}

size_t proxy_header_write(const struct proxy_header *header, unsigned int version,
			  char out[PROXY_HEADER_WRITE_MAX])
{
	bool six = !skep_addr_is_v4(&header->client) || !skep_addr_is_v4(&header->server);

	return version == 1 ? write_v1(header, six, out) : write_v2(header, six, out);
}
