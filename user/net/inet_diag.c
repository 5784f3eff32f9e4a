/* SPDX-License-Identifier: GPL-2.0-only */
#include "net/inet_diag.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int inet_diag_open(void)
{
	int diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	return diag < 0 ? -errno : diag;
}

static struct skep_addr take_addr(uint8_t family, const __be32 addr[4])
{
	if (family == AF_INET)
		return addr[0] ? skep_addr_v4(addr[0]) : (struct skep_addr){{0}};
	return (struct skep_addr){{addr[0], addr[1], addr[2], addr[3]}};
}

struct walk {
	uint8_t protocol;
	int (*each)(void *context, const struct inet_socket *socket);
	void *context;
};

static int take_socket(const struct nlmsghdr *message, void *context)
{
	const struct inet_diag_msg *told = mnl_nlmsg_get_payload(message);
	const struct walk *walk = context;
	struct inet_socket socket = {.protocol = walk->protocol};
	const struct nlattr *attr;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*told))
		return 0;
	socket.source = take_addr(told->idiag_family, told->id.idiag_src);
	socket.destination = take_addr(told->idiag_family, told->id.idiag_dst);
	socket.source_port = told->id.idiag_sport;
	socket.destination_port = told->id.idiag_dport;
	socket.inode = told->idiag_inode;
	mnl_attr_for_each (attr, message, sizeof(*told))
		if (mnl_attr_get_type(attr) == INET_DIAG_SKV6ONLY &&
		    mnl_attr_get_payload_len(attr) == 1)
			socket.v6_only = mnl_attr_get_u8(attr);
	return walk->each(walk->context, &socket);
}

static int ask(int diag, uint8_t family, uint8_t protocol, uint32_t states)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 request;
	} message = {
		.header =
			{
				.nlmsg_len = sizeof(message),
				.nlmsg_type = SOCK_DIAG_BY_FAMILY,
				.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			},
		.request =
			{
				.sdiag_family = family,
				.sdiag_protocol = protocol,
				.idiag_states = states,
			},
	};

	return send(diag, &message, sizeof(message), 0) < 0 ? -errno : 0;
}

/* To the end of the answer, also after each() has had enough: the next one must not meet its rest.
 */
static int walk_answer(int diag, struct walk *walk)
{
	char buffer[32768] __attribute__((aligned(NLMSG_ALIGNTO)));
	int result = 0;

	for (;;) {
		ssize_t size = recv(diag, buffer, sizeof(buffer), 0);
		const struct nlmsghdr *message = (const struct nlmsghdr *)buffer;
		int left = (int)size;

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return -errno;
		for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
			if (message->nlmsg_type == NLMSG_DONE)
				return result;
			if (message->nlmsg_type == NLMSG_ERROR) {
				const struct nlmsgerr *failure = mnl_nlmsg_get_payload(message);

				/* No module for this protocol or family: no such sockets. */
				return failure->error == -ENOENT ? result : failure->error;
			}
			if (!result && message->nlmsg_type == SOCK_DIAG_BY_FAMILY)
				result = take_socket(message, walk);
		}
	}
}

int inet_diag_each(int diag, uint8_t protocol, uint32_t states,
		   int (*each)(void *context, const struct inet_socket *socket), void *context)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	struct walk walk = {protocol, each, context};
	int err = 0;

	for (size_t i = 0; i < sizeof(families) && !err; i++) {
		err = ask(diag, families[i], protocol, states);
		if (!err)
			err = walk_answer(diag, &walk);
	}
	return err;
}
