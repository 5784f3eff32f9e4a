/* SPDX-License-Identifier: GPL-2.0-only */
/* What is read from good heads, and the limits. Bad ones are in test_http_bad.c. */
#include "http_cases.h"

#include <errno.h>

#include "http/head.h"

static struct http_field list[HTTP_FIELDS];
static struct http_head head;

static void parse(const char *message)
{
	http_head_request(&head, list, HTTP_FIELDS, HTTP_HEAD_BYTES);
	assert_int_equal(http_head_parse(&head, message, strlen(message)), 0);
}

static void parse_answer(const char *message, enum http_method method)
{
	struct http_head request = {.method = method};

	http_head_response(&head, list, HTTP_FIELDS, HTTP_HEAD_BYTES, &request);
	assert_int_equal(http_head_parse(&head, message, strlen(message)), 0);
}

static void assert_span(const char *message, struct http_span span, const char *expected)
{
	assert_int_equal(span.size, strlen(expected));
	assert_memory_equal(message + span.at, expected, span.size);
}

static void assert_framing(enum http_framing framing, uint64_t length, bool keep_alive)
{
	assert_int_equal(head.framing, framing);
	assert_int_equal(head.length, length);
	assert_int_equal(head.keep_alive, keep_alive);
}

static void test_request_in_its_parts(void **state)
{
	static const char message[] =
		"GET /a/b?c=d HTTP/1.1\r\nHost: x.example:8080\r\nA:\t b c \r\n"
		"\r\nBODY";

	(void)state;
	parse(message);
	assert_int_equal(head.method, HTTP_METHOD_GET);
	assert_int_equal(head.form, HTTP_FORM_ORIGIN);
	assert_int_equal(head.minor, 1);
	assert_span(message, head.method_text, "GET");
	assert_span(message, head.path, "/a/b");
	assert_span(message, head.query, "?c=d");
	assert_span(message, head.authority, "x.example:8080");
	assert_span(message, head.host, "x.example");
	assert_int_equal(head.port, 8080);
	assert_int_equal(head.fields.n, 2);
	assert_span(message, list[1].name, "A");
	assert_span(message, list[1].value, "b c");
	assert_int_equal(head.size, sizeof(message) - 1 - 4);
	assert_framing(HTTP_FRAMING_NONE, 0, true);
}

