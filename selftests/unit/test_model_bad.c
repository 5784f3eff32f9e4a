/* SPDX-License-Identifier: GPL-2.0-only */
/* No bad model is taken, and each gets one error that says where: the table in bad_models.txt and
 * what does not fit a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/array.h"
#include "lib/file.h"
#include "model/model.h"

struct bad_model {
	char *name;
	char *document;
	char *expected; /* "… ..." at the end: only what is before that */
};

static struct model *const untouched = (struct model *)0x5eed;

static void assert_error(const char *text, const char *expected)
{
	size_t length = strlen(expected);

	if (length > 4 && strcmp(expected + length - 4, " ...") == 0) {
		if (strncmp(text, expected, length - 4) != 0)
			fail_msg("the error is \"%s\", not \"%s\"", text, expected);
	} else {
		assert_string_equal(text, expected);
	}
}

static void assert_refused(const char *document, size_t size, int err, const char *expected)
{
	struct model *model = untouched;
	struct skep_error error = {""};

	assert_int_equal(model_parse(document, size, &model, &error), err);
	assert_ptr_equal(model, untouched);
	assert_error(error.text, expected);

	/* The same is said of the tree, where there is one. */
	json_t *root = json_loadb(document, size, JSON_REJECT_DUPLICATES, NULL);
	if (!root)
		return;
	error.text[0] = '\0';
	assert_int_equal(model_from_json(root, &model, &error), err);
	assert_ptr_equal(model, untouched);
	assert_error(error.text, expected);
	json_decref(root);
}

static void test_bad_model(void **state)
{
	const struct bad_model *bad = *state;

	assert_refused(bad->document, strlen(bad->document), -EINVAL, bad->expected);
}

static void test_error_names_line_and_column(void **state)
{
	static const char text[] = "{\n\t\"nodes\": [\n\t\t{\"id\" \"n\"}\n\t]\n}\n";

	(void)state;
	assert_refused(text, sizeof(text) - 1, -EINVAL, "not valid JSON: line 3, column 11 ...");
}

static void test_bytes_that_are_not_utf8(void **state)
{
	static const char *const bytes[] = {"\xff",	    "\x80",	    "\xc3",
					    "\xc0\xaf",	    "\xed\xa0\x80", "\xf4\x90\x80\x80",
					    "\xe0\x80\xaf", "\xf0\x9f\x90", "\xfe\xfe"};
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
		snprintf(text, sizeof(text), "{\"nodes\": [{\"id\": \"n%s\"}]}", bytes[i]);
		assert_refused(text, strlen(text), -EINVAL, "not valid JSON: line 1, column ...");
		snprintf(text, sizeof(text),
			 "{\"services\": [{\"id\": \"s\", \"labels\": {\"%s\": \"\"}}]}", bytes[i]);
		assert_refused(text, strlen(text), -EINVAL, "not valid JSON: line 1, column ...");
		snprintf(text, sizeof(text), "%s{}", bytes[i]);
		assert_refused(text, strlen(text), -EINVAL, "not valid JSON: line 1, column ...");
	}
}

static void test_nul_bytes(void **state)
{
	static const char good[] = "{\"nodes\": [{\"id\": \"n\"}]}";

	(void)state;
	for (size_t i = 0; i < sizeof(good); i++) {
		char text[sizeof(good)];
		memcpy(text, good, i);
		text[i] = '\0';
		memcpy(text + i + 1, good + i, sizeof(good) - 1 - i);
		assert_refused(text, sizeof(good), -EINVAL, "not valid JSON: line 1, column ...");
	}
}

/* Not from text, where it is an error of syntax. */
static void test_nul_byte_in_a_tree(void **state)
{
	struct model *model = untouched;
	struct skep_error error;
	json_t *root = json_pack("{s:[{s:s%}]}", "nodes", "id", "a\0b", (size_t)3);

	(void)state;
	assert_non_null(root);
	assert_int_equal(model_from_json(root, &model, &error), -EINVAL);
	assert_string_equal(error.text, "nodes[0].id: must not contain a NUL byte");
	json_decref(root);
}

