/* SPDX-License-Identifier: GPL-2.0-only */
#include "http/head.h"

#include <errno.h>

#include "http/meaning.h"

enum state {
	START, /* of a request: one empty line may come before it */
	METHOD,
	TARGET,
	SCHEME,
	AUTHORITY,
	PATH,
	QUERY,
	REQUEST_VERSION,
	RESPONSE_VERSION,
	STATUS,
	REASON,
	LINE_END, /* CR LF, then fields */
	FIELDS,
	DONE,
	REFUSED,
};

/*
 * What a step of the parser says: NEXT, the next state's turn; MORE, it needs more bytes. Anything
 * else is an enum http_refusal. A step that needs more has not moved head->at past anything that it
 * must see again.
 */
enum {
	NEXT = -1,
	MORE = -2
};

struct input {
	const char *data;
	uint32_t size; /* what is there, within the limit */
};

void http_head_request(struct http_head *head, struct http_field *list, uint32_t room,
		       uint32_t limit)
{
	memset(head, 0, sizeof(*head));
	head->limit = limit;
	head->state = START;
	http_fields_begin(&head->fields, list, room, 0);
}

void http_head_response(struct http_head *head, struct http_field *list, uint32_t room,
			uint32_t limit, const struct http_head *request)
{
	http_head_request(head, list, room, limit);
	head->state = RESPONSE_VERSION;
	head->is_response = true;
	head->to_head = request->method == HTTP_METHOD_HEAD;
	head->asked_upgrade = request->upgrade;
}

static struct http_span span_to(const struct http_head *head, uint32_t end)
{
	return (struct http_span){head->mark, end - head->mark};
}

/* Skips what is of these classes; false at the end of what is there. */
static bool skip(struct http_head *head, const struct input *in, unsigned int classes)
{
	const char *at = in->data + head->at, *end = in->data + in->size;

	while (at < end && http_is(*at, classes))
		at++;
	head->at = (uint32_t)(at - in->data);
	return at < end;
}

static int line_end(struct http_head *head, const struct input *in, enum http_refusal otherwise)
{
	if (head->at == in->size)
		return MORE;
	if (in->data[head->at] == '\n')
		return HTTP_REFUSED_BARE_LF;
	if (in->data[head->at] != '\r')
		return (int)otherwise;
	if (head->at + 1 == in->size)
		return MORE;
	if (in->data[head->at + 1] != '\n')
		return HTTP_REFUSED_BARE_CR;
	head->at += 2;
	return NEXT;
}

static int start(struct http_head *head, const struct input *in)
{
	if (head->at == in->size)
		return MORE;
	if (in->data[head->at] == '\r' || in->data[head->at] == '\n') {
		if (head->at > 0)
			return HTTP_REFUSED_EMPTY_LINES;
		return line_end(head, in, HTTP_REFUSED_METHOD_BAD);
	}
	head->mark = head->at;
	head->state = METHOD;
	return NEXT;
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

static int method(struct http_head *head, const struct input *in)
{
	bool ended = skip(head, in, HTTP_TOKEN);

	if (head->at - head->mark > HTTP_METHOD_MAX)
		return HTTP_REFUSED_METHOD_LONG;
	if (!ended)
		return MORE;
	if (in->data[head->at] != ' ' || head->at == head->mark)
		return HTTP_REFUSED_METHOD_BAD;
	head->method_text = span_to(head, head->at);
	head->method = method_of(http_text(in->data, head->method_text));
	head->mark = ++head->at;
	head->state = TARGET;
	return NEXT;
}

static int target(struct http_head *head, const struct input *in)
{
	if (head->at == in->size)
		return MORE;
	if (head->method == HTTP_METHOD_CONNECT) {
		head->form = HTTP_FORM_AUTHORITY;
		head->state = AUTHORITY;
		return NEXT;
	}
	switch (in->data[head->at]) {
	case '/':
		head->form = HTTP_FORM_ORIGIN;
		head->state = PATH;
		return NEXT;
	case '*':
		if (head->method != HTTP_METHOD_OPTIONS)
			return HTTP_REFUSED_TARGET_FORM;
		if (head->at + 1 == in->size)
			return MORE;
		if (in->data[head->at + 1] != ' ')
			return HTTP_REFUSED_TARGET_FORM;
		head->form = HTTP_FORM_ASTERISK;
		head->path = span_to(head, ++head->at);
		head->mark = ++head->at;
		head->state = REQUEST_VERSION;
		return NEXT;
	default:
		head->form = HTTP_FORM_ABSOLUTE;
		head->state = SCHEME;
		return NEXT;
	}
}

static int scheme(struct http_head *head, const struct input *in)
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
			head->state = AUTHORITY;
			return NEXT;
		}
	}
	if (maybe)
		return MORE;
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

