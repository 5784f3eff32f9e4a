/* SPDX-License-Identifier: GPL-2.0-only */
/* The Engine's answers turned into the model's JSON form.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "model/model.h"
#include "recorded.h"
#include "source/swarm_convert.h"

static struct swarm_conversion convert_raw(struct recorded *recorded)
{
	struct swarm_conversion conversion;
	struct skep_error error;
	const struct swarm_answers answers = {recorded->answers[0], recorded->answers[1],
					      recorded->answers[2], recorded->answers[3],
					      recorded->answers[4]};

	if (swarm_convert(&answers, &conversion, &error))
		fail_msg("%s", error.text);
	return conversion;
}

/* Every conversion must be a model; n_warnings is how much was wrong. */
static struct model *convert(struct recorded *recorded, size_t n_warnings)
{
	struct swarm_conversion conversion = convert_raw(recorded);
	struct skep_error error;
	struct model *model;

	if (model_from_json(conversion.model, &model, &error))
		fail_msg("%s", error.text);
	if (json_array_size(conversion.warnings) != n_warnings)
		fail_msg("%s", json_dumps(conversion.warnings, 0));
	swarm_conversion_free(&conversion);
	return model;
}

static const struct model_service *service_of(const struct model *model, const char *name)
{
	for (size_t i = 0; i < model->n_services; i++)
		if (strcmp(model->services[i].name, name) == 0)
			return &model->services[i];
	return NULL;
}

static const struct model_task *task_of(const struct model *model, const char *name)
{
	for (size_t i = 0; i < model->n_tasks; i++)
		if (strcmp(model->tasks[i].name, name) == 0)
			return &model->tasks[i];
	return NULL;
}

static const char *text_of(const struct skep_addr *addr)
{
	static char text[ADDR_TEXT_SIZE];

	return addr_text(addr, text);
}

static void what_a_real_engine_says_is_a_model(void **state)
{
	struct recorded recorded = record();
	struct model *model = convert(&recorded, 0);
	const struct model_service *web = service_of(model, "web");
	const struct model_task *task = task_of(model, "web.2");

	(void)state;
	assert_string_equal(model->cluster, "ldl44wodrf79s8ry90o9fbpxm");
	assert_int_equal(model->n_nodes, 1);
	assert_string_equal(model->nodes[0].name, "src1");
	assert_string_equal(text_of(&model->nodes[0].address), "10.1.0.1");
	assert_true(model->nodes[0].manager && model->nodes[0].ready);
	/* Only Swarm's overlays: not host, none, docker_gwbridge. */
	assert_int_equal(model->n_networks, 2);
	assert_int_equal(model->n_services, 4);
	/* Port 9000 is in host mode. */
	assert_int_equal(web->n_ports, 2);
	assert_int_equal(web->ports[0].published, 8080);
	assert_int_equal(web->ports[0].target, 80);
	assert_int_equal(web->ports[1].published, 8081);
	assert_string_equal(model_label(web, "a.b"), "c");
	assert_int_equal(web->n_vips, 2);
	assert_string_equal(text_of(&web->vips[0].address), "10.0.0.3");
	/* Swarm chose 30000: it is in Endpoint.Ports only. */
	assert_int_equal(service_of(model, "rnd")->ports[0].published, 30000);
	assert_int_equal(model->n_tasks, 5);
	assert_non_null(task);
	assert_int_equal(model_task_level(task), MODEL_SERVING);
	assert_true(task->addresses[0].network->ingress);
	assert_string_equal(text_of(&task->addresses[0].address), "10.0.0.5");
	assert_null(task_of(model, "web.1")->node);
	assert_non_null(task_of(model, "glob.k7pjfh9k3ah58thzvug17tnk0"));
	model_free(model);
	record_free(&recorded);
}

static void a_port_published_twice_stays_with_the_older_service(void **state)
{
	struct recorded recorded = record();
	json_t *ports = json_object_get(json_object_get(find_service(&recorded, "rnd"), "Endpoint"),
					"Ports");
	struct model *model;

	(void)state;
	json_object_set_new(json_array_get(ports, 0), "PublishedPort", json_integer(8080));
	model = convert(&recorded, 1);
	assert_int_equal(service_of(model, "web")->n_ports, 2);
	assert_int_equal(service_of(model, "rnd")->n_ports, 0);
	model_free(model);

	json_object_set_new(find_service(&recorded, "web"), "CreatedAt",
			    json_string("2026-11-22T23:34:59.1Z"));
	model = convert(&recorded, 1);
	assert_int_equal(service_of(model, "web")->n_ports, 1);
	assert_int_equal(service_of(model, "rnd")->n_ports, 1);
	model_free(model);
	record_free(&recorded);
}

