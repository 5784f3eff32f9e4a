/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What all encrypted connections of clients share: protocol settings, keys of session tickets, and
 * the certificates, which are read anew when their directory changes. Connections that there are
 * keep what they have.
 */
#ifndef SKEP_PROXY_TLS_H
#define SKEP_PROXY_TLS_H

#include <stdbool.h>
#include <stdio.h>

#include "lib/error.h"
#include "lib/loop.h"

struct tls;
struct ssl_ctx_st;    /* OpenSSL's SSL_CTX */
struct bio_method_st; /* and BIO_METHOD, see stream_bio.h */

/*
 * Reads the certificates of the directory (proxy/certificates.h) and watches it; an error only if
 * it cannot be read at all. strict: a client that names no host, or one that no certificate has, is
 * refused.
 */
int tls_open(struct tls **tls, struct loop *loop, const char *dir, bool strict,
	     struct skep_error *error);
/* Reads them again, as if the directory had changed. */
void tls_reload(struct tls *tls);
/* In Prometheus' text format. */
void tls_print_metrics(struct tls *tls, FILE *out);
/* After the last connection. NULL is fine. */
void tls_close(struct tls *tls);

/* By any thread, for a connection whose app data is `tls`. */
struct ssl_ctx_st *tls_context(const struct tls *tls);
const struct bio_method_st *tls_bio_method(const struct tls *tls);

#endif
