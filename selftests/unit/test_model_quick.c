/* SPDX-License-Identifier: GPL-2.0-only */
/* Text is read in two ways, quickly where skep wrote it, and written without the JSON library: what
 * that library makes of the same text is what must come of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"

static const char head[] = "{\"nodes\":[{\"id\":\"n1\",\"address\":\"10.1.0.1\"}],"
			   "\"networks\":[{\"id\":\"net1\"},{\"id\":\"net2\",\"ingress\":true}],"
			   "\"services\":[{\"id\":\"s1\"}],\"tasks\":[";

static const char task[] =
	"{\"id\":\"t1\",\"name\":\"web.1\",\"service\":\"s1\",\"node\":\"n1\",\"desired\":"
	"\"ready\","
	"\"state\":\"running\",\"addresses\":[{\"network\":\"net1\",\"address\":\"10.0.1.6\"},"
	"{\"network\":\"net2\",\"address\":\"fd00::6\"}]}";

/* NULL: refused. Both are the caller's to free. */
static char *through_text(const char *text, size_t size, struct skep_error *error)
{
	struct model *model = NULL;
	char *result;

	if (model_parse(text, size, &model, error))
		return NULL;
	result = model_to_text(model, &size);
	assert_non_null(result);
	model_free(model);
	return result;
}

static char *through_tree(const char *text, size_t size, struct skep_error *error)
{
	json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	struct model *model = NULL;
	char *result = NULL;

	if (!root)
		return NULL;
	if (!model_from_json(root, &model, error)) {
		result = model_to_text(model, &size);
		assert_non_null(result);
		model_free(model);
	}
	json_decref(root);
	return result;
}

static void assert_same(const char *tasks)
{
	struct skep_error text_error = {""}, tree_error = {""};
	char document[2048];
	int size = snprintf(document, sizeof(document), "%s%s]}", head, tasks);
	char *text = through_text(document, (size_t)size, &text_error);
	char *tree = through_tree(document, (size_t)size, &tree_error);

	if (!text != !tree)
		fail_msg("%s: text: %s; tree: %s", document, text ? text : text_error.text,
			 tree ? tree : tree_error.text);
	if (text)
		assert_string_equal(text, tree);
	free(text);
	free(tree);
}

static void test_any_byte_changed_means_the_same_in_text_as_in_the_tree(void **state)
{
	static const char instead[] = "\"\\{}[],: \t\n.0919aZ~\x7f\x80\xff\x01";
	char changed[sizeof(task)];

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(task); i++) {
		for (size_t k = 0; k < sizeof(instead); k++) {
			memcpy(changed, task, sizeof(task));
			changed[i] = instead[k];
			assert_same(changed);
		}
	}
}

static void test_any_byte_gone_or_doubled_means_the_same(void **state)
{
	char changed[sizeof(task) + 1];

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(task); i++) {
		memcpy(changed, task, i);
		memcpy(changed + i, task + i + 1, sizeof(task) - i - 1);
		assert_same(changed);
		memcpy(changed, task, i + 1);
		memcpy(changed + i + 1, task + i, sizeof(task) - i);
		assert_same(changed);
	}
}

