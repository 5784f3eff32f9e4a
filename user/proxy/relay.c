/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "http/forward.h"
#include "proxy/worker.h"

/* Of reading and sending, before other connections have their turn. */
#define ROUNDS_AT_ONCE 16

#define JOIN_MAX 2048

#define CHUNK_END      "\r\n"
#define CHUNK_LAST     "\r\n0\r\n\r\n"
#define CHUNK_LAST_ONE (CHUNK_LAST + 2) /* where no chunk is before it */

void relay_begin(struct relay *relay, struct stream *from, struct stream *to, struct buffer *in,
		 enum http_framing framing, uint64_t length, struct http_field *fields)
{
	*relay = (struct relay){
		.from = from,
		.to = to,
		.in = in,
		.framing = framing,
		.chunked = framing == HTTP_FRAMING_CHUNKED,
		.left = length,
		.fields = fields,
		.pipe = {-1, -1},
	};
	if (framing == HTTP_FRAMING_NONE || (framing == HTTP_FRAMING_LENGTH && !length))
		relay->whole = true;
	if (framing == HTTP_FRAMING_CHUNKED)
		http_chunks_begin(&relay->chunks);
}

static char *unread(const struct relay *relay)
{
	return relay->in->data + relay->in->start + relay->ready;
}

static size_t unread_size(const struct relay *relay)
{
	return buffer_length(relay->in) - relay->ready;
}

/* Closes the gap of what is no payload. */
static void cut(struct relay *relay, size_t size)
{
	char *at = unread(relay);

	if (!size)
		return;
	memmove(at, at + size, unread_size(relay) - size);
	relay->in->end -= size;
}

static int refuse(struct relay *relay, enum http_refusal refusal)
{
	relay->refusal = refusal;
	return -EBADMSG;
}

/* 0 or a negative errno. */
static int take_trailers(struct worker *worker, struct relay *relay)
{
	ssize_t size;
	int err;

	if (!relay->trailers_read && !unread_size(relay))
		return 0;
	if (!relay->trailers_read) {
		err = http_fields_parse(&relay->trailers, unread(relay),
					(uint32_t)unread_size(relay), &relay->refusal);
		if (err == -EAGAIN)
			return buffer_room(relay->in) || relay->in->start
				       ? 0
				       : refuse(relay, HTTP_REFUSED_HEAD_LARGE);
		if (err)
			return err;
		relay->trailers_read = true;
	}
	if (relay->chunked && !relay->trailers.n) {
		relay->tail = relay->ready ? CHUNK_LAST : CHUNK_LAST_ONE;
		relay->tail_size = strlen(relay->tail);
	} else if (relay->chunked) {
		/* They are written to `out`, which goes before the payload: so once that is sent.
		 */
		if (relay->ready)
			return 0;
		if (buffer_take(&worker->buffers, &relay->out))
			return -ENOMEM;
		size = http_forward_trailers(&relay->trailers, unread(relay),
					     relay->out.data + relay->out.end,
					     buffer_room(&relay->out));
		if (size < 0)
			return refuse(relay, HTTP_REFUSED_HEAD_LARGE);
		relay->out.end += (size_t)size;
	}
	relay->whole = true;
	cut(relay, relay->trailers.at);
	return 0;
}

/*
 * Payload of all chunks that are in the buffer comes to lie together, to go out as one. Each byte
 * moves once: chunks may be tiny.
 */
static int take_chunks(struct worker *worker, struct relay *relay)
{
	char *at = unread(relay), *to = at, *end = at + unread_size(relay);

	while (!relay->in_trailers && at < end) {
		struct http_piece piece;
		int err = http_chunks_next(&relay->chunks, at, (size_t)(end - at), &piece);

		if (err == -EBADMSG)
			return refuse(relay, relay->chunks.refusal);
		at += piece.framing;
		memmove(to, at, piece.payload);
		at += piece.payload;
		to += piece.payload;
		relay->ready += piece.payload;
		if (!err) {
			relay->in_trailers = true;
			http_fields_begin(&relay->trailers, relay->fields, HTTP_FIELDS, 0);
		}
	}
	cut(relay, (size_t)(at - to));
	return relay->in_trailers ? take_trailers(worker, relay) : 0;
}

