/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "net/net.h"

/* Docker makes a container's links in bursts of some tens of messages, a few milliseconds apart. */
#define COALESCE_MS 20

/* So that a storm of messages leaves the loop time for others; what is left makes it ready again.
 */
#define MESSAGES_AT_ONCE 256

#define GROUPS (RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV4_RULE)

struct net_monitor {
	struct loop *loop;
	struct loop_watch watch;
	struct loop_timer timer;
	struct mnl_socket *socket;
	bool pending;
	void (*changed)(void *context);
	void *context;
};

/* From the first message of a burst on, not from its last: changes that never end are followed all
 * the same. */
static void expect_burst(struct net_monitor *monitor)
{
	if (monitor->pending)
		return;
	monitor->pending = true;
	loop_arm(monitor->loop, &monitor->timer, COALESCE_MS);
}

static void burst_over(struct loop_timer *timer)
{
	struct net_monitor *monitor = container_of(timer, struct net_monitor, timer);

	monitor->pending = false;
	monitor->changed(monitor->context); /* may close the monitor */
}

/*
 * What the messages say is of no interest, so a byte of each is enough. Any error but "no more"
 * means that messages were lost (ENOBUFS: the buffer overflowed), which is a change too; reading an
 * error clears it.
 */
static void messages_ready(struct loop_watch *watch, uint32_t events)
{
	struct net_monitor *monitor = container_of(watch, struct net_monitor, watch);
	char first;

	(void)events;
	for (int i = 0; i < MESSAGES_AT_ONCE; i++) {
		if (recv(watch->fd, &first, sizeof(first), MSG_DONTWAIT | MSG_TRUNC) < 0 &&
		    (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		expect_burst(monitor);
	}
}

int net_monitor_open(struct net_monitor **result, struct loop *loop, void (*changed)(void *),
		     void *context, struct skep_error *error)
{
	struct net_monitor *monitor = calloc(1, sizeof(*monitor));
	int err = 0;

	if (!monitor)
		return error_errno(error, -ENOMEM, "cannot follow network changes");
	monitor->loop = loop;
	monitor->changed = changed;
	monitor->context = context;
	monitor->timer.expired = burst_over;
	monitor->watch = (struct loop_watch){.fd = -1, .ready = messages_ready};
	monitor->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!monitor->socket || mnl_socket_bind(monitor->socket, GROUPS, MNL_SOCKET_AUTOPID) < 0) {
		err = error_errno(error, -errno, "cannot follow network changes: rtnetlink");
		goto cleanup;
	}
	monitor->watch.fd = mnl_socket_get_fd(monitor->socket);
	err = loop_add(loop, &monitor->watch, EPOLLIN);
	if (err) {
		monitor->watch.fd = -1;
		error_errno(error, err, "cannot follow network changes: event loop");
		goto cleanup;
	}
	*result = monitor;
	monitor = NULL;
cleanup:
	net_monitor_close(monitor);
	return err;
}

void net_monitor_close(struct net_monitor *monitor)
{
	if (!monitor)
		return;
	loop_disarm(monitor->loop, &monitor->timer);
	loop_remove(monitor->loop, &monitor->watch);
	if (monitor->socket)
		mnl_socket_close(monitor->socket);
	free(monitor);
}