static void test_methods(void **state)
{
	static const struct {
		const char *message;
		enum http_method method;
		bool idempotent;
	} cases[] = {
		{"GET / HTTP/1.0\r\n\r\n", HTTP_METHOD_GET, true},
		{"HEAD / HTTP/1.0\r\n\r\n", HTTP_METHOD_HEAD, true},
		{"POST / HTTP/1.0\r\n\r\n", HTTP_METHOD_POST, false},
		{"PUT / HTTP/1.0\r\n\r\n", HTTP_METHOD_PUT, true},
		{"DELETE / HTTP/1.0\r\n\r\n", HTTP_METHOD_DELETE, true},
		{"OPTIONS / HTTP/1.0\r\n\r\n", HTTP_METHOD_OPTIONS, true},
		{"TRACE / HTTP/1.0\r\n\r\n", HTTP_METHOD_TRACE, true},
		{"PATCH / HTTP/1.0\r\n\r\n", HTTP_METHOD_PATCH, false},
		{"CONNECT a:1 HTTP/1.0\r\n\r\n", HTTP_METHOD_CONNECT, false},
		{"get / HTTP/1.0\r\n\r\n", HTTP_METHOD_OTHER, false},
		{"M-SEARCH / HTTP/1.0\r\n\r\n", HTTP_METHOD_OTHER, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		parse(cases[i].message);
		assert_int_equal(head.method, cases[i].method);
		assert_int_equal(http_method_is_idempotent(head.method), cases[i].idempotent);
	}
}

static void test_targets(void **state)
{
	static const struct {
		const char *line, *path, *query, *authority, *host;
		int port;
		enum http_form form;
	} cases[] = {
		{"GET /", "/", "", "h:1", "h", 1, HTTP_FORM_ORIGIN},
		{"GET //x/y", "//x/y", "", "h:1", "h", 1, HTTP_FORM_ORIGIN},
		{"GET /?", "/", "?", "h:1", "h", 1, HTTP_FORM_ORIGIN},
		{"GET /a?b?c/../d", "/a", "?b?c/../d", "h:1", "h", 1, HTTP_FORM_ORIGIN},
		{"GET /a;b=c,d@e:f!$&'()*+", "/a;b=c,d@e:f!$&'()*+", "", "h:1", "h", 1,
		 HTTP_FORM_ORIGIN},
		{"GET /[a]|{b}^`?c[]={d}|\\^`", "/[a]|{b}^`", "?c[]={d}|\\^`", "h:1", "h", 1,
		 HTTP_FORM_ORIGIN},
		{"GET http://a.b:8/c?d", "/c", "?d", "a.b:8", "a.b", 8, HTTP_FORM_ABSOLUTE},
		{"GET HTTPS://a.b.", "", "", "a.b.", "a.b", 0, HTTP_FORM_ABSOLUTE},
		{"GET http://a?d", "", "?d", "a", "a", 0, HTTP_FORM_ABSOLUTE},
		{"GET http://[2001:db8::1]:8/", "/", "", "[2001:db8::1]:8", "2001:db8::1", 8,
		 HTTP_FORM_ABSOLUTE},
		{"OPTIONS *", "*", "", "h:1", "h", 1, HTTP_FORM_ASTERISK},
		{"OPTIONS /", "/", "", "h:1", "h", 1, HTTP_FORM_ORIGIN},
		{"OPTIONS http://a", "", "", "a", "a", 0, HTTP_FORM_ASTERISK},
		{"OPTIONS http://a/", "/", "", "a", "a", 0, HTTP_FORM_ABSOLUTE},
		{"CONNECT a:443", "", "", "a:443", "a", 443, HTTP_FORM_AUTHORITY},
	};
	char message[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(message, sizeof(message), "%s HTTP/1.1\r\nHost: h:1\r\n\r\n",
			 cases[i].line);
		parse(message);
		assert_int_equal(head.form, cases[i].form);
		assert_span(message, head.path, cases[i].path);
		assert_span(message, head.query, cases[i].query);
		assert_span(message, head.authority, cases[i].authority);
		assert_span(message, head.host, cases[i].host);
		assert_int_equal(head.port, cases[i].port);
	}
}

static void test_hosts(void **state)
{
	static const struct {
		const char *text, *host;
		int port;
	} cases[] = {
		{"a", "a", 0},
		{"A.example.COM", "A.example.COM", 0},
		{"a_b.c-d", "a_b.c-d", 0},
		{"xn--bcher-kva.example.", "xn--bcher-kva.example", 0},
		{"a.:80", "a", 80},
		{"192.0.2.1:65535", "192.0.2.1", 65535},
		{"[::1]", "::1", 0},
		{"[::ffff:192.0.2.1]:00443", "::ffff:192.0.2.1", 443},
	};
	char message[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(message, sizeof(message), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n",
			 cases[i].text);
		parse(message);
		assert_span(message, head.authority, cases[i].text);
		assert_span(message, head.host, cases[i].host);
		assert_int_equal(head.port, cases[i].port);
	}
	parse("GET / HTTP/1.0\r\n\r\n");
	assert_int_equal(head.authority.size, 0);
}

static void test_request_framing(void **state)
{
	(void)state;
	parse("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n");
	assert_framing(HTTP_FRAMING_LENGTH, INT64_MAX, true);
	parse("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 000\r\n\r\n");
	assert_framing(HTTP_FRAMING_LENGTH, 0, true);
	parse("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: cHuNkEd\r\n\r\n");
	assert_framing(HTTP_FRAMING_CHUNKED, 0, true);
	parse("POST / HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_framing(HTTP_FRAMING_NONE, 0, true);
	parse("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
	assert_framing(HTTP_FRAMING_LENGTH, 5, true);
}

static void test_keep_alive(void **state)
{
	static const struct {
		const char *fields;
		bool in_1_0, in_1_1;
	} cases[] = {
		{"", false, true},
		{"Connection: close\r\n", false, false},
		{"Connection: keep-alive\r\n", true, true},
		{"Connection: Keep-Alive, ,x\r\n", true, true},
		{"Connection: keep-alive, CLOSE\r\n", false, false},
		{"Connection: x\r\nConnection: close\r\n", false, false},
		{"Connection: closed\r\n", false, true},
	};
	char message[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int minor = 0; minor <= 1; minor++) {
			snprintf(message, sizeof(message), "GET / HTTP/1.%d\r\nHost: a\r\n%s\r\n",
				 minor, cases[i].fields);
			parse(message);
			assert_int_equal(head.keep_alive,
					 minor ? cases[i].in_1_1 : cases[i].in_1_0);
		}
	}
}

static void test_answer_framing(void **state)
{
	(void)state;
	parse_answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP_METHOD_GET);
	assert_framing(HTTP_FRAMING_LENGTH, 5, true);
	parse_answer("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_METHOD_GET);
	assert_framing(HTTP_FRAMING_CHUNKED, 0, true);
	parse_answer("HTTP/1.1 200 OK\r\n\r\n", HTTP_METHOD_GET);
	assert_framing(HTTP_FRAMING_CLOSE, 0, false);
	parse_answer("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP_METHOD_GET);
	assert_framing(HTTP_FRAMING_LENGTH, 5, false);
	parse_answer("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n",
		     HTTP_METHOD_GET);
	assert_framing(HTTP_FRAMING_LENGTH, 5, true);
	parse_answer("HTTP/1.1 599 x\r\n\r\n", HTTP_METHOD_GET);
	assert_framing(HTTP_FRAMING_CLOSE, 0, false);
}

static void test_answers_without_body(void **state)
{
	(void)state;
	parse_answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP_METHOD_HEAD);
	assert_framing(HTTP_FRAMING_NONE, 5, true);
	parse_answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_METHOD_HEAD);
	assert_framing(HTTP_FRAMING_NONE, 0, true);
	parse_answer("HTTP/1.1 200 OK\r\n\r\n", HTTP_METHOD_HEAD);
	assert_framing(HTTP_FRAMING_NONE, 0, true);
	parse_answer("HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n", HTTP_METHOD_GET);
	assert_framing(HTTP_FRAMING_NONE, 5, true);
	parse_answer("HTTP/1.1 304 x\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_METHOD_GET);
	assert_framing(HTTP_FRAMING_NONE, 0, true);
	parse_answer("HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n", HTTP_METHOD_GET);
	assert_framing(HTTP_FRAMING_NONE, 0, true);
	parse_answer("HTTP/1.1 100 Continue\r\n\r\n", HTTP_METHOD_POST);
	assert_framing(HTTP_FRAMING_NONE, 0, true);
	assert_int_equal(head.status, 100);
}

static void test_answer_in_its_parts(void **state)
{
	static const char message[] = "HTTP/1.0 404 Not  Found\t\xe4\r\nA: b\r\n\r\n";

	(void)state;
	parse_answer(message, HTTP_METHOD_GET);
	assert_int_equal(head.minor, 0);
	assert_int_equal(head.status, 404);
	assert_span(message, head.reason, "Not  Found\t\xe4");
	assert_int_equal(head.fields.n, 1);
}

static void test_a_name_that_the_proxy_does_not_know_is_found(void **state)
{
	static const char message[] =
		"GET / HTTP/1.1\r\nHost: a\r\nX-Canary: 1\r\nX-Canary: 2\r\n\r\n";
	struct http_field *field;

	(void)state;
	parse(message);
	field = http_fields_find(&head.fields, message, HTTP_TEXT("x-canary"), 0);
	assert_ptr_equal(field, &list[1]);
	field = http_fields_find(&head.fields, message, HTTP_TEXT("x-canary"), 2);
	assert_ptr_equal(field, &list[2]);
	assert_null(http_fields_find(&head.fields, message, HTTP_TEXT("x-canar"), 0));
	assert_ptr_equal(http_fields_first(&head.fields, HTTP_NAME_HOST), &list[0]);
	assert_null(http_fields_first(&head.fields, HTTP_NAME_COOKIE));
}

/* A head of so many bytes, padded in its last field; NUL after it. */
static char *head_of(size_t size, const char *start)
{
	char *message = malloc(size + 1);
	size_t used = strlen(start);

	assert_non_null(message);
	memcpy(message, start, used);
	memset(message + used, 'x', size - used);
	memcpy(message + size - 4, "\r\n\r\n", 5);
	return message;
}

static enum http_refusal refusal_within(const char *message, size_t size, uint32_t room,
					uint32_t limit)
{
	enum http_refusal whole, pieces = HTTP_NOT_REFUSED;

	http_head_request(&head, list, room, limit);
	whole = http_head_parse(&head, message, size) == 0 ? HTTP_NOT_REFUSED : head.refusal;
	http_head_request(&head, list, room, limit);
	for (size_t i = 0; i <= size; i++) {
		int err = http_head_parse(&head, message, i);
		if (err != -EAGAIN) {
			pieces = err ? head.refusal : HTTP_NOT_REFUSED;
			break;
		}
	}
	assert_int_equal(whole, pieces);
	return whole;
}

static void test_the_largest_head(void **state)
{
	static const char start[] = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
	char *message = head_of(1000, start);

	(void)state;
	assert_int_equal(refusal_within(message, 1000, 2, 1000), HTTP_NOT_REFUSED);
	assert_int_equal(refusal_within(message, 1000, 2, 999), HTTP_REFUSED_HEAD_LARGE);
	assert_int_equal(refusal_within(message, 1000, 2, 20), HTTP_REFUSED_HEAD_LARGE);
	free(message);
}

static void test_the_longest_target(void **state)
{
	char *message = head_of(1000, "GET /");

	(void)state;
	memcpy(message + 960, " HTTP/1.0\r\nHost: a\r\nX: ", 23);
	assert_int_equal(refusal_within(message, 1000, 2, 1000), HTTP_NOT_REFUSED);
	assert_int_equal(refusal_within(message, 1000, 2, 969), HTTP_REFUSED_HEAD_LARGE);
	assert_int_equal(refusal_within(message, 1000, 2, 968), HTTP_REFUSED_TARGET_LONG);
	assert_int_equal(refusal_within(message, 1000, 2, 10), HTTP_REFUSED_TARGET_LONG);
	free(message);
}

static void test_the_most_fields(void **state)
{
	static const char message[] = "GET / HTTP/1.0\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n";

	(void)state;
	assert_int_equal(refusal_within(message, sizeof(message) - 1, 3, 100), HTTP_NOT_REFUSED);
	assert_int_equal(refusal_within(message, sizeof(message) - 1, 2, 100),
			 HTTP_REFUSED_FIELDS_MANY);
	assert_int_equal(refusal_within(message, sizeof(message) - 1, 0, 100),
			 HTTP_REFUSED_FIELDS_MANY);
}

static void test_a_verdict_is_final(void **state)
{
	(void)state;
	http_head_request(&head, list, HTTP_FIELDS, HTTP_HEAD_BYTES);
	assert_int_equal(http_head_parse(&head, "GET /#", 6), -EBADMSG);
	assert_int_equal(http_head_parse(&head, "GET /# HTTP/1.0\r\n\r\n", 19), -EBADMSG);
	assert_int_equal(head.refusal, HTTP_REFUSED_TARGET_FRAGMENT);
	parse("GET / HTTP/1.0\r\n\r\n");
	assert_int_equal(http_head_parse(&head, "GET / HTTP/1.0\r\n\r\nmore", 22), 0);
	assert_int_equal(head.size, 18);
}

static void test_what_clients_are_answered(void **state)
{
	(void)state;
	assert_int_equal(http_refusal_facts(HTTP_REFUSED_HEAD_LARGE)->status, 431);
	assert_int_equal(http_refusal_facts(HTTP_REFUSED_FIELDS_MANY)->status, 431);
	assert_int_equal(http_refusal_facts(HTTP_REFUSED_TARGET_LONG)->status, 414);
	assert_int_equal(http_refusal_facts(HTTP_REFUSED_VERSION_UNSUPPORTED)->status, 505);
	assert_int_equal(http_refusal_facts(HTTP_REFUSED_CODING_UNKNOWN)->status, 501);
	assert_int_equal(http_refusal_facts(HTTP_REFUSED_EXPECTATION)->status, 417);
	assert_int_equal(http_refusal_facts(HTTP_REFUSED_LENGTH_WITH_CODING)->status, 400);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request_in_its_parts),
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_request_framing),
		cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_answer_framing),
		cmocka_unit_test(test_answers_without_body),
		cmocka_unit_test(test_answer_in_its_parts),
		cmocka_unit_test(test_a_name_that_the_proxy_does_not_know_is_found),
		cmocka_unit_test(test_the_largest_head),
		cmocka_unit_test(test_the_longest_target),
		cmocka_unit_test(test_the_most_fields),
		cmocka_unit_test(test_a_verdict_is_final),
		cmocka_unit_test(test_what_clients_are_answered),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
