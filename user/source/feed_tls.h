/* SPDX-License-Identifier: GPL-2.0-only */
/* Who may ask the feed, and as whom it answers: Swarm's own certificates. Not for others than
 * feed_server.c. */
#ifndef SKEP_SOURCE_FEED_TLS_H
#define SKEP_SOURCE_FEED_TLS_H

#include <gnutls/gnutls.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/pem.h"

#define FEED_NAME_SIZE 256

struct feed_identity {
	struct pem_identity pem;
	char cluster[FEED_NAME_SIZE]; /* O of the node's certificate: the Swarm's id */
	uint64_t hash;		      /* of the three files */
};

/* Reads swarm-node.crt, swarm-node.key and swarm-root-ca.crt, and checks that they belong together.
 */
int feed_identity_read(struct feed_identity *identity, const char *directory,
		       struct skep_error *error);
void feed_identity_free(struct feed_identity *identity);

/*
 * 0 if the peer has shown a certificate that chains to the session's CA, is valid now, and is that
 * of a node (OU swarm-worker or swarm-manager) of this cluster; else -EACCES and why.
 */
int feed_peer_check(gnutls_session_t session, const char *cluster, struct skep_error *error);

#endif
