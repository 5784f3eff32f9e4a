/* SPDX-License-Identifier: GPL-2.0-only */
/* What the agent keeps of overrides: on disk, in time, in its lists; and what it is ordered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "agent/override_file.h"
#include "agent/override_orders.h"
#include "agent/overrides.h"
#include "lib/file.h"
#include "scratch.h"
#include "wait.h"

static const char swarm[] =
	"{\"nodes\":[{\"id\":\"n1\"},{\"id\":\"n2\"}],\"services\":[{\"id\":\"s1\",\"name\":"
	"\"web\","
	"\"ports\":[{\"published\":8080,\"target\":80,\"protocol\":\"tcp\"}]%s}],"
	"\"tasks\":[{\"id\":\"t1\",\"name\":\"web.1\",\"service\":\"s1\",\"node\":\"n1\"},"
	"{\"id\":\"t2\",\"name\":\"web.2\",\"service\":\"s1\",\"node\":\"n2\"}]}";

static struct {
	char *directory;
	struct loop *loop;
	struct overrides *overrides;
	struct model *model;
	int64_t now_ms;
	unsigned int changes;
} test;

static int64_t now_ms(void)
{
	return test.now_ms;
}

static void on_change(void *context)
{
	(void)context;
	test.changes++;
}

static void take_model(const char *labels)
{
	struct skep_error error = {""};
	char text[2048];

	model_free(test.model);
	snprintf(text, sizeof(text), swarm, labels);
	if (model_parse(text, strlen(text), &test.model, &error))
		fail_msg("%s", error.text);
}

static void open_overrides(void)
{
	struct skep_error error;

	assert_int_equal(overrides_open(&test.overrides, test.loop, test.directory, now_ms,
					on_change, NULL, &error),
			 0);
}

static void reopen(void)
{
	overrides_close(test.overrides);
	open_overrides();
}

static int setup(void **state)
{
	(void)state;
	memset(&test, 0, sizeof(test));
	test.directory = scratch_make();
	test.loop = loop_new();
	test.now_ms = 1000000;
	take_model("");
	open_overrides();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	overrides_close(test.overrides);
	model_free(test.model);
	loop_free(test.loop);
	scratch_remove(test.directory);
	return 0;
}

static const struct model *apply(bool fresh)
{
	const struct model *effective;
	struct skep_error error;

	assert_int_equal(overrides_apply(test.overrides, test.model, fresh, &effective, &error), 0);
	return effective;
}

static unsigned int weight_of(const char *task)
{
	return model_find_task(apply(false), task)->weight;
}

static void drain(const char *id, const char *task, int64_t until_ms)
{
	struct override override = {.kind = OVERRIDE_DRAIN, .since_ms = 5, .until_ms = until_ms};
	struct skep_error error;

	snprintf(override.id, sizeof(override.id), "%s", id);
	snprintf(override.task, sizeof(override.task), "%s", task);
	snprintf(override.service, sizeof(override.service), "s1");
	assert_int_equal(overrides_add(test.overrides, &override, &error), 0);
	assert_int_equal(overrides_save(test.overrides, &error), 0);
}

static void without_overrides_the_model_itself_is_in_force(void **state)
{
	(void)state;
	assert_ptr_equal(apply(true), test.model);
	drain("a", "gone", 0);
	assert_ptr_equal(apply(false), test.model);
}

static void one_is_in_force_once_it_is_added_and_comes_through_a_restart(void **state)
{
	(void)state;
	apply(true);
	drain("a", "t1", 0);
	assert_int_equal(test.changes, 1);
	assert_int_equal(weight_of("t1"), 0);
	reopen();
	assert_int_equal(weight_of("t1"), 0);
	take_model("");
	assert_int_equal(model_find_task(apply(true), "t1")->weight, 0);
}

static bool has_changed(void *context)
{
	return test.changes > *(unsigned int *)context;
}

static void one_ends_when_the_clock_on_the_wall_says_so(void **state)
{
	unsigned int before;

	(void)state;
	drain("a", "t1", test.now_ms + 60000);
	assert_int_equal(weight_of("t1"), 0);
	before = test.changes;
	wait_for(test.loop, 20);
	assert_int_equal(test.changes, before);
	test.now_ms += 60000; /* set forward, by hand or by NTP */
	assert_true(wait_until(test.loop, has_changed, &before, 2000));
	assert_int_equal(weight_of("t1"), 1);
	test.now_ms -= 60000; /* what is over is over */
	assert_int_equal(model_find_task(apply(true), "t1")->weight, 1);
}

