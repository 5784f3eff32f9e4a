/* SPDX-License-Identifier: GPL-2.0-only */
/* A model is what its JSON form says, and says the same again; look-ups, levels, and what hostile
 * text does not do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/loop.h"
#include "model/model.h"

/* As skep writes it: compact, sorted, no defaults. */
static const char full[] =
	"{\"cluster\":\"c1\","
	"\"nodes\":[{\"id\":\"n1\",\"name\":\"host1\",\"address\":\"10.1.0.1\",\"manager\":true},"
	"{\"id\":\"n2\",\"address\":\"fd00::2\",\"ready\":false},{\"id\":\"n3\"}],"
	"\"networks\":[{\"id\":\"net1\",\"name\":\"back\",\"subnets\":[\"10.0.1.0/24\",\"10.0.2.0/"
	"24\"]},"
	"{\"id\":\"net2\",\"name\":\"ingress\",\"ingress\":true,\"subnets\":[\"10.0.0.0/"
	"24\",\"fd00::/64\"]}],"
	"\"services\":[{\"id\":\"s1\",\"name\":\"web\",\"labels\":{\"a "
	"b\":\"\",\"key\":\"\\\"väl\\nue\\\"\"},"
	"\"ports\":[{\"published\":53,\"target\":5353,\"protocol\":\"tcp\"},"
	"{\"published\":53,\"target\":53,\"protocol\":\"udp\"},"
	"{\"published\":65535,\"target\":1,\"protocol\":\"tcp\"}],"
	"\"vips\":[{\"network\":\"net2\",\"address\":\"10.0.0.5\"},{\"network\":\"net1\","
	"\"address\":\"10.0.1.5\"}],\"created_ms\":1763854485872},"
	"{\"id\":\"s2\"}],"
	"\"tasks\":[{\"id\":\"t1\",\"name\":\"web.1\",\"service\":\"s1\",\"node\":\"n1\","
	"\"addresses\":[{\"network\":\"net2\",\"address\":\"10.0.0.6\"},{\"network\":\"net1\","
	"\"address\":\"10.0.1.6\"}],"
	"\"interface\":\"veth0\"},"
	"{\"id\":\"t2\",\"service\":\"s1\",\"desired\":\"ready\",\"state\":\"pending\"},"
	"{\"id\":\"t3\",\"service\":\"s2\",\"node\":\"n2\",\"desired\":\"shutdown\"}]}";

static struct model *parse(const char *text)
{
	struct skep_error error = {""};
	struct model *model = NULL;

	if (model_parse(text, strlen(text), &model, &error))
		fail_msg("%s", error.text);
	return model;
}

/* Both ways of writing must agree. The caller frees. */
static char *write_text(const struct model *model)
{
	json_t *root = model_to_json(model);
	char *by_tree, *text;
	size_t size;

	assert_non_null(root);
	by_tree = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	text = model_to_text(model, &size);
	assert_non_null(text);
	assert_int_equal(strlen(text), size);
	assert_string_equal(text, by_tree);
	free(by_tree);
	return text;
}

static void assert_becomes(const char *from, const char *expected)
{
	struct model *model = parse(from);
	char *text = write_text(model);

	assert_string_equal(text, expected);
	free(text);
	model_free(model);
}

static void test_canonical_text_comes_back_equal(void **state)
{
	(void)state;
	assert_becomes(full, full);
	assert_becomes("{}", "{}");
}

static void test_a_tree_gives_the_same_model_as_its_text(void **state)
{
	struct skep_error error;
	struct model *model;
	json_t *root = json_loads(full, 0, NULL);
	char *text;

	(void)state;
	assert_int_equal(model_from_json(root, &model, &error), 0);
	/* It keeps nothing of the tree. */
	json_decref(root);
	text = write_text(model);
	assert_string_equal(text, full);
	free(text);
	model_free(model);
}

