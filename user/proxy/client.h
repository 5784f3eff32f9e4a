/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connections of clients. Between two requests one is this struct and a socket, and no more; for a
 * request it has an exchange.
 */
#ifndef SKEP_PROXY_CLIENT_H
#define SKEP_PROXY_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "proxy/buffer.h"
#include "proxy/stream.h"
#include "proxy/wheel.h"
#include "skep/addr.h"

struct worker;
struct exchange;

enum client_state {
	CLIENT_OPENS,	 /* what it speaks is to be found out first: opening.h */
	CLIENT_IDLE,	 /* between requests */
	CLIENT_EXCHANGE, /* in a request, or in its head */
	CLIENT_LINGERS,	 /* its last answer is sent; what it still sends is read and let go, or a
			    reset would overtake the answer */
};

struct client {
	struct client *next, **place;	     /* the worker's list */
	struct client *again, **again_place; /* its list of those that have not had enough */
	struct stream stream;
	struct wheel_timer timer; /* of the state, or of the exchange's */
	struct buffer in;	  /* what it sent and nobody has dealt with */
	struct exchange *exchange;
	struct skep_addr addr; /* its own, or as a trusted proxy before it tells */
	uint16_t port;	       /* host order */
	uint8_t entry;
	uint8_t state;	  /* enum client_state */
	uint8_t peeks;	  /* looks at what it sends first */
	bool header_due;  /* it may begin with a header of the PROXY protocol */
	bool server_told; /* by that header, which names another server than this socket's: */
	uint16_t server_port;
	struct skep_addr server;
	bool splices;	   /* its last request's payload was better spliced */
	uint32_t lingered; /* bytes */
};

/* fd is taken over. Without memory the connection is closed. */
void client_open(struct worker *worker, int fd, size_t entry, const struct sockaddr *address);
/* Goes on as far as it can: one of the streams may have something new. The client may be gone
 * after. */
void client_run(struct worker *worker, struct client *client);
/* At once, whatever was sent or not. */
void client_close(struct worker *worker, struct client *client);
/* The worker drains: each client has one more request, whose answer tells it to close, or a moment
 * to begin it. To close a connection at once would lose what is on its way. */
void clients_drain(struct worker *worker);
void clients_close(struct worker *worker);

#endif
