/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/exchange.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "proxy/access_line.h"
#include "proxy/client.h"
#include "proxy/exchange_parts.h"
#include "proxy/worker.h"

#define BODY_WATCH_MS 10000 /* over which a request's body must keep its rate */
#define KEPT_MAX      256   /* exchanges that are not given back to malloc */

struct exchange *exchange_begin(struct worker *worker, struct client *client)
{
	struct exchange *exchange = worker->free_exchanges;

	if (exchange) {
		worker->free_exchanges = exchange->next_free;
		worker->n_free_exchanges--;
	} else {
		exchange = malloc(sizeof(*exchange));
		if (!exchange)
			return NULL;
	}
	/* All but the room for fields, which is most of it. */
	memset(exchange, 0, offsetof(struct exchange, fields));
	exchange->client = client;
	exchange->began_ms = exchange->active_ms = worker->now_ms;
	http_head_request(&exchange->head, exchange->fields, worker->config->head_fields,
			  worker->config->head_bytes);
	wheel_set(&worker->wheel, &client->timer, worker->now_ms + worker->config->head_time_ms);
	return exchange;
}

void exchanges_free(struct worker *worker)
{
	while (worker->free_exchanges) {
		struct exchange *exchange = worker->free_exchanges;

		worker->free_exchanges = exchange->next_free;
		free(exchange);
	}
}

static void count(struct worker *worker, struct exchange *exchange)
{
	/* How long a tunnel was there says nothing of how soon it was answered. */
	uint64_t until_ms = exchange->phase == PHASE_TUNNEL ? exchange->tunnel_ms : worker->now_ms;
	uint64_t ms = until_ms - exchange->began_ms;

	if (exchange->route_slot)
		series_count(exchange->route_slot, exchange->status, exchange->request.moved,
			     exchange->answer.moved, ms);
	if (exchange->group && exchange->reply_begun)
		series_count(&exchange->group->group->tasks[exchange->task]
				      .series->slots[worker->number],
			     exchange->status, exchange->request.moved, exchange->answer.moved, ms);
}

void exchange_end(struct worker *worker, struct exchange *exchange)
{
	if (exchange->head_read)
		count(worker, exchange);
	if (exchange->phase == PHASE_TUNNEL)
		exchange_tunnel_closed(worker, exchange);
	if (exchange->line)
		access_line_put(worker, exchange);
	relay_end(worker, &exchange->request);
	relay_end(worker, &exchange->answer);
	exchange_give_back(worker, exchange, false);
	buffer_give(&worker->buffers, &exchange->up);
	if (exchange->bound)
		balance_release(worker, exchange->bound);
	if (worker->n_free_exchanges == KEPT_MAX) {
		free(exchange);
		return;
	}
	exchange->next_free = worker->free_exchanges;
	worker->free_exchanges = exchange;
	worker->n_free_exchanges++;
}

int exchange_room(struct worker *worker, struct buffer *buffer, size_t size)
{
	if (size <= BUFFER_SIZE && buffer_take(&worker->buffers, buffer))
		return -ENOMEM;
	if (buffer_room(buffer) >= size)
		return 0;
	return buffer_grow(&worker->buffers, buffer, buffer_length(buffer) + size);
}

/* ---- PHASE_HEAD */

/* 0; -EAGAIN; -ENODATA: the end; another negative errno. */
static int read_into(struct worker *worker, struct stream *stream, struct buffer *buffer,
		     bool splices)
{
	size_t limit = worker->config->head_bytes;
	ssize_t n;

	if (!stream->readable)
		return -EAGAIN;
	if (buffer_take(&worker->buffers, buffer))
		return -ENOMEM;
	if (!buffer_room(buffer)) {
		buffer_pack(buffer);
		/* One byte more than a head may have, so that the parser can tell. */
		if (!buffer_room(buffer) && buffer_grow(&worker->buffers, buffer, limit + 1))
			return -ENOMEM;
	}
	n = stream_read(stream, buffer->data + buffer->end,
			exchange_first_read(buffer_room(buffer), splices));
	if (n <= 0)
		return n ? (int)n : -ENODATA;
	buffer->end += (size_t)n;
	return 0;
}

static enum exchange_state run_head(struct worker *worker, struct exchange *exchange)
{
	struct client *client = exchange->client;
	int err;