static void test_defaults_are_left_out(void **state)
{
	(void)state;
	assert_becomes(
		"{\"cluster\":\"\",\"nodes\":[],\"networks\":[],\"services\":[],\"tasks\":[]}",
		"{}");
	assert_becomes(
		"{\"nodes\":[{\"id\":\"n\",\"name\":\"n\",\"manager\":false,\"ready\":true}]}",
		"{\"nodes\":[{\"id\":\"n\"}]}");
	assert_becomes(
		"{\"networks\":[{\"id\":\"n\",\"name\":\"n\",\"ingress\":false,\"subnets\":[]}]}",
		"{\"networks\":[{\"id\":\"n\"}]}");
	assert_becomes(
		"{\"services\":[{\"id\":\"s\",\"name\":\"s\",\"labels\":{},\"ports\":[],\"vips\":[]"
		"}],"
		"\"tasks\":[{\"id\":\"t\",\"name\":\"t\",\"service\":\"s\",\"desired\":\"running\","
		"\"state\":\"running\",\"addresses\":[]}]}",
		"{\"services\":[{\"id\":\"s\"}],\"tasks\":[{\"id\":\"t\",\"service\":\"s\"}]}");
}

static void test_any_order_gives_the_same_text(void **state)
{
	(void)state;
	/* Arrays before those they refer to, keys and elements in any order, space anywhere. */
	assert_becomes(
		" { \"tasks\" : [ {\"state\": \"failed\", \"service\": \"a\", \"id\": \"t9\"},\n"
		"\t{\"addresses\": [{\"address\": \"10.0.1.6\", \"network\": \"b\"},"
		" {\"address\": \"10.0.0.6\", \"network\": \"c\"},"
		" {\"address\": \"10.0.0.4\", \"network\": \"a\"},"
		" {\"address\": \"10.0.0.6\", \"network\": \"b\"}], \"service\": \"b\", \"id\": "
		"\"t10\"} ] ,\r\n"
		"\"services\": [{\"id\": \"b\", \"labels\": {\"z\": \"1\", \"y\": \"2\"}}, "
		"{\"ports\": ["
		"{\"protocol\": \"udp\", \"target\": 1, \"published\": 9}, "
		"{\"protocol\": \"tcp\", \"target\": 1, \"published\": 9}, "
		"{\"protocol\": \"udp\", \"target\": 1, \"published\": 8}], \"id\": \"a\"}],"
		"\"networks\": [{\"id\": \"c\", \"ingress\": true}, {\"id\": \"b\"}, {\"id\": "
		"\"a\","
		" \"subnets\": [\"10.0.2.0/24\", \"10.0.0.0/16\", \"10.0.0.0/24\"]}],"
		"\"nodes\": [{\"id\": \"n2\"}, {\"id\": \"n10\"}] } \n",
		"{\"nodes\":[{\"id\":\"n10\"},{\"id\":\"n2\"}],"
		"\"networks\":[{\"id\":\"a\",\"subnets\":[\"10.0.0.0/16\",\"10.0.0.0/"
		"24\",\"10.0.2.0/24\"]},"
		"{\"id\":\"b\"},{\"id\":\"c\",\"ingress\":true}],"
		"\"services\":[{\"id\":\"a\",\"ports\":[{\"published\":8,\"target\":1,\"protocol\":"
		"\"udp\"},"
		"{\"published\":9,\"target\":1,\"protocol\":\"tcp\"},{\"published\":9,\"target\":1,"
		"\"protocol\":\"udp\"}]},"
		"{\"id\":\"b\",\"labels\":{\"y\":\"2\",\"z\":\"1\"}}],"
		"\"tasks\":[{\"id\":\"t10\",\"service\":\"b\",\"addresses\":["
		"{\"network\":\"c\",\"address\":\"10.0.0.6\"},{\"network\":\"a\",\"address\":\"10."
		"0.0.4\"},"
		"{\"network\":\"b\",\"address\":\"10.0.0.6\"},{\"network\":\"b\",\"address\":\"10."
		"0.1.6\"}]},"
		"{\"id\":\"t9\",\"service\":\"a\",\"state\":\"failed\"}]}");
}