static void test_deep_nesting(void **state)
{
	const size_t depth = 1000000;
	static const char *const heads[] = {
		"", "{\"nodes\": ", "{\"nodes\": [{\"id\": ", "{\"cluster\": "};
	char *text = malloc(depth + 64);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		int head = sprintf(text, "%s", heads[i]);
		memset(text + head, '[', depth);
		assert_refused(text, (size_t)head + depth, -EINVAL,
			       "not valid JSON: line 1, column ...");
	}
	/* Objects in objects, as deep as the library follows, end at the first that is no node's.
	 */
	size_t used = (size_t)sprintf(text, "{\"nodes\": [{\"id\": ");
	for (int i = 0; i < 1000; i++)
		used += (size_t)sprintf(text + used, "{\"a\":");
	used += (size_t)sprintf(text + used, "1");
	for (int i = 0; i < 1000; i++)
		text[used++] = '}';
	memcpy(text + used, "}]}", 3);
	assert_refused(text, used + 3, -EINVAL, "nodes[0].id: must be a string, not an object");
	free(text);
}

static void test_too_large_a_text(void **state)
{
	struct model *model = untouched;
	struct skep_error error;

	(void)state;
	/* Refused by its size alone: nothing of it is read. */
	assert_int_equal(model_parse("", ((size_t)256 << 20) + 1, &model, &error), -EFBIG);
	assert_string_equal(error.text,
			    "the model has 268435457 bytes of JSON, more than 268435456");
	assert_ptr_equal(model, untouched);
}

/* An array of n times the same element, which is not freed. */
static json_t *repeat(json_t *element, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		assert_int_equal(json_array_append(array, element), 0);
	json_decref(element);
	return array;
}

static void assert_tree_refused(json_t *root, const char *expected)
{
	struct model *model = untouched;
	struct skep_error error;

	assert_non_null(root);
	assert_int_equal(model_from_json(root, &model, &error), -EINVAL);
	assert_string_equal(error.text, expected);
	assert_ptr_equal(model, untouched);
	json_decref(root);
}

/* n elements of different ids. */
static json_t *numbered(size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		assert_int_equal(json_array_append_new(
					 array, json_pack("{s:o}", "id", json_sprintf("i%zu", i))),
				 0);
	return array;
}

static void test_too_many_of_each_kind(void **state)
{
	(void)state;
	assert_tree_refused(json_pack("{s:o}", "nodes", numbered(10001)),
			    "nodes: has more than 10000 entries");
	assert_tree_refused(json_pack("{s:o}", "networks", numbered(10001)),
			    "networks: has more than 10000 entries");
	assert_tree_refused(json_pack("{s:o}", "services", numbered(50001)),
			    "services: has more than 50000 entries");
	/* The same task again and again: that its id is not unique would come to light after all
	 * are read. */
	json_t *task = json_pack("{s:s, s:s}", "id", "t", "service", "s");
	assert_tree_refused(
		json_pack("{s:[{s:s}], s:o}", "services", "id", "s", "tasks", repeat(task, 200001)),
		"tasks: has more than 200000 entries");
}

static void test_too_many_in_one(void **state)
{
	json_t *port =
		json_pack("{s:i, s:i, s:s}", "published", 80, "target", 80, "protocol", "tcp");
	json_t *vip = json_pack("{s:s, s:s}", "network", "n", "address", "10.0.0.2");
	json_t *labels = json_object();
	char key[16];

	(void)state;
	assert_tree_refused(
		json_pack("{s:[{s:s, s:o}]}", "services", "id", "s", "ports", repeat(port, 1001)),
		"services[0].ports: has 1001 entries, more than 1000");
	assert_tree_refused(json_pack("{s:[{s:s, s:o}]}", "services", "id", "s", "vips",
				      repeat(json_incref(vip), 65)),
			    "services[0].vips: has 65 entries, more than 64");
	assert_tree_refused(json_pack("{s:[{s:s}], s:[{s:s, s:s, s:o}]}", "services", "id", "s",
				      "tasks", "id", "t", "service", "s", "addresses",
				      repeat(vip, 65)),
			    "tasks[0].addresses: has 65 entries, more than 64");
	assert_tree_refused(json_pack("{s:[{s:s, s:o}]}", "networks", "id", "n", "subnets",
				      repeat(json_string("10.0.0.0/24"), 65)),
			    "networks[0].subnets: has 65 entries, more than 64");
	for (int i = 0; i < 1001; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		json_object_set_new(labels, key, json_string(""));
	}
	assert_tree_refused(json_pack("{s:[{s:s, s:o}]}", "services", "id", "s", "labels", labels),
			    "services[0].labels: has 1001 entries, more than 1000");
}

