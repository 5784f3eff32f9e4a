/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A request and its answer: from the first byte of the head to the last of the answer, or through
 * the tunnel that it became; or a connection that is a tunnel from its first byte on.
 *
 * The head is parsed, routed and written anew; what follows moves both ways at once (relay.h). A
 * task that fails before the first byte of an answer costs the client nothing, if the request may
 * be sent again and all of it is still here: the next task gets it.
 */
#ifndef SKEP_PROXY_EXCHANGE_H
#define SKEP_PROXY_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/head.h"
#include "proxy/balance.h"
#include "proxy/buffer.h"
#include "proxy/relay.h"
#include "route/rule.h"

struct worker;
struct client;
struct conn;
struct access_line;

enum exchange_state {
	EXCHANGE_GOES_ON, /* waits */
	EXCHANGE_AGAIN,	  /* does not, but others shall have their turn */
	EXCHANGE_DONE,	  /* the connection may carry another */
	EXCHANGE_LAST,	  /* it may not: close it when the answer has gone out */
	EXCHANGE_BROKEN,  /* close it at once */
};

enum exchange_phase {
	PHASE_HEAD,    /* the request's head comes */
	PHASE_CONNECT, /* to a task */
	PHASE_RELAY,   /* request and answer */
	PHASE_TUNNEL,  /* after 101, or from the beginning */
	PHASE_ANSWER,  /* of the proxy's own */
	PHASE_CUT,     /* there is no way to answer */
};

#define EXCHANGE_TRIES 3       /* tasks for one request */
#define TUNNEL_TIME_MS 3600000 /* an idle tunnel's, where the route does not say */

struct exchange {
	struct exchange *next_free;
	struct client *client;
	enum exchange_phase phase;
	uint32_t task; /* index in the group */
	uint64_t began_ms;
	uint64_t active_ms; /* when something last moved */
	uint64_t tunnel_ms; /* when it became one */

	struct http_head head; /* the request's */
	bool expired;	       /* the client's timer rang: exchange_run() finds out what for */
	bool head_read;
	bool raw; /* there is none, and no answer's: a connection that is relayed as it is */
	bool request_ended; /* all of it is sent, or the task wants no more of it */
	struct relay request;
	uint64_t body_watch_ms, body_watch_bytes; /* how much of its body had come then */
	struct access_line *line;		  /* NULL: no access log */

	struct bound_view *bound;      /* NULL: not routed (yet) */
	const struct route_rule *rule; /* NULL: none takes it */
	struct series_slot *route_slot;
	struct bound_group *group;
	uint64_t cookie; /* of a sticky client; 0: none */

	struct conn *conn;
	uint32_t tried[EXCHANGE_TRIES], n_tried;
	bool stuck; /* to the task that the cookie names */
	bool fresh; /* no connection that was used before */

	struct buffer up;	/* from the task */
	struct http_head reply; /* the answer's head */
	bool reply_begun;	/* a byte of it is here */
	bool reply_read; /* its head, the final one, is here, or the answer is the proxy's own */
	bool reply_ended;
	bool interim; /* what is being sent is a 1xx */
	unsigned int n_interim;
	struct relay answer;
	uint32_t not_taken; /* bytes that the client's socket held when it was silent; 0: not known
			     */
	bool closes;	    /* the connection carries no request after this one */
	uint16_t status;    /* that the client is told; 0: none */

	struct http_field fields[HTTP_FIELDS], reply_fields[HTTP_FIELDS];
};

/* How much to read when a head is to come. splices: see relay_wants_splice(). */
static inline size_t exchange_first_read(size_t room, bool splices)
{
	return splices && room > RELAY_FIRST ? RELAY_FIRST : room;
}

/* NULL: no memory. The client's buffer has the first bytes. */
struct exchange *exchange_begin(struct worker *worker, struct client *client);
/* A connection that a rule takes as it is (exchange_tunnel.c); host: that its TLS client names, or
 * "". NULL: no memory. */
struct exchange *exchange_begin_tunnel(struct worker *worker, struct client *client,
				       const struct route_rule *rule, const char *host);
enum exchange_state exchange_run(struct worker *worker, struct exchange *exchange);
/* The client's timer has expired; exchange_run() must follow. */
void exchange_expired(struct worker *worker, struct exchange *exchange);
/* Counts and logs it, whatever became of it, and lets go of all it has. */
void exchange_end(struct worker *worker, struct exchange *exchange);
void exchanges_free(struct worker *worker); /* those kept for later */

#endif