static int write_chunk_head(struct worker *worker, struct relay *relay)
{
	if (buffer_take(&worker->buffers, &relay->out))
		return -ENOMEM;
	if (buffer_room(&relay->out) < HTTP_CHUNK_HEAD_MAX)
		return -ENOBUFS;
	relay->out.end +=
		http_chunk_head(relay->ready - relay->sent, relay->out.data + relay->out.end);
	if (!relay->tail_size) {
		relay->tail = CHUNK_END;
		relay->tail_size = strlen(CHUNK_END);
	}
	return 0;
}

/* Looks at what came: how much of it is payload. 0 or a negative errno. */
static int take_up(struct worker *worker, struct relay *relay)
{
	size_t before = relay->ready, n = unread_size(relay);
	int err = 0;

	switch (relay->framing) {
	case HTTP_FRAMING_NONE:
		return 0;
	case HTTP_FRAMING_LENGTH:
		if (n > relay->left)
			n = (size_t)relay->left;
		relay->ready += n;
		relay->left -= n;
		relay->whole = !relay->left;
		break;
	case HTTP_FRAMING_CHUNKED:
		err = take_chunks(worker, relay);
		break;
	case HTTP_FRAMING_CLOSE:
	case HTTP_FRAMING_TUNNEL:
		relay->ready += n;
		break;
	}
	relay->moved += relay->ready - before;
	if (!err && relay->chunked && relay->ready)
		err = write_chunk_head(worker, relay);
	return err;
}

static size_t pending(const struct relay *relay)
{
	return buffer_length(&relay->out) + relay->ready - relay->sent + relay->tail_size;
}

/* A little payload is copied behind the head: cheaper than to send two parts. */
static void join(struct worker *worker, struct relay *relay)
{
	size_t size = relay->ready - relay->sent;

	if (relay->keep || !size || size > JOIN_MAX || !buffer_length(&relay->out) ||
	    size > buffer_room(&relay->out))
		return;
	memcpy(relay->out.data + relay->out.end, relay->in->data + relay->in->start + relay->sent,
	       size);
	relay->out.end += size;
	relay->sent += size;
	counters_add(&worker->counters.bytes_copied, size);
}

/* One write of all that is ready. 0: all is gone; -EAGAIN; another negative errno. */
static int send_ready(struct worker *worker, struct relay *relay)
{
	struct iovec parts[3];
	size_t n_out, n_payload, part;
	int n = 0;
	ssize_t sent;

	join(worker, relay);
	n_out = buffer_length(&relay->out);
	n_payload = relay->ready - relay->sent;
	if (n_out)
		parts[n++] = (struct iovec){relay->out.data + relay->out.start, n_out};
	if (n_payload)
		parts[n++] =
			(struct iovec){relay->in->data + relay->in->start + relay->sent, n_payload};
	if (relay->tail_size)
		parts[n++] = (struct iovec){(char *)relay->tail, relay->tail_size};
	if (!relay->to->writable)
		return -EAGAIN;
	sent = stream_write(relay->to, parts, n, relay->piped);
	if (sent < 0)
		return (int)sent;

	relay->begun |= sent > 0;
	part = (size_t)sent < n_out ? (size_t)sent : n_out;
	relay->out.start += part;
	sent -= (ssize_t)part;
	part = (size_t)sent < n_payload ? (size_t)sent : n_payload;
	relay->sent += part;
	counters_add(&worker->counters.bytes_copied, part);
	sent -= (ssize_t)part;
	relay->tail += sent;
	relay->tail_size -= (size_t)sent;
	if (pending(relay)) {
		relay->to->writable = false;
		return -EAGAIN;
	}
	return 0;
}

/* What was sent makes room. */
static void forget_sent(struct relay *relay)
{
	relay->in->start += relay->sent;
	relay->ready -= relay->sent;
	relay->sent = 0;
	if (relay->in->start == relay->in->end)
		relay->in->start = relay->in->end = 0;
}