static void test_fields_are_what_was_said(void **state)
{
	struct model *model = parse(full);
	const struct model_node *node = model_find_node(model, "n1");
	const struct model_network *network = model_find_network(model, "net2");
	const struct model_service *service = model_find_service(model, "s1");
	const struct model_task *task = model_find_task(model, "t1");

	(void)state;
	assert_string_equal(model->cluster, "c1");
	assert_string_equal(node->name, "host1");
	assert_true(node->manager && node->ready);
	struct skep_addr address = skep_addr_v4(htonl(0x0a010001));
	assert_true(skep_addr_equal(&node->address, &address));
	assert_false(model_find_node(model, "n2")->ready);
	assert_true(skep_addr_is_zero(&model_find_node(model, "n3")->address));
	assert_true(network->ingress);
	assert_int_equal(network->subnets[0].length, 96 + 24);
	assert_int_equal(service->ports[1].published, 53);
	assert_int_equal(service->ports[1].protocol, IPPROTO_UDP);
	assert_ptr_equal(service->vips[0].network, network);
	assert_ptr_equal(task->service, service);
	assert_ptr_equal(task->node, node);
	assert_ptr_equal(task->addresses[0].network, network);
	assert_string_equal(task->interface, "veth0");
	assert_null(model_find_task(model, "t2")->node);
	assert_null(model_find_task(model, "t2")->interface);
	assert_int_equal(model_find_task(model, "t2")->desired, MODEL_TASK_READY);
	model_free(model);
}

static void test_lookup_finds_each_and_nothing_else(void **state)
{
	struct model *model = parse(full);
	struct model *empty = parse("{}");

	(void)state;
	for (size_t i = 0; i < model->n_tasks; i++)
		assert_ptr_equal(model_find_task(model, model->tasks[i].id), &model->tasks[i]);
	assert_null(model_find_task(model, "t"));
	assert_null(model_find_task(model, "t11"));
	assert_null(model_find_node(model, ""));
	assert_null(model_find_network(model, "ingress"));
	assert_null(model_find_service(model, "zz"));
	assert_null(model_find_task(empty, "t1"));
	assert_null(model_find_node(empty, "n1"));

	const struct model_service *service = model_find_service(model, "s1");
	assert_string_equal(model_label(service, "a b"), "");
	assert_string_equal(model_label(service, "key"), "\"väl\nue\"");
	assert_null(model_label(service, "ke"));
	assert_null(model_label(model_find_service(model, "s2"), "key"));
	model_free(model);
	model_free(empty);
	model_free(NULL);
}

static void test_level_of_every_task(void **state)
{
	const struct model_node ready = {.ready = true}, down = {.ready = false};

	(void)state;
	for (int desired = 0; desired < MODEL_TASK_STATES; desired++) {
		for (int actual = 0; actual < MODEL_TASK_STATES; actual++) {
			struct model_task task = {
				.desired = desired, .state = actual, .node = &ready};
			enum model_service_level level = model_task_level(&task);
			if (actual != MODEL_TASK_RUNNING)
				assert_int_equal(level, MODEL_ABSENT);
			else
				assert_int_equal(level, desired == MODEL_TASK_RUNNING
								? MODEL_SERVING
								: MODEL_DRAINING);
			task.node = &down;
			assert_int_equal(model_task_level(&task), actual == MODEL_TASK_RUNNING
									  ? MODEL_DRAINING
									  : MODEL_ABSENT);
			task.node = NULL;
			assert_int_equal(model_task_level(&task), MODEL_ABSENT);
		}
	}
}

static void test_every_state_comes_back(void **state)
{
	char text[128];

	(void)state;
	for (int i = 0; i < MODEL_TASK_STATES; i++) {
		if (i == MODEL_TASK_RUNNING)
			continue;
		snprintf(text, sizeof(text),
			 "{\"services\":[{\"id\":\"s\"}],\"tasks\":[{\"id\":\"t\",\"service\":"
			 "\"s\",\"state\":\"%s\"}]}",
			 model_task_state_name((enum model_task_state)i));
		assert_becomes(text, text);
	}
	assert_string_equal(model_task_state_name(MODEL_TASK_STATES), "unknown");
}

