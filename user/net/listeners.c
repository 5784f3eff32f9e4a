/* SPDX-License-Identifier: GPL-2.0-only */
/* Who waits for connections and datagrams in this namespace. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/array.h"
#include "net/inet_diag.h"
#include "net/net.h"

static int take(void *context, const struct inet_socket *socket)
{
	struct net_listener *listener = array_add(context, sizeof(*listener));

	if (!listener)
		return -ENOMEM;
	*listener = (struct net_listener){
		.addr = socket->source,
		.port = socket->source_port,
		.protocol = socket->protocol,
		.inode = socket->inode,
	};
	/* Any address of one family: it takes no connection to 127.0.0.1, but one to ::1. */
	if (socket->v6_only && skep_addr_is_zero(&socket->source))
		listener->addr.word[3] = htonl(1);
	return 0;
}

int net_listeners_read(struct net_listener **listeners, size_t *n, struct skep_error *error)
{
	struct array found = {0};
	int diag = inet_diag_open();
	int err = diag < 0 ? diag : 0;

	if (!err)
		err = inet_diag_each(diag, IPPROTO_TCP, 1U << TCP_LISTEN, take, &found);
	/* A UDP socket with a peer counts as established, one without as closed. */
	if (!err)
		err = inet_diag_each(diag, IPPROTO_UDP, 1U << TCP_CLOSE, take, &found);
	if (diag >= 0)
		close(diag);
	if (err) {
		free(found.items);
		return error_errno(error, err, "cannot list the sockets of this machine");
	}
	*listeners = found.items;
	*n = found.n;
	return 0;
}
