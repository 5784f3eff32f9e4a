/* SPDX-License-Identifier: GPL-2.0-only */
/* The head of a task's answer: read, and written anew for the client. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "http/forward.h"
#include "proxy/client.h"
#include "proxy/exchange_parts.h"
#include "proxy/worker.h"

#define INTERIM_MAX 16 /* 1xx answers before the final one */
#define EXTRA_MAX   32 /* fields that a rule may add */

struct extras {
	struct http_extra list[EXTRA_MAX + 1];
	size_t n;
	char cookie[512];
};

static struct http_text text_of(const char *text)
{
	return (struct http_text){text, strlen(text)};
}

/* Which task it was, so that the client comes back to it. */
static void add_cookie(struct exchange *exchange, struct extras *extras)
{
	const struct route_sticky *sticky = &exchange->rule->sticky;
	int length;

	if (!sticky->cookie || exchange->stuck)
		return;
	length = snprintf(extras->cookie, sizeof(extras->cookie),
			  "%.128s=%016" PRIx64 "; Path=%.256s%s%s%s%s", sticky->cookie,
			  exchange->group->group->tasks[exchange->task].cookie,
			  sticky->path ? sticky->path : "/", sticky->secure ? "; Secure" : "",
			  sticky->http_only ? "; HttpOnly" : "",
			  sticky->same_site ? "; SameSite=" : "",
			  sticky->same_site ? sticky->same_site : "");
	if (length > 0 && length < (int)sizeof(extras->cookie))
		extras->list[extras->n++] = (struct http_extra){HTTP_TEXT("Set-Cookie"),
								{extras->cookie, (size_t)length}};
}

/* What the rule changes in the answer's fields. */
static void change_fields(struct exchange *exchange, const char *data, struct extras *extras)
{
	for (const struct route_field *field = exchange->rule->fields; field; field = field->next) {
		struct http_field *found;
		uint32_t from = 0;

		if (!field->response)
			continue;
		while (field->action != ROUTE_FIELD_ADD &&
		       (found = http_fields_find(&exchange->reply.fields, data,
						 text_of(field->name), from))) {
			found->drop = true;
			from = (uint32_t)(found - exchange->reply.fields.list) + 1;
		}
		if (field->action != ROUTE_FIELD_REMOVE && extras->n < EXTRA_MAX)
			extras->list[extras->n++] =
				(struct http_extra){text_of(field->name), text_of(field->value)};
	}
}

/* Writes it to the answer's buffer, which grows if it must. 0 or a negative errno. */
static int write_head(struct worker *worker, struct exchange *exchange, const char *data,
		      const struct http_to_client *onward)
{
	struct buffer *out = &exchange->answer.out;
	size_t room = BUFFER_SIZE;
	ssize_t n;

	do {
		if (exchange_room(worker, out, room))
			return -ENOMEM;
		n = http_forward_response(&exchange->reply, data, onward, out->data + out->end,
					  buffer_room(out));
		room *= 2;
	} while (n == -ENOBUFS && room <= 2 * (size_t)worker->config->head_bytes + 2 * BUFFER_SIZE);
	if (n < 0)
		return (int)n;
	out->end += (size_t)n;
	return 0;
}

static int send_interim(struct worker *worker, struct exchange *exchange, const char *data)
{
	const struct http_to_client onward = {.framing = HTTP_FRAMING_NONE};
	bool wanted = exchange->head.minor == 1 &&
		      (exchange->reply.status != 100 || exchange->head.expect_continue);

	if (++exchange->n_interim > INTERIM_MAX)
		return -EBADMSG;
	exchange->interim = wanted;
	return wanted ? write_head(worker, exchange, data, &onward) : 0;
}