static int authority(struct http_head *head, const struct input *in)
{
	const char *at = in->data + head->at, *end = in->data + in->size;
	enum http_refusal refusal;

	/* What is there between the delimiters must be an authority, whatever it is. */
	while (at < end && http_is(*at, HTTP_QUERY) && *at != '/' && *at != '?')
		at++;
	head->at = (uint32_t)(at - in->data);
	if (at == end)
		return MORE;
	if (*at == '%')
		return HTTP_REFUSED_HOST_BAD;
	if (*at != ' ' && *at != '/' && *at != '?')
		return refuse_target(*at);
	refusal = http_meaning_authority(head, in->data, span_to(head, head->at));
	if (refusal)
		return (int)refusal;
	head->mark = head->at;
	if (head->form == HTTP_FORM_AUTHORITY) {
		/* RFC 9112 3.2.3: with its port. */
		if (*at != ' ' || head->port == 0)
			return HTTP_REFUSED_TARGET_FORM;
		head->mark = ++head->at;
		head->state = REQUEST_VERSION;
		return NEXT;
	}
	head->state = PATH;
	return NEXT;
}

/* %XX at head->at. */
static int percent(struct http_head *head, const struct input *in)
{
	const char *at = in->data + head->at;
	uint32_t there = in->size - head->at;

	if ((there > 1 && !http_is(at[1], HTTP_HEX)) || (there > 2 && !http_is(at[2], HTTP_HEX)))
		return HTTP_REFUSED_TARGET_PERCENT;
	if (there < 3)
		return MORE;
	if (at[1] == '0' && at[2] == '0')
		return HTTP_REFUSED_TARGET_NUL;
	head->at += 3;
	return NEXT;
}

static int path_or_query(struct http_head *head, const struct input *in)
{
	unsigned int classes = head->state == PATH ? HTTP_PATH : HTTP_QUERY;
	char byte;

	for (;;) {
		if (!skip(head, in, classes))
			return MORE;
		byte = in->data[head->at];
		if (byte != '%')
			break;
		int said = percent(head, in);
		if (said != NEXT)
			return said;
	}
	if (byte != ' ' && byte != '?')
		return refuse_target(byte);
	if (head->state == PATH)
		head->path = span_to(head, head->at);
	else
		head->query = span_to(head, head->at);
	head->mark = head->at;
	head->state = QUERY;
	if (byte == ' ') {
		head->mark = ++head->at;
		head->state = REQUEST_VERSION;
	}
	return NEXT;
}

/* "HTTP/1.0" or "HTTP/1.1"; a wrong byte is told at once, not when the rest has come. */
static int version(struct http_head *head, const struct input *in)
{
	static const char http[] = "HTTP/d.d";
	const char *at = in->data + head->mark;
	uint32_t there = in->size - head->mark;

	for (uint32_t i = 0; i < sizeof(http) - 1; i++) {
		if (i == there)
			return MORE;
		if (http[i] == 'd' ? !http_is(at[i], HTTP_DIGIT) : at[i] != http[i])
			return HTTP_REFUSED_VERSION_BAD;
	}
	if (at[5] != '1' || at[7] > '1')
		return HTTP_REFUSED_VERSION_UNSUPPORTED;
	head->minor = (uint8_t)(at[7] - '0');
	head->at = head->mark + sizeof(http) - 1;
	return NEXT;
}

