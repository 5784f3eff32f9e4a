/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One side of a connection: a socket, and what is known of it. Watched by edge-triggered epoll,
 * once for its whole life, so that no system call is needed to wait; readable and writable say what
 * a call may bring. Whoever reads or writes encrypted does it here.
 */
#ifndef SKEP_PROXY_STREAM_H
#define SKEP_PROXY_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct worker;
struct tls;
struct ssl_st; /* OpenSSL's SSL */

/* What epoll's events carry. */
struct source {
	int fd;
	void (*ready)(struct source *source, uint32_t events);
};

struct stream {
	struct source source;
	bool readable; /* a read may bring something, or the end */
	bool writable;
	bool broken;  /* neither way works any more */
	bool hung_up; /* the other end has sent its last: after what is there, a read brings the end
		       */
	struct ssl_st *tls;   /* NULL: what the socket carries is what is read and written */
	bool tls_established; /* its handshake is done */
	bool tls_failed;      /* nothing may be said any more */
	bool tls_read_waits;  /* a read goes on when the socket can be written */
	bool tls_drained;     /* the last read of the socket brought all there was */
	bool tls_more;	      /* what is written now is followed at once */
	bool tls_shuts;	      /* its last word waits until the socket can be written */
};

/* Starts to watch; source.fd and source.ready are set. Negative errno. */
int stream_watch(struct worker *worker, struct stream *stream);
/* To be called first in ready(). */
void stream_note(struct stream *stream, uint32_t events);
/*
 * From here on it is TLS's server side, whose handshake goes on within reads. The socket has been
 * read by nobody, or only by MSG_PEEK. -ENOMEM.
 */
int stream_encrypt(struct stream *stream, struct tls *tls);
/* Bytes; 0: the end; -EAGAIN: nothing now, ready() will be called; another negative errno. */
ssize_t stream_read(struct stream *stream, void *data, size_t size);
/* The beginning of what a read will bring, again and again; of a stream that is not encrypted. */
ssize_t stream_peek(struct stream *stream, void *data, size_t size);
/* more: it may wait for what will be written next, which is at hand. */
ssize_t stream_write(struct stream *stream, const struct iovec *parts, int n, bool more);
/* To close it then resets the connection. */
void stream_will_reset(struct stream *stream);
/* No more will be written; what the other end sends can be read yet. */
void stream_shut(struct stream *stream);
/* The error that epoll told of, or 0. */
int stream_error(const struct stream *stream);
/* fd is -1 then, and ready() is not called any more; its memory must stay until the round ends, see
 * worker_bury(). */
void stream_close(struct stream *stream);

#endif
