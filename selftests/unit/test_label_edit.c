/* SPDX-License-Identifier: GPL-2.0-only */
/* Labels written to an Engine, whose part our own local API's server plays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "agent/api.h"
#include "scratch.h"
#include "source/label_edit.h"
#include "wait.h"

static struct {
	char *directory;
	char socket_path[256];
	struct loop *loop;
	struct http *http;
	struct api *api;
	struct label_edits *edits;
	json_t *spec;		/* of the service s1 */
	bool gone;		/* there is no such service */
	unsigned int writes;	/* that came */
	unsigned int conflicts; /* still to come */
	const char *refusal;
	bool done;
	int err;
	char why[512];
} test;

static int get_service(void *context, const struct api_query *query, json_t **body,
		       struct skep_error *error)
{
	(void)context;
	(void)query;
	if (test.gone)
		return error_set(error, -ENOENT, "service s1 not found");
	*body = json_pack("{s:{s:i}, s:O}", "Version", "Index", 7, "Spec", test.spec);
	return 0;
}

static int no_get(void *context, const struct api_query *query, json_t **body,
		  struct skep_error *error)
{
	(void)context;
	(void)query;
	(void)body;
	return error_set(error, -EIO, "POST only");
}

static int update_service(void *context, const json_t *request, json_t **body,
			  struct skep_error *error)
{
	(void)context;
	test.writes++;
	if (test.conflicts) {
		test.conflicts--;
		return error_set(error, -EIO,
				 "rpc error: code = Unknown desc = update out of sequence");
	}
	if (test.refusal)
		return error_set(error, -EIO, "%s", test.refusal);
	json_decref(test.spec);
	test.spec = json_deep_copy(request);
	*body = json_object();
	return 0;
}

static const struct api_path paths[] = {
	{"/services/s1", get_service, NULL},
	{"/services/s1/update", no_get, update_service},
};

static int setup(void **state)
{
	struct skep_error error;

	(void)state;
	memset(&test, 0, sizeof(test));
	test.directory = scratch_make();
	snprintf(test.socket_path, sizeof(test.socket_path), "%s/docker.sock", test.directory);
	test.loop = loop_new();
	test.spec = json_pack("{s:s, s:{s:s}, s:{s:i}}", "Name", "web", "Labels", "keep", "me",
			      "TaskTemplate", "ForceUpdate", 3);
	assert_int_equal(http_open(&test.http, test.loop, &error), 0);
	assert_int_equal(api_open(&test.api, test.loop, test.socket_path, paths, 2, NULL, &error),
			 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	label_edits_cancel(test.edits);
	http_close(test.http);
	api_close(test.api);
	loop_free(test.loop);
	json_decref(test.spec);
	scratch_remove(test.directory);
	return 0;
}

static void on_done(void *context, int err, const char *why)
{
	(void)context;
	test.done = true;
	test.edits = NULL;
	test.err = err;
	snprintf(test.why, sizeof(test.why), "%s", why);
}

static bool is_done(void *context)
{
	(void)context;
	return test.done;
}

static int edit(const struct label_edit *list, size_t n)
{
	struct skep_error error;

	test.done = false;
	if (label_edits_start(&test.edits, test.loop, test.http, test.socket_path, list, n, on_done,
			      NULL, &error))
		fail_msg("%s", error.text);
	assert_true(wait_until(test.loop, is_done, NULL, 10000));
	return test.err;
}

static int set(const char *key, const char *value)
{
	return edit(&(struct label_edit){.object = "s1", .key = key, .value = value}, 1);
}

static void labels_are(const char *expected)
{
	char *text = json_dumps(json_object_get(test.spec, "Labels"),
				JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);

	assert_string_equal(text, expected);
	free(text);
}

static void a_label_is_set_beside_others_and_nothing_else_changes(void **state)
{
	(void)state;
	assert_int_equal(set("a", "1"), 0);
	labels_are("{\"a\":\"1\",\"keep\":\"me\"}");
	assert_int_equal(json_integer_value(json_object_get(
				 json_object_get(test.spec, "TaskTemplate"), "ForceUpdate")),
			 3);
	assert_int_equal(set("a", NULL), 0);
	labels_are("{\"keep\":\"me\"}");
}

static void a_service_without_labels_gets_them(void **state)
{
	(void)state;
	json_object_set_new(test.spec, "Labels", json_null());
	assert_int_equal(set("a", "1"), 0);
	labels_are("{\"a\":\"1\"}");
}

static void what_is_so_already_is_not_written(void **state)
{
	(void)state;
	assert_int_equal(set("keep", "me"), 0);
	assert_int_equal(set("other", NULL), 0);
	assert_int_equal(test.writes, 0);
}

static void who_was_outrun_tries_again_but_not_for_ever(void **state)
{
	(void)state;
	test.conflicts = 3;
	assert_int_equal(set("a", "1"), 0);
	assert_int_equal(test.writes, 4);
	labels_are("{\"a\":\"1\",\"keep\":\"me\"}");
	test.conflicts = 100;
	test.writes = 0;
	assert_int_not_equal(set("a", "2"), 0);
	assert_int_equal(test.writes, 8);
	labels_are("{\"a\":\"1\",\"keep\":\"me\"}");
}

static void the_first_that_fails_ends_it(void **state)
{
	const struct label_edit list[] = {{.object = "s1", .key = "a", .value = "1"},
					  {.object = "s1", .key = "b", .value = "1"}};

	(void)state;
	test.refusal = "no";
	assert_int_not_equal(edit(list, 2), 0);
	assert_int_equal(test.writes, 1);
	test.refusal = NULL;
	assert_int_equal(edit(list, 2), 0);
	labels_are("{\"a\":\"1\",\"b\":\"1\",\"keep\":\"me\"}");
}

static void what_is_gone_has_no_labels_to_remove(void **state)
{
	(void)state;
	test.gone = true;
	assert_int_equal(set("a", NULL), 0);
	assert_int_not_equal(set("a", "1"), 0);
	assert_non_null(strstr(test.why, "HTTP 404"));
}

static void only_ids_of_docker_get_into_a_path(void **state)
{
	static const char *const ids[] = {"", "../x", "a/b", "a?b", "a b"};
	struct skep_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++)
		assert_int_equal(
			label_edits_start(&test.edits, test.loop, test.http, test.socket_path,
					  &(struct label_edit){.object = ids[i], .key = "a"}, 1,
					  on_done, NULL, &error),
			-EINVAL);
}

static void one_that_is_cancelled_says_nothing(void **state)
{
	struct skep_error error;

	(void)state;
	assert_int_equal(label_edits_start(&test.edits, test.loop, test.http, test.socket_path,
					   &(struct label_edit){.object = "s1", .key = "a"}, 1,
					   on_done, NULL, &error),
			 0);
	label_edits_cancel(test.edits);
	test.edits = NULL;
	wait_for(test.loop, 50);
	assert_false(test.done);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_label_is_set_beside_others_and_nothing_else_changes),
		TEST(a_service_without_labels_gets_them),
		TEST(what_is_so_already_is_not_written),
		TEST(who_was_outrun_tries_again_but_not_for_ever),
		TEST(the_first_that_fails_ends_it),
		TEST(what_is_gone_has_no_labels_to_remove),
		TEST(only_ids_of_docker_get_into_a_path),
		TEST(one_that_is_cancelled_says_nothing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
