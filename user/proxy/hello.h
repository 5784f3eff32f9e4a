/* SPDX-License-Identifier: GPL-2.0-only */
/* The first message of a TLS client, read for the host that it names, before anybody answers it. */
#ifndef SKEP_PROXY_HELLO_H
#define SKEP_PROXY_HELLO_H

#include <stddef.h>

/* Bytes of records that a ClientHello may take; longer ones are refused. */
#define HELLO_MAX      16384
#define HELLO_HOST_MAX 255

struct hello {
	char host[HELLO_HOST_MAX + 1]; /* "": it names none */
};

/*
 * The ClientHello at the beginning of data, which may be in several records (RFC 8446, 4.1.2 and
 * 5.1; RFC 6066, 3). 0; -EAGAIN: what is there may be the beginning of one; -EBADMSG: it is none.
 */
int hello_parse(struct hello *hello, const void *data, size_t size);

#endif
