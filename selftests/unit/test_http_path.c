/* SPDX-License-Identifier: GPL-2.0-only */
/* Paths in their normal form (RFC 3986 6.2.2). Those that are refused are in bad_http.txt. */
#include "http_cases.h"

#include "http/path.h"

static struct http_text normalise(const char *path, char *room)
{
	struct http_text normal;

	assert_int_equal(http_path_normalise((struct http_text){path, strlen(path)}, room, &normal),
			 HTTP_NOT_REFUSED);
	return normal;
}

static void assert_normal(const char *path, const char *expected)
{
	char room[256], again[256], text[256];
	struct http_text normal = normalise(path, room);

	snprintf(text, sizeof(text), "%.*s", (int)normal.size, normal.at);
	assert_string_equal(text, expected);
	assert_true(normal.size <= strlen(path) || path[0] == '\0');
	assert_true(http_text_equal(normalise(text, again), normal));
}

static void test_dot_segments_go(void **state)
{
	(void)state;
	assert_normal("/a/b/c/./../../g", "/a/g"); /* RFC 3986 5.2.4 */
	assert_normal("/.", "/");
	assert_normal("/./", "/");
	assert_normal("/./a", "/a");
	assert_normal("/a/.", "/a/");
	assert_normal("/a/./", "/a/");
	assert_normal("/a/..", "/");
	assert_normal("/a/../", "/");
	assert_normal("/a/../b", "/b");
	assert_normal("/a/b/..", "/a/");
	assert_normal("/a/b/../..", "/");
	assert_normal("/a/b/../../c/./d/../e", "/c/e");
}

static void test_encoded_dot_segments_go(void **state)
{
	(void)state;
	assert_normal("/a/%2e/b", "/a/b");
	assert_normal("/a/%2E%2e/b", "/b");
	assert_normal("/a/.%2e", "/");
	assert_normal("/a/%2e./b", "/b");
}

static void test_other_dots_stay(void **state)
{
	(void)state;
	assert_normal("/...", "/...");
	assert_normal("/.a/..b/c./d..", "/.a/..b/c./d..");
	assert_normal("/a.;b/...;c", "/a.;b/...;c");
	assert_normal("/.../..", "/");
}

static void test_doubled_slashes_stay(void **state)
{
	(void)state;
	assert_normal("//", "//");
	assert_normal("//a//b//", "//a//b//");
	assert_normal("/a//../b", "/a/b");
	assert_normal("/a//./b", "/a//b");
	assert_normal("//..", "/");
	assert_normal("//../a", "/a");
}

static void test_unreserved_characters_are_decoded(void **state)
{
	(void)state;
	assert_normal("/%61%5A%30%2d%5F%7e%2E", "/aZ0-_~.");
	assert_normal("/a%62/c", "/ab/c");
}

static void test_other_encodings_stay_with_upper_case_digits(void **state)
{
	(void)state;
	assert_normal("/%2f%5c%3a%3F%23%25%20%c3%a4%7f%0a", "/%2F%5C%3A%3F%23%25%20%C3%A4%7F%0A");
	assert_normal("/a/..%2fb", "/a/..%2Fb");
	assert_normal("/a%2f../b", "/a%2F../b");
	/* Decoded once, never twice. */
	assert_normal("/%252e%252e/%2561", "/%252e%252e/%2561");
}

static void test_what_is_normal_is_not_copied(void **state)
{
	static const char *const paths[] = {"/", "/a/b.c/d~e", "/a;b=c/@d:e!$&'()*+,",
					    "/[a]|{b}^`"};
	char room[64];

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct http_text normal = normalise(paths[i], room);
		assert_ptr_equal(normal.at, paths[i]);
		assert_int_equal(normal.size, strlen(paths[i]));
	}
}

static void test_an_empty_path_is_the_root(void **state)
{
	(void)state;
	assert_normal("", "/");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dot_segments_go),
		cmocka_unit_test(test_encoded_dot_segments_go),
		cmocka_unit_test(test_other_dots_stay),
		cmocka_unit_test(test_doubled_slashes_stay),
		cmocka_unit_test(test_unreserved_characters_are_decoded),
		cmocka_unit_test(test_other_encodings_stay_with_upper_case_digits),
		cmocka_unit_test(test_what_is_normal_is_not_copied),
		cmocka_unit_test(test_an_empty_path_is_the_root),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
