/* SPDX-License-Identifier: GPL-2.0-only */
#include "net/rtnl.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the kernel fills at most with one part of a dump (NLMSG_GOODSIZE and its 32 KiB cap). */
#define RECEIVE_BYTES 32768
#define REQUEST_BYTES 1024

/* A dump that is larger than any node's configuration can be: no bound on memory is no bound. */
#define DUMP_BYTES_MAX (256U << 20)

/* How often a dump may be overtaken by a change, one after another. */
#define DUMP_ATTEMPTS 16

struct rtnl {
	struct mnl_socket *socket;
	unsigned int sequence;
	char reason[160]; /* the kernel's explanation of the last failure; "" */
	_Alignas(struct nlmsghdr) char request[REQUEST_BYTES];
	_Alignas(struct nlmsghdr) char received[RECEIVE_BYTES];
};

int rtnl_open(struct rtnl **result)
{
	struct rtnl *rtnl = calloc(1, sizeof(*rtnl));
	int on = 1;
	int err = 0;

	if (!rtnl)
		return -ENOMEM;
	rtnl->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!rtnl->socket || mnl_socket_bind(rtnl->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		err = -errno;
		goto cleanup;
	}
	/*
	 * Explanations of errors without the request repeated before them; and dumps filtered by
	 * the kernel: a host that speaks BGP has a million routes in tables that are not ours.
	 */
	if (mnl_socket_setsockopt(rtnl->socket, NETLINK_EXT_ACK, &on, sizeof(on)) < 0 ||
	    mnl_socket_setsockopt(rtnl->socket, NETLINK_CAP_ACK, &on, sizeof(on)) < 0 ||
	    mnl_socket_setsockopt(rtnl->socket, NETLINK_GET_STRICT_CHK, &on, sizeof(on)) < 0) {
		err = -errno;
		goto cleanup;
	}
	*result = rtnl;
	rtnl = NULL;
cleanup:
	rtnl_close(rtnl);
	return err;
}

void rtnl_close(struct rtnl *rtnl)
{
	if (!rtnl)
		return;
	if (rtnl->socket)
		mnl_socket_close(rtnl->socket);
	free(rtnl);
}

int rtnl_fd(const struct rtnl *rtnl)
{
	return mnl_socket_get_fd(rtnl->socket);
}

struct nlmsghdr *rtnl_request(struct rtnl *rtnl, uint16_t type, uint16_t flags)
{
	/* libmnl clears what it puts, header and padding, but not what it leaves out. */
	memset(rtnl->request, 0, sizeof(rtnl->request));
	struct nlmsghdr *message = mnl_nlmsg_put_header(rtnl->request);

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	return message;
}

static int keep_reason(const struct nlattr *attr, void *context)
{
	struct rtnl *rtnl = context;

	if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
	    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
		snprintf(rtnl->reason, sizeof(rtnl->reason), "%s", mnl_attr_get_str(attr));
	return MNL_CB_OK;
}

/* Of NLMSG_ERROR and of NLMSG_DONE, both of which begin with an errno; what comes before the
 * explanation differs. */
static int read_verdict(struct rtnl *rtnl, const struct nlmsghdr *message)
{
	size_t before = message->nlmsg_type == NLMSG_ERROR ? sizeof(struct nlmsgerr) : sizeof(int);
	int err;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(err))
		return message->nlmsg_type == NLMSG_DONE ? 0 : -EBADMSG;
	memcpy(&err, mnl_nlmsg_get_payload(message), sizeof(err));
	if (err && (message->nlmsg_flags & NLM_F_ACK_TLVS))
		mnl_attr_parse(message, (unsigned int)before, keep_reason, rtnl);
	return err;
}

static int send_request(struct rtnl *rtnl, struct nlmsghdr *request)
{
	request->nlmsg_seq = ++rtnl->sequence;
	rtnl->reason[0] = '\0';
	return mnl_socket_sendto(rtnl->socket, request, request->nlmsg_len) < 0 ? -errno : 0;
}