	for (;;) {
		err = http_head_parse(&exchange->head, client->in.data + client->in.start,
				      buffer_length(&client->in));
		if (!err) {
			exchange->head_read = true;
			exchange->active_ms = worker->now_ms;
			exchange_route(worker, exchange);
			return EXCHANGE_AGAIN;
		}
		if (worker->access_log && (err != -EAGAIN || exchange->expired))
			exchange->line = access_line_refused(worker, exchange);
		if (err != -EAGAIN) {
			exchange_refuse(worker, exchange, exchange->head.refusal);
			return EXCHANGE_AGAIN;
		}
		if (exchange->expired) {
			exchange->closes = true;
			exchange_answer(worker, exchange, 408);
			return EXCHANGE_AGAIN;
		}
		err = read_into(worker, &client->stream, &client->in, client->splices);
		if (err)
			return err == -EAGAIN ? EXCHANGE_GOES_ON : EXCHANGE_BROKEN;
	}
}

/* ---- PHASE_CONNECT */

static enum exchange_state run_connect(struct worker *worker, struct exchange *exchange)
{
	struct conn *conn = exchange->conn;

	if (exchange->client->stream.broken)
		return EXCHANGE_BROKEN;
	if (conn->stream.writable) {
		if (stream_error(&conn->stream)) {
			exchange_task_failed(worker, exchange, 502);
			return EXCHANGE_AGAIN;
		}
		conn->connecting = false;
		exchange->phase = PHASE_RELAY;
		exchange->active_ms = worker->now_ms;
		if (exchange->raw)
			exchange_tunnel_connected(worker, exchange);
		return EXCHANGE_AGAIN;
	}
	if (!exchange->expired)
		return EXCHANGE_GOES_ON;
	exchange_task_failed(worker, exchange, 504);
	return EXCHANGE_AGAIN;
}

/* ---- PHASE_RELAY */

static uint32_t answer_time_ms(const struct worker *worker, const struct exchange *exchange)
{
	return exchange->rule && exchange->rule->timeout_ms ? exchange->rule->timeout_ms
							    : worker->config->answer_time_ms;
}

/*
 * When nothing can go on: by when it must have. Putting it off costs a store. A body that trickles
 * in is looked at from time to time.
 */
static void set_deadline(struct worker *worker, struct exchange *exchange, uint64_t silence_ms)
{
	uint64_t deadline = exchange->active_ms + silence_ms;
	uint64_t watch = exchange->body_watch_ms + BODY_WATCH_MS;

	if (exchange->phase == PHASE_RELAY && !exchange->request_ended &&
	    worker->config->body_rate && watch < deadline)
		deadline = watch;
	wheel_set(&worker->wheel, &exchange->client->timer, deadline);
}

/* It is the client's turn: the task would take more of the body, and there is none. A client that
 * was to be told 100 waits itself. */
static bool waits_for_client(const struct exchange *exchange)
{
	return !exchange->request_ended && !exchange->client->stream.readable &&
	       exchange->conn->stream.writable &&
	       (!exchange->head.expect_continue || exchange->n_interim);
}

/* The client takes the answer, if slowly: so long as a socket's buffer is full nothing else shows
 * it. At first it has the benefit of the doubt. */
static bool client_takes(struct exchange *exchange)
{
	bool takes;
	int left;

	if (!exchange->reply_read || exchange->client->stream.writable ||
	    ioctl(exchange->client->stream.source.fd, SIOCOUTQ, &left))
		return false;
	takes = !exchange->not_taken || (uint32_t)left < exchange->not_taken;
	exchange->not_taken = (uint32_t)left;
	return takes;
}

/* Has the client sent its body as fast as it must? What the task does not take is not its fault. */
static bool body_trickles(struct worker *worker, struct exchange *exchange)
{
	uint64_t least = (uint64_t)worker->config->body_rate * BODY_WATCH_MS / 1000;
	bool slow;

	if (exchange->request_ended || !worker->config->body_rate ||
	    worker->now_ms < exchange->body_watch_ms + BODY_WATCH_MS)
		return false;
	slow = exchange->request.moved - exchange->body_watch_bytes < least &&
	       waits_for_client(exchange);
	exchange->body_watch_ms = worker->now_ms;
	exchange->body_watch_bytes = exchange->request.moved;
	return slow;
}

