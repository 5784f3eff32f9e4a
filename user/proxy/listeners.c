/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* "FD:ADDR/PORT " at most. */
#define DESCRIPTION_SIZE (12 + ADDR_TEXT_SIZE + 7)

/* One that listens everywhere takes IPv4 clients as v4-mapped addresses. Without IPv6 in the
 * kernel: IPv4 alone. */
static int open_socket(const struct proxy_entry *entry, struct skep_error *error)
{
	bool any = skep_addr_is_zero(&entry->addr), v4 = skep_addr_is_v4(&entry->addr);
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(entry->port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(entry->port)};
	const int on = 1, off = 0;
	char addr[ADDR_TEXT_SIZE];
	int fd = -1, err;

	if (!v4) {
		memcpy(&six.sin6_addr, &entry->addr, sizeof(six.sin6_addr));
		fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd < 0 && errno == EAFNOSUPPORT && any)
			v4 = true;
	}
	if (v4) {
		four.sin_addr.s_addr = any ? htonl(INADDR_ANY) : entry->addr.word[3];
		fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	}
	if (fd < 0)
		return error_errno(error, -errno, "entry %s: cannot open a socket", entry->name);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) ||
	    (!v4 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off))) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) ||
	    bind(fd, v4 ? (struct sockaddr *)&four : (struct sockaddr *)&six,
		 v4 ? sizeof(four) : sizeof(six)) ||
	    listen(fd, SOMAXCONN)) {
		err = error_errno(error, -errno, "entry %s: cannot listen on %s port %u",
				  entry->name, any ? "any address," : addr_text(&entry->addr, addr),
				  entry->port);
		close(fd);
		return err;
	}
	return fd;
}

/* Takes a number and the separator after it off *text. */
static bool take_number(const char **text, char separator, unsigned long most,
			unsigned long *number)
{
	char *end;

	if (**text < '0' || **text > '9')
		return false;
	*number = strtoul(*text, &end, 10);
	*text = end + 1;
	return *end == separator && *number <= most;
}

struct inherited {
	int fd;
	struct skep_addr addr;
	uint16_t port;
};

/* The next socket of the variable; false: no more, or it is not of the form. */
static bool next_inherited(const char **text, struct inherited *inherited)
{
	char addr[ADDR_TEXT_SIZE];
	unsigned long fd, port;
	size_t length;

	if (!**text || !take_number(text, ':', 1U << 20, &fd))
		return false;
	length = strcspn(*text, "/");
	if (length >= sizeof(addr) || (*text)[length] != '/')
		return false;
	memcpy(addr, *text, length);
	addr[length] = '\0';
	*text += length + 1;
	if (addr_parse(addr, &inherited->addr) || !take_number(text, ' ', UINT16_MAX, &port))
		return false;
	inherited->fd = (int)fd;
	inherited->port = (uint16_t)port;
	return true;
}

static int add(struct listeners *listeners, int fd, size_t entry)
{
	struct listener *list =
		reallocarray(listeners->list, listeners->n + 1, sizeof(*listeners->list));

	if (!list)
		return -ENOMEM;
	listeners->list = list;
	list[listeners->n++] = (struct listener){fd, entry};
	return 0;
}

/* Takes over the sockets of entries that are there, and closes the others. */
static int inherit(struct listeners *listeners, const struct proxy_config *config)
{
	const char *text = getenv(LISTENERS_VARIABLE);
	struct inherited inherited;
	int err = 0;

	while (text && next_inherited(&text, &inherited)) {
		size_t i = 0;

		while (i < config->n_entries &&
		       (config->entries[i].port != inherited.port ||
			!skep_addr_equal(&config->entries[i].addr, &inherited.addr)))
			i++;
		if (!err && i < config->n_entries && fcntl(inherited.fd, F_SETFD, FD_CLOEXEC) == 0)
			err = add(listeners, inherited.fd, i);
		else
			close(inherited.fd);
	}
	unsetenv(LISTENERS_VARIABLE);
	return err;
}

int listeners_open(struct listeners *listeners, const struct proxy_config *config, size_t workers,
		   struct skep_error *error)
{
	int err;

	*listeners = (struct listeners){0};
	err = inherit(listeners, config);
	if (err)
		error_errno(error, err, "cannot take over the sockets of the running proxy");
	for (size_t i = 0; i < config->n_entries && !err; i++) {
		size_t have = 0;

		for (size_t j = 0; j < listeners->n; j++)
			have += listeners->list[j].entry == i;
		/* More than there are workers are shared out among them. */
		for (; have < workers && !err; have++) {
			int fd = open_socket(&config->entries[i], error);

			err = fd < 0 ? fd : add(listeners, fd, i);
			if (err && fd >= 0) {
				close(fd);
				error_errno(error, err, "entry %s", config->entries[i].name);
			}
		}
	}
	if (err)
		listeners_close(listeners);
	return err;
}

void listeners_close(struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->n; i++)
		close(listeners->list[i].fd);
	free(listeners->list);
	*listeners = (struct listeners){0};
}

char *listeners_describe(const struct listeners *listeners, const struct proxy_config *config)
{
	char *text = calloc(listeners->n + 1, DESCRIPTION_SIZE);
	size_t length = 0;

	for (size_t i = 0; text && i < listeners->n; i++) {
		const struct listener *listener = &listeners->list[i];
		const struct proxy_entry *entry = &config->entries[listener->entry];
		char addr[ADDR_TEXT_SIZE];

		length +=
			(size_t)snprintf(text + length, DESCRIPTION_SIZE, "%d:%s/%u ", listener->fd,
					 addr_text(&entry->addr, addr), entry->port);
	}
	return text;
}