/* 0; -EAGAIN; -ENODATA: the end; another negative errno. */
static int read_more(struct worker *worker, struct relay *relay)
{
	size_t room;
	ssize_t n;

	if (!relay->from->readable)
		return -EAGAIN;
	if (buffer_take(&worker->buffers, relay->in))
		return -ENOMEM;
	if (!relay->keep || !buffer_room(relay->in)) {
		relay->keep = false;
		forget_sent(relay);
		if (!buffer_room(relay->in))
			buffer_pack(relay->in);
	}
	/* Without memory for it, it goes on as before. */
	if (!relay->keep && (relay->streams || relay->left > BUFFER_SIZE) &&
	    relay->in->size < BUFFER_LARGE)
		(void)buffer_grow(&worker->buffers, relay->in, BUFFER_LARGE);
	room = buffer_room(relay->in);
	n = stream_read(relay->from, relay->in->data + relay->in->end, room);
	if (n < 0)
		return (int)n;
	relay->in->end += (size_t)n;
	relay->streams = (size_t)n == room;
	return n ? 0 : -ENODATA;
}

/* ---- splice */

/*
 * The cheaper means for what is to come (make bench-relay): splice(2) costs more for each round and
 * less for each byte, so a length decides. Where none is given, how much came at once does.
 */
static bool should_splice(struct worker *worker, const struct relay *relay)
{
	const struct proxy_config *config = worker->config;

	if (relay->piped)
		return true;
	if (config->relay == PROXY_RELAY_COPY || relay->whole || relay->chunked ||
	    unread_size(relay) || relay->from->tls || relay->to->tls)
		return false;
	switch (relay->framing) {
	case HTTP_FRAMING_LENGTH:
		return config->relay == PROXY_RELAY_SPLICE ||
		       (config->splice_from && relay->left + RELAY_FIRST >= config->splice_from);
	case HTTP_FRAMING_CLOSE:
	case HTTP_FRAMING_TUNNEL:
		return config->relay == PROXY_RELAY_SPLICE ||
		       (config->splice_from && relay->streams);
	case HTTP_FRAMING_NONE:
	case HTTP_FRAMING_CHUNKED: /* what frames them must be read */
		break;
	}
	return false;
}

bool relay_wants_splice(const struct worker *worker, const struct relay *relay)
{
	const struct proxy_config *config = worker->config;

	return relay->spliced ||
	       (relay->framing == HTTP_FRAMING_LENGTH && config->relay == PROXY_RELAY_AUTO &&
		!relay->from->tls && !relay->to->tls && config->splice_from &&
		relay->moved >= config->splice_from);
}

/* 0: something is in it; -EAGAIN; -ENODATA: the end; another negative errno. */
static int fill_pipe(struct relay *relay)
{
	size_t most = PIPE_SIZE;
	ssize_t n;

	if (relay->piped)
		return 0;
	if (relay->framing == HTTP_FRAMING_LENGTH && relay->left < most)
		most = (size_t)relay->left;
	if (!relay->from->readable)
		return -EAGAIN;
	n = splice(relay->from->source.fd, NULL, relay->pipe.write_fd, NULL, most,
		   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n < 0 && errno == EAGAIN)
		relay->from->readable = false;
	if (n <= 0)
		return n ? -errno : -ENODATA;
	relay->piped += (size_t)n;
	relay->streams = (size_t)n >= BUFFER_SIZE;
	relay->moved += (uint64_t)n;
	if (relay->framing == HTTP_FRAMING_LENGTH)
		relay->left -= (uint64_t)n;
	return 0;
}

