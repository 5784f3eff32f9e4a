/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cases in a file beside the tests, to be read by people:
 *
 *	# request: what it is about
 *	GET / HTTP/1.1
 *	Host: a
 *	=> what is expected, on this line and those after it
 *
 * A line of the message is one with CR LF behind it, or with nothing if it ends in \c. Escapes: \r
 * \n \t \0 \xHH \\. The empty line that ends a head is added (not to "chunks", "path"). Expected
 * lines are taken alike, without escapes, up to the next "# " or empty line.
 */
#ifndef SKEP_TEST_HTTP_CASES_H
#define SKEP_TEST_HTTP_CASES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/array.h"
#include "lib/file.h"

struct http_case {
	char *name;    /* the whole line, without "# " */
	char kind[32]; /* what is before the first ": " */
	char *message;
	size_t size;
	char *expected; /* lines ended by \n, the last one not */
};

static inline int case_hex(char digit)
{
	return digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10;
}

/* Appends a line of the file, read as said above, to the message. */
static inline void case_add_line(struct http_case *one, const char *line)
{
	bool ended = true;

	one->message = realloc(one->message, one->size + strlen(line) + 3);
	for (; *line; line++) {
		char byte = *line;
		if (byte == '\\') {
			switch (*++line) {
			case 'r':
				byte = '\r';
				break;
			case 'n':
				byte = '\n';
				break;
			case 't':
				byte = '\t';
				break;
			case '0':
				byte = '\0';
				break;
			case 'x':
				byte = (char)(case_hex(line[1]) << 4 | case_hex(line[2]));
				line += 2;
				break;
			case 'c':
				ended = false;
				continue;
			default:
				break;
			}
		}
		one->message[one->size++] = byte;
	}
	if (ended) {
		memcpy(one->message + one->size, "\r\n", 2);
		one->size += 2;
	}
}

static inline void case_begin(struct http_case *one, char *name)
{
	const char *colon = strstr(name, ": ");

	one->name = name;
	if (colon)
		snprintf(one->kind, sizeof(one->kind), "%.*s", (int)(colon - name), name);
}

struct http_cases {
	struct array list; /* struct http_case */
	char *text;	   /* they point into it */
};

/* Takes the text apart. */
static inline struct http_cases cases_read(char *text)
{
	enum {
		BETWEEN,
		MESSAGE,
		EXPECTED
	} part = BETWEEN;
	struct http_cases cases = {.text = text};
	struct http_case *one = NULL;

	for (char *line = text, *after; line; line = after) {
		after = strchr(line, '\n');
		if (after)
			*after++ = '\0';
		if (strncmp(line, "# ", 2) == 0 && part != MESSAGE && strstr(line, ": ")) {
			one = array_add(&cases.list, sizeof(*one));
			case_begin(one, line + 2);
			part = MESSAGE;
		} else if (part == MESSAGE && strncmp(line, "=>", 2) == 0) {
			if (strcmp(one->kind, "chunks") != 0 && strcmp(one->kind, "path") != 0)
				case_add_line(one, "");
			one->expected = line[2] ? line + 3 : line + 2;
			part = EXPECTED;
		} else if (part == MESSAGE) {
			case_add_line(one, line);
		} else if (part == EXPECTED && *line) {
			/* Joined to the line before, which ended at the byte in front. */
			line[-1] = '\n';
		} else {
			part = BETWEEN;
		}
	}
	return cases;
}

/* The cases of a file beside the test's own, wherever the build was run from. */
static inline struct http_cases cases_of_file(const char *test_file, const char *name)
{
	const char *slash = strrchr(test_file, '/');
	struct skep_error error;
	char path[4096], *text;
	size_t size;

	snprintf(path, sizeof(path), "%.*s%s", slash ? (int)(slash - test_file + 1) : 0, test_file,
		 name);
	if (file_read(path, 1 << 20, &text, &size, &error)) {
		fprintf(stderr, "%s\n", error.text);
		exit(1);
	}
	return cases_read(text);
}

/* Runs own and, for each case, test with it as its state. */
static inline int cases_run(const char *group, struct http_cases cases, CMUnitTestFunction test,
			    const struct CMUnitTest *own, size_t n_own)
{
	struct CMUnitTest *tests = calloc(cases.list.n + n_own, sizeof(*tests));
	struct http_case *list = cases.list.items;

	for (size_t i = 0; i < cases.list.n; i++)
		tests[i] = (struct CMUnitTest){
			.name = list[i].name, .test_func = test, .initial_state = &list[i]};
	if (n_own > 0)
		memcpy(tests + cases.list.n, own, n_own * sizeof(*own));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	int failed = _cmocka_run_group_tests(group, tests, cases.list.n + n_own, NULL, NULL);
	for (size_t i = 0; i < cases.list.n; i++)
		free(list[i].message);
	free(tests);
	free(list);
	free(cases.text);
	return failed;
}

#endif
