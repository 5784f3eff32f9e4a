/* SPDX-License-Identifier: GPL-2.0-only */
/* Heads go on as http_forward.txt says, fit or fail whatever the room, and read the same again. */
#include "http_cases.h"

#include <errno.h>

#include "http/forward.h"
#include "http/path.h"

#define ROOM 4096

static bool kind_begins(const struct http_case *one, const char *with)
{
	return strncmp(one->kind, with, strlen(with)) == 0;
}

static const struct http_to_task to_task = {
	.host = {"fallback:80", 11},
	.client = {"192.0.2.7", 9},
	.proto = {"http", 4},
	.port = {"80", 2},
	.request_id = {"id-1", 4},
};

static ssize_t forward_request(const char *message, size_t message_size, bool trusted, char *room,
			       size_t size)
{
	struct http_field list[HTTP_FIELDS];
	struct http_to_task onward = to_task;
	struct http_head head;
	char path[ROOM];

	http_head_request(&head, list, HTTP_FIELDS, HTTP_HEAD_BYTES);
	assert_int_equal(http_head_parse(&head, message, message_size), 0);
	onward.trusted = trusted;
	onward.query = http_text(message, head.query);
	if (head.form == HTTP_FORM_ASTERISK)
		onward.path = HTTP_TEXT("*");
	else
		assert_int_equal(
			http_path_normalise(http_text(message, head.path), path, &onward.path),
			HTTP_NOT_REFUSED);
	return http_forward_request(&head, message, &onward, room, size);
}

static ssize_t forward_response(const struct http_case *one, char *room, size_t size)
{
	struct http_head head, request = {.method = HTTP_METHOD_GET};
	struct http_field list[HTTP_FIELDS];
	struct http_to_client onward = {0};

	if (kind_begins(one, "response to HEAD"))
		request.method = HTTP_METHOD_HEAD;
	request.upgrade = kind_begins(one, "response to an upgrade");
	http_head_response(&head, list, HTTP_FIELDS, HTTP_HEAD_BYTES, &request);
	assert_int_equal(http_head_parse(&head, one->message, one->size), 0);
	assert_int_equal(head.size, one->size);
	onward.framing = head.framing;
	if (kind_begins(one, "response by chunks"))
		onward.framing = HTTP_FRAMING_CHUNKED;
	if (kind_begins(one, "response to the end"))
		onward.framing = HTTP_FRAMING_CLOSE;
	onward.keep_alive = kind_begins(one, "response to be kept alive");
	return http_forward_response(&head, one->message, &onward, room, size);
}

static ssize_t forward_trailers(const struct http_case *one, char *room, size_t size)
{
	struct http_field list[HTTP_FIELDS];
	enum http_refusal refusal;
	struct http_fields fields;

	http_fields_begin(&fields, list, HTTP_FIELDS, 0);
	assert_int_equal(http_fields_parse(&fields, one->message, (uint32_t)one->size, &refusal),
			 0);
	return http_forward_trailers(&fields, one->message, room, size);
}

static ssize_t forward(const struct http_case *one, char *room, size_t size)
{
	if (kind_begins(one, "trailers"))
		return forward_trailers(one, room, size);
	if (kind_begins(one, "response"))
		return forward_response(one, room, size);
	if (!kind_begins(one, "request"))
		fail_msg("there is no kind \"%s\"", one->kind);
	return forward_request(one->message, one->size,
			       kind_begins(one, "request of a trusted proxy"), room, size);
}

/* Without the empty line at the end and the CRs; what does not print as \xHH. */
static void assert_text(const char *written, size_t size, const char *expected)
{
	char text[4 * ROOM], *at = text;

	assert_true(size > 4);
	assert_memory_equal(written + size - 4, "\r\n\r\n", 4);
	for (size_t i = 0; i < size - 4; i++) {
		unsigned char byte = (unsigned char)written[i];
		if (byte == '\r')
			assert_int_equal(written[i + 1], '\n');
		else if (byte == '\n' || (byte >= ' ' && byte < 0x7f))
			*at++ = (char)byte;
		else
			at += sprintf(at, "\\x%02x", byte);
	}
	*at = '\0';
	assert_string_equal(text, expected);
}

static void test_goes_on(void **state)
{
	const struct http_case *one = *state;
	char room[ROOM], again[ROOM];
	ssize_t size = forward(one, room, sizeof(room));

	assert_true(size > 0);
	assert_text(room, (size_t)size, one->expected + 1);

	/* Room for so much and no more. */
	char *exact = malloc((size_t)size);
	assert_non_null(exact);
	assert_int_equal(forward(one, exact, (size_t)size), size);
	assert_memory_equal(exact, room, (size_t)size);
	for (size_t less = 0; less < (size_t)size; less++)
		assert_int_equal(forward(one, exact, less), -ENOBUFS);
	free(exact);

	/* The next proxy, which trusts this one, changes nothing but the chain. */
	if (kind_begins(one, "request")) {
		ssize_t next = forward_request(room, (size_t)size, true, again, sizeof(again));
		assert_int_equal(next, size + (ssize_t)strlen(", 192.0.2.7"));
	}
}

static void test_dropped_and_added_fields(void **state)
{
	static const char message[] =
		"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\nB: c\r\n\r\n";
	static const struct http_extra extra[] = {{{"X-Forwarded-Prefix", 18}, {"/p", 2}}};
	struct http_field list[HTTP_FIELDS];
	struct http_to_task onward = to_task;
	struct http_head head;
	char room[ROOM];

	(void)state;
	http_head_request(&head, list, HTTP_FIELDS, HTTP_HEAD_BYTES);
	assert_int_equal(http_head_parse(&head, message, sizeof(message) - 1), 0);
	http_fields_first(&head.fields, HTTP_NAME_AUTHORIZATION)->drop = true;
	onward.path = HTTP_TEXT("/stripped");
	onward.extra = extra;
	onward.n_extra = 1;
	ssize_t size = http_forward_request(&head, message, &onward, room, sizeof(room));
	assert_true(size > 0);
	assert_text(room, (size_t)size,
		    "GET /stripped HTTP/1.1\nHost: a\nB: c\nX-Forwarded-For: 192.0.2.7\n"
		    "X-Forwarded-Proto: http\nX-Forwarded-Host: a\nX-Forwarded-Port: 80\n"
		    "X-Real-IP: 192.0.2.7\nX-Request-Id: id-1\nX-Forwarded-Prefix: /p");
}

static void test_dropped_trailers(void **state)
{
	static const char message[] = "A: 1\r\nX-Request-Id: 2\r\nB: 3\r\n\r\n";
	struct http_field list[HTTP_FIELDS];
	enum http_refusal refusal;
	struct http_fields fields;
	char room[ROOM];

	(void)state;
	http_fields_begin(&fields, list, HTTP_FIELDS, 0);
	assert_int_equal(http_fields_parse(&fields, message, sizeof(message) - 1, &refusal), 0);
	list[0].drop = list[1].drop = true;
	ssize_t size = http_forward_trailers(&fields, message, room, sizeof(room));
	assert_true(size > 0);
	assert_text(room, (size_t)size, "0\nB: 3");
}

int main(void)
{
	static const struct CMUnitTest own[] = {
		cmocka_unit_test(test_dropped_and_added_fields),
		cmocka_unit_test(test_dropped_trailers),
	};

	return cases_run("heads go on", cases_of_file(__FILE__, "http_forward.txt"), test_goes_on,
			 own, sizeof(own) / sizeof(own[0]));
}
