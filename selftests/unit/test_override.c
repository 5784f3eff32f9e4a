/* SPDX-License-Identifier: GPL-2.0-only */
/* Overrides as values: their JSON form, labels, names, and the model that they make. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/override.h"

#define NOW 1000000

static const char swarm[] =
	"{'nodes':[{'id':'n1','name':'alpha'},{'id':'n2','name':'beta'},{'id':'n3','name':'beta'}],"
	"'networks':[{'id':'net','ingress':true}],"
	"'services':[{'id':'s1','name':'web','ports':["
	"{'published':8080,'target':80,'protocol':'tcp'},"
	"{'published':8443,'target':443,'protocol':'tcp'}]},{'id':'s2','name':'api'}],"
	"'tasks':[{'id':'aa1','name':'web.1','service':'s1','node':'n1'},"
	"{'id':'aa2','name':'web.2','service':'s1','node':'n2'},"
	"{'id':'ab3','name':'web.3','service':'s1','node':'n1'},"
	"{'id':'ab4','name':'web.3','service':'s1','node':'n1','desired':'shutdown'},"
	"{'id':'ab5','name':'web.4','service':'s1','node':'n1','state':'failed'},"
	"{'id':'b1','name':'api.1','service':'s2','node':'n2'},"
	"{'id':'beta','name':'odd.1','service':'s2','node':'n2'}]}";

static struct model *model;

static json_t *json(const char *text)
{
	char copy[8192];
	json_t *root;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *at = copy; *at; at++)
		*at = *at == '\'' ? '"' : *at;
	root = json_loads(copy, 0, NULL);
	assert_non_null(root);
	return root;
}

static struct model *model_of(const char *text)
{
	struct skep_error error = {""};
	struct model *made = NULL;
	json_t *root = json(text);

	if (model_from_json(root, &made, &error))
		fail_msg("%s", error.text);
	json_decref(root);
	return made;
}

static int setup(void **state)
{
	(void)state;
	model = model_of(swarm);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	model_free(model);
	return 0;
}

static struct override of(const char *text)
{
	struct skep_error error = {""};
	struct override override;
	json_t *root = json(text);

	if (override_from_json(root, NULL, &override, &error))
		fail_msg("%s: %s", text, error.text);
	json_decref(root);
	return override;
}

static void keeps_its_form(void **state)
{
	static const char *const forms[] = {
		"{'id':'a1','kind':'drain','task':'aa1','task_name':'web.1','service':'s1',"
		"'service_name':'web','since_ms':5,'until_ms':7,'reason':'bad disk \xc3\xa4'}",
		"{'id':'a2','kind':'drain','node':'n1','node_name':'alpha'}",
		"{'id':'a3','kind':'weight','task':'aa1','service':'s1','weight':0}",
		"{'id':'a4','kind':'disable','service':'s1','port':8080}",
		"{'id':'a5','kind':'pin','task':'aa1','service':'s1'}",
		"{'id':'a6','kind':'add','service':'s1','port':1,'address':'192.0.2.7','address_"
		"port':9}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		struct override override = of(forms[i]);
		json_t *wanted = json(forms[i]), *made = override_to_json(&override, false);

		assert_true(json_equal(wanted, made));
		json_decref(wanted);
		json_decref(made);
	}
}

static void refuses(const char *text, const char *why)
{
	struct skep_error error = {""};
	struct override override;
	json_t *root = json(text);

	if (!override_from_json(root, NULL, &override, &error))
		fail_msg("taken: %s", text);
	if (!strstr(error.text, why))
		fail_msg("%s: \"%s\" does not say \"%s\"", text, error.text, why);
	json_decref(root);
}

static void refuses_what_makes_no_sense(void **state)
{
	(void)state;
	refuses("[]", "must be an object");
	refuses("{'kind':'drain','task':'t','who':1}", "unknown key \"who\"");
	refuses("{'task':'t'}", "kind is missing");
	refuses("{'kind':'stop','task':'t'}", "\"stop\" is none of drain");
	refuses("{'kind':'drain'}", "either task or node");
	refuses("{'kind':'drain','task':'t','node':'n'}", "either task or node");
	refuses("{'kind':'drain','task':'t','weight':1}", "drain has no field weight");
	refuses("{'kind':'weight','task':'t','service':'s'}", "needs the field weight");
	refuses("{'kind':'weight','task':'t','service':'s','weight':1001}", "from 0 to 1000");
	refuses("{'kind':'weight','task':'t','service':'s','weight':1.5}", "whole number");
	refuses("{'kind':'disable','service':'s','port':0}", "from 1 to 65535");
	refuses("{'kind':'pin','service':'s'}", "needs the field task");
	refuses("{'kind':'add','service':'s','port':1,'address':'fd00::1','address_port':1}",
		"must be IPv4");
	refuses("{'kind':'add','service':'s','port':1,'address':'224.0.0.1','address_port':1}",
		"one host");
	refuses("{'kind':'drain','task':'a b'}", "task: must be printable");
	refuses("{'kind':'drain','task':''}", "1 to 255 bytes");
	refuses("{'kind':'drain','task':'t','id':'UPPER'}", "a-z");
	refuses("{'kind':'drain','task':'t','since_ms':-1}", "milliseconds");
	refuses("{'kind':'drain','task':'t','until_ms':99999999999999999}", "milliseconds");
	refuses("{'kind':'drain','task':'t','reason':'a\\nb'}", "one line");
}

static void says_what_it_is(void **state)
{
	char text[OVERRIDE_TEXT_SIZE];
	struct override override;

	(void)state;
	override =
		of("{'kind':'pin','task':'aa1','task_name':'web.1','service':'s1','service_name':"
		   "'web','port':8080}");
	assert_string_equal(override_text(&override, text), "pin web:8080 to web.1");
	override = of("{'kind':'drain','node':'n1'}");
	assert_string_equal(override_text(&override, text), "drain node n1");
	override = of("{'kind':'add','service':'s1','port':1,'address':'192.0.2.7','address_port':"
		      "9}");
	assert_string_equal(override_text(&override, text), "add 192.0.2.7:9 to s1:1");
}

static void newer_ones_replace_their_like(void **state)
{
	struct override drain = of("{'kind':'drain','task':'aa1'}");
	struct override weight = of("{'kind':'weight','task':'aa1','service':'s1','weight':3}");
	struct override other = of("{'kind':'drain','task':'aa2'}");
	struct override pin = of("{'kind':'pin','task':'aa1','service':'s1'}");
	struct override pin_other = of("{'kind':'pin','task':'aa2','service':'s1'}");
	struct override pin_port = of("{'kind':'pin','task':'aa2','service':'s1','port':8080}");

	(void)state;
	assert_true(override_replaces(&weight, &drain));
	assert_false(override_replaces(&other, &drain));
	assert_true(override_replaces(&pin_other, &pin));
	assert_false(override_replaces(&pin_port, &pin));
	assert_false(override_replaces(&pin, &drain));
	drain.cluster = true;
	assert_false(override_replaces(&weight, &drain));
}

/* ---- applying */

