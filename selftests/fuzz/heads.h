/* SPDX-License-Identifier: GPL-2.0-only */
/* What must hold of heads, for the targets request and response. */
#ifndef SKEP_FUZZ_HEADS_H
#define SKEP_FUZZ_HEADS_H

#include <errno.h>

#include "fuzz.h"
#include "http/head.h"

#define FUZZ_FIELDS 16 /* few, so that many are soon too many */
#define FUZZ_BYTES  2048

/* A head with the fields' list and the bytes that it was read from. */
struct read_head {
	struct http_field list[FUZZ_FIELDS];
	struct http_head head;
	int err;
	char *bytes;
};

/* Reads a head that has begun, step bytes at a time; each time the buffer is elsewhere. */
static inline void read_head(struct read_head *read, const uint8_t *data, size_t size, size_t step)
{
	read->bytes = NULL;
	for (size_t there = step < size ? step : size;;
	     there = size - there < step ? size : there + step) {
		free(read->bytes);
		read->bytes = fuzz_copy(data, there);
		read->err = http_head_parse(&read->head, read->bytes, there);
		if (read->err != -EAGAIN || there == size)
			return;
	}
}

static inline void must_be_same_span(struct http_span a, struct http_span b)
{
	MUST(a.at == b.at && a.size == b.size);
}

/* The same was read from the same bytes. */
static inline void must_be_same(const struct read_head *a, const struct read_head *b)
{
	const struct http_head *x = &a->head, *y = &b->head;

	MUST(a->err == b->err);
	MUST(x->refusal == y->refusal);
	if (a->err)
		return;
	MUST(x->size == y->size && x->minor == y->minor && x->fields.n == y->fields.n);
	for (uint32_t i = 0; i < x->fields.n; i++) {
		must_be_same_span(a->list[i].name, b->list[i].name);
		must_be_same_span(a->list[i].value, b->list[i].value);
		MUST(a->list[i].known == b->list[i].known);
	}
	MUST(memcmp(x->fields.first, y->fields.first, sizeof(x->fields.first)) == 0);
	MUST(x->method == y->method && x->form == y->form && x->port == y->port);
	must_be_same_span(x->method_text, y->method_text);
	must_be_same_span(x->path, y->path);
	must_be_same_span(x->query, y->query);
	must_be_same_span(x->authority, y->authority);
	must_be_same_span(x->host, y->host);
	MUST(x->status == y->status);
	must_be_same_span(x->reason, y->reason);
	MUST(x->framing == y->framing && x->length == y->length && x->has_length == y->has_length);
	MUST(x->keep_alive == y->keep_alive && x->upgrade == y->upgrade);
	MUST(x->expect_continue == y->expect_continue && x->takes_trailers == y->takes_trailers);
	MUST(x->n_listed == y->n_listed);
	for (uint32_t i = 0; i < x->n_listed; i++)
		must_be_same_span(x->listed[i], y->listed[i]);
}

/*
 * What any recipient must agree on, whatever its leniency: one head, whose lines end by CR LF and
 * by nothing else, none of which goes on in the next or has a space before its colon.
 */
static inline void must_be_plain(const char *head, size_t size)
{
	bool in_name = false, first_line = true;

	MUST(size > 4 && memcmp(head + size - 4, "\r\n\r\n", 4) == 0);
	MUST(memmem(head, size, "\r\n\r\n", 4) == head + size - 4);
	for (size_t i = 0; i < size; i++) {
		MUST(head[i] != '\0');
		MUST(head[i] != '\r' || (i + 1 < size && head[i + 1] == '\n'));
		MUST(head[i] != '\n' || (i > 0 && head[i - 1] == '\r'));
		if (head[i] == '\n') {
			first_line = false;
			in_name = true;
		} else if (head[i] == ':') {
			in_name = false;
		} else if (in_name && !first_line) {
			MUST(head[i] != ' ' && head[i] != '\t');
		}
	}
}

static inline void must_be_equal(const char *a_bytes, struct http_span a, const char *b_bytes,
				 struct http_span b)
{
	MUST(http_text_equal(http_text(a_bytes, a), http_text(b_bytes, b)));
}

/* How many field lines of a plain head have this name, found by looking at line beginnings alone.
 */
static inline size_t count_fields(const char *head, size_t size, struct http_text name)
{
	const char *at = head, *end = head + size;
	size_t n = 0;

	while ((at = memchr(at, '\n', (size_t)(end - at)))) {
		at++;
		if ((size_t)(end - at) > name.size && at[name.size] == ':' &&
		    http_text_equal_nocase((struct http_text){at, name.size}, name))
			n++;
	}
	return n;
}

/* What was taken as it came: plain, and framed in one way. */
static inline void must_be_framed_once(const char *head, size_t size)
{
	must_be_plain(head, size);
	MUST(count_fields(head, size, HTTP_TEXT("Content-Length")) +
		     count_fields(head, size, HTTP_TEXT("Transfer-Encoding")) <=
	     1);
}

#endif
