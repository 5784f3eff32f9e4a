/* SPDX-License-Identifier: GPL-2.0-only */
/* The payload of good chunks, however they come. Bad ones are in bad_http.txt. */
#include "http_cases.h"

#include <errno.h>

#include "http/chunk.h"

/* Decodes body, step bytes at a time; what is payload goes to payload. Returns where the trailer
 * section begins. */
static size_t decode(const char *body, size_t step, char *payload)
{
	size_t size = strlen(body), at = 0, n = 0;
	struct http_chunks chunks;

	http_chunks_begin(&chunks);
	for (size_t there = step < size ? step : size;;
	     there = size - there < step ? size : there + step) {
		while (at < there) {
			struct http_piece piece;
			int err = http_chunks_next(&chunks, body + at, there - at, &piece);
			memcpy(payload + n, body + at + piece.framing, piece.payload);
			n += piece.payload;
			at += piece.framing + piece.payload;
			if (err == 0) {
				payload[n] = '\0';
				return at;
			}
			assert_int_equal(err, -EAGAIN);
		}
		assert_true(there < size);
	}
}

static void assert_payload(const char *body, const char *expected, size_t rest)
{
	char payload[256];

	for (size_t step = 1; step <= strlen(body); step++) {
		assert_int_equal(strlen(body) - decode(body, step, payload), rest);
		assert_string_equal(payload, expected);
	}
}

static void test_payload(void **state)
{
	(void)state;
	assert_payload("0\r\n\r\n", "", 2);
	assert_payload("5\r\nabcde\r\n0\r\n\r\n", "abcde", 2);
	assert_payload("1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc", 2);
	assert_payload("0000a\r\n0123456789\r\n000\r\n\r\n", "0123456789", 2);
	assert_payload("A\r\n0123456789\r\n0\r\n\r\n", "0123456789", 2);
	assert_payload("10\r\n0123456789abcdef\r\n0\r\n\r\n", "0123456789abcdef", 2);
	assert_payload("4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n", 2);
	assert_payload("5\r\n0\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n", 2);
}

static void test_extensions_are_passed_over(void **state)
{
	(void)state;
	assert_payload("1;a\r\nx\r\n0;b=c\r\n\r\n", "x", 2);
	assert_payload("1;a=\"b c;d\"\t;e\r\nx\r\n0\r\n\r\n", "x", 2);
	assert_payload("1;\r\nx\r\n0;\r\n\r\n", "x", 2);
}

static void test_nothing_is_read_of_trailers_and_what_follows(void **state)
{
	(void)state;
	assert_payload("1\r\nx\r\n0\r\nA: b\r\n\r\nGET", "x", strlen("A: b\r\n\r\nGET"));
}

static void test_the_largest_chunk(void **state)
{
	struct http_chunks chunks;
	struct http_piece piece;

	(void)state;
	http_chunks_begin(&chunks);
	assert_int_equal(http_chunks_next(&chunks, "7fffffffffffffff\r\nabc", 21, &piece), -EAGAIN);
	assert_int_equal(piece.framing, 18);
	assert_int_equal(piece.payload, 3);
	assert_int_equal(chunks.left, INT64_MAX - 3);
}

static void test_payload_that_someone_else_reads(void **state)
{
	struct http_chunks chunks;
	struct http_piece piece;

	(void)state;
	http_chunks_begin(&chunks);
	assert_int_equal(http_chunks_next(&chunks, "64\r\nab", 6, &piece), -EAGAIN);
	assert_int_equal(chunks.left, 98);
	http_chunks_skip(&chunks, 90);
	assert_int_equal(http_chunks_next(&chunks, "12345678", 8, &piece), -EAGAIN);
	assert_int_equal(piece.framing, 0);
	assert_int_equal(piece.payload, 8);
	assert_int_equal(http_chunks_next(&chunks, "\r\n0\r\n", 5, &piece), 0);
	assert_int_equal(piece.framing, 5);
}

static void test_an_extension_of_the_longest_line(void **state)
{
	char body[512], payload[256];

	(void)state;
	memset(body, 'e', sizeof(body));
	memcpy(body, "1;", 2);
	strcpy(body + HTTP_CHUNK_LINE_MAX, "\r\nx\r\n0\r\n\r\n");
	decode(body, 1, payload);
	assert_string_equal(payload, "x");
}

static void test_chunk_heads_as_we_write_them(void **state)
{
	static const struct {
		uint64_t size;
		const char *head;
	} cases[] = {
		{1, "1\r\n"},	      {15, "f\r\n"},	       {16, "10\r\n"},
		{65536, "10000\r\n"}, {4096 + 10, "100a\r\n"}, {INT64_MAX, "7fffffffffffffff\r\n"}};
	char room[HTTP_CHUNK_HEAD_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(http_chunk_head(cases[i].size, room), strlen(cases[i].head));
		assert_memory_equal(room, cases[i].head, strlen(cases[i].head));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_payload),
		cmocka_unit_test(test_extensions_are_passed_over),
		cmocka_unit_test(test_nothing_is_read_of_trailers_and_what_follows),
		cmocka_unit_test(test_the_largest_chunk),
		cmocka_unit_test(test_payload_that_someone_else_reads),
		cmocka_unit_test(test_an_extension_of_the_longest_line),
		cmocka_unit_test(test_chunk_heads_as_we_write_them),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
