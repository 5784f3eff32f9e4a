/* SPDX-License-Identifier: GPL-2.0-only */
/* Request targets, in their four forms (RFC 9112 3.2). */
#include "http/meaning.h"
#include "http/steps.h"

static int target(struct http_head *head, const struct step_input *in)
{
	if (head->at == in->size)
		return STEP_MORE;
	if (head->method == HTTP_METHOD_CONNECT) {
		head->form = HTTP_FORM_AUTHORITY;
		head->state = AT_AUTHORITY;
		return STEP_NEXT;
	}
	switch (in->data[head->at]) {
	case '/':
		head->form = HTTP_FORM_ORIGIN;
		head->state = AT_PATH;
		return STEP_NEXT;
	case '*':
		if (head->method != HTTP_METHOD_OPTIONS)
			return HTTP_REFUSED_TARGET_FORM;
		if (head->at + 1 == in->size)
			return STEP_MORE;
		if (in->data[head->at + 1] != ' ')
			return HTTP_REFUSED_TARGET_FORM;
		head->form = HTTP_FORM_ASTERISK;
		head->path = step_span(head, ++head->at);
		head->mark = ++head->at;
		head->state = AT_REQUEST_VERSION;
		return STEP_NEXT;
	default:
		head->form = HTTP_FORM_ABSOLUTE;
		head->state = AT_SCHEME;
		return STEP_NEXT;
	}
}

static int scheme(struct http_head *head, const struct step_input *in)
{
	static const char *const schemes[] = {"http://", "https://"};
	uint32_t there = in->size - head->mark;
	bool maybe = false;

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		struct http_text text = {schemes[i], strlen(schemes[i])};
		struct http_text said = {in->data + head->mark, there};
		if (said.size > text.size)
			said.size = text.size;
		bool whole = said.size == text.size;
		text.size = said.size;
		if (!http_text_equal_nocase(said, text))
			continue;
		maybe = true;
		if (whole) {
			head->at += (uint32_t)text.size;
			head->mark = head->at;
			head->state = AT_AUTHORITY;
			return STEP_NEXT;
		}
	}
	if (maybe)
		return STEP_MORE;
	return http_is(in->data[head->mark], HTTP_TOKEN) ? HTTP_REFUSED_TARGET_SCHEME
							 : HTTP_REFUSED_TARGET_FORM;
}

/* A byte that ends what a target's part may have, and is not the end of the target. */
static int refuse_target(char byte)
{
	switch (byte) {
	case '#':
		return HTTP_REFUSED_TARGET_FRAGMENT;
	case '\r':
	case '\n':
		return HTTP_REFUSED_VERSION_BAD;
	default:
		return HTTP_REFUSED_TARGET_CHARACTER;
	}
}

static int authority(struct http_head *head, const struct step_input *in)
{
	const char *at = in->data + head->at, *end = in->data + in->size;
	enum http_refusal refusal;

	/* What is there between the delimiters must be an authority, whatever it is. */
	while (at < end && http_is(*at, HTTP_QUERY) && *at != '/' && *at != '?')
		at++;
	head->at = (uint32_t)(at - in->data);
	if (at == end)
		return STEP_MORE;
	if (*at == '%')
		return HTTP_REFUSED_HOST_BAD;
	if (*at != ' ' && *at != '/' && *at != '?')
		return refuse_target(*at);
	refusal = http_meaning_authority(head, in->data, step_span(head, head->at));
	if (refusal)
		return (int)refusal;
	head->mark = head->at;
	if (head->form == HTTP_FORM_AUTHORITY) {
		/* RFC 9112 3.2.3: with its port. */
		if (*at != ' ' || head->port == 0)
			return HTTP_REFUSED_TARGET_FORM;
		head->mark = ++head->at;
		head->state = AT_REQUEST_VERSION;
		return STEP_NEXT;
	}
	head->state = AT_PATH;
	return STEP_NEXT;
}

/* %XX at head->at. */
static int percent(struct http_head *head, const struct step_input *in)
{
	const char *at = in->data + head->at;
	uint32_t there = in->size - head->at;

	if ((there > 1 && !http_is(at[1], HTTP_HEX)) || (there > 2 && !http_is(at[2], HTTP_HEX)))
		return HTTP_REFUSED_TARGET_PERCENT;
	if (there < 3)
		return STEP_MORE;
	if (at[1] == '0' && at[2] == '0')
		return HTTP_REFUSED_TARGET_NUL;
	head->at += 3;
	return STEP_NEXT;
}

static int path_or_query(struct http_head *head, const struct step_input *in)
{
	unsigned int classes = head->state == AT_PATH ? HTTP_PATH : HTTP_QUERY;
	char byte;

	for (;;) {
		if (!step_skip(head, in, classes))
			return STEP_MORE;
		byte = in->data[head->at];
		if (byte != '%')
			break;
		int said = percent(head, in);
		if (said != STEP_NEXT)
			return said;
	}
	if (byte != ' ' && byte != '?')
		return refuse_target(byte);
	if (head->state == AT_PATH)
		head->path = step_span(head, head->at);
	else
		head->query = step_span(head, head->at);
	head->mark = head->at;
	head->state = AT_QUERY;
	if (byte == ' ') {
		head->mark = ++head->at;
		head->state = AT_REQUEST_VERSION;
	}
	return STEP_NEXT;
}

int step_target(struct http_head *head, const struct step_input *in)
{
	switch (head->state) {
	case AT_TARGET:
		return target(head, in);
	case AT_SCHEME:
		return scheme(head, in);
	case AT_AUTHORITY:
		return authority(head, in);
	default:
		return path_or_query(head, in);
	}
}
