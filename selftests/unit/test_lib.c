/* SPDX-License-Identifier: GPL-2.0-only */
/* Errors, log, addresses and arrays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/addr.h"
#include "lib/array.h"
#include "lib/error.h"
#include "lib/log.h"

static void test_error_returns_what_it_was_given(void **state)
{
	struct skep_error error;

	(void)state;
	assert_int_equal(error_set(&error, -EINVAL, "%s is %d", "it", 7), -EINVAL);
	assert_string_equal(error.text, "it is 7");
	assert_int_equal(error_errno(&error, -ENOENT, "cannot open %s", "/x"), -ENOENT);
	assert_string_equal(error.text, "cannot open /x: No such file or directory");
	assert_int_equal(error_prefix(&error, -ENOENT, "line %d", 3), -ENOENT);
	assert_string_equal(error.text, "line 3: cannot open /x: No such file or directory");
	assert_int_equal(error_set(&error, -EIO, "again: %s", error.text), -EIO);
	assert_string_equal(error.text, "again: line 3: cannot open /x: No such file or directory");
}

static void test_error_is_one_line(void **state)
{
	struct skep_error error;

	(void)state;
	error_set(&error, -EINVAL, "a\nb\r\tc\033[31m\177");
	assert_string_equal(error.text, "a?b??c?[31m?");
}

static void test_error_is_cut_to_fit_and_stays_utf8(void **state)
{
	struct skep_error error;
	char text[1024];

	(void)state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	error_set(&error, -EINVAL, "%s", text);
	assert_int_equal(strlen(error.text), sizeof(error.text) - 1);
	error_prefix(&error, -EINVAL, "%s", "b");
	assert_memory_equal(error.text, "b: aaa", 6);
	assert_int_equal(strlen(error.text), sizeof(error.text) - 1);

	/* The last character, of two bytes, is cut in two. */
	memcpy(text + sizeof(error.text) - 2, "ä", 2);
	error_set(&error, -EINVAL, "%s", text);
	assert_string_equal(error.text + sizeof(error.text) - 3, "a?");

	error_set(&error, -EINVAL, "schön €\U0001f41d \xff\xc0\xaf\xed\xa0\x80 \xf0\x9f");
	assert_string_equal(error.text, "schön €\U0001f41d ?????? ??");
}

static void test_log_level_names(void **state)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	enum log_level level;

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(log_level_parse(names[i], &level), 0);
		assert_int_equal(level, i);
	}
	assert_int_equal(log_level_parse("verbose", &level), -EINVAL);
	assert_int_equal(log_level_parse("", &level), -EINVAL);
	assert_int_equal(log_level_parse("INFO", &level), -EINVAL);
}

/* What write() puts on stderr. */
static void capture(void (*write_lines)(void), char *buffer, size_t size)
{
	int ends[2], saved = dup(STDERR_FILENO);

	assert_true(saved >= 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	close(ends[1]);
	write_lines();
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	close(saved);
	ssize_t n = read(ends[0], buffer, size - 1);
	assert_true(n >= 0);
	buffer[n] = '\0';
	close(ends[0]);
}

static void write_one_of_each(void)
{
	log_error("e%d", 1);
	log_warning("w");
	log_info("i\nforged");
	log_debug("d");
}

static void test_log_lines_have_time_and_level(void **state)
{
	char text[512], time[64];
	char *line = text;

	(void)state;
	log_set_level(LOG_LEVEL_INFO);
	capture(write_one_of_each, text, sizeof(text));
	static const char *const expected[] = {"error: e1", "warning: w", "info: i?forged"};
	for (int i = 0; i < 3; i++) {
		char rest[128];
		assert_int_equal(sscanf(line, "%63s %127[^\n]", time, rest), 2);
		assert_string_equal(rest, expected[i]);
		assert_int_equal(strlen(time), strlen("2024-01-01T00:00:00.000"));
		line = strchr(line, '\n') + 1;
	}
	assert_string_equal(line, "");

	log_set_level(LOG_LEVEL_ERROR);
	capture(write_one_of_each, text, sizeof(text));
	assert_non_null(strstr(text, " error: e1\n"));
	assert_null(strstr(text, "warning"));
	log_set_level(LOG_LEVEL_INFO);
}

static void write_to_the_journal(void)
{
	struct stat status;
	char stream[64];

	fstat(STDERR_FILENO, &status);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)status.st_dev,
		 (uintmax_t)status.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_warning("w");
	/* Inherited from a parent whose stderr was another. */
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_info("i");
	unsetenv("JOURNAL_STREAM");
}

static void test_log_lines_to_the_journal_have_its_priority(void **state)
{
	char text[512];

	(void)state;
	capture(write_to_the_journal, text, sizeof(text));
	assert_memory_equal(text, "<4>w\n", 5);
	assert_int_equal(text[5], '2');
	assert_non_null(strstr(text, " info: i\n"));
}

static void write_a_long_line(void)
{
	char text[8192];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	log_info("%s", text);
}

static void test_long_log_line_is_cut_and_ends(void **state)
{
	char text[16384];

	(void)state;
	capture(write_a_long_line, text, sizeof(text));
	assert_int_equal(strlen(text), 2048);
	assert_ptr_equal(strchr(text, '\n'), text + 2047);
}

static void assert_addr(const char *text, const char *expected)
{
	struct skep_addr addr;
	char buffer[ADDR_TEXT_SIZE];

	assert_int_equal(addr_parse(text, &addr), 0);
	assert_ptr_equal(addr_text(&addr, buffer), buffer);
	assert_string_equal(buffer, expected);
}

