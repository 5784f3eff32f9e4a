/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy_fixture.h"

#define TASKS_MAX 8

static struct views views = {.workers = 1, .routes.workers = 1, .tasks.workers = 1};
static struct fixture *fixture;
static struct worker *worker;

/* A service with a task of each weight: web.1 has 10.1.0.1 … Replaces what was before. */
static void serve(const char *policy, const unsigned int *weights, size_t n)
{
	char text[4096], *at = text, *end = text + sizeof(text);
	struct view *view;

	at += snprintf(
		at, (size_t)(end - at),
		"{'nodes': [{'id': 'n1', 'name': 'n1', 'address': '192.0.2.1'}], 'networks': "
		"[{'id': 'app', 'subnets': ['10.1.0.0/16']}], 'services': [{'id': 's1', "
		"'name': 'web', 'labels': {'skep.http.port': '80', 'skep.http.path': '/', "
		"'skep.policy': '%s'}}], 'tasks': [",
		policy);
	for (size_t i = 0; i < n; i++)
		at += snprintf(at, (size_t)(end - at),
			       "%s{'id': 't%zu', 'name': 'web.%zu', 'service': 's1', 'node': 'n1', "
			       "'weight': %u, 'addresses': [{'network': 'app', 'address': "
			       "'10.1.0.%zu'}]}",
			       i ? "," : "", i + 1, i + 1, weights[i], i + 1);
	snprintf(at, (size_t)(end - at), "]}");
	view = fixture_view(&views, text);
	assert_int_equal(balance_switch(worker, view), 0);
	views_free_unused(&views, false);
}

static struct bound_group *group(void)
{
	return &worker->balance.now->groups[0];
}

static const unsigned int alike[TASKS_MAX] = {1, 1, 1, 1, 1, 1, 1, 1};

static struct balance_request from(uint32_t client)
{
	return (struct balance_request){.client = skep_addr_v4(htonl(client))};
}

static void pick_many(unsigned int n, unsigned int got[TASKS_MAX],
		      const struct balance_request *request)
{
	memset(got, 0, TASKS_MAX * sizeof(*got));
	for (unsigned int i = 0; i < n; i++) {
		struct balance_request any = from(0x0a000000 + i);
		int task = balance_pick(worker, group(), request ? request : &any);

		assert_in_range(task, 0, (int)group()->group->n_tasks - 1);
		got[task]++;
	}
}

static int setup(void **state)
{
	(void)state;
	fixture = fixture_new();
	worker = &fixture->worker;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_free(fixture);
	views_free_unused(&views, false);
	return views.all ? -1 : 0;
}

static void round_robin_gives_each_task_its_share_exactly(void **state)
{
	unsigned int got[TASKS_MAX];

	(void)state;
	serve("round-robin", alike, 4);
	pick_many(400, got, NULL);
	for (int i = 0; i < 4; i++)
		assert_int_equal(got[i], 100);
}

static void weights_are_shares(void **state)
{
	static const unsigned int weights[] = {1, 2, 5};
	unsigned int got[TASKS_MAX];

	(void)state;
	serve("round-robin", weights, 3);
	pick_many(800, got, NULL);
	assert_int_equal(got[0], 100);
	assert_int_equal(got[1], 200);
	assert_int_equal(got[2], 500);
}

static void a_client_keeps_its_task_by_source(void **state)
{
	static const char *const policies[] = {"source", "maglev"};
	unsigned int got[TASKS_MAX];

	(void)state;
	for (size_t p = 0; p < 2; p++) {
		serve(policies[p], alike, 4);
		for (uint32_t client = 0; client < 50; client++) {
			struct balance_request request = from(0xc0000200 + client);
			int task = balance_pick(worker, group(), &request);

			pick_many(10, got, &request);
			assert_int_equal(got[task], 10);
		}
	}
}

static void by_source_shares_follow_weights(void **state)
{
	static const unsigned int weights[] = {1, 3};
	unsigned int got[TASKS_MAX];

	(void)state;
	serve("source", weights, 2);
	pick_many(4000, got, NULL);
	assert_in_range(got[1], 2800, 3200);
}

static void when_a_task_goes_only_its_clients_move(void **state)
{
	int before[200];

	(void)state;
	serve("source", alike, 4);
	for (uint32_t client = 0; client < 200; client++) {
		struct balance_request request = from(client);

		before[client] = balance_pick(worker, group(), &request);
	}
	serve("source", alike, 3); /* web.4 is gone */
	for (uint32_t client = 0; client < 200; client++) {
		struct balance_request request = from(client);
		int now = balance_pick(worker, group(), &request);

		if (before[client] != 3)
			assert_int_equal(now, before[client]);
	}
}

static void least_flows_avoids_the_busy(void **state)
{
	unsigned int got[TASKS_MAX];

	(void)state;
	serve("least-flows", alike, 2);
	group()->backends[0]->n_busy = 100;
	pick_many(400, got, NULL);
	/* Two are drawn; only where both are the busy one is it taken. */
	assert_in_range(got[0], 50, 150);
	group()->backends[0]->n_busy = 0;
}

static void a_task_that_was_tried_is_not_taken_again(void **state)
{
	static const char *const policies[] = {"round-robin", "source", "least-flows"};
	static const uint32_t tried[] = {0, 2};

	(void)state;
	for (size_t p = 0; p < 3; p++) {
		serve(policies[p], alike, 3);
		for (uint32_t i = 0; i < 50; i++) {
			struct balance_request request = from(i);

			request.tried = tried;
			request.n_tried = 2;
			assert_int_equal(balance_pick(worker, group(), &request), 1);
		}
	}
}