static void a_service_knows_when_it_was_created(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} times[] = {
		{"2026-11-22T23:34:45.872199422Z", 1795390485872},
		{"2026-11-22T23:34:45.8Z", 1795390485800},
		{"2026-11-22T23:34:45Z", 1795390485000},
		{"1970-01-01T00:00:00.001Z", 1},
		{"2026-11-22T23:34:45+01:00", 0},
		{"2026-11-22", 0},
		{"1969-12-31T23:59:59Z", 0},
		{"yesterday", 0},
		{"2026-11-22T23:34:45.Zx", 0},
		{"", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		struct recorded recorded = record();
		struct model *model;

		json_object_set_new(find_service(&recorded, "web"), "CreatedAt",
				    json_string(times[i].text));
		model = convert(&recorded, 0);
		assert_int_equal(service_of(model, "web")->created_ms, times[i].ms);
		model_free(model);
		record_free(&recorded);
	}
}

static void ports_that_make_no_sense_are_left_out_alone(void **state)
{
	static const char *const bad[] = {
		"{\"PublishedPort\": 70000, \"TargetPort\": 80}",
		"{\"PublishedPort\": -1, \"TargetPort\": 80}",
		"{\"PublishedPort\": 4294975376, \"TargetPort\": 80}",
		"{\"PublishedPort\": 81, \"TargetPort\": 0}",
		"{\"PublishedPort\": 81, \"TargetPort\": 80, \"Protocol\": \"icmp\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct recorded recorded = record();
		json_array_append_new(
			json_object_get(json_object_get(find_service(&recorded, "web"), "Endpoint"),
					"Ports"),
			json_loads(bad[i], 0, NULL));
		struct model *model = convert(&recorded, 1);
		assert_int_equal(service_of(model, "web")->n_ports, 2);
		model_free(model);
		record_free(&recorded);
	}
}

static void sctp_and_ports_not_chosen_yet_are_left_out_silently(void **state)
{
	struct recorded recorded = record();
	json_t *ports = json_object_get(json_object_get(find_service(&recorded, "web"), "Endpoint"),
					"Ports");

	(void)state;
	json_array_append_new(ports, json_loads("{\"PublishedPort\": 8082, \"TargetPort\": 80, "
						"\"Protocol\": \"sctp\"}",
						0, NULL));
	json_array_append_new(ports, json_loads("{\"TargetPort\": 80}", 0, NULL));
	/* Defaults are empty: ingress, tcp. */
	json_array_append_new(ports,
			      json_loads("{\"PublishedPort\": 8083, \"TargetPort\": 80}", 0, NULL));
	struct model *model = convert(&recorded, 0);
	assert_int_equal(service_of(model, "web")->n_ports, 3);
	model_free(model);
	record_free(&recorded);
}

static void a_service_without_a_valid_name_is_left_out_with_its_tasks(void **state)
{
	struct recorded recorded = record();
	json_t *web = find_service(&recorded, "web");

	(void)state;
	json_object_set_new(json_object_get(web, "Spec"), "Name", json_string("w \303\244 b"));
	struct model *model = convert(&recorded, 1);
	assert_int_equal(model->n_services, 3);
	assert_int_equal(model->n_tasks, 3);
	model_free(model);
	record_free(&recorded);
}

static void an_address_of_two_live_tasks_stays_with_the_older(void **state)
{
	struct recorded recorded = record();
	json_t *copy = json_deep_copy(find_task(&recorded, "t6zuo"));

	(void)state;
	json_object_set_new(copy, "ID", json_string("younger"));
	json_object_set_new(copy, "CreatedAt", json_string("2026-11-22T23:34:45.8Z"));
	json_array_insert_new(tasks(&recorded), 0, copy);
	struct model *model = convert(&recorded, 1);
	assert_int_equal(model->n_tasks, 5);
	assert_non_null(model_find_task(model, "t6zuoyh9007zzca36xt69jxld"));
	model_free(model);
	record_free(&recorded);
}

static void ended_tasks_are_history_and_free_their_address(void **state)
{
	struct recorded recorded = record();
	json_t *old = json_deep_copy(find_task(&recorded, "t6zuo"));

	(void)state;
	json_object_set_new(old, "ID", json_string("older"));
	json_object_set_new(old, "CreatedAt", json_string("2026-11-22T23:00:00Z"));
	set_states(old, "shutdown", "failed");
	json_array_append_new(tasks(&recorded), old);
	struct model *model = convert(&recorded, 0);
	assert_int_equal(model->n_tasks, 5);
	assert_null(model_find_task(model, "older"));
	model_free(model);
	record_free(&recorded);
}