static int request_version(struct http_head *head, const struct input *in)
{
	int said = version(head, in);

	head->state = said == NEXT ? LINE_END : REQUEST_VERSION;
	return said;
}

static int response_version(struct http_head *head, const struct input *in)
{
	int said = version(head, in);

	if (said != NEXT)
		return said;
	if (head->at == in->size)
		return MORE;
	if (in->data[head->at] != ' ')
		return HTTP_REFUSED_VERSION_BAD;
	head->mark = ++head->at;
	head->state = STATUS;
	return NEXT;
}

static int status(struct http_head *head, const struct input *in)
{
	const char *at = in->data + head->mark;
	uint32_t there = in->size - head->mark;

	for (uint32_t i = 0; i < 3; i++) {
		if (i == there)
			return MORE;
		if (!http_is(at[i], HTTP_DIGIT) || (i == 0 && (at[0] < '1' || at[0] > '5')))
			return HTTP_REFUSED_STATUS_BAD;
	}
	if (there == 3)
		return MORE;
	/* Many servers leave the space out where there is no reason, which changes nothing. */
	if (at[3] != ' ' && at[3] != '\r')
		return at[3] == '\n' ? HTTP_REFUSED_BARE_LF : HTTP_REFUSED_STATUS_BAD;
	head->status = (uint16_t)((at[0] - '0') * 100 + (at[1] - '0') * 10 + (at[2] - '0'));
	head->at = head->mark + (at[3] == ' ' ? 4 : 3);
	head->mark = head->at;
	head->state = REASON;
	return NEXT;
}

static int reason(struct http_head *head, const struct input *in)
{
	if (!skip(head, in, HTTP_VALUE))
		return MORE;
	head->reason = span_to(head, head->at);
	head->state = LINE_END;
	return NEXT;
}

static int first_line_end(struct http_head *head, const struct input *in)
{
	int said = line_end(head, in,
			    head->is_response ? HTTP_REFUSED_REASON_BAD : HTTP_REFUSED_VERSION_BAD);

	if (said == NEXT) {
		head->fields.at = head->at;
		head->state = FIELDS;
	}
	return said;
}

static int fields(struct http_head *head, const struct input *in)
{
	enum http_refusal refusal;
	int err = http_fields_parse(&head->fields, in->data, in->size, &refusal);

	if (err == -EAGAIN)
		return MORE;
	if (err)
		return (int)refusal;
	head->size = head->fields.at;
	head->state = DONE;
	return (int)(head->is_response ? http_meaning_response(head, in->data)
				       : http_meaning_request(head, in->data));
}

static int step(struct http_head *head, const struct input *in)
{
	switch (head->state) {
	case START:
		return start(head, in);
	case METHOD:
		return method(head, in);
	case TARGET:
		return target(head, in);
	case SCHEME:
		return scheme(head, in);
	case AUTHORITY:
		return authority(head, in);
	case PATH:
	case QUERY:
		return path_or_query(head, in);
	case REQUEST_VERSION:
		return request_version(head, in);
	case RESPONSE_VERSION:
		return response_version(head, in);
	case STATUS:
		return status(head, in);
	case REASON:
		return reason(head, in);
	case LINE_END:
		return first_line_end(head, in);
	case FIELDS:
		return fields(head, in);
	case DONE:
		return HTTP_NOT_REFUSED;
	default:
		return (int)head->refusal;
	}
}

int http_head_parse(struct http_head *head, const char *data, size_t size)
{
	struct input in = {data, size < head->limit ? (uint32_t)size : head->limit};
	int said;

	do
		said = step(head, &in);
	while (said == NEXT);
	if (said == MORE) {
		if (size < head->limit)
			return -EAGAIN;
		said = head->is_response || head->state >= LINE_END ? HTTP_REFUSED_HEAD_LARGE
								    : HTTP_REFUSED_TARGET_LONG;
	}
	if (said == HTTP_NOT_REFUSED)
		return 0;
	head->refusal = (enum http_refusal)said;
	head->state = REFUSED;
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