static int receive(struct rtnl *rtnl, int *size)
{
	ssize_t n;

	do {
		n = mnl_socket_recvfrom(rtnl->socket, rtnl->received, sizeof(rtnl->received));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	*size = (int)n;
	return 0;
}

/* Of an earlier request whose answer was not read to its end, an error having come between. */
static bool is_stale(const struct rtnl *rtnl, const struct nlmsghdr *message)
{
	return message->nlmsg_seq != rtnl->sequence;
}

int rtnl_talk(struct rtnl *rtnl, struct nlmsghdr *request, rtnl_visit visit, void *context)
{
	int visited = 0, size = 0;
	int err;

	request->nlmsg_flags |= NLM_F_ACK;
	err = send_request(rtnl, request);
	if (err)
		return err;
	for (;;) {
		err = receive(rtnl, &size);
		if (err)
			return err;
		const struct nlmsghdr *message = (const void *)rtnl->received;
		for (; mnl_nlmsg_ok(message, size); message = mnl_nlmsg_next(message, &size)) {
			if (is_stale(rtnl, message))
				continue;
			if (message->nlmsg_type == NLMSG_ERROR) {
				err = read_verdict(rtnl, message);
				return err ? err : visited;
			}
			if (visit && !visited)
				visited = visit(message, context);
		}
	}
}

struct collected {
	char *data;
	size_t size, room;
};

static int collect(struct collected *all, const struct nlmsghdr *message)
{
	size_t length = NLMSG_ALIGN(message->nlmsg_len);

	if (!all->data || all->room - all->size < length) {
		size_t room = all->room ? all->room * 2 : (size_t)2 * RECEIVE_BYTES;
		if (room > DUMP_BYTES_MAX)
			return -EMSGSIZE;
		char *data = realloc(all->data, room);
		if (!data)
			return -ENOMEM;
		all->data = data;
		all->room = room;
	}
	memset(all->data + all->size, 0, length);
	memcpy(all->data + all->size, message, message->nlmsg_len);
	all->size += length;
	return 0;
}

/* 0, negative errno, or 1: complete, but a change came between two parts of it. */
static int collect_dump(struct rtnl *rtnl, struct nlmsghdr *request, struct collected *all)
{
	bool interrupted = false;
	int size = 0, err;

	all->size = 0;
	err = send_request(rtnl, request);
	if (err)
		return err;
	for (;;) {
		err = receive(rtnl, &size);
		if (err)
			return err;
		const struct nlmsghdr *message = (const void *)rtnl->received;
		for (; mnl_nlmsg_ok(message, size); message = mnl_nlmsg_next(message, &size)) {
			if (is_stale(rtnl, message))
				continue;
			if (message->nlmsg_flags & NLM_F_DUMP_INTR)
				interrupted = true;
			if (message->nlmsg_type == NLMSG_ERROR ||
			    message->nlmsg_type == NLMSG_DONE) {
				err = read_verdict(rtnl, message);
				return err ? err : interrupted;
			}
			err = collect(all, message);
			if (err)
				return err;
		}
	}
}

int rtnl_dump(struct rtnl *rtnl, struct nlmsghdr *request, rtnl_visit visit, void *context)
{
	struct collected all = {0};
	int err = 1;

	request->nlmsg_flags |= NLM_F_DUMP;
	for (int attempt = 0; err == 1 && attempt < DUMP_ATTEMPTS; attempt++)
		err = collect_dump(rtnl, request, &all);
	if (err) {
		err = err == 1 ? -EAGAIN : err;
		goto cleanup;
	}
	for (size_t at = 0; !err && at < all.size;) {
		const struct nlmsghdr *message = (const void *)(all.data + at);
		err = visit(message, context);
		at += NLMSG_ALIGN(message->nlmsg_len);
	}
cleanup:
	free(all.data);
	return err;
}

int rtnl_error(const struct rtnl *rtnl, struct skep_error *error, int err, const char *format, ...)
{
	struct skep_error what;
	va_list args;

	va_start(args, format);
	vsnprintf(what.text, sizeof(what.text), format, args);
	va_end(args);
	if (rtnl->reason[0])
		return error_set(error, err, "%s: %s (%s)", what.text, strerror(-err),
				 rtnl->reason);
	return error_errno(error, err, "%s", what.text);
}
