/* SPDX-License-Identifier: GPL-2.0-only */
/* What `skep resolve` makes of a name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/resolve.h"

static const char text[] =
	"{\"nodes\":[{\"id\":\"n1\",\"name\":\"host1\",\"address\":\"192.0.2.1\"}],"
	"\"networks\":[{\"id\":\"i\",\"name\":\"ingress\",\"ingress\":true},"
	"{\"id\":\"x\",\"name\":\"app\"},{\"id\":\"y\",\"name\":\"back.end\"}],"
	"\"services\":[{\"id\":\"s1\",\"name\":\"web\",\"vips\":["
	"{\"network\":\"i\",\"address\":\"10.0.0.2\"},{\"network\":\"x\",\"address\":\"10.1.0.2\"},"
	"{\"network\":\"y\",\"address\":\"10.2.0.2\"}]},"
	"{\"id\":\"s2\",\"name\":\"shop_db\",\"vips\":[{\"network\":\"x\",\"address\":\"10.1.0.3\"}"
	"]},"
	"{\"id\":\"s3\",\"name\":\"a_cache\"},{\"id\":\"s4\",\"name\":\"b_cache\"}],"
	"\"tasks\":[{\"id\":\"t1\",\"name\":\"web.1\",\"service\":\"s1\",\"node\":\"n1\","
	"\"addresses\":["
	"{\"network\":\"i\",\"address\":\"10.0.0.9\"},{\"network\":\"x\",\"address\":\"10.1.0.9\"}]"
	"},"
	"{\"id\":\"t2\",\"name\":\"web.2\",\"service\":\"s1\",\"node\":\"n1\",\"state\":\"failed\","
	"\"desired\":\"shutdown\",\"addresses\":[{\"network\":\"x\",\"address\":\"10.1.0.8\"}]}]}";

static int set_up(void **state)
{
	struct skep_error error;

	return model_parse(text, strlen(text), (struct model **)state, &error);
}

static int tear_down(void **state)
{
	model_free(*state);
	return 0;
}

/* "web app 10.1.0.2 vip|…" */
static void assert_rows(const struct model *model, const char *name, const char *expected)
{
	struct skep_error error = {""};
	char got[512] = "";
	json_t *rows = NULL, *row;
	size_t i;

	if (resolve_name(model, name, &rows, &error))
		fail_msg("%s: %s", name, error.text);
	json_array_foreach (rows, i, row)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s %s %s %s",
			 i ? "|" : "", json_string_value(json_object_get(row, "name")),
			 json_string_value(json_object_get(row, "network")),
			 json_string_value(json_object_get(row, "address")),
			 json_string_value(json_object_get(row, "kind")));
	assert_string_equal(got, expected);
	json_decref(rows);
}

static void assert_refused(const struct model *model, const char *name, int wanted, const char *why)
{
	struct skep_error error = {""};
	json_t *rows = NULL;

	assert_int_equal(resolve_name(model, name, &rows, &error), wanted);
	assert_null(rows);
	if (!strstr(error.text, why))
		fail_msg("no \"%s\" in: %s", why, error.text);
}

static void a_service_is_its_vips_and_running_tasks_but_on_ingress(void **state)
{
	assert_rows(*state, "web",
		    "web app 10.1.0.2 vip|web back.end 10.2.0.2 vip|web.1 app 10.1.0.9 task");
}

static void a_network_may_be_named_with_it(void **state)
{
	assert_rows(*state, "web.app", "web app 10.1.0.2 vip|web.1 app 10.1.0.9 task");
	assert_rows(*state, "web.back.end", "web back.end 10.2.0.2 vip");
	assert_rows(*state, "web.ingress", "web ingress 10.0.0.2 vip|web.1 ingress 10.0.0.9 task");
}

static void a_task_is_its_addresses(void **state)
{
	assert_rows(*state, "web.1", "web.1 app 10.1.0.9 task");
	assert_rows(*state, "web.1.app", "web.1 app 10.1.0.9 task");
}

static void a_stacks_service_is_known_without_the_stacks_name(void **state)
{
	assert_rows(*state, "db", "shop_db app 10.1.0.3 vip");
}

static void what_may_be_several_is_refused_with_their_names(void **state)
{
	assert_refused(*state, "cache", -EEXIST, "a_cache, b_cache");
}

static void what_is_nothing_is_refused_with_what_there_is(void **state)
{
	assert_refused(*state, "wob", -ENOENT, "web, shop_db, a_cache, b_cache");
	assert_refused(*state, "sho", -ENOENT, "shop_db");
	assert_refused(*state, "web.nowhere", -ENOENT, "no network is named nowhere");
	assert_refused(*state, "", -ENOENT, "no service");
	assert_refused(*state, ".", -ENOENT, "no service");
}

static void a_service_that_is_not_on_the_network_is_refused(void **state)
{
	assert_refused(*state, "db.back.end", -ENOENT, "no address on back.end");
	assert_refused(*state, "a_cache", -ENOENT, "no address on any network");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_service_is_its_vips_and_running_tasks_but_on_ingress),
		cmocka_unit_test(a_network_may_be_named_with_it),
		cmocka_unit_test(a_task_is_its_addresses),
		cmocka_unit_test(a_stacks_service_is_known_without_the_stacks_name),
		cmocka_unit_test(what_may_be_several_is_refused_with_their_names),
		cmocka_unit_test(what_is_nothing_is_refused_with_what_there_is),
		cmocka_unit_test(a_service_that_is_not_on_the_network_is_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
