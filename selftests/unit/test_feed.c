/* SPDX-License-Identifier: GPL-2.0-only */
/* The feed: a manager's agent serves its model, a worker's follows it. */
#include "feed_fixture.h"

static void a_worker_is_served_and_follows(void **state)
{
	struct fixture *fixture = *state;

	open_server(fixture);
	publish(fixture, MODEL_A);
	open_source(fixture, fixture->worker_dir);
	want_models(fixture, 1, "a");
	assert_true(is_current(fixture));
	/* A long poll waits by now: a new model comes at once. */
	wait_for(fixture->loop, 300);
	uint64_t began = loop_now_ns();
	publish(fixture, MODEL_B);
	want_models(fixture, 2, "b");
	assert_true(loop_now_ns() - began < 1000 * 1000000ULL);
	/* The same again is no news. */
	publish(fixture, MODEL_B);
	wait_for(fixture->loop, 300);
	assert_int_equal(fixture->n_models, 2);
}

static void a_manager_is_served_too(void **state)
{
	struct fixture *fixture = *state;

	open_server(fixture);
	publish(fixture, MODEL_A);
	open_source(fixture, fixture->server_dir);
	want_models(fixture, 1, "a");
}

static void a_worker_started_first_waits_and_says_for_whom(void **state)
{
	struct fixture *fixture = *state;
	char text[128];

	open_source(fixture, fixture->worker_dir);
	snprintf(text, sizeof(text),
		 "waiting for a manager's agent: 127.0.0.1:%u: Connection refused; trying again",
		 fixture->port);
	want_status(fixture, SOURCE_STARTING, text);
	open_server(fixture);
	want_status(fixture, SOURCE_STARTING, "the agent has no model yet (HTTP 503)");
	feed_server_publish(fixture->server, NULL, 0, "Docker has no leader");
	want_status(fixture, SOURCE_STARTING, "Docker has no leader (HTTP 503)");
	publish(fixture, MODEL_A);
	want_models(fixture, 1, "a");
}

static void no_managers_known_is_said(void **state)
{
	struct fixture *fixture = *state;

	open_source(fixture, fixture->worker_dir);
	source_feed_managers(fixture->source, NULL, 0);
	want_status(fixture, SOURCE_STARTING, "Docker names no manager yet");
}

static void a_reason_wakes_who_waits_and_the_last_model_stays(void **state)
{
	struct fixture *fixture = *state;

	open_server(fixture);
	publish(fixture, MODEL_A);
	open_source(fixture, fixture->worker_dir);
	want_models(fixture, 1, "a");
	wait_for(fixture->loop, 200);
	feed_server_publish(fixture->server, NULL, 0, "Docker is away");
	want_status(fixture, SOURCE_STALE, "Docker is away (HTTP 503)");
	publish(fixture, MODEL_A);
	assert_true(wait_until(fixture->loop, is_current, fixture, 5000));
	assert_int_equal(fixture->n_models, 1);
}

static void a_server_that_goes_and_comes_back_is_followed_again(void **state)
{
	struct fixture *fixture = *state;

	open_server(fixture);
	publish(fixture, MODEL_A);
	open_source(fixture, fixture->worker_dir);
	want_models(fixture, 1, "a");
	wait_for(fixture->loop, 200);
	close_server(fixture);
	want_status(fixture, SOURCE_STALE, "Connection refused; trying again");
	open_server(fixture);
	publish(fixture, MODEL_A);
	assert_true(wait_until(fixture->loop, is_current, fixture, 5000));
	assert_int_equal(fixture->n_models, 1);
	publish(fixture, MODEL_B);
	want_models(fixture, 2, "b");
}

static void the_next_manager_is_asked_when_one_is_down(void **state)
{
	static const char *const managers[] = {"127.0.0.2", "127.0.0.3", "127.0.0.1"};
	struct fixture *fixture = *state;
	struct source_status status;

	/* The server is on every address: make it be down on two of them by a list of two that do
	 * not exist. */
	open_server(fixture);
	publish(fixture, MODEL_A);
	open_source(fixture, fixture->worker_dir);
	source_feed_managers(fixture->source, (const char *const[]){"240.0.0.1", "127.0.0.1"}, 2);
	want_models(fixture, 1, "a");
	/* Still in a new list: kept. */
	source_feed_managers(fixture->source, managers, 3);
	assert_true(is_current(fixture));
	source_status(fixture->source, &status);
	assert_non_null(strstr(status.text, "127.0.0.1"));
}

