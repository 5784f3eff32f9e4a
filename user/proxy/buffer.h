/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Buffers of one thread's connections, lent only while there is something in them: an idle
 * connection has none.
 */
#ifndef SKEP_PROXY_BUFFER_H
#define SKEP_PROXY_BUFFER_H

#include <stddef.h>

#define BUFFER_SIZE  16384
#define BUFFER_LARGE 65536 /* for payload of which much comes: fewer system calls for it */
/* Free ones that are not given back to malloc. */
#define BUFFERS_KEPT	   256
#define BUFFERS_LARGE_KEPT 32

struct buffer {
	char *data; /* NULL: none is held */
	size_t size;
	size_t start, end; /* what is in it: data[start … end) */
};

struct buffers_kept {
	void *free;
	size_t n;
};

struct buffers {
	struct buffers_kept usual, large;
};

/* 0, with an empty buffer of BUFFER_SIZE, also if one is held already; -ENOMEM. */
int buffer_take(struct buffers *buffers, struct buffer *buffer);
void buffer_give(struct buffers *buffers, struct buffer *buffer);
/* What is in it moves to the front. */
void buffer_pack(struct buffer *buffer);
/* Makes it hold size bytes, with what is in it at the front. -ENOMEM: it is as it was. */
int buffer_grow(struct buffers *buffers, struct buffer *buffer, size_t size);
void buffers_free(struct buffers *buffers); /* those kept */

static inline size_t buffer_length(const struct buffer *buffer)
{
	return buffer->end - buffer->start;
}

static inline size_t buffer_room(const struct buffer *buffer)
{
	return buffer->size - buffer->end;
}

#endif
