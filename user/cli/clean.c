/* SPDX-License-Identifier: GPL-2.0-only */
#include "cli/clean.h"

/* Bytes of the control character that text starts with, 0 if it does not. */
static size_t control(const char *text)
{
	const unsigned char *byte = (const unsigned char *)text;

	if (byte[0] < 0x20 || byte[0] == 0x7f)
		return 1;
	/* U+0080 to U+009F in UTF-8: terminals act on them as on ESC and a letter. */
	return byte[0] == 0xc2 && byte[1] >= 0x80 && byte[1] < 0xa0 ? 2 : 0;
}

void clean_text(char *text)
{
	char *out = text;

	while (*text) {
		size_t size = control(text);

		*out++ = size ? '?' : *text;
		text += size ? size : 1;
	}
	*out = '\0';
}

void clean_print(const char *text, FILE *out)
{
	while (*text) {
		size_t size = control(text);

		fputc(size ? '?' : *text, out);
		text += size ? size : 1;
	}
}

void clean_line(const char *text, FILE *out)
{
	clean_print(text, out);
	fputc('\n', out);
}
