/* SPDX-License-Identifier: GPL-2.0-only */
#include "http/head.h"

#include <errno.h>

#include "http/meaning.h"
#include "http/steps.h"

void http_head_request(struct http_head *head, struct http_field *list, uint32_t room,
		       uint32_t limit)
{
	memset(head, 0, sizeof(*head));
	head->limit = limit;
	head->state = AT_START;
	http_fields_begin(&head->fields, list, room, 0);
}

void http_head_response(struct http_head *head, struct http_field *list, uint32_t room,
			uint32_t limit, const struct http_head *request)
{
	http_head_request(head, list, room, limit);
	head->state = AT_RESPONSE_VERSION;
	head->is_response = true;
	head->to_head = request->method == HTTP_METHOD_HEAD;
	head->asked_upgrade = request->upgrade;
}

static int line_end(struct http_head *head, const struct step_input *in,
		    enum http_refusal otherwise)
{
	if (head->at == in->size)
		return STEP_MORE;
	if (in->data[head->at] == '\n')
		return HTTP_REFUSED_BARE_LF;
	if (in->data[head->at] != '\r')
		return (int)otherwise;
	if (head->at + 1 == in->size)
		return STEP_MORE;
	if (in->data[head->at + 1] != '\n')
		return HTTP_REFUSED_BARE_CR;
	head->at += 2;
	return STEP_NEXT;
}

static int start(struct http_head *head, const struct step_input *in)
{
	if (head->at == in->size)
		return STEP_MORE;
	if (in->data[head->at] == '\r' || in->data[head->at] == '\n') {
		if (head->at > 0)
			return HTTP_REFUSED_EMPTY_LINES;
		return line_end(head, in, HTTP_REFUSED_METHOD_BAD);
	}
	head->mark = head->at;
	head->state = AT_METHOD;
	return STEP_NEXT;
}

static enum http_method method_of(struct http_text text)
{
	static const struct {
		struct http_text text;
		enum http_method method;
	} methods[] = {
		{HTTP_TEXT("GET"), HTTP_METHOD_GET},
		{HTTP_TEXT("POST"), HTTP_METHOD_POST},
		{HTTP_TEXT("HEAD"), HTTP_METHOD_HEAD},
		{HTTP_TEXT("PUT"), HTTP_METHOD_PUT},
		{HTTP_TEXT("DELETE"), HTTP_METHOD_DELETE},
		{HTTP_TEXT("OPTIONS"), HTTP_METHOD_OPTIONS},
		{HTTP_TEXT("PATCH"), HTTP_METHOD_PATCH},
		{HTTP_TEXT("CONNECT"), HTTP_METHOD_CONNECT},
		{HTTP_TEXT("TRACE"), HTTP_METHOD_TRACE},
	};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (http_text_equal(text, methods[i].text))
			return methods[i].method;
	return HTTP_METHOD_OTHER;
}

static int method(struct http_head *head, const struct step_input *in)
{
	bool ended = step_skip(head, in, HTTP_TOKEN);

	if (head->at - head->mark > HTTP_METHOD_MAX)
		return HTTP_REFUSED_METHOD_LONG;
	if (!ended)
		return STEP_MORE;
	if (in->data[head->at] != ' ' || head->at == head->mark)
		return HTTP_REFUSED_METHOD_BAD;
	head->method_text = step_span(head, head->at);
	head->method = method_of(http_text(in->data, head->method_text));
	head->mark = ++head->at;
	head->state = AT_TARGET;
	return STEP_NEXT;
}

/* "HTTP/1.0" or "HTTP/1.1"; a wrong byte is told at once, not when the rest has come. */
static int version(struct http_head *head, const struct step_input *in)
{
	static const char http[] = "HTTP/d.d";
	const char *at = in->data + head->mark;
	uint32_t there = in->size - head->mark;

	for (uint32_t i = 0; i < sizeof(http) - 1; i++) {
		if (i == there)
			return STEP_MORE;
		if (http[i] == 'd' ? !http_is(at[i], HTTP_DIGIT) : at[i] != http[i])
			return HTTP_REFUSED_VERSION_BAD;
	}
	if (at[5] != '1' || at[7] > '1')
		return HTTP_REFUSED_VERSION_UNSUPPORTED;
	head->minor = (uint8_t)(at[7] - '0');
	head->at = head->mark + sizeof(http) - 1;
	return STEP_NEXT;
}

static int request_version(struct http_head *head, const struct step_input *in)
{
	int said = version(head, in);

	head->state = said == STEP_NEXT ? AT_LINE_END : AT_REQUEST_VERSION;
	return said;
}