static void one_ends_at_its_time_and_not_before(void **state)
{
	unsigned int before;

	(void)state;
	drain("a", "t1", test.now_ms + 50);
	assert_int_equal(weight_of("t1"), 0);
	before = test.changes;
	test.now_ms += 49;
	wait_for(test.loop, 100);
	assert_int_equal(test.changes, before);
	test.now_ms += 1;
	assert_true(wait_until(test.loop, has_changed, &before, 1000));
}

static void what_ended_while_no_agent_ran_is_gone(void **state)
{
	(void)state;
	drain("a", "t1", test.now_ms + 1000);
	drain("b", "t2", 0);
	test.now_ms += 1000;
	reopen();
	assert_int_equal(weight_of("t1"), 1);
	assert_int_equal(weight_of("t2"), 0);
}

static void write_file(const char *text)
{
	char path[256];
	struct skep_error error;

	snprintf(path, sizeof(path), "%s/overrides.json", test.directory);
	assert_int_equal(file_replace(path, text, strlen(text), &error), 0);
}

static const char twice[] = "{\"overrides\":[{\"id\":\"a\",\"kind\":\"drain\",\"task\":\"t1\"},"
			    "{\"id\":\"a\",\"kind\":\"drain\",\"task\":\"t2\"}]}";

static void a_broken_file_is_laid_aside_and_told_of(void **state)
{
	static const char *const broken[] = {
		"",
		"{",
		"[]",
		"{\"overrides\":{}}",
		"{\"overrides\":[],\"more\":1}",
		"{\"overrides\":[{\"kind\":\"drain\",\"task\":\"t1\"}]}",
		twice,
		"{\"overrides\":[{\"id\":\"a\",\"kind\":\"drain\",\"task\":\"\\u0000\"}]}",
		"{\"overrides\":[{\"id\":\"a\",\"kind\":\"dra",
	};
	char path[256], aside[256];

	(void)state;
	snprintf(path, sizeof(path), "%s/overrides.json", test.directory);
	snprintf(aside, sizeof(aside), "%s/overrides.json.broken", test.directory);
	for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
		write_file(broken[i]);
		reopen();
		assert_non_null(overrides_problem(test.overrides));
		assert_non_null(strstr(overrides_problem(test.overrides), path));
		assert_ptr_equal(apply(true), test.model);
		assert_int_equal(access(path, F_OK), -1);
		assert_int_equal(unlink(aside), 0);
	}
	reopen();
	assert_null(overrides_problem(test.overrides));
}

static void what_cannot_be_written_is_an_error_and_the_file_stays(void **state)
{
	struct skep_error error;
	char path[256];

	(void)state;
	drain("a", "t1", 0);
	snprintf(path, sizeof(path), "%s/overrides.json.tmp", test.directory);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_not_equal(overrides_save(test.overrides, &error), 0);
	assert_int_equal(rmdir(path), 0);
	reopen();
	assert_int_equal(weight_of("t1"), 0);
}

static const char *row(json_t *rows, size_t i, const char *key)
{
	return json_string_value(json_object_get(json_array_get(rows, i), key));
}

static void labels_and_own_ones_are_listed_together(void **state)
{
	json_t *rows;

	(void)state;
	take_model(",\"labels\":{\"skep.override.c\":\"{\\\"kind\\\":\\\"disable\\\"}\","
		   "\"skep.override.bad\":\"?\"}");
	apply(true);
	drain("a", "gone", 0);
	apply(false);
	rows = overrides_json(test.overrides);
	assert_int_equal(json_array_size(rows), 3);
	assert_string_equal(row(rows, 0, "id"), "c");
	assert_string_equal(row(rows, 0, "text"), "disable web");
	assert_true(json_is_true(json_object_get(json_array_get(rows, 0), "bears")));
	assert_string_equal(row(rows, 1, "id"), "a");
	assert_true(json_is_false(json_object_get(json_array_get(rows, 1), "bears")));
	assert_string_equal(row(rows, 2, "kind"), "invalid");
	json_decref(rows);
	/* The label goes, and what it said with it. */
	take_model("");
	assert_ptr_equal(apply(true), test.model);
}

static size_t marks(enum overrides_of of, size_t n, size_t index)
{
	json_t *rows = json_array();
	size_t found;

	for (size_t i = 0; i < n; i++)
		json_array_append_new(rows, json_object());
	assert_int_equal(overrides_mark(test.overrides, apply(false), of, rows), 0);
	found = json_array_size(json_object_get(json_array_get(rows, index), "overrides"));
	assert_true(json_is_array(json_object_get(json_array_get(rows, index), "overrides")));
	json_decref(rows);
	return found;
}

