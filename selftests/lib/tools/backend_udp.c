/* SPDX-License-Identifier: GPL-2.0-only */
#include "backend.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "endpoint.h"

struct udp {
	struct watched watched;
	const struct backend *backend;
};

union control {
	char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	struct cmsghdr align;
};

/* What came in says which address was asked; sent back, it says which address answers. */
static void answer_from_there(struct msghdr *message)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);

	if (header && header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
		struct in_pktinfo info;

		memcpy(&info, CMSG_DATA(header), sizeof(info));
		info.ipi_spec_dst = info.ipi_addr;
		info.ipi_ifindex = 0;
		memcpy(CMSG_DATA(header), &info, sizeof(info));
	} else if (header && header->cmsg_level == IPPROTO_IPV6 &&
		   header->cmsg_type == IPV6_PKTINFO) {
		struct in6_pktinfo info;

		memcpy(&info, CMSG_DATA(header), sizeof(info));
		if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
			info.ipi6_ifindex = 0;
		memcpy(CMSG_DATA(header), &info, sizeof(info));
	}
}

static void answer(struct watched *watched, uint32_t events)
{
	const struct udp *udp = (struct udp *)watched;
	static char payload[65536], text[65536 + 512];
	char client[ENDPOINT_TEXT];
	union control control;
	struct endpoint from;
	ssize_t n;

	(void)events;
	for (;;) {
		struct iovec data = {payload, sizeof(payload)};
		struct msghdr message = {.msg_name = &from.address,
					 .msg_namelen = sizeof(from.address),
					 .msg_iov = &data,
					 .msg_iovlen = 1,
					 .msg_control = &control,
					 .msg_controllen = sizeof(control)};
		int head;

		n = recvmsg(watched->fd, &message, 0);
		if (n < 0)
			return;
		from.length = message.msg_namelen;
		endpoint_format(&from, client);
		head = snprintf(text, 512, "%.255s %s ", udp->backend->name, client);
		memcpy(text + head, payload, (size_t)n);
		data = (struct iovec){text, (size_t)head + (size_t)n};
		answer_from_there(&message);
		/* A datagram may be lost: the client asks again or counts it. */
		(void)sendmsg(watched->fd, &message, MSG_NOSIGNAL);
	}
}

struct watched *udp_listen(struct backend *backend, int family, uint16_t port)
{
	struct udp *udp = calloc(1, sizeof(*udp));
	int one = 1;

	if (!udp)
		return NULL;
	udp->backend = backend;
	udp->watched.ready = answer;
	udp->watched.fd = bound_socket(family, SOCK_DGRAM, port);
	if (udp->watched.fd < 0)
		goto cleanup;
	if (family == AF_INET)
		setsockopt(udp->watched.fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one));
	else
		setsockopt(udp->watched.fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one));
	if (watch(backend, &udp->watched, EPOLLIN))
		return &udp->watched;
cleanup:
	if (udp->watched.fd >= 0)
		close(udp->watched.fd);
	free(udp);
	return NULL;
}
