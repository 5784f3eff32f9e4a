/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/stream_bio.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "proxy/stream.h"

static int read_socket(BIO *bio, char *data, size_t size, size_t *n)
{
	struct stream *stream = BIO_get_data(bio);
	ssize_t got;

	BIO_clear_retry_flags(bio);
	do
		got = recv(stream->source.fd, data, size, 0);
	while (got < 0 && errno == EINTR);
	stream->tls_drained = got < (ssize_t)size;
	if (got > 0) {
		*n = (size_t)got;
		return 1;
	}
	if (!got)
		BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
	else if (errno == EAGAIN)
		BIO_set_retry_read(bio);
	return got ? -1 : 0;
}

static int write_socket(BIO *bio, const char *data, size_t size, size_t *n)
{
	struct stream *stream = BIO_get_data(bio);
	int flags = MSG_NOSIGNAL | (stream->tls_more ? MSG_MORE : 0);
	ssize_t sent;

	BIO_clear_retry_flags(bio);
	do
		sent = send(stream->source.fd, data, size, flags);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0) {
		*n = (size_t)sent;
		return 1;
	}
	if (errno == EAGAIN)
		BIO_set_retry_write(bio);
	return -1;
}

static long control(BIO *bio, int command, long number, void *data)
{
	(void)number;
	(void)data;
	if (command == BIO_CTRL_EOF)
		return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
	return command == BIO_CTRL_FLUSH; /* nothing is held back here */
}

BIO_METHOD *stream_bio_method(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "stream");

	if (method && BIO_meth_set_read_ex(method, read_socket) &&
	    BIO_meth_set_write_ex(method, write_socket) && BIO_meth_set_ctrl(method, control))
		return method;
	BIO_meth_free(method);
	return NULL;
}

int stream_bio_set(struct stream *stream, const BIO_METHOD *method)
{
	BIO *bio = BIO_new(method);

	if (!bio)
		return -ENOMEM;
	BIO_set_data(bio, stream);
	BIO_set_init(bio, 1);
	SSL_set_bio(stream->tls, bio, bio);
	return 0;
}
