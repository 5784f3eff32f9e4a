/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/settings.h"

#define FLAGS(...) ((char *[]){__VA_ARGS__, NULL})

struct config {
	uint16_t small;
	uint32_t large;
	char path[16];
	char list[8][16];
	size_t n;
};

static struct config config;
static struct skep_error error;

static int add(void *context, const struct setting *setting, const char *value,
	       struct skep_error *why)
{
	struct config *into = context;

	(void)setting;
	(void)why;
	snprintf(into->list[into->n++], sizeof(into->list[0]), "%s", value);
	return 0;
}

static void clear(void *context)
{
	((struct config *)context)->n = 0;
}

static const struct setting settings[] = {
	{"small", settings_u16, offsetof(struct config, small), 2, 9, NULL},
	{"large", settings_u32, offsetof(struct config, large), 0, UINT32_MAX, NULL},
	{"path", settings_path, offsetof(struct config, path), 0, 15, NULL},
	{"list", add, 0, 0, 0, clear},
};

static int read_flags(const char *usual, char *const flags[])
{
	int argc = 0;

	while (flags[argc])
		argc++;
	memset(&config, 0, sizeof(config));
	return settings_read(settings, 4, &config, usual, argc, flags, &error);
}

/* Of a file, and flags after. */
static int read_bytes(const void *text, size_t size, char *const flags[])
{
	char path[] = "/tmp/skep-settings-XXXXXX", *argv[16] = {"--config", path};
	int fd = mkstemp(path), err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, size), size);
	close(fd);
	for (size_t i = 0; flags && flags[i]; i++)
		argv[2 + i] = flags[i];
	err = read_flags("/nowhere", argv);
	unlink(path);
	return err;
}

static int read_text(const char *text, char *const flags[])
{
	return read_bytes(text, strlen(text), flags);
}

static void refuses_flags(char *const flags[], const char *text)
{
	assert_int_equal(read_flags("/nowhere", flags), -EINVAL);
	assert_string_equal(error.text, text);
}

/* ending: after the file's name. */
static void refuses_text(const char *text, const char *ending)
{
	assert_int_equal(read_text(text, NULL), -EINVAL);
	assert_string_equal(strchr(error.text, ':'), ending);
}

static void a_flag_has_its_value_behind_it_or_behind_an_equals_sign(void **state)
{
	(void)state;
	assert_int_equal(read_flags("/nowhere", FLAGS("--small", "3", "--large=4", "--path=/a=b")),
			 0);
	assert_int_equal(config.small, 3);
	assert_int_equal(config.large, 4);
	assert_string_equal(config.path, "/a=b");
}

static void a_file_has_names_values_comments_and_empty_lines(void **state)
{
	(void)state;
	assert_int_equal(
		read_text("# a comment\n\n \tsmall \t 3 # another\r\npath /a#b\nlarge 4294967295",
			  NULL),
		0);
	assert_int_equal(config.small, 3);
	assert_string_equal(config.path, "/a#b");
	assert_int_equal(config.large, UINT32_MAX);
}

static void flags_win_over_the_file(void **state)
{
	(void)state;
	assert_int_equal(read_text("small 3\nlarge 5\n", FLAGS("--small", "4")), 0);
	assert_int_equal(config.small, 4);
	assert_int_equal(config.large, 5);
}

static void the_flags_list_replaces_the_files(void **state)
{
	(void)state;
	assert_int_equal(read_text("list a\nlist b\n", NULL), 0);
	assert_int_equal(config.n, 2);
	assert_int_equal(read_text("list a\nlist b\n", FLAGS("--list", "c")), 0);
	assert_int_equal(config.n, 1);
	assert_string_equal(config.list[0], "c");
}

static void the_usual_file_need_not_be_there_but_a_named_one_must(void **state)
{
	(void)state;
	assert_int_equal(read_flags("/nowhere", FLAGS(NULL)), 0);
	assert_int_equal(read_flags("/nowhere", FLAGS("--config", "/nowhere/else")), -ENOENT);
	assert_non_null(strstr(error.text, "/nowhere/else"));
}

static void bad_flags_are_refused(void **state)
{
	(void)state;
	refuses_flags(FLAGS("small"), "small: is not a flag");
	refuses_flags(FLAGS("--"), "--: is not a flag");
	refuses_flags(FLAGS("--nothing", "1"), "--nothing: there is no such setting");
	refuses_flags(FLAGS("--a-name-that-is-longer-than-any-setting-has"),
		      "--a-name-that-is-longer-than-any-setting-has: there is no such flag");
	refuses_flags(FLAGS("--small"), "--small: a value is missing");
	refuses_flags(FLAGS("--small", "3", "--small", "3"), "--small: given twice");
	refuses_flags(FLAGS("--config", "/a", "--config", "/b"), "--config: given twice");
	refuses_flags(FLAGS("--small", "1"), "--small: \"1\" is not a number from 2 to 9");
	refuses_flags(FLAGS("--small", "10"), "--small: \"10\" is not a number from 2 to 9");
	refuses_flags(FLAGS("--small", "+3"), "--small: \"+3\" is not a number from 2 to 9");
	refuses_flags(FLAGS("--small", "3x"), "--small: \"3x\" is not a number from 2 to 9");
	refuses_flags(FLAGS("--large", "4294967296"),
		      "--large: \"4294967296\" is not a number from 0 to 4294967295");
	refuses_flags(FLAGS("--large", "18446744073709551617"),
		      "--large: \"18446744073709551617\" is not a number from 0 to 4294967295");
	refuses_flags(FLAGS("--path", "a"), "--path: \"a\" is not an absolute path");
	refuses_flags(FLAGS("--path", "/345678901234567"), "--path: path is longer than 15 bytes");
}

static void bad_lines_are_refused_by_their_number(void **state)
{
	(void)state;
	refuses_text("\nnothing 1\n", ":2: nothing: there is no such setting");
	refuses_text("small\n", ":1: small: a value is missing");
	refuses_text("small 3\nsmall 3\n", ":2: small: given twice");
	refuses_text("#\n#\nsmall 99\n", ":3: small: \"99\" is not a number from 2 to 9");
	assert_int_equal(read_bytes("small 3\n\0", 9, NULL), -EINVAL);
	assert_string_equal(strchr(error.text, ':'), ": is not a text file");
}

static void a_file_beyond_reason_is_refused(void **state)
{
	size_t size = 65 * 1024;
	char *text = malloc(size);

	(void)state;
	memset(text, '\n', size);
	assert_true(read_bytes(text, size, NULL) < 0);
	free(text);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flag_has_its_value_behind_it_or_behind_an_equals_sign),
		cmocka_unit_test(a_file_has_names_values_comments_and_empty_lines),
		cmocka_unit_test(flags_win_over_the_file),
		cmocka_unit_test(the_flags_list_replaces_the_files),
		cmocka_unit_test(the_usual_file_need_not_be_there_but_a_named_one_must),
		cmocka_unit_test(bad_flags_are_refused),
		cmocka_unit_test(bad_lines_are_refused_by_their_number),
		cmocka_unit_test(a_file_beyond_reason_is_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