static struct model *effective;
static bool bears[8];

static void apply(size_t n, const char *const *texts)
{
	struct override overrides[8];

	for (size_t i = 0; i < n; i++)
		overrides[i] = of(texts[i]);
	assert_int_equal(override_apply(model, overrides, n, NOW, &effective, bears), 0);
}
#define APPLY(...)                                                                                 \
	apply(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]){__VA_ARGS__})

static int free_effective(void **state)
{
	(void)state;
	model_free(effective);
	effective = NULL;
	return 0;
}

static unsigned int weight_of(const char *task)
{
	return model_find_task(effective, task)->weight;
}

static const struct model_port *port_of(uint16_t published)
{
	const struct model_service *service = model_find_service(effective, "s1");

	for (size_t i = 0; i < service->n_ports; i++)
		if (service->ports[i].published == published)
			return &service->ports[i];
	fail();
	return NULL;
}

static void without_any_there_is_no_copy(void **state)
{
	(void)state;
	apply(0, NULL);
	assert_null(effective);
	APPLY("{'kind':'drain','task':'gone'}", "{'kind':'drain','node':'n1','until_ms':1000000}",
	      "{'kind':'disable','service':'s1','port':1}",
	      "{'kind':'weight','task':'b1','service':'s1','weight':2}",
	      "{'kind':'drain','task':'ab5'}");
	assert_null(effective);
	for (size_t i = 0; i < 5; i++)
		assert_false(bears[i]);
}

static void drains_a_task(void **state)
{
	(void)state;
	APPLY("{'kind':'drain','task':'aa1','until_ms':1000001}");
	assert_true(bears[0]);
	assert_int_equal(weight_of("aa1"), 0);
	assert_int_equal(weight_of("aa2"), 1);
	assert_int_equal(model_find_task(model, "aa1")->weight, 1);
	for (size_t i = 0; i < effective->n_tasks; i++) {
		const struct model_task *task = &effective->tasks[i];

		assert_true(task->service >= effective->services &&
			    task->service < effective->services + effective->n_services);
		assert_string_equal(task->service->id, model->tasks[i].service->id);
	}
	assert_ptr_equal(effective->nodes, model->nodes);
}