/* From now on bytes are only moved. */
static int begin_tunnel(struct worker *worker, struct exchange *exchange, const char *data)
{
	const struct http_to_client onward = {.framing = HTTP_FRAMING_TUNNEL};
	struct client *client = exchange->client;
	struct stream *task = &exchange->conn->stream;
	int err;

	/* Not before the whole request is there: RFC 9110 7.8. */
	if (!exchange->request_ended)
		return -EBADMSG;
	err = write_head(worker, exchange, data, &onward);
	if (err)
		return err;
	exchange->phase = PHASE_TUNNEL;
	exchange_tunnel_opened(worker, exchange);
	exchange->request_ended = exchange->reply_ended = false;
	exchange->active_ms = worker->now_ms;
	relay_end(worker, &exchange->request);
	relay_begin(&exchange->request, &client->stream, task, &client->in, HTTP_FRAMING_TUNNEL, 0,
		    exchange->fields);
	return 0;
}

static int begin_answer(struct worker *worker, struct exchange *exchange, const char *data)
{
	struct http_to_client onward = {.framing = exchange->reply.framing};
	bool modern = exchange->head.minor == 1;
	struct extras extras;
	int err;

	extras.n = 0;
	add_cookie(exchange, &extras);
	change_fields(exchange, data, &extras);
	/* Where a body of unknown length ends: a client that knows chunks need not lose its
	 * connection over it. */
	if (onward.framing == HTTP_FRAMING_CHUNKED || onward.framing == HTTP_FRAMING_CLOSE)
		onward.framing = modern ? HTTP_FRAMING_CHUNKED : HTTP_FRAMING_CLOSE;
	if (onward.framing == HTTP_FRAMING_CLOSE || !exchange->head.keep_alive ||
	    !exchange->request_ended || worker->draining)
		exchange->closes = true;
	onward.close = exchange->closes;
	onward.keep_alive = !exchange->closes && !modern;
	onward.extra = extras.list;
	onward.n_extra = extras.n;
	err = write_head(worker, exchange, data, &onward);
	exchange->answer.chunked = onward.framing == HTTP_FRAMING_CHUNKED;
	return err;
}

static void refuse(struct worker *worker, struct exchange *exchange)
{
	backend_failed(worker, exchange->conn->backend);
	exchange_give_back(worker, exchange, false);
	exchange_answer(worker, exchange, 502);
}

static void accept_head(struct worker *worker, struct exchange *exchange)
{
	const char *data = exchange->up.data + exchange->up.start;
	struct http_head *reply = &exchange->reply;
	bool interim = reply->status < 200 && reply->status != 101;
	int err;

	exchange->active_ms = worker->now_ms;
	relay_end(worker, &exchange->answer); /* of a 1xx */
	relay_begin(&exchange->answer, &exchange->conn->stream, &exchange->client->stream,
		    &exchange->up, interim ? HTTP_FRAMING_NONE : reply->framing, reply->length,
		    exchange->reply_fields);
	if (interim) {
		err = send_interim(worker, exchange, data);
	} else {
		exchange->status = reply->status;
		err = reply->framing == HTTP_FRAMING_TUNNEL ? begin_tunnel(worker, exchange, data)
							    : begin_answer(worker, exchange, data);
	}
	if (err) {
		exchange->status = 0;
		refuse(worker, exchange);
		return;
	}
	exchange->up.start += reply->size;
	exchange->reply_read = !interim;
	if (interim) /* the next head may be here already */
		http_head_response(reply, exchange->reply_fields, worker->config->head_fields,
				   worker->config->head_bytes, &exchange->head);
}

bool exchange_reply_head(struct worker *worker, struct exchange *exchange)
{
	int err;

	if (!exchange->reply.fields.list)
		http_head_response(&exchange->reply, exchange->reply_fields,
				   worker->config->head_fields, worker->config->head_bytes,
				   &exchange->head);
	err = http_head_parse(&exchange->reply, exchange->up.data + exchange->up.start,
			      buffer_length(&exchange->up));
	if (err == -EAGAIN)
		return false;
	if (err)
		refuse(worker, exchange);
	else
		accept_head(worker, exchange);
	return true;
}
