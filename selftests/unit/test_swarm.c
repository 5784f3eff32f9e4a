/* SPDX-License-Identifier: GPL-2.0-only */
/* The swarm source follows an Engine: a fake one, that says what a real one said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fake_engine.h"
#include "model/model.h"
#include "recorded.h"
#include "source/source.h"
#include "wait.h"

struct fixture {
	char *directory;
	struct loop *loop;
	struct http *http;
	struct fake_engine engine;
	struct recorded recorded;
	struct source *source;
	unsigned int n_models;
	struct model *model; /* the last one */
	unsigned int wanted; /* of whatever the test waits for */
	const char *page;
	const char *text;
};

static void take_model(void *context, struct model *model)
{
	struct fixture *fixture = context;

	model_free(fixture->model);
	fixture->model = model;
	fixture->n_models++;
}

static void publish(struct fixture *fixture)
{
	for (int i = 0; i < 5; i++) {
		char path[32], *text = json_dumps(fixture->recorded.answers[i], 0);
		snprintf(path, sizeof(path), "/%s", recorded_names[i]);
		fake_set(&fixture->engine, path, 200, text);
		free(text);
	}
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct skep_error error;

	fixture->directory = scratch_make();
	fixture->loop = loop_new();
	assert_int_equal(http_open(&fixture->http, fixture->loop, &error), 0);
	fake_start(&fixture->engine, fixture->loop, fixture->directory);
	fixture->recorded = record();
	publish(fixture);
	*state = fixture;
	return 0;
}

static void open_source(struct fixture *fixture)
{
	struct skep_error error;

	if (source_swarm_open(&fixture->source, fixture->loop, fixture->http, fixture->engine.path,
			      &(struct source_receiver){take_model, fixture}, &error))
		fail_msg("%s", error.text);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	source_close(fixture->source);
	http_close(fixture->http);
	fake_stop(&fixture->engine);
	loop_free(fixture->loop);
	model_free(fixture->model);
	record_free(&fixture->recorded);
	scratch_remove(fixture->directory);
	free(fixture);
	return 0;
}

static bool has_models(void *context)
{
	struct fixture *fixture = context;

	return fixture->n_models >= fixture->wanted;
}

static bool status_says(void *context)
{
	struct fixture *fixture = context;
	struct source_status status;

	source_status(fixture->source, &status);
	return strstr(status.text, fixture->text) != NULL;
}

static bool is_current(void *context)
{
	struct fixture *fixture = context;
	struct source_status status;

	source_status(fixture->source, &status);
	return status.state == SOURCE_CURRENT;
}

static bool is_asked(void *context)
{
	struct fixture *fixture = context;

	return fake_page(&fixture->engine, fixture->page)->asked >= fixture->wanted;
}

static void want_models(struct fixture *fixture, unsigned int n, uint64_t limit_ms)
{
	fixture->wanted = n;
	assert_true(wait_until(fixture->loop, has_models, fixture, limit_ms));
}

static void fake_engine_model_is_reported_once(void **state)
{
	struct fixture *fixture = *state;

	open_source(fixture);
	want_models(fixture, 1, 2000);
	assert_int_equal(fixture->model->n_tasks, 5);
	assert_true(is_current(fixture));
	/* Polled on and on, told once. */
	fixture->page = "/tasks";
	fixture->wanted = 4;
	assert_true(wait_until(fixture->loop, is_asked, fixture, 15000));
	assert_int_equal(fixture->n_models, 1);
}

static void fake_engine_event_wakes_the_source(void **state)
{
	struct fixture *fixture = *state;

	open_source(fixture);
	want_models(fixture, 1, 2000);
	/* Until it has become quiet: the next poll would be in 3 s. */
	wait_for(fixture->loop, 5300);
	set_states(find_task(&fixture->recorded, "t6zuo"), "shutdown", "running");
	publish(fixture);
	assert_int_equal(
		fake_event(&fixture->engine, "{\"Type\":\"service\",\"Action\":\"update\"}"), 1);
	want_models(fixture, 2, 1000);
	/* And then it looks often: what has no event is seen too. */
	set_states(find_task(&fixture->recorded, "t6zuo"), "shutdown", "shutdown");
	publish(fixture);
	want_models(fixture, 3, 1500);
	assert_int_equal(fixture->model->n_tasks, 4);
}

static void fake_engine_refresh_looks_at_once(void **state)
{
	struct fixture *fixture = *state;

	open_source(fixture);
	want_models(fixture, 1, 2000);
	wait_for(fixture->loop, 5300);
	json_array_clear(tasks(&fixture->recorded));
	publish(fixture);
	source_refresh(fixture->source);
	want_models(fixture, 2, 1000);
}

static void fake_engine_gone_leaves_the_last_model_in_force(void **state)
{
	struct fixture *fixture = *state;
	struct source_status status;

	open_source(fixture);
	want_models(fixture, 1, 2000);
	fake_down(&fixture->engine);
	source_refresh(fixture->source);
	fixture->text = "No such file or directory; trying again";
	assert_true(wait_until(fixture->loop, status_says, fixture, 2000));
	source_status(fixture->source, &status);
	assert_int_equal(status.state, SOURCE_STALE);
	json_array_clear(tasks(&fixture->recorded));
	publish(fixture);
	fake_up(&fixture->engine);
	want_models(fixture, 2, 3000);
	assert_true(is_current(fixture));
}

static void fake_engine_without_a_leader_is_told_in_its_own_words(void **state)
{
	struct fixture *fixture = *state;
	struct source_status status;

	fake_set(&fixture->engine, "/tasks", 503,
		 "{\"message\":\"rpc error: The swarm does not have a leader.\\nMore\"}");
	open_source(fixture);
	fixture->text = "The swarm does not have a leader.?More (HTTP 503)";
	assert_true(wait_until(fixture->loop, status_says, fixture, 2000));
	source_status(fixture->source, &status);
	assert_int_equal(status.state, SOURCE_STARTING);
	publish(fixture);
	want_models(fixture, 1, 3000);
}

static void fake_engine_nonsense_is_not_a_model(void **state)
{
	struct fixture *fixture = *state;

	open_source(fixture);
	want_models(fixture, 1, 2000);
	fake_set(&fixture->engine, "/nodes", 200, "[{\"ID\":");
	fixture->text = "bad JSON";
	assert_true(wait_until(fixture->loop, status_says, fixture, 4000));
	fake_set(&fixture->engine, "/nodes", 200, "{}");
	fixture->text = "/nodes is not an array";
	assert_true(wait_until(fixture->loop, status_says, fixture, 4000));
	assert_int_equal(fixture->n_models, 1);
	publish(fixture);
	assert_true(wait_until(fixture->loop, is_current, fixture, 3000));
	assert_int_equal(fixture->n_models, 1);
}

static void fake_engine_source_closes_at_any_time(void **state)
{
	struct fixture *fixture = *state;

	for (uint64_t ms = 0; ms < 10; ms++) {
		open_source(fixture);
		wait_for(fixture->loop, ms);
		source_close(fixture->source);
		fixture->source = NULL;
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(fake_engine_model_is_reported_once),
		TEST(fake_engine_event_wakes_the_source),
		TEST(fake_engine_refresh_looks_at_once),
		TEST(fake_engine_gone_leaves_the_last_model_in_force),
		TEST(fake_engine_without_a_leader_is_told_in_its_own_words),
		TEST(fake_engine_nonsense_is_not_a_model),
		TEST(fake_engine_source_closes_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