static void drains_a_node(void **state)
{
	(void)state;
	APPLY("{'kind':'drain','node':'n2'}",
	      "{'kind':'weight','task':'aa2','service':'s1','weight':9}");
	assert_int_equal(weight_of("aa1"), 1);
	assert_int_equal(weight_of("aa2"), 0);
	assert_int_equal(weight_of("b1"), 0);
}

static void later_weights_win(void **state)
{
	(void)state;
	APPLY("{'kind':'weight','task':'aa2','service':'s1','weight':9}",
	      "{'kind':'weight','task':'aa2','service':'s1','weight':4}");
	assert_int_equal(weight_of("aa2"), 4);
}

static void disables_a_port_or_all(void **state)
{
	(void)state;
	APPLY("{'kind':'disable','service':'s1','port':8080}");
	assert_true(port_of(8080)->disabled);
	assert_false(port_of(8443)->disabled);
	assert_false(model_find_service(effective, "s1")->disabled);
	model_free(effective);
	APPLY("{'kind':'disable','service':'s1'}");
	assert_true(port_of(8080)->disabled);
	assert_true(port_of(8443)->disabled);
	assert_true(model_find_service(effective, "s1")->disabled);
	assert_false(model_find_service(effective, "s2")->disabled);
	assert_false(model_find_service(model, "s1")->ports[0].disabled);
}

static void pins_a_service(void **state)
{
	(void)state;
	APPLY("{'kind':'pin','service':'s1','task':'aa2'}");
	assert_int_equal(weight_of("aa1"), 0);
	assert_int_equal(weight_of("aa2"), 1);
	assert_int_equal(weight_of("b1"), 1);
	assert_string_equal(port_of(8443)->pinned->id, "aa2");
}

static void pins_a_port(void **state)
{
	(void)state;
	APPLY("{'kind':'pin','service':'s1','task':'aa2','port':8080}");
	assert_int_equal(weight_of("aa1"), 1);
	assert_ptr_equal(port_of(8080)->pinned, model_find_task(effective, "aa2"));
	assert_null(port_of(8443)->pinned);
}

static void pins_to_what_takes_nothing_do_not_count(void **state)
{
	(void)state;
	APPLY("{'kind':'pin','service':'s1','task':'aa2'}", "{'kind':'drain','task':'aa2'}",
	      "{'kind':'pin','service':'s1','task':'ab4','port':8080}");
	assert_false(bears[0]);
	assert_true(bears[1]);
	assert_false(bears[2]);
	assert_int_equal(weight_of("aa1"), 1);
	assert_null(port_of(8080)->pinned);
}

static void adds_back_ends(void **state)
{
	(void)state;
	APPLY("{'kind':'add','service':'s1','port':8080,'address':'192.0.2.7','address_port':9}",
	      "{'kind':'add','service':'s1','port':8080,'address':'192.0.2.8','address_port':9}",
	      "{'kind':'add','service':'s1','port':8080,'address':'192.0.2.7','address_port':9}");
	assert_int_equal(port_of(8080)->n_backends, 2);
	assert_int_equal(port_of(8080)->backends[1].port, 9);
	assert_int_equal(port_of(8443)->n_backends, 0);
}

/* ---- labels */

struct found {
	struct override overrides[8];
	size_t n;
	char problems[2048];
};

static int on_add(void *context, const struct override *override)
{
	struct found *found = context;

	found->overrides[found->n++] = *override;
	return 0;
}

static int on_problem(void *context, const char *id, const char *why)
{
	struct found *found = context;
	size_t used = strlen(found->problems);

	snprintf(found->problems + used, sizeof(found->problems) - used, "%s=%s\n", id, why);
	return 0;
}

static void labels_are_read(void **state)
{
	struct found found = {0};
	struct model *labelled = model_of(
		"{'nodes':[{'id':'n1','labels':{'skep.override.n':'{\\'kind\\':\\'drain\\'}'}}],"
		"'services':[{'id':'s1','name':'web','labels':{'a':'b','skep.policy':'x',"
		"'skep.override.bad':'{','skep.override.UP':'{\\'kind\\':\\'disable\\'}',"
		"'skep.override.d1':'{\\'kind\\':\\'disable\\',\\'port\\':80,\\'until_ms\\':5}',"
		"'skep.override.node':'{\\'kind\\':\\'drain\\',\\'node\\':\\'n1\\'}',"
		"'skep.override.none':'{\\'kind\\':\\'drain\\'}','skep.zzz':''}}]}");

	(void)state;
	assert_int_equal(
		override_labels(labelled, &(struct override_visitor){on_add, on_problem, &found}),
		0);
	assert_int_equal(found.n, 2);
	assert_string_equal(found.overrides[0].id, "n");
	assert_string_equal(found.overrides[0].node, "n1");
	assert_true(found.overrides[0].cluster);
	assert_string_equal(found.overrides[1].id, "d1");
	assert_string_equal(found.overrides[1].service, "s1");
	assert_int_equal(found.overrides[1].until_ms, 5);
	assert_non_null(
		strstr(found.problems, "bad=label skep.override.bad of service web: no JSON"));
	assert_non_null(strstr(found.problems, "UP=label skep.override.UP"));
	assert_non_null(strstr(found.problems, "node=label"));
	assert_non_null(strstr(found.problems, "none=label"));
	model_free(labelled);
}