static void a_task_told_to_stop_drains_while_it_runs(void **state)
{
	struct recorded recorded = record();
	struct swarm_conversion conversion;

	(void)state;
	set_states(find_task(&recorded, "t6zuo"), "shutdown", "running");
	struct model *model = convert(&recorded, 0);
	assert_int_equal(model_task_level(task_of(model, "web.2")), MODEL_DRAINING);
	model_free(model);
	conversion = convert_raw(&recorded);
	assert_true(conversion.changing);
	swarm_conversion_free(&conversion);
	record_free(&recorded);
}

static bool is_changing(const char *desired, const char *actual, const char *node_state)
{
	struct recorded recorded = record();
	json_t *node = json_array_get(recorded.answers[1], 0);

	set_states(find_task(&recorded, "t6zuo"), desired, actual);
	json_object_set_new(json_object_get(node, "Status"), "State", json_string(node_state));
	struct swarm_conversion conversion = convert_raw(&recorded);
	bool changing = conversion.changing;
	swarm_conversion_free(&conversion);
	record_free(&recorded);
	return changing;
}

static void tasks_on_their_way_are_worth_looking_again(void **state)
{
	(void)state;
	assert_false(is_changing("running", "running", "ready"));
	assert_true(is_changing("running", "preparing", "ready"));
	assert_true(is_changing("ready", "preparing", "ready"));
	assert_true(is_changing("shutdown", "running", "ready"));
	assert_true(is_changing("remove", "running", "ready"));
	/* May wait for ever. */
	assert_false(is_changing("running", "pending", "ready"));
	assert_false(is_changing("running", "complete", "ready"));
	assert_false(is_changing("shutdown", "running", "down"));
}

static void things_that_are_gone_or_not_listed_yet_take_no_task_along(void **state)
{
	struct recorded recorded = record();

	(void)state;
	json_object_set_new(find_task(&recorded, "t6zuo"), "NodeID", json_string("gone"));
	json_object_set_new(find_task(&recorded, "y15eh"), "ServiceID", json_string("gone"));
	/* docker run --network ATTACHABLE makes a task of no service. */
	json_object_del(find_task(&recorded, "w8rl6"), "ServiceID");
	struct model *model = convert(&recorded, 0);
	assert_int_equal(model->n_tasks, 2);
	model_free(model);
	record_free(&recorded);
}

static void a_state_that_is_not_known_leaves_the_task_out(void **state)
{
	struct recorded recorded = record();

	(void)state;
	set_states(find_task(&recorded, "t6zuo"), "running", "levitating");
	struct model *model = convert(&recorded, 1);
	assert_int_equal(model->n_tasks, 4);
	model_free(model);
	record_free(&recorded);
}

static void check_node_address(const char *manager, const char *status, const char *expected)
{
	struct recorded recorded = record();
	json_t *node = json_array_get(recorded.answers[1], 0);
	struct model *model;

	if (manager)
		json_object_set_new(json_object_get(node, "ManagerStatus"), "Addr",
				    json_string(manager));
	else
		json_object_del(node, "ManagerStatus");
	json_object_set_new(json_object_get(node, "Status"), "Addr", json_string(status));
	model = convert(&recorded, expected ? 0 : 1);
	if (expected)
		assert_string_equal(text_of(&model->nodes[0].address), expected);
	else
		assert_true(skep_addr_is_zero(&model->nodes[0].address));
	assert_int_equal(model->nodes[0].manager, manager != NULL);
	model_free(model);
	record_free(&recorded);
}

static void a_node_s_address_is_where_others_reach_it(void **state)
{
	(void)state;
	check_node_address("10.1.0.1:2377", "0.0.0.0", "10.1.0.1");
	check_node_address("0.0.0.0:2377", "10.1.0.2", "10.1.0.2");
	check_node_address("10.1.0.1:2377", "127.0.0.1", "10.1.0.1");
	check_node_address(NULL, "10.1.0.3", "10.1.0.3");
	check_node_address(NULL, "0.0.0.0", NULL);
	check_node_address("[fd00::1]:2377", "fd00::1", NULL);
	check_node_address("10.1.0.1.9:2377", "host", NULL);
}