static void test_addresses_are_read_and_written(void **state)
{
	struct skep_addr addr;

	(void)state;
	assert_addr("10.0.0.6", "10.0.0.6");
	assert_addr("255.255.255.255", "255.255.255.255");
	assert_addr("::ffff:10.0.0.6", "10.0.0.6");
	assert_addr("FD00:0::0006", "fd00::6");
	assert_addr("::", "::");
	assert_addr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	assert_int_equal(addr_parse("10.0.0.6", &addr), 0);
	assert_true(skep_addr_is_v4(&addr));
	assert_int_equal(ntohl(addr.word[3]), 0x0a000006);
}

static void test_what_is_no_address_is_refused(void **state)
{
	static const char *const texts[] = {"",		  "10",		 "10.0.0",
					    "10.0.0.0.1", "10.0.0.256",	 "10.0.0.01",
					    "0x0a.0.0.1", " 10.0.0.1",	 "10.0.0.1 ",
					    "10.0.0.1/8", "10.0.0.1:80", "::1%lo",
					    "[::1]",	  ":::",	 "1:2:3:4:5:6:7:8:9",
					    "localhost",  "-1.0.0.0"};
	struct skep_addr addr;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(addr_parse(texts[i], &addr), -EINVAL);
}

static bool contains(const char *prefix_text, const char *addr_text_)
{
	struct addr_prefix prefix;
	struct skep_addr addr;

	assert_int_equal(addr_prefix_parse(prefix_text, &prefix), 0);
	assert_int_equal(addr_parse(addr_text_, &addr), 0);
	return addr_prefix_contains(&prefix, &addr);
}

static void test_prefix_contains_its_addresses_only(void **state)
{
	(void)state;
	assert_true(contains("10.0.0.0/24", "10.0.0.0"));
	assert_true(contains("10.0.0.0/24", "10.0.0.255"));
	assert_false(contains("10.0.0.0/24", "10.0.1.0"));
	assert_true(contains("10.0.0.128/25", "10.0.0.129"));
	assert_false(contains("10.0.0.128/25", "10.0.0.127"));
	assert_true(contains("10.0.0.6/32", "10.0.0.6"));
	assert_false(contains("10.0.0.6/32", "10.0.0.7"));
	assert_true(contains("0.0.0.0/0", "192.0.2.1"));
	assert_false(contains("0.0.0.0/0", "fd00::1"));
	assert_true(contains("::/0", "fd00::1"));
	assert_false(contains("::/0", "10.0.0.1"));
	assert_true(contains("fd00::/65", "fd00::7fff:0:0:1"));
	assert_false(contains("fd00::/65", "fd00::8000:0:0:1"));
	assert_true(contains("::ffff:10.0.0.0/104", "10.1.2.3"));
}

static void test_what_is_no_prefix_is_refused(void **state)
{
	static const char *const texts[] = {"",
					    "/",
					    "10.0.0.0",
					    "10.0.0.0/",
					    "/24",
					    "10.0.0.0/33",
					    "10.0.0.0/-1",
					    "10.0.0.0/024",
					    "10.0.0.0/24x",
					    "10.0.0.1/24",
					    "10.0.0.0/8/8",
					    "10.0.0.0/4294967296",
					    "10.0.0.0 /24",
					    "10.0.0.0/ 24",
					    "fd00::/129",
					    "fd00::1/64",
					    "::ffff:0.0.0.0/90"};
	struct addr_prefix prefix;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(addr_prefix_parse(texts[i], &prefix), -EINVAL);
}

static void test_addresses_are_ordered_as_bytes(void **state)
{
	static const char *const sorted[] = {"::",	 "::1",	     "1.255.255.255", "2.0.0.0",
					     "10.0.0.1", "10.0.0.2", "fd00::"};
	struct skep_addr a, b;

	(void)state;
	for (size_t i = 1; i < sizeof(sorted) / sizeof(sorted[0]); i++) {
		assert_int_equal(addr_parse(sorted[i - 1], &a), 0);
		assert_int_equal(addr_parse(sorted[i], &b), 0);
		assert_true(addr_compare(&a, &b) < 0);
		assert_true(addr_compare(&b, &a) > 0);
		assert_int_equal(addr_compare(&a, &a), 0);
	}
}

static void test_array_grows_and_is_zeroed(void **state)
{
	struct array array = {0};

	(void)state;
	for (size_t i = 0; i < 1000; i++) {
		size_t *item = array_add(&array, sizeof(*item));
		assert_non_null(item);
		assert_int_equal(*item, 0);
		*item = i;
	}
	assert_int_equal(array.n, 1000);
	for (size_t i = 0; i < array.n; i++)
		assert_int_equal(((size_t *)array.items)[i], i);
	free(array.items);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_error_returns_what_it_was_given),
		cmocka_unit_test(test_error_is_one_line),
		cmocka_unit_test(test_error_is_cut_to_fit_and_stays_utf8),
		cmocka_unit_test(test_log_level_names),
		cmocka_unit_test(test_log_lines_have_time_and_level),
		cmocka_unit_test(test_log_lines_to_the_journal_have_its_priority),
		cmocka_unit_test(test_long_log_line_is_cut_and_ends),
		cmocka_unit_test(test_addresses_are_read_and_written),
		cmocka_unit_test(test_what_is_no_address_is_refused),
		cmocka_unit_test(test_prefix_contains_its_addresses_only),
		cmocka_unit_test(test_what_is_no_prefix_is_refused),
		cmocka_unit_test(test_addresses_are_ordered_as_bytes),
		cmocka_unit_test(test_array_grows_and_is_zeroed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
