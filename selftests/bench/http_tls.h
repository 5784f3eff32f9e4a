/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TLS 1.3 for http_load, with one cipher (AES-128-GCM) and one group (X25519), so that every server
 * does the same work. Over sockets that do not block; ends the program where TLS fails. The
 * server's certificate is not checked against any authority; its signature is, as always.
 */
#ifndef SKEP_BENCH_HTTP_TLS_H
#define SKEP_BENCH_HTTP_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct ssl_st;	       /* OpenSSL's SSL */
struct ssl_session_st; /* and SSL_SESSION */

/* resume: each connection but the first of its slot must resume the session before; else none may.
 */
void tls_begin(bool resume);
/* A connection that is made. session: what the one before left in its slot, or NULL. The handshake
 * is done by the first calls of tls_send(). */
struct ssl_st *tls_open(int fd, struct ssl_session_st *session);
/* As send() and recv(): bytes, or -1 and EAGAIN; tls_recv(): 0 is the end. */
ssize_t tls_send(struct ssl_st *tls, const void *data, size_t size);
ssize_t tls_recv(struct ssl_st *tls, void *data, size_t size);
/* Did EAGAIN mean that the socket is full? */
bool tls_wants_out(const struct ssl_st *tls);
/* Says its last word; does not close the socket. Leaves the session in its slot. */
void tls_close(struct ssl_st *tls, struct ssl_session_st **session);

#endif