/* Swarm gives an ended task's address to the next one while both are listed. */
static void test_ended_and_unplaced_tasks_may_share_an_address(void **state)
{
	static const char text[] =
		"{\"nodes\":[{\"id\":\"n\"}],\"networks\":[{\"id\":\"a\"},{\"id\":\"b\"}],"
		"\"services\":[{\"id\":\"s\"}],"
		"\"tasks\":[{\"id\":\"t1\",\"service\":\"s\",\"node\":\"n\",\"addresses\":[{"
		"\"network\":\"a\",\"address\":\"10.0.0.6\"}]},"
		"{\"id\":\"t2\",\"service\":\"s\",\"node\":\"n\",\"state\":\"failed\","
		"\"addresses\":[{\"network\":\"a\",\"address\":\"10.0.0.6\"}]},"
		"{\"id\":\"t3\",\"service\":\"s\",\"node\":\"n\",\"state\":\"starting\","
		"\"addresses\":[{\"network\":\"a\",\"address\":\"10.0.0.6\"}]},"
		"{\"id\":\"t4\",\"service\":\"s\",\"addresses\":[{\"network\":\"a\",\"address\":"
		"\"10.0.0.6\"}]},"
		"{\"id\":\"t5\",\"service\":\"s\",\"node\":\"n\",\"addresses\":[{\"network\":\"b\","
		"\"address\":\"10.0.0.6\"}]}]}";

	(void)state;
	assert_becomes(text, text);
}

/* A machine that left the Swarm and joined again is two nodes. */
static void test_nodes_may_share_an_address(void **state)
{
	static const char text[] =
		"{\"nodes\":[{\"id\":\"n1\",\"address\":\"10.1.0.1\",\"ready\":false},"
		"{\"id\":\"n2\",\"address\":\"10.1.0.1\"}]}";

	(void)state;
	assert_becomes(text, text);
}

static void test_one_port_may_be_published_for_tcp_and_udp(void **state)
{
	static const char text[] = "{\"services\":[{\"id\":\"a\",\"ports\":[{\"published\":53,"
				   "\"target\":53,\"protocol\":\"tcp\"}]},"
				   "{\"id\":\"b\",\"ports\":[{\"published\":53,\"target\":53,"
				   "\"protocol\":\"udp\"}]}]}";

	(void)state;
	assert_becomes(text, text);
}

static void test_longest_id_comes_back(void **state)
{
	char text[320];

	(void)state;
	snprintf(text, sizeof(text), "{\"nodes\":[{\"id\":\"%0255d\"}]}", 7);
	assert_becomes(text, text);
}

/*
 * Whatever the text, the quick way of reading it (element by element) and the slow one (the whole
 * tree) come to the same end; and what is taken comes back equal.
 */
static void assert_both_ways_agree(const char *text, size_t size)
{
	struct model *quick = NULL, *slow = NULL;
	struct skep_error error = {""}, slow_error = {""};
	json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	int err = model_parse(text, size, &quick, &error);

	if (!root) {
		assert_int_not_equal(err, 0);
		assert_true(strlen(error.text) > 0);
		return;
	}
	assert_int_equal(model_from_json(root, &slow, &slow_error), err);
	assert_string_equal(error.text, slow_error.text);
	json_decref(root);
	if (err)
		return;
	char *first = write_text(quick), *second = write_text(slow);
	assert_string_equal(first, second);
	model_free(slow);
	slow = parse(first);
	free(second);
	second = write_text(slow);
	assert_string_equal(first, second);
	free(first);
	free(second);
	model_free(quick);
	model_free(slow);
}

static void test_text_cut_anywhere_is_refused(void **state)
{
	struct model *model = NULL;
	struct skep_error error;

	(void)state;
	for (size_t size = 0; size < sizeof(full) - 1; size++) {
		/* Of exactly that size, so that a read beyond it is seen. */
		char *text = malloc(size + !size);
		assert_non_null(text);
		memcpy(text, full, size);
		error.text[0] = '\0';
		assert_int_equal(model_parse(text, size, &model, &error), -EINVAL);
		assert_memory_equal(error.text, "not valid JSON: ", 16);
		free(text);
	}
	assert_null(model);
}