static void test_too_long_a_label(void **state)
{
	char *value = calloc(1, 65538);

	(void)state;
	assert_non_null(value);
	memset(value, 'v', 65537);
	assert_tree_refused(
		json_pack("{s:[{s:s, s:{s:s}}]}", "services", "id", "s", "labels", "k", value),
		"services[0].labels.\"k\": has 65537 bytes, more than 65536");
	free(value);
}

/* The next line at *at, ended in place; NULL at the end. */
static char *next_line(char **at)
{
	char *line = *at, *end;

	if (!line)
		return NULL;
	end = strchr(line, '\n');
	*at = end ? end + 1 : NULL;
	if (end)
		*end = '\0';
	return line;
}

/* Beside this file, wherever the build was run from. */
static char *read_table(void)
{
	static const char file[] = __FILE__;
	const char *slash = strrchr(file, '/');
	struct skep_error error;
	char path[4096];
	size_t size;
	char *text;

	snprintf(path, sizeof(path), "%.*sbad_models.txt", slash ? (int)(slash - file + 1) : 0,
		 file);
	if (file_read(path, 1 << 20, &text, &size, &error)) {
		fprintf(stderr, "%s\n", error.text);
		exit(1);
	}
	return text;
}

/* Takes the table apart in place: a case is an error and the two lines before it. */
static void add_table(char *table, struct array *bad_models)
{
	char *before[2] = {NULL, NULL}, *line, *at = table;

	while ((line = next_line(&at))) {
		if (strncmp(line, "=> ", 3) == 0 && before[0] && before[0][0] == '#') {
			struct bad_model *bad = array_add(bad_models, sizeof(*bad));
			if (!bad)
				abort();
			*bad = (struct bad_model){before[0] + 2, before[1], line + 3};
		}
		before[0] = before[1];
		before[1] = line;
	}
}

int main(void)
{
	static const struct CMUnitTest own[] = {
		cmocka_unit_test(test_error_names_line_and_column),
		cmocka_unit_test(test_bytes_that_are_not_utf8),
		cmocka_unit_test(test_nul_bytes),
		cmocka_unit_test(test_nul_byte_in_a_tree),
		cmocka_unit_test(test_deep_nesting),
		cmocka_unit_test(test_too_large_a_text),
		cmocka_unit_test(test_too_many_of_each_kind),
		cmocka_unit_test(test_too_many_in_one),
		cmocka_unit_test(test_too_long_a_label),
	};
	const size_t n_own = sizeof(own) / sizeof(own[0]);
	struct array bad_models = {0};
	char *table = read_table();
	size_t errors = 0;
	int failed;

	for (const char *at = table; (at = strstr(at, "\n=> ")); at++)
		errors++;
	add_table(table, &bad_models);
	if (bad_models.n != errors) {
		fprintf(stderr, "bad_models.txt has %zu errors, but %zu cases\n", errors,
			bad_models.n);
		return 1;
	}

	struct CMUnitTest *tests = calloc(bad_models.n + n_own, sizeof(*tests));
	if (!tests)
		return 1;
	struct bad_model *cases = bad_models.items;
	for (size_t i = 0; i < bad_models.n; i++)
		tests[i] = (struct CMUnitTest){.name = cases[i].name,
					       .test_func = test_bad_model,
					       .initial_state = &cases[i]};
	memcpy(tests + bad_models.n, own, sizeof(own));

	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = _cmocka_run_group_tests("bad models", tests, bad_models.n + n_own, NULL, NULL);
	free(tests);
	free(bad_models.items);
	free(table);
	return failed;
}
