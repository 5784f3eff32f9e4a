/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The chunked transfer coding (RFC 9112 7.1), read strictly and in place: the decoder tells which
 * bytes are payload and keeps none. Extensions are checked and passed over; whoever sends the body
 * on writes chunks of his own.
 */
#ifndef SKEP_HTTP_CHUNK_H
#define SKEP_HTTP_CHUNK_H

#include "http/refusal.h"
#include "http/text.h"

#define HTTP_CHUNK_LINE_MAX 256 /* a size with its extensions */

struct http_chunks {
	uint64_t left; /* of the current chunk's payload */
	uint16_t line; /* bytes of the size's line so far */
	uint8_t state;
	enum http_refusal refusal;
};

struct http_piece {
	size_t framing; /* bytes that are the coding's */
	size_t payload; /* bytes after them that are the body's */
};

void http_chunks_begin(struct http_chunks *chunks);

/*
 * Reads on at data: sets how many bytes were read, at most one range of payload at the end of them.
 *
 * -EAGAIN: the body goes on after them; call again, with the rest of the bytes if there are any.
 * 0: the last chunk's line was read; the trailer section (fields.h) begins after it.
 * -EBADMSG: refused, chunks->refusal says why.
 */
int http_chunks_next(struct http_chunks *chunks, const char *data, size_t size,
		     struct http_piece *piece);

/* size bytes of payload, at most chunks->left, were read by someone else (splice). */
void http_chunks_skip(struct http_chunks *chunks, uint64_t size);

/* The line before size bytes of payload; CR LF goes after them. Size 0 is none: "0\r\n\r\n" ends
 * a body. Returns its length. */
#define HTTP_CHUNK_HEAD_MAX 18
size_t http_chunk_head(uint64_t size, char room[HTTP_CHUNK_HEAD_MAX]);

#endif
