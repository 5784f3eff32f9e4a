/* SPDX-License-Identifier: GPL-2.0-only */
#include "http/chunk.h"

#include <errno.h>

enum state {
	SIZE_FIRST,
	SIZE,
	EXTENSION,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	END,
	REFUSED,
};

void http_chunks_begin(struct http_chunks *chunks)
{
	*chunks = (struct http_chunks){.state = SIZE_FIRST};
}

static enum http_refusal size_digit(struct http_chunks *chunks, char byte)
{
	int value = http_hex_value(byte);

	if (value < 0)
		return HTTP_REFUSED_CHUNK_SIZE_BAD;
	if (chunks->left > (INT64_MAX - (uint64_t)value) / 16)
		return HTTP_REFUSED_CHUNK_SIZE_OVERFLOW;
	chunks->left = chunks->left * 16 + (uint64_t)value;
	chunks->state = SIZE;
	return HTTP_NOT_REFUSED;
}

/* One byte that is not payload. */
static enum http_refusal framing_byte(struct http_chunks *chunks, char byte)
{
	if (chunks->state <= EXTENSION && byte != '\r' && ++chunks->line > HTTP_CHUNK_LINE_MAX)
		return HTTP_REFUSED_CHUNK_LINE_LONG;
	switch (chunks->state) {
	case SIZE_FIRST:
		return size_digit(chunks, byte);
	case SIZE:
		if (byte == '\n')
			return HTTP_REFUSED_BARE_LF;
		if (byte != '\r' && byte != ';')
			return size_digit(chunks, byte);
		chunks->state = byte == ';' ? EXTENSION : SIZE_LF;
		return HTTP_NOT_REFUSED;
	case EXTENSION:
		if (byte == '\n')
			return HTTP_REFUSED_BARE_LF;
		if (byte == '\r')
			chunks->state = SIZE_LF;
		else if (!http_is(byte, HTTP_VALUE) || (uint8_t)byte >= 0x80)
			return HTTP_REFUSED_CHUNK_EXTENSION;
		return HTTP_NOT_REFUSED;
	case SIZE_LF:
		if (byte != '\n')
			return HTTP_REFUSED_BARE_CR;
		chunks->line = 0;
		chunks->state = chunks->left > 0 ? DATA : END;
		return HTTP_NOT_REFUSED;
	case DATA_CR:
		if (byte != '\r')
			return HTTP_REFUSED_CHUNK_END;
		chunks->state = DATA_LF;
		return HTTP_NOT_REFUSED;
	case DATA_LF:
		if (byte != '\n')
			return HTTP_REFUSED_CHUNK_END;
		chunks->state = SIZE_FIRST;
		return HTTP_NOT_REFUSED;
	default:
		return chunks->refusal;
	}
}

int http_chunks_next(struct http_chunks *chunks, const char *data, size_t size,
		     struct http_piece *piece)
{
	size_t at = 0;

	*piece = (struct http_piece){0, 0};
	while (at < size && chunks->state != DATA && chunks->state != END) {
		chunks->refusal = framing_byte(chunks, data[at]);
		if (chunks->refusal) {
			chunks->state = REFUSED;
			return -EBADMSG;
		}
		at++;
	}
	piece->framing = at;
	if (chunks->state == END)
		return 0;
	if (chunks->state == REFUSED)
		return -EBADMSG;
	if (chunks->state == DATA) {
		piece->payload = size - at < chunks->left ? size - at : (size_t)chunks->left;
		http_chunks_skip(chunks, piece->payload);
	}
	return -EAGAIN;
}

void http_chunks_skip(struct http_chunks *chunks, uint64_t size)
{
	chunks->left -= size;
	if (chunks->left == 0)
		chunks->state = DATA_CR;
}

size_t http_chunk_head(uint64_t size, char room[HTTP_CHUNK_HEAD_MAX])
{
	static const char digits[] = "0123456789abcdef";
	size_t n = 1;

	while (n < 16 && size >> (4 * n))
		n++;
	for (size_t i = 0; i < n; i++)
		room[i] = digits[size >> (4 * (n - 1 - i)) & 15];
	room[n] = '\r';
	room[n + 1] = '\n';
	return n + 2;
}
