/* SPDX-License-Identifier: GPL-2.0-only */
/* PEM files as Swarm keeps them, read so that TLS libraries take them. */
#ifndef SKEP_LIB_PEM_H
#define SKEP_LIB_PEM_H

#include <stddef.h>

#include "lib/error.h"

struct pem { /* malloc'ed, NUL-terminated (not counted in size) */
	char *data;
	size_t size;
};

/*
 * What makes one end of a TLS connection: its certificates and key, and the CA that the other end
 * must chain to. Swarm writes headers into its key (kek-version, raft-dek) that neither OpenSSL nor
 * GnuTLS understands: they are left out. -EACCES: the key is encrypted (docker swarm update
 * --autolock). *identity is to be freed by pem_identity_free() in any case.
 */
struct pem_identity {
	struct pem ca, cert, key;
};
int pem_identity_read(struct pem_identity *identity, const char *ca, const char *cert,
		      const char *key, struct skep_error *error);
void pem_identity_free(struct pem_identity *identity); /* wipes the key */

#endif