static void when_all_were_tried_there_is_none(void **state)
{
	static const char *const policies[] = {"round-robin", "source", "least-flows"};
	static const uint32_t tried[] = {0, 1};

	(void)state;
	for (size_t p = 0; p < 3; p++) {
		struct balance_request request = from(1);

		serve(policies[p], alike, 2);
		request.tried = tried;
		request.n_tried = 2;
		assert_int_equal(balance_pick(worker, group(), &request), -1);
		serve(policies[p], alike, 0);
		assert_int_equal(balance_pick(worker, group(), &request), -1);
	}
}

static void fails(uint32_t task, unsigned int times)
{
	for (unsigned int i = 0; i < times; i++)
		backend_failed(worker, group()->backends[task]);
}

static void three_failures_in_a_row_leave_a_task_out_for_a_second(void **state)
{
	unsigned int got[TASKS_MAX];

	(void)state;
	serve("round-robin", alike, 2);
	fails(0, 2);
	backend_succeeded(group()->backends[0]);
	fails(0, 2);
	pick_many(100, got, NULL);
	assert_int_equal(got[0], 50);
	fails(0, 1);
	assert_int_equal(counters_read(&worker->counters.ejections), 1);
	pick_many(100, got, NULL);
	assert_int_equal(got[0], 0);
	worker->now_ms += BACKEND_EJECT_FIRST_MS - 1;
	pick_many(100, got, NULL);
	assert_int_equal(got[0], 0);
	worker->now_ms += 1;
	pick_many(100, got, NULL);
	assert_int_equal(got[0], 50);
}

static void each_time_again_is_twice_as_long_up_to_a_minute(void **state)
{
	uint64_t away = BACKEND_EJECT_FIRST_MS;

	(void)state;
	serve("round-robin", alike, 2);
	for (int i = 0; i < 10; i++) {
		fails(0, BACKEND_FAILURES_MAX);
		assert_int_equal(group()->backends[0]->ejected_until_ms - worker->now_ms,
				 away < BACKEND_EJECT_LAST_MS ? away : BACKEND_EJECT_LAST_MS);
		worker->now_ms = group()->backends[0]->ejected_until_ms;
		away *= 2;
	}
	backend_succeeded(group()->backends[0]);
	fails(0, BACKEND_FAILURES_MAX);
	assert_int_equal(group()->backends[0]->ejected_until_ms - worker->now_ms,
			 BACKEND_EJECT_FIRST_MS);
}

static void when_all_are_left_out_any_is_taken(void **state)
{
	unsigned int got[TASKS_MAX];

	(void)state;
	serve("round-robin", alike, 2);
	fails(0, BACKEND_FAILURES_MAX);
	fails(1, BACKEND_FAILURES_MAX);
	pick_many(100, got, NULL);
	assert_int_equal(got[0] + got[1], 100);
	/* One that answers is well again. */
	backend_succeeded(group()->backends[1]);
	pick_many(100, got, NULL);
	assert_int_equal(got[1], 100);
}

static void a_task_that_fails_its_check_is_left_out(void **state)
{
	struct check down = {.down = true};
	struct view_task *tasks;
	unsigned int got[TASKS_MAX];

	(void)state;
	serve("round-robin", alike, 2);
	tasks = group()->group->tasks;
	tasks[0].check = &down;
	pick_many(100, got, NULL);
	assert_int_equal(got[1], 100);
	atomic_store(&down.down, false);
	pick_many(100, got, NULL);
	assert_int_equal(got[0], 50);
	tasks[0].check = NULL;
}

static void a_cookie_outweighs_the_policy_until_its_task_fails(void **state)
{
	struct balance_request request = from(1);
	unsigned int got[TASKS_MAX];

	(void)state;
	serve("round-robin", alike, 3);
	request.cookie = group()->group->tasks[1].cookie;
	pick_many(30, got, &request);
	assert_int_equal(got[1], 30);
	fails(1, BACKEND_FAILURES_MAX);
	pick_many(30, got, &request);
	assert_int_equal(got[1], 0);
	request.cookie = 12345; /* of no task */
	pick_many(30, got, &request);
	assert_true(got[0] && got[2]);
}

static void a_view_lives_as_long_as_a_request_holds_it(void **state)
{
	struct bound_view *held;

	(void)state;
	serve("round-robin", alike, 2);
	held = worker->balance.now;
	held->users++;
	serve("round-robin", alike, 1);
	assert_int_equal(held->groups[0].group->n_tasks, 2);
	assert_non_null(views.all->next);
	balance_release(worker, held);
	views_free_unused(&views, false);
	assert_null(views.all->next);
}

static void what_is_known_of_a_task_outlives_a_change_of_view(void **state)
{
	(void)state;
	serve("round-robin", alike, 2);
	fails(0, BACKEND_FAILURES_MAX);
	serve("round-robin", alike, 3);
	assert_true(group()->backends[0]->ejected_until_ms > worker->now_ms);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(round_robin_gives_each_task_its_share_exactly),
		TEST(weights_are_shares),
		TEST(a_client_keeps_its_task_by_source),
		TEST(by_source_shares_follow_weights),
		TEST(when_a_task_goes_only_its_clients_move),
		TEST(least_flows_avoids_the_busy),
		TEST(a_task_that_was_tried_is_not_taken_again),
		TEST(when_all_were_tried_there_is_none),
		TEST(three_failures_in_a_row_leave_a_task_out_for_a_second),
		TEST(each_time_again_is_twice_as_long_up_to_a_minute),
		TEST(when_all_are_left_out_any_is_taken),
		TEST(a_task_that_fails_its_check_is_left_out),
		TEST(a_cookie_outweighs_the_policy_until_its_task_fails),
		TEST(a_view_lives_as_long_as_a_request_holds_it),
		TEST(what_is_known_of_a_task_outlives_a_change_of_view),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
