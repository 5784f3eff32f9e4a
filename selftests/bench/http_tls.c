/* SPDX-License-Identifier: GPL-2.0-only */
#include "http_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST "bench.example"

static SSL_CTX *context;
static bool resumes;

static void die(const char *what)
{
	fprintf(stderr, "http_load: TLS: %s\n", what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

void tls_begin(bool resume)
{
	resumes = resume;
	context = SSL_CTX_new(TLS_client_method());
	if (!context || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1 ||
	    SSL_CTX_set1_groups_list(context, "X25519") != 1)
		die("cannot be set up");
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(context,
			 SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	signal(SIGPIPE, SIG_IGN); /* the last word may find nobody */
}

SSL *tls_open(int fd, SSL_SESSION *session)
{
	SSL *tls = SSL_new(context);

	if (!tls || !SSL_set_fd(tls, fd) || !SSL_set_tlsext_host_name(tls, HOST) ||
	    (session && !SSL_set_session(tls, session)))
		die("no connection");
	SSL_set_connect_state(tls);
	return tls;
}

/* Of a call that brought nothing. */
static ssize_t result(SSL *tls, int returned)
{
	switch (SSL_get_error(tls, returned)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		die(errno ? strerror(errno) : "the connection ended");
		return -1;
	}
}

ssize_t tls_send(SSL *tls, const void *data, size_t size)
{
	size_t n;
	int returned = SSL_write_ex(tls, data, size, &n);

	return returned > 0 ? (ssize_t)n : result(tls, returned);
}

ssize_t tls_recv(SSL *tls, void *data, size_t size)
{
	size_t n;
	int returned = SSL_read_ex(tls, data, size, &n);

	return returned > 0 ? (ssize_t)n : result(tls, returned);
}

bool tls_wants_out(const SSL *tls)
{
	return SSL_want_write(tls);
}

void tls_close(SSL *tls, SSL_SESSION **session)
{
	bool resumed = SSL_session_reused(tls);

	if (resumed != (*session != NULL))
		die(resumed ? "a session was resumed" : "a session was not resumed");
	SSL_SESSION_free(*session);
	*session = NULL;
	if (resumes) {
		*session = SSL_get1_session(tls);
		if (!*session || !SSL_SESSION_is_resumable(*session))
			die("the server gave no ticket");
	}
	/* Whether it gets there is nobody's business: the answer is whole. */
	SSL_shutdown(tls);
	ERR_clear_error();
	SSL_free(tls);
}
