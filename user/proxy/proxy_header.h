/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The PROXY protocol (proxy-protocol.txt, versions 1 and 2): the first bytes of a connection that
 * tell whose it is, from one proxy to the next.
 */
#ifndef SKEP_PROXY_PROXY_HEADER_H
#define SKEP_PROXY_PROXY_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "skep/addr.h"

#define PROXY_HEADER_MAX       1024 /* bytes of one that is accepted, its extensions with it */
#define PROXY_HEADER_WRITE_MAX 128  /* of one that is written */

struct proxy_header {
	bool local; /* the proxy speaks for itself, or does not know: the connection's own count */
	struct skep_addr client, server; /* whose it is, and where to */
	uint16_t client_port, server_port;
	size_t size; /* of the header in bytes */
};

/*
 * 0; -EAGAIN: what is there may be the beginning of one; -ENOENT: it is none, but what the client
 * says itself; -EBADMSG: it is one that is wrong.
 */
int proxy_header_parse(struct proxy_header *header, const void *data, size_t size);

/* Of this version, 1 or 2; the bytes written. */
size_t proxy_header_write(const struct proxy_header *header, unsigned int version,
			  char out[PROXY_HEADER_WRITE_MAX]);

#endif
