/* SPDX-License-Identifier: GPL-2.0-only */
/* Whole files: bounded reading, replacing that a crash cannot tear, directories. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"

/* A directory of the test's own, and a path in it. */
static char directory[64];
static char path_buffer[256];

static int make_directory(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/skep-test-XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	/* No names from outside: it is what mkdtemp() made. */
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", directory);
	return system(command);
}

static const char *path(const char *name)
{
	snprintf(path_buffer, sizeof(path_buffer), "%s/%s", directory, name);
	return path_buffer;
}

static void assert_content(const char *file, const char *expected)
{
	struct skep_error error;
	size_t size;
	char *data;

	assert_int_equal(file_read(file, 1 << 20, &data, &size, &error), 0);
	assert_int_equal(size, strlen(expected));
	assert_string_equal(data, expected);
	free(data);
}

static void test_file_is_replaced_and_read(void **state)
{
	struct skep_error error;
	struct stat status;

	(void)state;
	assert_int_equal(file_replace(path("f"), "one", 3, &error), 0);
	assert_content(path("f"), "one");
	assert_int_equal(stat(path("f"), &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(file_replace(path("f"), "", 0, &error), 0);
	assert_content(path("f"), "");
	assert_int_equal(access(path("f.tmp"), F_OK), -1);
}

static void test_leftover_of_a_crash_is_not_in_the_way(void **state)
{
	struct skep_error error;

	(void)state;
	assert_int_equal(file_replace(path("victim"), "keep", 4, &error), 0);
	char *victim = strdup(path("victim"));
	assert_int_equal(symlink(victim, path("f.tmp")), 0);
	assert_int_equal(file_replace(path("f"), "new", 3, &error), 0);
	assert_content(path("f"), "new");
	/* A link is not followed. */
	assert_content(victim, "keep");
	free(victim);
}

static void test_failed_replace_leaves_the_old_file(void **state)
{
	struct skep_error error;

	(void)state;
	assert_int_equal(mkdir(path("d"), 0755), 0);
	assert_int_equal(mkdir(path("d/sub"), 0755), 0);
	assert_int_equal(file_replace(path("d"), "x", 1, &error), -EISDIR);
	assert_non_null(strstr(error.text, "cannot rename "));
	assert_int_equal(access(path("d.tmp"), F_OK), -1);
	assert_int_equal(file_replace(path("none/f"), "x", 1, &error), -ENOENT);
	assert_non_null(strstr(error.text, "none/f.tmp: No such file or directory"));
}

static void test_file_size_is_bounded(void **state)
{
	struct skep_error error;
	char expected[300];
	size_t size;
	char *data;

	(void)state;
	assert_int_equal(file_replace(path("f"), "12345", 5, &error), 0);
	assert_int_equal(file_read(path("f"), 5, &data, &size, &error), 0);
	assert_int_equal(size, 5);
	free(data);
	assert_int_equal(file_read(path("f"), 4, &data, &size, &error), -EFBIG);
	snprintf(expected, sizeof(expected), "cannot read %s: larger than 4 bytes", path("f"));
	assert_string_equal(error.text, expected);
	assert_int_equal(file_read(path("f"), 0, &data, &size, &error), -EFBIG);
}

/* Files of /proc say that their size is 0. */
static void test_file_without_a_size_is_read_whole(void **state)
{
	struct skep_error error;
	size_t size;
	char *data;

	(void)state;
	assert_int_equal(file_read("/proc/self/status", 1 << 20, &data, &size, &error), 0);
	assert_true(size > 100);
	assert_int_equal(strlen(data), size);
	free(data);
	assert_int_equal(file_read("/proc/self/status", 100, &data, &size, &error), -EFBIG);
}

static void test_what_is_no_file_is_refused_without_waiting(void **state)
{
	struct skep_error error;
	size_t size;
	char *data;

	(void)state;
	assert_int_equal(mkfifo(path("fifo"), 0600), 0);
	assert_int_equal(file_read(path("fifo"), 10, &data, &size, &error), -EINVAL);
	assert_non_null(strstr(error.text, "not a regular file"));
	assert_int_equal(file_read(directory, 10, &data, &size, &error), -EISDIR);
	assert_int_equal(file_read(path("none"), 10, &data, &size, &error), -ENOENT);
	assert_non_null(strstr(error.text, "none: No such file or directory"));
}

static void test_directories_are_made_with_their_parents(void **state)
{
	struct skep_error error;
	struct stat status;

	(void)state;
	assert_int_equal(directory_make(path("a/b//c/"), &error), 0);
	assert_int_equal(directory_make(path("a/b/c"), &error), 0);
	assert_int_equal(stat(path("a/b/c"), &status), 0);
	assert_true(S_ISDIR(status.st_mode));
	assert_int_equal(directory_make("/", &error), 0);
	assert_int_equal(directory_make("", &error), -ENOENT);
	assert_int_equal(file_replace(path("a/file"), "", 0, &error), 0);
	assert_int_equal(directory_make(path("a/file"), &error), -ENOTDIR);
	assert_int_equal(directory_make(path("a/file/below"), &error), -ENOTDIR);
	assert_non_null(strstr(error.text, "/a/file: Not a directory"));
}

#define file_test(function)                                                                        \
	cmocka_unit_test_setup_teardown(function, make_directory, remove_directory)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		file_test(test_file_is_replaced_and_read),
		file_test(test_leftover_of_a_crash_is_not_in_the_way),
		file_test(test_failed_replace_leaves_the_old_file),
		file_test(test_file_size_is_bounded),
		file_test(test_file_without_a_size_is_read_whole),
		file_test(test_what_is_no_file_is_refused_without_waiting),
		file_test(test_directories_are_made_with_their_parents),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
