/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/http.h"
#include "proxy_fixture.h"

#define NETWORKS                                                                                   \
	"'networks': [{'id': 'ing', 'name': 'ingress', 'ingress': true, 'subnets': "               \
	"['10.0.0.0/24']}, {'id': 'app', 'subnets': ['10.1.0.0/24']}, {'id': 'n2', 'name': "       \
	"'other', 'subnets': ['10.2.0.0/24']}]"
#define NODES                                                                                      \
	"'nodes': [{'id': 'n1', 'name': 'n1', 'address': '192.0.2.1'}, {'id': 'n9', 'name': "      \
	"'n9', 'address': '192.0.2.9', 'ready': false}]"
#define ON_ALL                                                                                     \
	"'addresses': [{'network': 'ing', 'address': '10.0.0.5'}, {'network': 'app', "             \
	"'address': '10.1.0.5'}, {'network': 'n2', 'address': '10.2.0.5'}]"

static struct views views = {.workers = 1, .routes.workers = 1, .tasks.workers = 1};

/* Of one service `web`, with these labels and ports, and these tasks. */
static struct view *view_of(const char *labels, const char *ports, const char *tasks)
{
	char text[8192];

	snprintf(text, sizeof(text),
		 "{" NODES ", " NETWORKS ", 'services': [{'id': 's1', 'name': 'web', "
		 "'labels': {%s}, 'ports': [%s]}], 'tasks': [%s]}",
		 labels, ports, tasks);
	return fixture_view(&views, text);
}

static void done(struct view *view)
{
	view_put(view);
	views_free_unused(&views, false);
	assert_null(views.all);
}

/* Where the only task of the only group is asked; "": there is none. */
static void asks(struct view *view, const char *expected)
{
	char text[ADDR_TEXT_SIZE];

	assert_int_equal(view->n_groups, 1);
	assert_string_equal(
		view->groups[0].n_tasks ? addr_text(&view->groups[0].tasks[0].addr, text) : "",
		expected);
	done(view);
}

#define PORT_8080 "'skep.http.path': '/', 'skep.http.port': '8080'"
#define TASK	  "{'id': 't1', 'name': 'web.1', 'service': 's1', 'node': 'n1', " ON_ALL "}"

static void a_published_port_is_asked_for_on_the_ingress_network(void **state)
{
	(void)state;
	asks(view_of(PORT_8080, "{'published': 80, 'target': 8080, 'protocol': 'tcp'}", TASK),
	     "10.0.0.5");
}

static void another_port_is_asked_for_on_the_first_other_network(void **state)
{
	(void)state;
	asks(view_of(PORT_8080, "{'published': 80, 'target': 8081, 'protocol': 'tcp'}", TASK),
	     "10.1.0.5");
	asks(view_of(PORT_8080, "", TASK), "10.1.0.5");
}

static void a_port_that_is_published_for_udp_is_another(void **state)
{
	(void)state;
	asks(view_of(PORT_8080, "{'published': 80, 'target': 8080, 'protocol': 'udp'}", TASK),
	     "10.1.0.5");
}

static void a_task_on_ingress_alone_without_the_port_cannot_be_asked(void **state)
{
	(void)state;
	asks(view_of(PORT_8080, "",
		     "{'id': 't1', 'name': 'web.1', 'service': 's1', 'node': 'n1', 'addresses': "
		     "[{'network': 'ing', 'address': '10.0.0.5'}]}"),
	     "");
}

static void the_networks_name_or_id_in_a_label_outweighs_both(void **state)
{
	static const char *const names[] = {"other", "n2"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char labels[512];

		snprintf(labels, sizeof(labels),
			 "'traefik.enable': 'true', 'traefik.http.routers.a.rule': "
			 "'PathPrefix(`/a`)', "
			 "'traefik.http.services.a.loadbalancer.server.port': '8080', "
			 "'traefik.swarm.network': '%s'",
			 names[i]);
		asks(view_of(labels, "{'published': 80, 'target': 8080, 'protocol': 'tcp'}", TASK),
		     "10.2.0.5");
	}
}

static void only_tasks_that_serve_take_requests(void **state)
{
	struct view *view;

	(void)state;
	view = view_of(PORT_8080, "",
		       "{'id': 't1', 'name': 'web.1', 'service': 's1', 'node': 'n1', 'desired': "
		       "'shutdown', 'addresses': [{'network': 'app', 'address': '10.1.0.1'}]},"
		       "{'id': 't2', 'name': 'web.2', 'service': 's1', 'node': 'n1', 'state': "
		       "'starting', 'addresses': [{'network': 'app', 'address': '10.1.0.2'}]},"
		       "{'id': 't3', 'name': 'web.3', 'service': 's1', 'node': 'n9', "
		       "'addresses': [{'network': 'app', 'address': '10.1.0.3'}]},"
		       "{'id': 't4', 'name': 'web.4', 'service': 's1', 'node': 'n1', 'weight': 0, "
		       "'addresses': [{'network': 'app', 'address': '10.1.0.4'}]},"
		       "{'id': 't5', 'name': 'web.5', 'service': 's1', 'node': 'n1', "
		       "'addresses': [{'network': 'app', 'address': '10.1.0.5'}]}");
	assert_int_equal(view->groups[0].n_tasks, 1);
	assert_string_equal(view->groups[0].tasks[0].name, "web.5");
	done(view);
}

