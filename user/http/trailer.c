/* SPDX-License-Identifier: GPL-2.0-only */
#include "http/trailer.h"

enum http_refusal http_trailers_check(const struct http_fields *fields)
{
	static const enum http_name forbidden[] = {
		HTTP_NAME_HOST,
		HTTP_NAME_CONTENT_LENGTH,
		HTTP_NAME_TRANSFER_ENCODING,
	};

	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
		if (http_fields_first(fields, forbidden[i]))
			return HTTP_REFUSED_TRAILER_FORBIDDEN;
	return HTTP_NOT_REFUSED;
}

bool http_trailer_passes(const struct http_field *field, const char *data)
{
	static const struct http_text dropped[] = {
		HTTP_TEXT("accept"),
		HTTP_TEXT("age"),
		HTTP_TEXT("cache-control"),
		HTTP_TEXT("content-encoding"),
		HTTP_TEXT("content-range"),
		HTTP_TEXT("content-type"),
		HTTP_TEXT("expires"),
		HTTP_TEXT("if-match"),
		HTTP_TEXT("if-modified-since"),
		HTTP_TEXT("if-none-match"),
		HTTP_TEXT("if-range"),
		HTTP_TEXT("if-unmodified-since"),
		HTTP_TEXT("location"),
		HTTP_TEXT("max-forwards"),
		HTTP_TEXT("pragma"),
		HTTP_TEXT("range"),
		HTTP_TEXT("retry-after"),
		HTTP_TEXT("set-cookie"),
		HTTP_TEXT("vary"),
		HTTP_TEXT("warning"),
		HTTP_TEXT("www-authenticate"),
	};
	struct http_text name = http_text(data, field->name);

	if (field->known != HTTP_NAME_OTHER)
		return field->known == HTTP_NAME_X_REQUEST_ID;
	for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++)
		if (http_text_equal_nocase(name, dropped[i]))
			return false;
	return true;
}
