/* SPDX-License-Identifier: GPL-2.0-only */
#include "http/text.h"

#include <stddef.h>

/*
 * Tables written by the preprocessor: CLASSES(c) is a constant expression, evaluated once for each
 * of the 256 bytes.
 */
#define DIGIT(c)      ((c) >= '0' && (c) <= '9')
#define ALPHA(c)      (((c) >= 'A' && (c) <= 'Z') || ((c) >= 'a' && (c) <= 'z'))
#define HEX(c)	      (DIGIT(c) || ((c) >= 'A' && (c) <= 'F') || ((c) >= 'a' && (c) <= 'f'))
#define HOST(c)	      (ALPHA(c) || DIGIT(c) || (c) == '-' || (c) == '.' || (c) == '_')
#define UNRESERVED(c) (HOST(c) || (c) == '~')
#define TOKEN(c)                                                                                   \
	(ALPHA(c) || DIGIT(c) || (c) == '!' || (c) == '#' || (c) == '$' || (c) == '%' ||           \
	 (c) == '&' || (c) == '\'' || (c) == '*' || (c) == '+' || (c) == '-' || (c) == '.' ||      \
	 (c) == '^' || (c) == '_' || (c) == '`' || (c) == '|' || (c) == '~')
#define VALUE(c) ((c) == '\t' || ((c) >= ' ' && (c) != 0x7f))
#define SUB_DELIM(c)                                                                               \
	((c) == '!' || (c) == '$' || (c) == '&' || (c) == '\'' || (c) == '(' || (c) == ')' ||      \
	 (c) == '*' || (c) == '+' || (c) == ',' || (c) == ';' || (c) == '=')
/* RFC 3986 has no place for these, but browsers send them as they are (WHATWG URL). */
#define SENT_RAW(c)                                                                                \
	((c) == '[' || (c) == ']' || (c) == '{' || (c) == '}' || (c) == '|' || (c) == '^' ||       \
	 (c) == '`')
#define PATH(c)                                                                                    \
	(UNRESERVED(c) || SUB_DELIM(c) || (c) == ':' || (c) == '@' || (c) == '/' || SENT_RAW(c))
/* A backslash is a separator to some only in a path. */
#define QUERY(c) (PATH(c) || (c) == '?' || (c) == '\\')

#define CLASSES(c)                                                                                 \
	((TOKEN(c) ? HTTP_TOKEN : 0) | (VALUE(c) ? HTTP_VALUE : 0) | (PATH(c) ? HTTP_PATH : 0) |   \
	 (QUERY(c) ? HTTP_QUERY : 0) | (DIGIT(c) ? HTTP_DIGIT : 0) | (HEX(c) ? HTTP_HEX : 0) |     \
	 (HOST(c) ? HTTP_HOST : 0) | (UNRESERVED(c) ? HTTP_PLAIN : 0))
#define FOLDED(c) ((c) >= 'A' && (c) <= 'Z' ? (c) | 0x20 : (c) == '_' ? '-' : (c))

#define FOUR(of, c)    of(c), of((c) + 1), of((c) + 2), of((c) + 3)
#define SIXTEEN(of, c) FOUR(of, c), FOUR(of, (c) + 4), FOUR(of, (c) + 8), FOUR(of, (c) + 12)
#define ROWS(of, c)                                                                                \
	SIXTEEN(of, c), SIXTEEN(of, (c) + 16), SIXTEEN(of, (c) + 32), SIXTEEN(of, (c) + 48)
#define EACH_BYTE(of) ROWS(of, 0), ROWS(of, 64), ROWS(of, 128), ROWS(of, 192)

const uint8_t http_classes[256] = {EACH_BYTE(CLASSES)};
const uint8_t http_folded[256] = {EACH_BYTE(FOLDED)};

bool http_text_equal_nocase(struct http_text a, struct http_text b)
{
	if (a.size != b.size)
		return false;
	for (size_t i = 0; i < a.size; i++)
		if (http_lower(a.at[i]) != http_lower(b.at[i]))
			return false;
	return true;
}

int http_hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	digit = http_lower(digit);
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static bool is_space(char byte)
{
	return byte == ' ' || byte == '\t';
}

bool http_list_next(struct http_text *rest, struct http_text *element)
{
	const char *at = rest->at, *end = rest->at + rest->size, *last;

	while (at < end && (*at == ',' || is_space(*at)))
		at++;
	element->at = at;
	while (at < end && *at != ',')
		at++;
	for (last = at; last > element->at && is_space(last[-1]);)
		last--;
	element->size = (size_t)(last - element->at);
	*rest = (struct http_text){at, (size_t)(end - at)};
	return element->size > 0;
}

bool http_is_token(struct http_text text)
{
	for (size_t i = 0; i < text.size; i++)
		if (!http_is(text.at[i], HTTP_TOKEN))
			return false;
	return text.size > 0;
}