/* The request's way. false: the exchange has got another phase, or is broken: *state says. */
static bool run_request(struct worker *worker, struct exchange *exchange,
			enum exchange_state *state)
{
	if (exchange->request_ended)
		return true;
	switch (relay_run(worker, &exchange->request)) {
	case RELAY_GOES_ON:
		return true;
	case RELAY_AGAIN:
		*state = EXCHANGE_AGAIN;
		return true;
	case RELAY_ENDED:
		exchange->request_ended = true;
		/* The answer may take long; and the next request finds this one warm. */
		if (!buffer_length(&exchange->client->in))
			buffer_give(&worker->buffers, &exchange->client->in);
		return true;
	case RELAY_SINK_FAILED:
		/* The task may have answered before it closed. */
		exchange->request_ended = true;
		exchange->closes = true;
		exchange->conn->stream.hung_up = true;
		return true;
	case RELAY_REFUSED:
		if (exchange->reply_read) {
			*state = EXCHANGE_BROKEN;
			return false;
		}
		exchange_give_back(worker, exchange, false);
		exchange_refuse(worker, exchange, exchange->request.refusal);
		*state = EXCHANGE_AGAIN;
		return false;
	default:
		*state = EXCHANGE_BROKEN;
		return false;
	}
}

/* The answer's head, or what comes before it. false: as run_request(). */
static bool run_reply_head(struct worker *worker, struct exchange *exchange,
			   enum exchange_state *state)
{
	struct stream *stream = &exchange->conn->stream;
	int err;

	while (!exchange->reply_read && !exchange->interim) {
		if (buffer_length(&exchange->up) && exchange_reply_head(worker, exchange)) {
			if (exchange->phase == PHASE_RELAY)
				continue;
			*state = EXCHANGE_AGAIN;
			return false;
		}
		err = read_into(worker, stream, &exchange->up, exchange->conn->backend->splices);
		if (err == -EAGAIN)
			return true;
		if (err && exchange->reply_begun) {
			/* An answer that broke off in its head. */
			backend_failed(worker, exchange->conn->backend);
			exchange_give_back(worker, exchange, false);
			exchange_answer(worker, exchange, 502);
		} else if (err) {
			exchange_task_failed(worker, exchange, 502);
		}
		if (err) {
			*state = EXCHANGE_AGAIN;
			return false;
		}
		exchange->reply_begun = true;
	}
	return true;
}

static enum exchange_state finish(struct worker *worker, struct exchange *exchange)
{
	bool last = exchange->closes || !exchange->request_ended;

	exchange->client->splices = relay_wants_splice(worker, &exchange->request);
	if (exchange->conn) {
		exchange->conn->backend->splices = relay_wants_splice(worker, &exchange->answer);
		exchange_give_back(worker, exchange,
				   exchange->request_ended && !exchange->request.refusal &&
					   !(exchange->rule && exchange->rule->proxy_protocol) &&
					   exchange->reply.keep_alive &&
					   exchange->reply.framing != HTTP_FRAMING_CLOSE &&
					   !buffer_length(&exchange->up));
	}
	return last ? EXCHANGE_LAST : EXCHANGE_DONE;
}

/* What is to be sent to the client. false: as run_request(). */
static bool run_answer(struct worker *worker, struct exchange *exchange, enum exchange_state *state)
{
	switch (relay_run(worker, &exchange->answer)) {
	case RELAY_GOES_ON:
		return true;
	case RELAY_AGAIN:
		*state = EXCHANGE_AGAIN;
		return true;
	case RELAY_ENDED:
		break;
	default:
		/* Cut off, so that the client sees that it is not whole: where the end of the
		 * connection is the answer's end, only by a reset. */
		if (!exchange->answer.chunked && exchange->reply.framing != HTTP_FRAMING_LENGTH)
			stream_will_reset(&exchange->client->stream);
		*state = EXCHANGE_BROKEN;
		return false;
	}
	if (exchange->interim) {
		exchange->interim = false;
		*state = EXCHANGE_AGAIN;
		return true;
	}
	exchange->reply_ended = true;
	*state = finish(worker, exchange);
	return false;
}

static enum exchange_state run_relay(struct worker *worker, struct exchange *exchange)
{
	uint64_t before = exchange->request.moved + exchange->answer.moved;
	enum exchange_state state = EXCHANGE_GOES_ON;
	bool silent;