static void a_nudge_gets_through_and_is_bounded(void **state)
{
	struct fixture *fixture = *state;

	open_server(fixture);
	publish(fixture, MODEL_A);
	open_source(fixture, fixture->worker_dir);
	want_models(fixture, 1, "a");
	source_feed_nudge(fixture->source);
	fixture->wanted = 1;
	assert_true(wait_until(fixture->loop, is_nudged, fixture, 2000));
	/* However often it is asked for, it comes every 100 ms at most. */
	uint64_t began = loop_now_ns();
	for (int i = 0; i < 200; i++) {
		source_feed_nudge(fixture->source);
		wait_for(fixture->loop, 2);
	}
	wait_for(fixture->loop, 300);
	assert_in_range(fixture->n_nudges, 3, 2 + (loop_now_ns() - began) / 100000000);
}

static void a_port_in_use_is_an_error(void **state)
{
	struct fixture *fixture = *state;
	const struct feed_server_config config = {.port = fixture->port,
						  .certificates = fixture->server_dir};
	struct feed_server *second;
	struct skep_error error;

	open_server(fixture);
	assert_int_equal(feed_server_open(&second, fixture->loop, &config, &error), -EADDRINUSE);
}

static void other_pages_methods_and_bodies_are_refused(void **state)
{
	struct fixture *fixture = *state;
	char *large = malloc(8001);

	open_server(fixture);
	publish(fixture, MODEL_A);
	memset(large, 'x', 8000);
	large[8000] = '\0';
	assert_int_equal(ask(fixture, fixture->worker_dir, "/", NULL, NULL), 404);
	assert_int_equal(ask(fixture, fixture->worker_dir, "/v1/model", "POST", NULL), 405);
	assert_int_equal(ask(fixture, fixture->worker_dir, "/v1/nudge", NULL, NULL), 405);
	assert_int_equal(ask(fixture, fixture->worker_dir, "/v1/nudge", "POST", large), 413);
	assert_int_equal(ask(fixture, fixture->worker_dir, "/v1/nudge", "POST", "{}"), 204);
	free(large);
}

static void a_long_poll_ends_after_30_s(void **state)
{
	struct fixture *fixture = *state;

	open_server(fixture);
	publish(fixture, MODEL_A);
	assert_int_equal(ask(fixture, fixture->worker_dir, "/v1/model", NULL, NULL), 200);
	char page[64];
	snprintf(page, sizeof(page), "/v1/model?version=%s", "0000000000000000");
	assert_int_equal(ask(fixture, fixture->worker_dir, page, NULL, NULL), 200);
	uint64_t hash = 0xcbf29ce484222325ULL;
	for (const char *c = MODEL_A; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 0x100000001b3ULL;
	snprintf(page, sizeof(page), "/v1/model?version=%016lx&wait=0", (unsigned long)hash);
	assert_int_equal(ask(fixture, fixture->worker_dir, page, NULL, NULL), 304);
	page[strlen(page) - strlen("&wait=0")] = '\0';
	uint64_t began = loop_now_ns();
	assert_int_equal(ask(fixture, fixture->worker_dir, page, NULL, NULL), 304);
	assert_in_range((loop_now_ns() - began) / 1000000, 29900, 32000);
}

static void a_large_model_arrives_whole(void **state)
{
	struct fixture *fixture = *state;
	json_t *root = json_object(), *nodes = json_array();
	char id[16];

	for (int i = 0; i < 10000; i++) {
		snprintf(id, sizeof(id), "n%05d", i);
		json_array_append_new(nodes, json_pack("{ss}", "id", id));
	}
	json_object_set_new(root, "nodes", nodes);
	char *text = json_dumps(root, JSON_INDENT(4));
	json_decref(root);
	open_server(fixture);
	publish(fixture, text);
	free(text);
	open_source(fixture, fixture->worker_dir);
	want_models(fixture, 1, "n00000");
	assert_int_equal(fixture->model->n_nodes, 10000);
}

static void the_server_closes_with_polls_waiting(void **state)
{
	struct fixture *fixture = *state;

	open_server(fixture);
	publish(fixture, MODEL_A);
	open_source(fixture, fixture->worker_dir);
	want_models(fixture, 1, "a");
	wait_for(fixture->loop, 200);
	/* One daemon retired with a poll on it, one new. */
	ca_issue(&fixture->ca, &fixture->ca, fixture->server_dir, &manager);
	wait_for(fixture->loop, 300);
	close_server(fixture);
	source_close(fixture->source);
	fixture->source = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_worker_is_served_and_follows),
		TEST(a_manager_is_served_too),
		TEST(a_worker_started_first_waits_and_says_for_whom),
		TEST(no_managers_known_is_said),
		TEST(a_reason_wakes_who_waits_and_the_last_model_stays),
		TEST(a_server_that_goes_and_comes_back_is_followed_again),
		TEST(the_next_manager_is_asked_when_one_is_down),
		TEST(a_nudge_gets_through_and_is_bounded),
		TEST(a_port_in_use_is_an_error),
		TEST(other_pages_methods_and_bodies_are_refused),
		TEST(a_long_poll_ends_after_30_s),
		TEST(a_large_model_arrives_whole),
		TEST(the_server_closes_with_polls_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
