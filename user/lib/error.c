/* SPDX-License-Identifier: GPL-2.0-only */
#include "lib/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bytes of the UTF-8 character at text (RFC 3629 section 4: nothing overlong, no surrogates); 0: it
 * is none. */
static size_t character_size(const unsigned char *text)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t size;

	if (text[0] < 0x80)
		return 1;
	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;
	size = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
	if (text[0] == 0xe0)
		low = 0xa0;
	else if (text[0] == 0xed)
		high = 0x9f;
	else if (text[0] == 0xf0)
		low = 0x90;
	else if (text[0] == 0xf4)
		high = 0x8f;
	if (text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < size; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	return size;
}

/*
 * One line of valid UTF-8 whatever was put in: texts quote what Docker, the network or a file said,
 * and go into JSON. Control characters and bytes of no character (one cut at the end, say) become
 * '?'.
 */
static void make_line(char *text)
{
	unsigned char *at = (unsigned char *)text;

	while (*at) {
		size_t size = character_size(at);
		if (size == 0 || *at < 0x20 || *at == 0x7f) {
			*at = '?';
			size = 1;
		}
		at += size;
	}
}

/* By way of a second buffer: an argument may be the very text that is replaced. */
static void set_line(struct skep_error *error, const char *context, const char *text,
		     const char *reason)
{
	struct skep_error line;

	/* Cut to fit is what the header says; the result tells nothing that matters. */
	if (snprintf(line.text, sizeof(line.text), "%s%s%s%s%s", context, *context ? ": " : "",
		     text, *reason ? ": " : "", reason) < 0)
		line.text[0] = '\0';
	make_line(line.text);
	*error = line;
}

int error_set(struct skep_error *error, int err, const char *format, ...)
{
	struct skep_error text;
	va_list args;

	va_start(args, format);
	vsnprintf(text.text, sizeof(text.text), format, args);
	va_end(args);
	set_line(error, "", text.text, "");
	return err;
}

int error_errno(struct skep_error *error, int err, const char *format, ...)
{
	struct skep_error text;
	char reason[128];
	va_list args;

	va_start(args, format);
	vsnprintf(text.text, sizeof(text.text), format, args);
	va_end(args);
	/* The GNU variant: returns the text, wherever that is. */
	set_line(error, "", text.text, strerror_r(-err, reason, sizeof(reason)));
	return err;
}

int error_prefix(struct skep_error *error, int err, const char *format, ...)
{
	struct skep_error context;
	va_list args;

	va_start(args, format);
	vsnprintf(context.text, sizeof(context.text), format, args);
	va_end(args);
	set_line(error, context.text, error->text, "");
	return err;
}