	if (exchange->client->stream.broken)
		return EXCHANGE_BROKEN;
	if (!run_request(worker, exchange, &state) || !run_reply_head(worker, exchange, &state))
		return state;
	if ((exchange->reply_read || exchange->interim) && !run_answer(worker, exchange, &state))
		return state;
	if (exchange->request.moved + exchange->answer.moved != before) {
		exchange->active_ms = worker->now_ms;
		exchange->not_taken = 0;
	}
	silent = exchange->expired &&
		 worker->now_ms >= exchange->active_ms + answer_time_ms(worker, exchange);
	if (silent && client_takes(exchange)) {
		exchange->active_ms = worker->now_ms;
		silent = false;
	}
	if (body_trickles(worker, exchange) || (silent && waits_for_client(exchange))) {
		if (exchange->reply_read)
			return EXCHANGE_BROKEN;
		exchange_give_back(worker, exchange, false);
		exchange_answer(worker, exchange, 408);
		return EXCHANGE_AGAIN;
	}
	if (silent) {
		if (exchange->reply_read)
			return EXCHANGE_BROKEN;
		backend_failed(worker, exchange->conn->backend);
		exchange_give_back(worker, exchange, false);
		exchange_answer(worker, exchange, 504);
		return EXCHANGE_AGAIN;
	}
	set_deadline(worker, exchange, answer_time_ms(worker, exchange));
	return state;
}

/* ---- PHASE_TUNNEL */

/* false: this way has ended, or broken. */
static bool run_way(struct worker *worker, struct relay *relay, bool *ended,
		    enum exchange_state *state)
{
	if (*ended)
		return true;
	switch (relay_run(worker, relay)) {
	case RELAY_GOES_ON:
		return true;
	case RELAY_AGAIN:
		*state = EXCHANGE_AGAIN;
		return true;
	case RELAY_ENDED:
		/* Half-closed: what comes the other way still goes on. */
		stream_shut(relay->to);
		*ended = true;
		return true;
	default:
		return false;
	}
}

static enum exchange_state run_tunnel(struct worker *worker, struct exchange *exchange)
{
	uint64_t before = exchange->request.moved + exchange->answer.moved;
	uint32_t idle_ms = exchange->rule->tunnel_ms ? exchange->rule->tunnel_ms : TUNNEL_TIME_MS;
	enum exchange_state state = EXCHANGE_GOES_ON;

	/* Reset, and nothing to be read or written would tell: the way that still goes on has
	 * nowhere to go to. */
	if ((exchange->client->stream.broken && !exchange->reply_ended) ||
	    (exchange->conn->stream.broken && exchange->reply_ended && !exchange->request_ended))
		return EXCHANGE_BROKEN;
	if (!run_way(worker, &exchange->request, &exchange->request_ended, &state) ||
	    !run_way(worker, &exchange->answer, &exchange->reply_ended, &state) ||
	    (exchange->request_ended && exchange->reply_ended))
		return EXCHANGE_BROKEN;
	if (exchange->request.moved + exchange->answer.moved != before)
		exchange->active_ms = worker->now_ms;
	if (exchange->expired && worker->now_ms >= exchange->active_ms + idle_ms)
		return EXCHANGE_BROKEN;
	set_deadline(worker, exchange, idle_ms);
	return state;
}

/* ---- PHASE_ANSWER */

static enum exchange_state run_own_answer(struct worker *worker, struct exchange *exchange)
{
	enum exchange_state state = EXCHANGE_GOES_ON;

	if (!run_answer(worker, exchange, &state))
		return state;
	if (exchange->expired)
		return EXCHANGE_BROKEN;
	set_deadline(worker, exchange, worker->config->answer_time_ms);
	return state;
}

static enum exchange_state run_phase(struct worker *worker, struct exchange *exchange)
{
	switch (exchange->phase) {
	case PHASE_HEAD:
		return run_head(worker, exchange);
	case PHASE_CONNECT:
		return run_connect(worker, exchange);
	case PHASE_RELAY:
		return run_relay(worker, exchange);
	case PHASE_TUNNEL:
		return run_tunnel(worker, exchange);
	case PHASE_ANSWER:
		return run_own_answer(worker, exchange);
	default:
		return EXCHANGE_BROKEN;
	}
}

enum exchange_state exchange_run(struct worker *worker, struct exchange *exchange)
{
	enum exchange_state state;
	enum exchange_phase phase;

	/* A phase that leads to another goes on there at once; one that has had enough waits for
	 * its turn. */
	do {
		phase = exchange->phase;
		state = run_phase(worker, exchange);
		exchange->expired = false;
	} while (state == EXCHANGE_AGAIN && phase != exchange->phase);
	return state;
}

void exchange_expired(struct worker *worker, struct exchange *exchange)
{
	(void)worker;
	exchange->expired = true;
}
