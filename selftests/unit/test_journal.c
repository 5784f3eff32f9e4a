/* SPDX-License-Identifier: GPL-2.0-only */
/* What the log says of labels that cannot be honoured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/journal.h"
#include "lib/log.h"

static struct model *model_of(const char *services)
{
	struct skep_error error = {""};
	struct model *model;
	char text[2048];
	int size = snprintf(text, sizeof(text), "{\"services\":[%s]}", services);

	if (model_parse(text, (size_t)size, &model, &error))
		fail_msg("%s", error.text);
	return model;
}

/* Without the time at each line's start. */
static void logs(const char *before, const char *after, const char *expected)
{
	struct model *old = before ? model_of(before) : NULL, *new = model_of(after);
	char text[4096] = "", plain[4096] = "", *line, *rest = text;
	int file = memfd_create("log", MFD_CLOEXEC), stderr_copy = dup(STDERR_FILENO);

	assert_true(file >= 0 && stderr_copy >= 0);
	assert_true(dup2(file, STDERR_FILENO) >= 0);
	journal_model(old, new);
	assert_true(dup2(stderr_copy, STDERR_FILENO) >= 0);
	assert_true(pread(file, text, sizeof(text) - 1, 0) >= 0);
	close(stderr_copy);
	close(file);
	while ((line = strsep(&rest, "\n")) && *line) {
		line = strchr(line, ' ');
		assert_non_null(line);
		strcat(plain, line + 1);
		strcat(plain, "\n");
	}
	assert_string_equal(plain, expected);
	model_free(old);
	model_free(new);
}

#define WEB(labels) "{\"id\":\"s1\",\"name\":\"web\",\"labels\":{" labels "}}"
#define BAD_IDLE    "\"skep.idle\":\"soon\""
#define BAD_PREFER  "\"skep.prefer\":\"far\""
#define SAYS_IDLE                                                                                  \
	"warning: service web: label skep.idle: \"soon\" is not a number of seconds from 0 to "    \
	"31536000; 0 is in force\n"
#define SAYS_PREFER                                                                                \
	"warning: service web: label skep.prefer: \"far\" is not \"local\"; all tasks are used "   \
	"alike\n"

static void a_label_that_cannot_be_honoured_is_told_when_it_appears(void **state)
{
	(void)state;
	logs(WEB(""), WEB(BAD_IDLE "," BAD_PREFER), SAYS_IDLE SAYS_PREFER);
	logs(NULL, WEB(BAD_IDLE), "info: services added: web (1, now 1)\n" SAYS_IDLE);
}

static void and_not_again_while_it_stays(void **state)
{
	(void)state;
	logs(WEB(BAD_IDLE), WEB(BAD_IDLE), "");
	logs(WEB(BAD_IDLE), WEB(BAD_IDLE "," BAD_PREFER), SAYS_PREFER);
}

static void but_when_it_is_wrong_in_another_way(void **state)
{
	(void)state;
	logs(WEB("\"skep.idle\":\"-\""), WEB(BAD_IDLE), SAYS_IDLE);
}

static void its_end_is_told_too(void **state)
{
	(void)state;
	logs(WEB(BAD_PREFER), WEB("\"skep.prefer\":\"local\""),
	     "info: service web: label skep.prefer is no longer a problem (\"far\" is not "
	     "\"local\"; all tasks are used alike)\n");
}

static void of_a_service_that_went_only_that_is_told(void **state)
{
	(void)state;
	logs(WEB(BAD_IDLE), "", "info: services removed: web (1, now 0)\n");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_label_that_cannot_be_honoured_is_told_when_it_appears),
		cmocka_unit_test(and_not_again_while_it_stays),
		cmocka_unit_test(but_when_it_is_wrong_in_another_way),
		cmocka_unit_test(its_end_is_told_too),
		cmocka_unit_test(of_a_service_that_went_only_that_is_told),
	};

	unsetenv("JOURNAL_STREAM");
	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
