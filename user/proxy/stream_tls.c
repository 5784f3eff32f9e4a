/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * OpenSSL over a socket that does not block. Its queue of errors is empty whenever it is called, as
 * whoever causes one empties it.
 */
#include "proxy/stream_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>

#include "proxy/stream_bio.h"
#include "proxy/tls.h"
#include "proxy/worker.h"

#define RECORD_SIZE SSL3_RT_MAX_PLAIN_LENGTH /* RFC 8446, 5.1 */

int stream_encrypt(struct stream *stream, struct tls *tls)
{
	stream->tls = SSL_new(tls_context(tls));
	if (stream->tls && !stream_bio_set(stream, tls_bio_method(tls))) {
		SSL_set_accept_state(stream->tls);
		SSL_set_app_data(stream->tls, tls);
		return 0;
	}
	ERR_clear_error();
	SSL_free(stream->tls);
	stream->tls = NULL;
	return -ENOMEM;
}

static void count_handshake(struct stream *stream)
{
	struct counters *counters = &worker_self()->counters;

	if (stream->tls_established || !SSL_is_init_finished(stream->tls))
		return;
	stream->tls_established = true;
	counters_add(SSL_session_reused(stream->tls) ? &counters->tls_resumed
						     : &counters->tls_handshakes,
		     1);
}

/* After a call that brought nothing: -EAGAIN, 0: the end, another negative errno. */
static int result(struct stream *stream, int returned)
{
	int err = errno;

	switch (SSL_get_error(stream->tls, returned)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		err = err ? -err : -ECONNRESET;
		break;
	default: /* an end of the connection without one of TLS included: something may be missing
		  */
		err = -EPROTO;
	}
	ERR_clear_error();
	if (!stream->tls_established && !stream->tls_failed)
		counters_add(&worker_self()->counters.tls_failed, 1);
	stream->tls_failed = true;
	return err;
}

ssize_t stream_tls_read(struct stream *stream, void *data, size_t size)
{
	size_t n;
	int returned, err;

	if (stream->tls_failed)
		return -EPROTO;
	returned = SSL_read_ex(stream->tls, data, size, &n);
	count_handshake(stream);
	if (returned > 0) {
		/* Whether the end is behind it only another read can tell. */
		if (stream->tls_drained && !stream->hung_up && !SSL_has_pending(stream->tls))
			stream->readable = false;
		return (ssize_t)n;
	}
	err = result(stream, returned);
	if (err == -EAGAIN) {
		stream->readable = false;
		stream->tls_read_waits = SSL_want_write(stream->tls);
	}
	return err;
}

/* What comes next, for one record: in a piece where it lies, or together in `room`. */
static size_t next_record(const struct iovec *parts, int n, size_t done, char room[RECORD_SIZE],
			  const char **data)
{
	size_t size = 0;

	for (int i = 0; i < n && size < RECORD_SIZE; i++) {
		const char *part = parts[i].iov_base;
		size_t left = parts[i].iov_len;

		if (done >= left) {
			done -= left;
			continue;
		}
		part += done;
		left -= done;
		done = 0;
		if (!size && (left >= RECORD_SIZE || i == n - 1)) {
			*data = part;
			return left < RECORD_SIZE ? left : RECORD_SIZE;
		}
		if (left > RECORD_SIZE - size)
			left = RECORD_SIZE - size;
		memcpy(room + size, part, left);
		size += left;
	}
	*data = room;
	return size;
}

/*
 * As much as the socket takes: a part that is left means that it is full. A record that it took in
 * part is not among those sent; OpenSSL has the rest, and is called with the same bytes again.
 */
ssize_t stream_tls_write(struct stream *stream, const struct iovec *parts, int n)
{
	char room[RECORD_SIZE];
	size_t done = 0, all = 0, size;
	const char *data;

	if (stream->tls_failed)
		return -EPROTO;
	for (int i = 0; i < n; i++)
		all += parts[i].iov_len;
	while ((size = next_record(parts, n, done, room, &data)) > 0) {
		size_t sent;
		int returned, err;

		stream->tls_more = done + size < all;
		returned = SSL_write_ex(stream->tls, data, size, &sent);
		stream->tls_more = false;
		if (returned > 0) {
			done += sent;
			continue;
		}
		err = result(stream, returned);
		if (err != -EAGAIN)
			return err ? err : -EPIPE;
		stream->writable = false;
		return done ? (ssize_t)done : -EAGAIN;
	}
	return (ssize_t)done;
}

static void say_last_word(struct stream *stream)
{
	int returned = SSL_shutdown(stream->tls);

	stream->tls_shuts = returned < 0 && result(stream, returned) == -EAGAIN;
	if (!stream->tls_shuts)
		shutdown(stream->source.fd, SHUT_WR);
}

void stream_tls_note(struct stream *stream)
{
	/* What has come since is behind what OpenSSL may still hold. */
	stream->tls_drained = false;
	if (!stream->writable)
		return;
	if (stream->tls_shuts)
		say_last_word(stream);
	if (stream->tls_read_waits)
		stream->readable = true;
}

void stream_tls_shut(struct stream *stream)
{
	if (stream->tls_established && !stream->tls_failed)
		say_last_word(stream);
	else
		shutdown(stream->source.fd, SHUT_WR);
}

void stream_tls_free(struct stream *stream)
{
	SSL_free(stream->tls);
	stream->tls = NULL;
	ERR_clear_error();
}
