/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/stream.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/stream_tls.h"
#include "proxy/worker.h"

int stream_watch(struct worker *worker, struct stream *stream)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.ptr = &stream->source,
	};

	return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, stream->source.fd, &event) ? -errno : 0;
}

void stream_note(struct stream *stream, uint32_t events)
{
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		stream->readable = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		stream->writable = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		stream->hung_up = true;
	if (events & (EPOLLHUP | EPOLLERR))
		stream->broken = true;
	if (stream->tls)
		stream_tls_note(stream);
}

ssize_t stream_read(struct stream *stream, void *data, size_t size)
{
	ssize_t n;

	if (stream->tls)
		return stream_tls_read(stream, data, size);
	do
		n = recv(stream->source.fd, data, size, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		if (errno != EAGAIN)
			return -errno;
		stream->readable = false;
		return -EAGAIN;
	}
	/* Less than asked for: there was no more (epoll(7)), but the end may be behind it. */
	if (n && (size_t)n < size && !stream->hung_up)
		stream->readable = false;
	return n;
}

ssize_t stream_peek(struct stream *stream, void *data, size_t size)
{
	ssize_t n;

	do
		n = recv(stream->source.fd, data, size, MSG_PEEK);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	if (errno != EAGAIN)
		return -errno;
	stream->readable = false;
	return -EAGAIN;
}

ssize_t stream_write(struct stream *stream, const struct iovec *parts, int n, bool more)
{
	struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)n};
	int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
	ssize_t sent;

	if (stream->tls)
		return stream_tls_write(stream, parts, n);
	do /* the kernel has less to look at in one part */
		sent = n == 1 ? send(stream->source.fd, parts->iov_base, parts->iov_len, flags)
			      : sendmsg(stream->source.fd, &message, flags);
	while (sent < 0 && errno == EINTR);
	if (sent < 0) {
		if (errno != EAGAIN)
			return -errno;
		stream->writable = false;
		return -EAGAIN;
	}
	return sent;
}

void stream_will_reset(struct stream *stream)
{
	const struct linger linger = {.l_onoff = 1};

	setsockopt(stream->source.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

void stream_shut(struct stream *stream)
{
	if (stream->tls)
		stream_tls_shut(stream);
	else
		shutdown(stream->source.fd, SHUT_WR);
}

int stream_error(const struct stream *stream)
{
	socklen_t size = sizeof(int);
	int err = 0;

	if (getsockopt(stream->source.fd, SOL_SOCKET, SO_ERROR, &err, &size))
		return -errno;
	return -err;
}

/* Events of this round may still name it. */
static void ignore(struct source *source, uint32_t events)
{
	(void)source;
	(void)events;
}

void stream_close(struct stream *stream)
{
	if (stream->source.fd < 0)
		return;
	if (stream->tls)
		stream_tls_free(stream);
	close(stream->source.fd);
	stream->source.fd = -1;
	stream->source.ready = ignore;
	stream->readable = stream->writable = false;
}