static void a_label_says_no_more_than_it_must(void **state)
{
	struct override override = of("{'id':'a4','kind':'disable','service':'s1','service_name':"
				      "'web','port':8080,'until_ms':9}");
	json_t *label = override_to_json(&override, true);
	char *text = json_dumps(label, JSON_COMPACT | JSON_SORT_KEYS);

	(void)state;
	assert_string_equal(text, "{\"kind\":\"disable\",\"port\":8080,\"until_ms\":9}");
	free(text);
	json_decref(label);
}

/* ---- names */

static const char *task_named(const char *text)
{
	static struct skep_error error;
	const struct model_task *task;

	return override_find_task(model, text, &task, &error) ? error.text : task->id;
}

static void tasks_are_found_by_name_id_or_its_beginning(void **state)
{
	(void)state;
	assert_string_equal(task_named("web.1"), "aa1");
	assert_string_equal(task_named("aa2"), "aa2");
	assert_string_equal(task_named("b1"), "b1");
	assert_string_equal(task_named("web.3"), "ab3"); /* the one that serves */
	assert_string_equal(task_named("ab4"), "ab4");
	assert_string_equal(task_named("aa"),
			    "\"aa\" fits several: web.1 (aa1), web.2 (aa2); give the "
			    "id");
	assert_string_equal(task_named("web.9"), "\"web.9\" fits no task; there are web.1, web.2, "
						 "web.3, web.3");
	assert_non_null(strstr(task_named("web.4"), "fits no task")); /* it has failed */
	assert_non_null(strstr(task_named(""), "fits no task"));
}

static void nodes_and_services_are_found_by_name_or_id(void **state)
{
	const struct model_service *service;
	const struct model_node *node;
	const struct model_task *task;
	struct skep_error error;

	(void)state;
	assert_int_equal(override_find_service(model, "api", &service, &error), 0);
	assert_string_equal(service->id, "s2");
	assert_int_equal(override_find_service(model, "s1", &service, &error), 0);
	assert_int_equal(override_find_service(model, "wep", &service, &error), -ENOENT);
	assert_string_equal(error.text, "\"wep\" fits no service; there are web, api");
	assert_int_equal(override_find_node(model, "alpha", &node, &error), 0);
	assert_int_equal(override_find_node(model, "beta", &node, &error), -ENOENT);
	assert_non_null(strstr(error.text, "fits several: beta (n2), beta (n3)"));
	assert_int_equal(override_find_task_or_node(model, "n2", &task, &node, &error), 0);
	assert_null(task);
	assert_string_equal(node->id, "n2");
	assert_int_equal(override_find_task_or_node(model, "web.1", &task, &node, &error), 0);
	assert_null(node);
	assert_int_equal(override_find_task_or_node(model, "nix", &task, &node, &error), -ENOENT);
	assert_non_null(strstr(error.text, "fits no task or node; there are web.1, web.2"));
	assert_non_null(strstr(error.text, "alpha"));
}

#define TEST(name)    cmocka_unit_test(name)
#define APPLIES(name) cmocka_unit_test_teardown(name, free_effective)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keeps_its_form),
		TEST(refuses_what_makes_no_sense),
		TEST(says_what_it_is),
		TEST(newer_ones_replace_their_like),
		APPLIES(without_any_there_is_no_copy),
		APPLIES(drains_a_task),
		APPLIES(drains_a_node),
		APPLIES(later_weights_win),
		APPLIES(disables_a_port_or_all),
		APPLIES(pins_a_service),
		APPLIES(pins_a_port),
		APPLIES(pins_to_what_takes_nothing_do_not_count),
		APPLIES(adds_back_ends),
		TEST(labels_are_read),
		TEST(a_label_says_no_more_than_it_must),
		TEST(tasks_are_found_by_name_id_or_its_beginning),
		TEST(nodes_and_services_are_found_by_name_or_id),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