static void rows_tell_what_is_overridden(void **state)
{
	(void)state;
	drain("a", "t1", 0);
	assert_int_equal(marks(OVERRIDES_OF_TASKS, 2, 0), 1);
	assert_int_equal(marks(OVERRIDES_OF_TASKS, 2, 1), 0);
	assert_int_equal(marks(OVERRIDES_OF_SERVICES, 1, 0), 1);
	assert_int_equal(marks(OVERRIDES_OF_NODES, 2, 0), 0);
}

/* ---- orders */

static struct override_order order;

static const char *reads(const char *text)
{
	static struct skep_error error;
	char copy[1024];
	json_t *request;
	int err;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *at = copy; *at; at++)
		*at = *at == '\'' ? '"' : *at;
	request = json_loads(copy, 0, NULL);
	assert_non_null(request);
	err = override_order_read(request, test.model, 7000, &order, &error);
	json_decref(request);
	return err ? error.text : "";
}

static void orders_name_things_as_people_do(void **state)
{
	char text[OVERRIDE_TEXT_SIZE];

	(void)state;
	assert_string_equal(reads("{'action':'drain','target':'web.1','for_s':60,'reason':'x'}"),
			    "");
	assert_string_equal(order.override.task, "t1");
	assert_string_equal(order.override.service, "s1");
	assert_int_equal(order.override.since_ms, 7000);
	assert_int_equal(order.override.until_ms, 67000);
	assert_string_equal(order.override.reason, "x");
	assert_string_equal(reads("{'action':'drain','target':'n2','cluster':true}"), "");
	assert_string_equal(order.override.node, "n2");
	assert_true(order.override.cluster);
	assert_string_equal(reads("{'action':'weight','task':'t2','weight':3}"), "");
	assert_int_equal(order.override.weight, 3);
	assert_string_equal(reads("{'action':'pin','service':'web','port':8080,'task':'web.2'}"),
			    "");
	assert_string_equal(override_text(&order.override, text), "pin web:8080 to web.2");
	assert_string_equal(reads("{'action':'add','service':'web','port':8080,'address':"
				  "'192.0.2.7','address_port':80}"),
			    "");
	assert_string_equal(override_text(&order.override, text), "add 192.0.2.7:80 to web:8080");
	assert_string_equal(reads("{'action':'clear','id':'all'}"), "");
	assert_true(order.clear && order.all);
}

static void orders_that_make_no_sense_say_why(void **state)
{
	static const char *const wrong[][2] = {
		{"{}", "action: is missing"},
		{"{'action':'stop'}", "action is none of drain"},
		{"{'action':'drain'}", "target: is missing"},
		{"{'action':'drain','target':'x'}", "fits no task or node; there are web.1, web.2"},
		{"{'action':'drain','target':'web.1','weight':1}", "drain takes no weight"},
		{"{'action':'drain','target':'web.1','for_s':0}", "for_s is a number"},
		{"{'action':'drain','target':'web.1','for_s':'1m'}", "for_s is a number"},
		{"{'action':'drain','target':'web.1','reason':'a\\nb'}", "one line"},
		{"{'action':'drain','target':'web.1','cluster':1}", "true or false"},
		{"{'action':'drain','target':'web.1','mad':1}", "unknown key"},
		{"{'action':'weight','task':'web.1','weight':1001}", "from 0 to 1000"},
		{"{'action':'disable','service':'wob'}", "fits no service; there are web"},
		{"{'action':'disable','service':'web','port':81}", "it publishes 8080"},
		{"{'action':'add','service':'web','address':'192.0.2.7','address_port':1}",
		 "needs port"},
		{"{'action':'clear','id':'A B'}", "letters, digits"},
		{"{'action':'clear','id':'a','reason':'x'}", "clear takes no reason"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		if (!strstr(reads(wrong[i][0]), wrong[i][1]))
			fail_msg("%s: \"%s\" does not say \"%s\"", wrong[i][0], reads(wrong[i][0]),
				 wrong[i][1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_overrides_the_model_itself_is_in_force),
		TEST(one_is_in_force_once_it_is_added_and_comes_through_a_restart),
		TEST(one_ends_when_the_clock_on_the_wall_says_so),
		TEST(one_ends_at_its_time_and_not_before),
		TEST(what_ended_while_no_agent_ran_is_gone),
		TEST(a_broken_file_is_laid_aside_and_told_of),
		TEST(what_cannot_be_written_is_an_error_and_the_file_stays),
		TEST(labels_and_own_ones_are_listed_together),
		TEST(rows_tell_what_is_overridden),
		TEST(orders_name_things_as_people_do),
		TEST(orders_that_make_no_sense_say_why),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