static void test_any_one_byte_changed_or_gone_does_no_harm(void **state)
{
	static const char replacements[] = {'\0', '"', '\\', '{', '}', '[', ']', ',',  ':',
					    ' ',  '0', '-',  'n', 't', 's', '.', '\n', '\x80'};
	char text[sizeof(full)];

	(void)state;
	for (size_t i = 0; i < sizeof(full) - 1; i++) {
		for (size_t j = 0; j < sizeof(replacements); j++) {
			memcpy(text, full, sizeof(full));
			text[i] = replacements[j];
			assert_both_ways_agree(text, sizeof(full) - 1);
		}
		memcpy(text, full, i);
		memcpy(text + i, full + i + 1, sizeof(full) - i - 1);
		assert_both_ways_agree(text, sizeof(full) - 2);
	}
}

/* A Swarm of the given size as text; the caller frees. */
static char *make_swarm(size_t n_services, size_t n_tasks, size_t *size)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, size);

	assert_non_null(out);
	fprintf(out, "{\"nodes\":[{\"id\":\"n\",\"address\":\"10.1.0.1\"}],"
		     "\"networks\":[{\"id\":\"net\",\"ingress\":true}],\"services\":[");
	for (size_t i = 0; i < n_services; i++)
		fprintf(out,
			"%s{\"id\":\"s%05zu\",\"name\":\"service-%zu\",\"ports\":[{\"published\":%"
			"zu,"
			"\"target\":80,\"protocol\":\"tcp\"}]}",
			i ? "," : "", i, i, 10000 + i);
	fprintf(out, "],\"tasks\":[");
	for (size_t i = 0; i < n_tasks; i++)
		fprintf(out,
			"%s{\"id\":\"t%06zu\",\"name\":\"service-%zu.%zu\",\"service\":\"s%05zu\","
			"\"node\":\"n\",\"addresses\":[{\"network\":\"net\",\"address\":\"10.%zu.%"
			"zu.%zu\"}]}",
			i ? "," : "", i * 7919 % n_tasks, i % n_services, i / n_services + 1,
			i % n_services, i >> 16 & 255, i >> 8 & 255, i & 255);
	fprintf(out, "]}");
	assert_int_equal(fclose(out), 0);
	return text;
}

/* Generous, for slow machines and valgrind: what it must catch is quadratic time. */
static void test_a_large_swarm_is_read_quickly(void **state)
{
	size_t size, again_size;
	char *text = make_swarm(5000, 50000, &size);
	uint64_t start = loop_now_ns();
	struct model *model = parse(text);
	uint64_t parsed = loop_now_ns();
	char *again = model_to_text(model, &again_size);
	uint64_t written = loop_now_ns();

	(void)state;
	print_message("# %zu bytes: read in %.0f ms, written in %.0f ms\n", size,
		      (double)(parsed - start) / 1e6, (double)(written - parsed) / 1e6);
	assert_true(written - start < 60000000000ULL);
	assert_int_equal(model->n_tasks, 50000);
	assert_int_equal(again_size, size);
	for (size_t i = 1; i < model->n_tasks; i++)
		assert_true(strcmp(model->tasks[i - 1].id, model->tasks[i].id) < 0);
	free(again);
	model_free(model);
	free(text);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical_text_comes_back_equal),
		cmocka_unit_test(test_a_tree_gives_the_same_model_as_its_text),
		cmocka_unit_test(test_defaults_are_left_out),
		cmocka_unit_test(test_any_order_gives_the_same_text),
		cmocka_unit_test(test_fields_are_what_was_said),
		cmocka_unit_test(test_lookup_finds_each_and_nothing_else),
		cmocka_unit_test(test_level_of_every_task),
		cmocka_unit_test(test_every_state_comes_back),
		cmocka_unit_test(test_ended_and_unplaced_tasks_may_share_an_address),
		cmocka_unit_test(test_nodes_may_share_an_address),
		cmocka_unit_test(test_one_port_may_be_published_for_tcp_and_udp),
		cmocka_unit_test(test_longest_id_comes_back),
		cmocka_unit_test(test_text_cut_anywhere_is_refused),
		cmocka_unit_test(test_any_one_byte_changed_or_gone_does_no_harm),
		cmocka_unit_test(test_a_large_swarm_is_read_quickly),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
