/* SPDX-License-Identifier: GPL-2.0-only */
#include "http/path.h"

/* How much of path is normal and stays as it is: whole segments, unless it is all of path. */
static size_t normal_size(struct http_text path)
{
	size_t segment = 0;

	for (size_t i = 0; i < path.size; i++) {
		char byte = path.at[i];
		if (!http_is(byte, HTTP_PATH) || (byte == '.' && segment == i))
			return segment;
		if (byte == '/')
			segment = i + 1;
	}
	return path.size;
}

static char upper(char digit)
{
	return digit >= 'a' ? (char)(digit - 'a' + 'A') : digit;
}

/* The character that %XX at in stands for goes to *out, as itself or encoded. */
static enum http_refusal put_encoded(const char *in, const char *end, char **out)
{
	int high, low;
	char byte;

	if (end - in < 3 || (high = http_hex_value(in[1])) < 0 || (low = http_hex_value(in[2])) < 0)
		return HTTP_REFUSED_TARGET_PERCENT;
	byte = (char)(high << 4 | low);
	if (byte == '\0')
		return HTTP_REFUSED_TARGET_NUL;
	if (http_is(byte, HTTP_PLAIN)) {
		*(*out)++ = byte;
	} else {
		*(*out)++ = '%';
		*(*out)++ = upper(in[1]);
		*(*out)++ = upper(in[2]);
	}
	return HTTP_NOT_REFUSED;
}

/* Writes one segment, up to the next '/' or the end; both ends move on. */
static enum http_refusal put_segment(const char **in, const char *end, char **out)
{
	for (; *in < end && **in != '/'; (*in)++) {
		if (**in == '%') {
			enum http_refusal refusal = put_encoded(*in, end, out);
			if (refusal)
				return refusal;
			*in += 2;
		} else if (http_is(**in, HTTP_PATH)) {
			*(*out)++ = **in;
		} else {
			return HTTP_REFUSED_TARGET_CHARACTER;
		}
	}
	return HTTP_NOT_REFUSED;
}

/* How many dots a segment is: 1 or 2, else 0. *parameter: there is a ';' behind them. */
static int count_dots(const char *segment, const char *end, bool *parameter)
{
	int n = 0;

	while (segment < end && *segment == '.' && n < 3) {
		segment++;
		n++;
	}
	*parameter = segment < end;
	return n <= 2 && (segment == end || *segment == ';') ? n : 0;
}

/* RFC 3986 5.2.4, from byte start on, where a segment begins; what is before it is in room. */
static enum http_refusal rewrite(struct http_text path, size_t start, char *room,
				 struct http_text *normal)
{
	const char *in = path.at + start, *end = path.at + path.size;
	char *out = room + start;

	for (;;) {
		char *segment = out;
		enum http_refusal refusal = put_segment(&in, end, &out);
		bool parameter;
		if (refusal)
			return refusal;
		int dots = count_dots(segment, out, &parameter);
		if (dots > 0 && parameter)
			return HTTP_REFUSED_PATH_DOT_PARAMETER;
		if (dots > 0)
			out = segment;
		if (dots == 2) {
			if (out - room < 2)
				return HTTP_REFUSED_PATH_CLIMBS;
			do
				out--;
			while (out[-1] != '/');
		}
		if (in == end)
			break;
		/* The '/' before a dot segment stands for the one behind it. */
		if (dots == 0)
			*out++ = '/';
		in++;
	}
	*normal = (struct http_text){room, (size_t)(out - room)};
	return HTTP_NOT_REFUSED;
}

enum http_refusal http_path_normalise(struct http_text path, char *room, struct http_text *normal)
{
	size_t start = normal_size(path);

	if (path.size == 0) {
		*normal = HTTP_TEXT("/");
		return HTTP_NOT_REFUSED;
	}
	if (path.at[0] != '/')
		return HTTP_REFUSED_TARGET_FORM;
	if (start == path.size) {
		*normal = path;
		return HTTP_NOT_REFUSED;
	}
	memcpy(room, path.at, start);
	return rewrite(path, start, room, normal);
}