/* 0: all is gone; -EAGAIN; another negative errno. */
static int empty_pipe(struct worker *worker, struct relay *relay)
{
	while (relay->piped) {
		ssize_t n;

		if (!relay->to->writable)
			return -EAGAIN;
		n = splice(relay->pipe.read_fd, NULL, relay->to->source.fd, NULL, relay->piped,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n < 0 && errno == EAGAIN)
			relay->to->writable = false;
		if (n < 0)
			return errno == EAGAIN ? -EAGAIN : -EPIPE;
		relay->begun = true;
		relay->piped -= (size_t)n;
		relay->spliced = true;
		counters_add(&worker->counters.bytes_spliced, (uint64_t)n);
	}
	if (relay->framing == HTTP_FRAMING_LENGTH && !relay->left)
		relay->whole = true;
	return 0;
}

static enum relay_state source_state(struct relay *relay, int err)
{
	if (err == -EAGAIN)
		return RELAY_GOES_ON;
	if (err != -ENODATA)
		return RELAY_SOURCE_FAILED;
	if (relay->framing != HTTP_FRAMING_CLOSE && relay->framing != HTTP_FRAMING_TUNNEL)
		return RELAY_SOURCE_ENDED;
	relay->whole = true;
	if (relay->chunked) {
		relay->tail = CHUNK_LAST_ONE;
		relay->tail_size = strlen(CHUNK_LAST_ONE);
	}
	return RELAY_ENDED; /* once what is left is sent */
}

/* May what came be looked at? Of chunks not before all that was found until now has been sent. */
static bool may_take_up(const struct relay *relay)
{
	return !relay->whole && relay->in->data && unread_size(relay) &&
	       !(relay->chunked && (relay->ready || relay->tail_size));
}

static enum relay_state run(struct worker *worker, struct relay *relay)
{
	enum relay_state state;
	bool splices;
	int err;

	for (int rounds = 0; rounds < ROUNDS_AT_ONCE; rounds++) {
		if (may_take_up(relay)) {
			err = take_up(worker, relay);
			if (err)
				return err == -EBADMSG ? RELAY_REFUSED : RELAY_SOURCE_FAILED;
		}
		splices = should_splice(worker, relay) && !pipe_take(&worker->pipes, &relay->pipe);
		if (pending(relay)) {
			/* Head and payload leave together, if there is some. */
			if (splices && !relay->keep)
				(void)fill_pipe(relay);
			err = send_ready(worker, relay);
			if (err)
				return err == -EAGAIN ? RELAY_GOES_ON : RELAY_SINK_FAILED;
			if (!relay->keep) {
				relay->out.start = relay->out.end = 0;
				forget_sent(relay);
			}
			continue; /* trailers may follow */
		}
		if (relay->whole)
			return RELAY_ENDED;
		if (splices) {
			relay->keep = false;
			forget_sent(relay);
			err = fill_pipe(relay);
			if (!err)
				err = empty_pipe(worker, relay);
			if (err == -EPIPE)
				return RELAY_SINK_FAILED;
		} else {
			err = read_more(worker, relay);
		}
		if (!err)
			continue;
		state = source_state(relay, err);
		if (state != RELAY_ENDED)
			return state;
	}
	return RELAY_AGAIN;
}

enum relay_state relay_run(struct worker *worker, struct relay *relay)
{
	enum relay_state state = run(worker, relay);

	/* Many wait for long with nothing at hand. */
	if (state == RELAY_GOES_ON && !buffer_length(relay->in))
		buffer_give(&worker->buffers, relay->in);
	if (state == RELAY_GOES_ON && !relay->piped)
		pipe_give(&worker->pipes, &relay->pipe, 0);
	return state;
}

bool relay_can_rewind(const struct relay *relay)
{
	return relay->keep || !relay->begun;
}

void relay_rewind(struct relay *relay, struct stream *to)
{
	relay->to = to;
	if (!relay->keep)
		return; /* it has not begun */
	relay->out.start = 0;
	relay->sent = 0;
	relay->begun = false;
}

void relay_end(struct worker *worker, struct relay *relay)
{
	if (!relay->from)
		return;
	relay->keep = false;
	if (relay->in->data)
		forget_sent(relay);
	buffer_give(&worker->buffers, &relay->out);
	pipe_give(&worker->pipes, &relay->pipe, relay->piped);
	*relay = (struct relay){.pipe = {-1, -1}};
}
