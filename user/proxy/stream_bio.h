/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An encrypted stream's socket, as OpenSSL reads and writes it. Beside OpenSSL's own for sockets:
 * notes whether a read took all there was (tls_drained), and lets what is to be followed at once
 * (tls_more) leave with what follows.
 */
#ifndef SKEP_PROXY_STREAM_BIO_H
#define SKEP_PROXY_STREAM_BIO_H

struct stream;
struct bio_method_st; /* OpenSSL's BIO_METHOD */

/* For BIO_meth_free(), after the last stream. NULL: no memory. */
struct bio_method_st *stream_bio_method(void);
/* Its tls reads and writes its socket from now on. -ENOMEM. */
int stream_bio_set(struct stream *stream, const struct bio_method_st *method);

#endif