static void test_what_is_left_out_or_wrong_means_the_same(void **state)
{
	static const char *const cases[] = {
		"{\"id\":\"t1\",\"service\":\"s1\"}",
		"{\"id\":\"t1\",\"service\":\"s1\",\"node\":\"n1\"}",
		"{\"id\":\"t1\",\"service\":\"s1\",\"addresses\":[]}",
		"{\"id\":\"t1\",\"service\":\"s1\"},{\"id\":\"t1\",\"service\":\"s1\"}",
		"{\"id\":\"t2\",\"service\":\"s1\"},{\"id\":\"t1\",\"service\":\"s1\"}",
		"{\"id\":\"t1\",\"service\":\"s2\"}",
		"{\"id\":\"t1\",\"service\":\"s1\",\"node\":\"n2\"}",
		"{\"id\":\"t1\",\"service\":\"s1\",\"state\":\"lost\"}",
		"{\"id\":\"t1\",\"service\":\"s1\",\"desired\":\"\"}",
		"{\"id\":\"t1\",\"service\":\"s1\",\"service\":\"s1\"}",
		"{\"service\":\"s1\",\"id\":\"t1\"}",
		"{\"id\":\"t1\",\"service\":\"s1\",\"interface\":\"veth0\"}",
		"{\"id\":\"t1\",\"service\":\"s1\",\"addresses\":[{\"network\":\"net1\","
		"\"address\":\"0.0.0.0\"}]}",
		"{\"id\":\"t1\",\"service\":\"s1\",\"addresses\":[{\"network\":\"net1\","
		"\"address\":\"10.0.0.1\"},"
		"{\"network\":\"net1\",\"address\":\"10.0.0.1\"}]}",
		"{\"id\":\"t1\",\"service\":\"s1\",\"node\":\"n1\",\"addresses\":[{\"network\":"
		"\"net1\","
		"\"address\":\"10.0.0.1\"}]},{\"id\":\"t2\",\"service\":\"s1\",\"node\":\"n1\","
		"\"addresses\":"
		"[{\"network\":\"net1\",\"address\":\"10.0.0.1\"}]}",
		" { \"id\" : \"t1\" , \"service\" : \"s1\" } ",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_same(cases[i]);
}

static void test_as_many_addresses_as_a_task_may_have_and_one_more_mean_the_same(void **state)
{
	char tasks[8192], document[sizeof(tasks) + 512];

	(void)state;
	for (int n = MODEL_MAX_ADDRESSES; n <= MODEL_MAX_ADDRESSES + 1; n++) {
		struct skep_error error;
		int used = snprintf(tasks, sizeof(tasks),
				    "{\"id\":\"t1\",\"service\":\"s1\",\"addresses\":[");
		for (int i = 1; i <= n; i++)
			used += snprintf(tasks + used, sizeof(tasks) - (size_t)used,
					 "%s{\"network\":\"net1\",\"address\":\"10.0.0.%d\"}",
					 i > 1 ? "," : "", i);
		int size = snprintf(document, sizeof(document), "%s%s]}]}", head, tasks);
		char *text = through_text(document, (size_t)size, &error);
		char *tree = through_tree(document, (size_t)size, &error);
		assert_int_equal(!text, n > MODEL_MAX_ADDRESSES);
		assert_int_equal(!tree, n > MODEL_MAX_ADDRESSES);
		free(text);
		free(tree);
	}
}

static void test_labels_of_any_character_are_written_as_the_json_library_does(void **state)
{
	json_t *labels = json_object(), *root, *again;
	struct skep_error error = {""};
	struct model *model = NULL;
	char *text, *expected;
	size_t size;

	(void)state;
	for (int character = 1; character < 0x80; character++) {
		char value[] = {'a', (char)character, 'b', '\0'};
		assert_int_equal(json_object_set_new(labels, value, json_string(value + 1)), 0);
	}
	assert_int_equal(json_object_set_new(labels, "väl", json_string("\xf0\x9f\x90\x9d")), 0);
	root = json_pack("{s:[{s:s,s:o}]}", "services", "id", "s1", "labels", labels);
	assert_non_null(root);
	if (model_from_json(root, &model, &error))
		fail_msg("%s", error.text);
	text = model_to_text(model, &size);
	assert_non_null(text);
	assert_int_equal(strlen(text), size);
	again = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(again);
	assert_true(json_equal(again, root));
	expected = json_dumps(again, JSON_COMPACT);
	assert_string_equal(text, expected);
	free(expected);
	free(text);
	json_decref(again);
	json_decref(root);
	model_free(model);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_byte_changed_means_the_same_in_text_as_in_the_tree),
		cmocka_unit_test(test_any_byte_gone_or_doubled_means_the_same),
		cmocka_unit_test(test_what_is_left_out_or_wrong_means_the_same),
		cmocka_unit_test(
			test_as_many_addresses_as_a_task_may_have_and_one_more_mean_the_same),
		cmocka_unit_test(test_labels_of_any_character_are_written_as_the_json_library_does),
	};

	return cmocka_run_group_tests_name("quick model", tests, NULL, NULL);
}