static void the_order_has_each_task_as_often_as_its_weight(void **state)
{
	struct view *view;
	unsigned int n[2] = {0};

	(void)state;
	view = view_of(PORT_8080, "",
		       "{'id': 't1', 'name': 'web.1', 'service': 's1', 'node': 'n1', 'weight': 3, "
		       "'addresses': [{'network': 'app', 'address': '10.1.0.1'}]},"
		       "{'id': 't2', 'name': 'web.2', 'service': 's1', 'node': 'n1', 'weight': 1, "
		       "'addresses': [{'network': 'app', 'address': '10.1.0.2'}]}");
	assert_int_equal(view->groups[0].n_tasks, 2);
	for (uint32_t i = 0; i < view->groups[0].n_order; i++)
		n[view->groups[0].order[i]]++;
	assert_int_equal(n[0], 3 * n[1]);
	assert_true(n[1] > 0);
	done(view);
}

static void rules_of_one_port_share_their_tasks(void **state)
{
	struct view *view;

	(void)state;
	view = view_of("'skep.http.a.port': '8080', 'skep.http.a.path': '/a', "
		       "'skep.http.b.port': '81', 'skep.http.b.path': '/b', "
		       "'skep.http.c.port': '8080', 'skep.http.c.path': '/c'",
		       "", TASK);
	assert_int_equal(view->n_rules, 3);
	assert_int_equal(view->n_groups, 2);
	done(view);
}

static void a_tasks_cookie_is_the_same_in_every_view_and_another_for_each_task(void **state)
{
	struct view *one = view_of(PORT_8080, "", TASK), *other = view_of(PORT_8080, "", TASK);
	struct view *third = view_of(PORT_8080, "",
				     "{'id': 't2', 'name': 'web.1', 'service': 's1', 'node': "
				     "'n1', " ON_ALL "}");

	(void)state;
	assert_true(one->groups[0].tasks[0].cookie == other->groups[0].tasks[0].cookie);
	assert_true(one->groups[0].tasks[0].cookie != third->groups[0].tasks[0].cookie);
	view_put(one);
	view_put(other);
	done(third);
}

static void a_view_in_use_is_not_freed_and_its_series_go_with_it(void **state)
{
	struct view *view = view_of(PORT_8080, "", TASK);
	FILE *out;
	char *text;
	size_t size;

	(void)state;
	view_hold(view);
	view_put(view);
	views_free_unused(&views, false);
	assert_ptr_equal(views.all, view);
	done(view);
	out = open_memstream(&text, &size);
	registry_print(&views.tasks, "x", "task", out);
	registry_print(&views.routes, "x", "route", out);
	fclose(out);
	assert_null(strstr(text, "web"));
	free(text);
}

static void a_check_is_shared_by_views_and_ends_with_the_last(void **state)
{
	struct loop *loop = loop_new();
	struct http *http;
	struct skep_error error;
	const struct check *check;
	struct view *one, *other;

	(void)state;
	assert_int_equal(http_open(&http, loop, &error), 0);
	assert_int_equal(checks_open(&views.checks, loop, http, &error), 0);
	one = view_of(PORT_8080 ", 'skep.http.check': '/health'", "", TASK);
	check = one->groups[0].tasks[0].check;
	assert_non_null(check);
	assert_string_equal(check->path, "/health");
	assert_int_equal(check->port, 8080);
	assert_false(check_is_down(check));
	other = view_of(PORT_8080 ", 'skep.http.check': '/health'", "", TASK);
	assert_ptr_equal(other->groups[0].tasks[0].check, check);
	view_put(one);
	views_free_unused(&views, false);
	assert_int_equal(check->users, 1);
	done(other);
	checks_close(views.checks);
	views.checks = NULL;
	http_close(http);
	loop_free(loop);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_published_port_is_asked_for_on_the_ingress_network),
		cmocka_unit_test(another_port_is_asked_for_on_the_first_other_network),
		cmocka_unit_test(a_port_that_is_published_for_udp_is_another),
		cmocka_unit_test(a_task_on_ingress_alone_without_the_port_cannot_be_asked),
		cmocka_unit_test(the_networks_name_or_id_in_a_label_outweighs_both),
		cmocka_unit_test(only_tasks_that_serve_take_requests),
		cmocka_unit_test(the_order_has_each_task_as_often_as_its_weight),
		cmocka_unit_test(rules_of_one_port_share_their_tasks),
		cmocka_unit_test(
			a_tasks_cookie_is_the_same_in_every_view_and_another_for_each_task),
		cmocka_unit_test(a_view_in_use_is_not_freed_and_its_series_go_with_it),
		cmocka_unit_test(a_check_is_shared_by_views_and_ends_with_the_last),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