static int response_version(struct http_head *head, const struct step_input *in)
{
	int said = version(head, in);

	if (said != STEP_NEXT)
		return said;
	if (head->at == in->size)
		return STEP_MORE;
	if (in->data[head->at] != ' ')
		return HTTP_REFUSED_VERSION_BAD;
	head->mark = ++head->at;
	head->state = AT_STATUS;
	return STEP_NEXT;
}

static int status(struct http_head *head, const struct step_input *in)
{
	const char *at = in->data + head->mark;
	uint32_t there = in->size - head->mark;

	for (uint32_t i = 0; i < 3; i++) {
		if (i == there)
			return STEP_MORE;
		if (!http_is(at[i], HTTP_DIGIT) || (i == 0 && (at[0] < '1' || at[0] > '5')))
			return HTTP_REFUSED_STATUS_BAD;
	}
	if (there == 3)
		return STEP_MORE;
	/* Many servers leave the space out where there is no reason, which changes nothing. */
	if (at[3] != ' ' && at[3] != '\r')
		return at[3] == '\n' ? HTTP_REFUSED_BARE_LF : HTTP_REFUSED_STATUS_BAD;
	head->status = (uint16_t)((at[0] - '0') * 100 + (at[1] - '0') * 10 + (at[2] - '0'));
	head->at = head->mark + (at[3] == ' ' ? 4 : 3);
	head->mark = head->at;
	head->state = AT_REASON;
	return STEP_NEXT;
}

static int reason(struct http_head *head, const struct step_input *in)
{
	if (!step_skip(head, in, HTTP_VALUE))
		return STEP_MORE;
	head->reason = step_span(head, head->at);
	head->state = AT_LINE_END;
	return STEP_NEXT;
}

static int first_line_end(struct http_head *head, const struct step_input *in)
{
	int said = line_end(head, in,
			    head->is_response ? HTTP_REFUSED_REASON_BAD : HTTP_REFUSED_VERSION_BAD);

	if (said == STEP_NEXT) {
		head->fields.at = head->at;
		head->state = AT_FIELDS;
	}
	return said;
}

static int fields(struct http_head *head, const struct step_input *in)
{
	enum http_refusal refusal;
	int err = http_fields_parse(&head->fields, in->data, in->size, &refusal);

	if (err == -EAGAIN)
		return STEP_MORE;
	if (err)
		return (int)refusal;
	head->size = head->fields.at;
	head->state = AT_DONE;
	return (int)(head->is_response ? http_meaning_response(head, in->data)
				       : http_meaning_request(head, in->data));
}

static int step(struct http_head *head, const struct step_input *in)
{
	switch (head->state) {
	case AT_START:
		return start(head, in);
	case AT_METHOD:
		return method(head, in);
	case AT_TARGET:
	case AT_SCHEME:
	case AT_AUTHORITY:
	case AT_PATH:
	case AT_QUERY:
		return step_target(head, in);
	case AT_REQUEST_VERSION:
		return request_version(head, in);
	case AT_RESPONSE_VERSION:
		return response_version(head, in);
	case AT_STATUS:
		return status(head, in);
	case AT_REASON:
		return reason(head, in);
	case AT_LINE_END:
		return first_line_end(head, in);
	case AT_FIELDS:
		return fields(head, in);
	case AT_DONE:
		return HTTP_NOT_REFUSED;
	default:
		return (int)head->refusal;
	}
}

int http_head_parse(struct http_head *head, const char *data, size_t size)
{
	struct step_input in = {data, size < head->limit ? (uint32_t)size : head->limit};
	int said;

	do
		said = step(head, &in);
	while (said == STEP_NEXT);
	if (said == STEP_MORE) {
		if (size < head->limit)
			return -EAGAIN;
		said = head->is_response || head->state >= AT_LINE_END ? HTTP_REFUSED_HEAD_LARGE
								       : HTTP_REFUSED_TARGET_LONG;
	}
	if (said == HTTP_NOT_REFUSED)
		return 0;
	head->refusal = (enum http_refusal)said;
	head->state = AT_REFUSED;
	return -EBADMSG;
}

bool http_method_is_idempotent(enum http_method method)
{
	switch (method) {
	case HTTP_METHOD_GET:
	case HTTP_METHOD_HEAD:
	case HTTP_METHOD_PUT:
	case HTTP_METHOD_DELETE:
	case HTTP_METHOD_OPTIONS:
	case HTTP_METHOD_TRACE:
		return true;
	default:
		return false;
	}
}