static void subnets_lose_their_host_bits_and_ipv6_is_left_out(void **state)
{
	struct recorded recorded = record();
	json_t *config = json_object_get(
		json_object_get(json_array_get(recorded.answers[2], 0), "IPAM"), "Config");

	(void)state;
	json_object_set_new(json_array_get(config, 0), "Subnet", json_string("10.5.3.1/16"));
	json_array_append_new(config, json_pack("{ss}", "Subnet", "fd00::/64"));
	json_array_append_new(config, json_pack("{ss}", "Subnet", "10.5.0.0/16"));
	json_array_append_new(config, json_pack("{ss}", "Subnet", "10.6.0.0/99"));
	json_array_append_new(config, json_pack("{ss}", "Subnet", "10.6.0.0/"));
	struct model *model = convert(&recorded, 0);
	const struct model_network *network =
		model_find_network(model, "g1hf0p0rqsg9ekf49ib2inrpr");
	assert_int_equal(network->n_subnets, 1);
	assert_string_equal(text_of(&network->subnets[0].addr), "10.5.0.0");
	assert_int_equal(network->subnets[0].length, 96 + 16);
	model_free(model);
	record_free(&recorded);
}

static void answers_of_another_shape_are_errors(void **state)
{
	struct swarm_conversion conversion;
	struct skep_error error;

	(void)state;
	for (int i = 0; i < 5; i++) {
		struct recorded recorded = record();
		json_decref(recorded.answers[i]);
		recorded.answers[i] = json_loads("{\"message\": \"hello\"}", 0, NULL);
		const struct swarm_answers answers = {recorded.answers[0], recorded.answers[1],
						      recorded.answers[2], recorded.answers[3],
						      recorded.answers[4]};
		assert_int_equal(swarm_convert(&answers, &conversion, &error), -EINVAL);
		assert_non_null(strstr(error.text, recorded_names[i]));
		record_free(&recorded);
	}
}

/* Every value of every object, one by one, replaced by something of another kind: never more than
 * that is lost. */
static void spoil(struct recorded *recorded, json_t *value, unsigned int *n)
{
	static const char *const instead[] = {"null", "17", "\"\303\244\\u0001\"", "[[]]", "{}"};
	json_t *child;
	const char *key;
	void *next;

	json_object_foreach_safe(value, next, key, child)
	{
		char *saved_key = strdup(key);
		json_incref(child);
		for (size_t i = 0; i < sizeof(instead) / sizeof(instead[0]); i++) {
			json_object_set_new(value, saved_key,
					    json_loads(instead[i], JSON_DECODE_ANY, NULL));
			struct swarm_conversion conversion = convert_raw(recorded);
			struct skep_error error;
			struct model *model;
			if (model_from_json(conversion.model, &model, &error))
				fail_msg("%s = %s: %s", saved_key, instead[i], error.text);
			assert_true(model->n_services >= 3 && model->n_networks >= 1);
			model_free(model);
			swarm_conversion_free(&conversion);
			(*n)++;
		}
		json_object_set_new(value, saved_key, child);
		spoil(recorded, child, n);
		free(saved_key);
	}
	for (size_t i = 0; i < json_array_size(value); i++)
		spoil(recorded, json_array_get(value, i), n);
}

static void one_spoilt_value_breaks_nothing_else(void **state)
{
	struct recorded recorded = record();
	unsigned int n = 0;

	(void)state;
	for (int i = 1; i < 5; i++)
		spoil(&recorded, recorded.answers[i], &n);
	assert_true(n > 1000);
	record_free(&recorded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_real_engine_says_is_a_model),
		cmocka_unit_test(a_port_published_twice_stays_with_the_older_service),
		cmocka_unit_test(a_service_knows_when_it_was_created),
		cmocka_unit_test(ports_that_make_no_sense_are_left_out_alone),
		cmocka_unit_test(sctp_and_ports_not_chosen_yet_are_left_out_silently),
		cmocka_unit_test(a_service_without_a_valid_name_is_left_out_with_its_tasks),
		cmocka_unit_test(an_address_of_two_live_tasks_stays_with_the_older),
		cmocka_unit_test(ended_tasks_are_history_and_free_their_address),
		cmocka_unit_test(a_task_told_to_stop_drains_while_it_runs),
		cmocka_unit_test(tasks_on_their_way_are_worth_looking_again),
		cmocka_unit_test(things_that_are_gone_or_not_listed_yet_take_no_task_along),
		cmocka_unit_test(a_state_that_is_not_known_leaves_the_task_out),
		cmocka_unit_test(a_node_s_address_is_where_others_reach_it),
		cmocka_unit_test(subnets_lose_their_host_bits_and_ipv6_is_left_out),
		cmocka_unit_test(answers_of_another_shape_are_errors),
		cmocka_unit_test(one_spoilt_value_breaks_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
