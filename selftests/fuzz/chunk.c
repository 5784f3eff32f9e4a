/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A chunked body with its trailers: decoded the same whole and in pieces; sent on in chunks of our
 * own it is the same body again.
 */
#include "heads.h"

#include "http/chunk.h"
#include "http/forward.h"
#include "http/trailer.h"

struct body {
	enum http_refusal refusal;
	bool ended;
	char *payload;
	size_t size;
	size_t end; /* where the trailer section begins */
};

static struct body decode(const uint8_t *data, size_t size, size_t step)
{
	struct body body = {.payload = fuzz_copy(data, size)};
	struct http_chunks chunks;

	http_chunks_begin(&chunks);
	while (body.end < size) {
		size_t there = size - body.end < step ? size - body.end : step;
		char *piece_of = fuzz_copy(data + body.end, there);
		struct http_piece piece;
		int err = http_chunks_next(&chunks, piece_of, there, &piece);
		MUST(piece.framing + piece.payload <= there);
		memcpy(body.payload + body.size, piece_of + piece.framing, piece.payload);
		free(piece_of);
		body.size += piece.payload;
		body.end += piece.framing + piece.payload;
		if (err == -EBADMSG)
			body.refusal = chunks.refusal;
		if (err != -EAGAIN) {
			body.ended = err == 0;
			break;
		}
		MUST(piece.framing + piece.payload > 0);
	}
	return body;
}

static void must_be_same_body(const struct body *a, const struct body *b)
{
	MUST(a->refusal == b->refusal && a->ended == b->ended);
	MUST(a->size == b->size && memcmp(a->payload, b->payload, a->size) == 0);
	MUST(a->refusal || a->end == b->end);
}

/* In chunks of step bytes, and decoded. */
static void send_on(const struct body *body, size_t step)
{
	uint8_t *coded = malloc(body->size * (HTTP_CHUNK_HEAD_MAX + 3) + 8);
	size_t size = 0;
	struct body again;

	MUST(coded);
	for (size_t at = 0; at < body->size; at += step) {
		size_t n = body->size - at < step ? body->size - at : step;
		size += http_chunk_head(n, (char *)coded + size);
		memcpy(coded + size, body->payload + at, n);
		memcpy(coded + size + n, "\r\n", 2);
		size += n + 2;
	}
	memcpy(coded + size, "0\r\n\r\n", 5);
	again = decode(coded, size + 5, size + 5);
	MUST(again.ended && again.end == size + 3);
	MUST(again.size == body->size && memcmp(again.payload, body->payload, body->size) == 0);
	free(again.payload);
	free(coded);
}

static void read_trailers(const uint8_t *data, size_t size)
{
	uint32_t limit = size < FUZZ_BYTES ? (uint32_t)size : FUZZ_BYTES;
	char *bytes = fuzz_copy(data, limit), written[FUZZ_BYTES + 256];
	struct http_field list[FUZZ_FIELDS], list_again[FUZZ_FIELDS];
	struct http_fields fields, again;
	enum http_refusal refusal;
	ssize_t written_size;

	http_fields_begin(&fields, list, FUZZ_FIELDS, 0);
	if (http_fields_parse(&fields, bytes, limit, &refusal) == 0 &&
	    !http_trailers_check(&fields)) {
		written_size = http_forward_trailers(&fields, bytes, written, sizeof(written));
		MUST(written_size >= 5 && memcmp(written, "0\r\n", 3) == 0);
		http_fields_begin(&again, list_again, FUZZ_FIELDS, 3);
		MUST(http_fields_parse(&again, written, (uint32_t)written_size, &refusal) == 0);
		MUST(again.at == (uint32_t)written_size && again.n <= fields.n);
		for (uint32_t i = 0; i < again.n; i++)
			MUST(http_trailer_passes(&list_again[i], written));
	}
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t step = fuzz_step(data, size);
	struct body whole = decode(data, size, size), pieces = decode(data, size, step);

	must_be_same_body(&whole, &pieces);
	send_on(&whole, step);
	if (whole.ended)
		read_trailers(data + whole.end, size - whole.end);
	free(whole.payload);
	free(pieces.payload);
	return 0;
}
