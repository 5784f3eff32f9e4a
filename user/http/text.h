/* SPDX-License-Identifier: GPL-2.0-only */
/* Bytes of messages: slices, classes of characters, comparisons without regard to case. */
#ifndef SKEP_HTTP_TEXT_H
#define SKEP_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes somewhere, not terminated. */
struct http_text {
	const char *at;
	size_t size;
};

#define HTTP_TEXT(literal) ((struct http_text){literal, sizeof(literal) - 1})

/* Bytes of a message's buffer, by their offset: still right when the buffer has moved. */
struct http_span {
	uint32_t at;
	uint32_t size;
};

static inline struct http_text http_text(const char *data, struct http_span span)
{
	return (struct http_text){data + span.at, span.size};
}

enum http_class {
	HTTP_TOKEN = 1,	 /* tchar, RFC 9110 5.6.2 */
	HTTP_VALUE = 2,	 /* field-content: printable, SP, HTAB, obs-text */
	HTTP_PATH = 4,	 /* in a path as it is, '/' too, '%' not */
	HTTP_QUERY = 8,	 /* in a query as it is, '%' not */
	HTTP_DIGIT = 16, /* 0-9 */
	HTTP_HEX = 32,	 /* 0-9 A-F a-f */
	HTTP_HOST = 64,	 /* letters, digits, '-', '.', '_' */
	HTTP_PLAIN = 128 /* unreserved, RFC 3986 2.3: letters, digits, - . _ ~ */
};

extern const uint8_t http_classes[256];

/* As lower case, and '_' as '-': how those read names who make variables of them. */
extern const uint8_t http_folded[256];

static inline bool http_is(char byte, unsigned int classes)
{
	return http_classes[(uint8_t)byte] & classes;
}

static inline char http_lower(char byte)
{
	return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

static inline bool http_text_equal(struct http_text a, struct http_text b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

/* ASCII letters alike in either case. */
bool http_text_equal_nocase(struct http_text a, struct http_text b);

/* 0 to 15, or -1. */
int http_hex_value(char digit);

/*
 * The elements of a comma-separated list (RFC 9110 5.6.1), empty ones left out, white space around
 * each removed. *rest is what is still to be read: the whole value at first. False at the end.
 */
bool http_list_next(struct http_text *rest, struct http_text *element);

/* At least one byte, all of them tchar. */
bool http_is_token(struct http_text text);

#endif
