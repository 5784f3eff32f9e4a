/* SPDX-License-Identifier: GPL-2.0-only */
/* The steps of an exchange, as its files know one another's. For none but exchange*.c. */
#ifndef SKEP_PROXY_EXCHANGE_PARTS_H
#define SKEP_PROXY_EXCHANGE_PARTS_H

#include "proxy/exchange.h"

/* exchange_route.c: the head is here: who gets the request. Leaves the exchange in its next phase.
 */
void exchange_route(struct worker *worker, struct exchange *exchange);
/* From here on it is this rule's, of the view in force. */
void exchange_take_rule(struct worker *worker, struct exchange *exchange,
			const struct route_rule *rule);

/* exchange_tunnel.c */
/* Counts one more for its route and its task: what it has become, and at its end. */
void exchange_tunnel_opened(const struct worker *worker, struct exchange *exchange);
void exchange_tunnel_closed(const struct worker *worker, struct exchange *exchange);
/* The task is there. */
void exchange_tunnel_connected(struct worker *worker, struct exchange *exchange);
/* What tells the task of the client, if the rule says so, at the end of the buffer. -ENOMEM. */
int exchange_greet(struct worker *worker, struct exchange *exchange, struct buffer *out);

/* exchange_task.c */
/* Lends a connection to a task that was not tried; or answers that there is none, with the status.
 */
void exchange_connect(struct worker *worker, struct exchange *exchange, uint16_t status);
/* The connection failed before the answer began: another task, if the request can go there, or an
 * answer with the status. */
void exchange_task_failed(struct worker *worker, struct exchange *exchange, uint16_t status);
/* Lets go of the connection. keep: it may serve another request. */
void exchange_give_back(struct worker *worker, struct exchange *exchange, bool keep);

/* exchange_reply.c: bytes of the answer's head are here. false: more are needed. */
bool exchange_reply_head(struct worker *worker, struct exchange *exchange);

/* exchange_answer.c: the proxy's own answers; in each the exchange is left in PHASE_ANSWER. */
void exchange_answer(struct worker *worker, struct exchange *exchange, uint16_t status);
/* As a refusal of what the client sent. */
void exchange_refuse(struct worker *worker, struct exchange *exchange, enum http_refusal refusal);
struct route_result;
void exchange_answer_route(struct worker *worker, struct exchange *exchange,
			   const struct route_result *result);

/* Room for so many more bytes in a buffer of its own. -ENOMEM. */
int exchange_room(struct worker *worker, struct buffer *buffer, size_t size);

#endif
