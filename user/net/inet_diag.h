/* SPDX-License-Identifier: GPL-2.0-only */
/* Sockets of a network namespace, by sock_diag(7). For user/net. */
#ifndef SKEP_NET_INET_DIAG_H
#define SKEP_NET_INET_DIAG_H

#include <linux/inet_diag.h>
#include <stdbool.h>
#include <stdint.h>

#include "skep/addr.h"

struct inet_socket {
	struct skep_addr source, destination; /* 0.0.0.0 as zero */
	__be16 source_port, destination_port;
	uint8_t protocol;
	uint32_t inode;
	bool v6_only;
};

/* A sock_diag socket in the network namespace that the thread is in now, and stays in. Returns it
 * or a negative errno. */
int inet_diag_open(void);

/*
 * Calls each() for every socket of the protocol, of both families, in one of the states (a bit for
 * each, 1 << TCP_LISTEN, …), until it returns other than 0: that is the result then.
 */
int inet_diag_each(int diag, uint8_t protocol, uint32_t states,
		   int (*each)(void *context, const struct inet_socket *socket), void *context);

#endif
