/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Certificates with their keys, as a directory has them: NAME.pem (the server's certificate, then
 * those that lead to its root, and the key, in any order) or NAME.crt with NAME.key. A value: read
 * whole, never changed.
 */
#ifndef SKEP_PROXY_CERTIFICATES_H
#define SKEP_PROXY_CERTIFICATES_H

#include <stddef.h>
#include <time.h>

#include "lib/error.h"

#define CERTIFICATES_MAX     10000
#define CERTIFICATES_DEFAULT "default" /* the NAME that is used where no other fits */

struct ssl_ctx_st;

struct certificate {
	char *name;		    /* of its file, without its ending */
	struct ssl_ctx_st *context; /* an SSL_CTX that has it */
	time_t expires;
	char **hosts; /* in lower case, "*.example.com" among them; ends with NULL */
};

struct certificate_host {
	const char *name; /* a certificate's */
	const struct certificate *certificate;
};

struct certificates {
	struct certificate *list; /* by name */
	size_t n;
	struct certificate_host *hosts; /* by name; each once: the first certificate that has it */
	size_t n_hosts;
	/* For whom no other fits: that named `default`, else the first. NULL: there is none. */
	const struct certificate *fallback;
	char **broken; /* names of pairs that could not be used, in no order; the one before may
			  be in the list */
	size_t n_broken;
};

/*
 * Reads a directory. A pair that cannot be used is logged, and the one of that name in `last`
 * (NULL: none) stays. prepare() sets up the context of each. *certificates is for
 * certificates_free(). An error: the directory cannot be read.
 */
int certificates_read(struct certificates **certificates, const char *dir,
		      const struct certificates *last, int (*prepare)(struct ssl_ctx_st *context),
		      struct skep_error *error);
void certificates_free(struct certificates *certificates); /* NULL is fine */

/* For a host's name as a client tells it, in any case: that of exactly this name, else of a
 * wildcard for its parent. NULL: there is none. */
const struct certificate *certificates_find(const struct certificates *certificates,
					    const char *host);
#endif
