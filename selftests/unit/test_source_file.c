/* SPDX-License-Identifier: GPL-2.0-only */
/* The file source: what it makes of a file that comes, changes, breaks and goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "lib/file.h"
#include "scratch.h"
#include "source/source.h"
#include "wait.h"

#define MODEL_A "{\"nodes\":[{\"id\":\"a\"}]}"
#define MODEL_B "{\"nodes\":[{\"id\":\"b\"}]}"

struct fixture {
	char *directory;
	char path[128];
	struct loop *loop;
	struct source *source;
	struct model *model;
	unsigned int n_models;
	unsigned int wanted;
	const char *text;
};

static void take_model(void *context, struct model *model)
{
	struct fixture *fixture = context;

	model_free(fixture->model);
	fixture->model = model;
	fixture->n_models++;
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	fixture->directory = scratch_make();
	snprintf(fixture->path, sizeof(fixture->path), "%s/model.json", fixture->directory);
	fixture->loop = loop_new();
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	source_close(fixture->source);
	loop_free(fixture->loop);
	model_free(fixture->model);
	scratch_remove(fixture->directory);
	free(fixture);
	return 0;
}

static void open_source(struct fixture *fixture)
{
	struct skep_error error;

	if (source_file_open(&fixture->source, fixture->loop, fixture->path,
			     &(struct source_receiver){take_model, fixture}, &error))
		fail_msg("%s", error.text);
}

/* In place, as an editor or a shell does. */
static void write_file(struct fixture *fixture, const char *text)
{
	FILE *file = fopen(fixture->path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
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

static void want_model(struct fixture *fixture, unsigned int n, const char *node)
{
	struct source_status status;

	fixture->wanted = n;
	assert_true(wait_until(fixture->loop, has_models, fixture, 3000));
	assert_int_equal(fixture->n_models, n);
	assert_string_equal(fixture->model->nodes[0].id, node);
	source_status(fixture->source, &status);
	assert_int_equal(status.state, SOURCE_CURRENT);
}

static void want_status(struct fixture *fixture, enum source_state state, const char *text)
{
	struct source_status status;

	fixture->text = text;
	assert_true(wait_until(fixture->loop, status_says, fixture, 3000));
	source_status(fixture->source, &status);
	assert_int_equal(status.state, state);
}

static void a_file_is_read_at_the_start_and_when_it_changes(void **state)
{
	struct fixture *fixture = *state;

	write_file(fixture, MODEL_A);
	open_source(fixture);
	want_model(fixture, 1, "a");
	write_file(fixture, MODEL_B);
	want_model(fixture, 2, "b");
}

static void a_file_renamed_into_place_is_read(void **state)
{
	struct fixture *fixture = *state;
	struct skep_error error;

	write_file(fixture, MODEL_A);
	open_source(fixture);
	want_model(fixture, 1, "a");
	assert_int_equal(file_replace(fixture->path, MODEL_B, strlen(MODEL_B), &error), 0);
	want_model(fixture, 2, "b");
	assert_int_equal(file_replace(fixture->path, MODEL_A, strlen(MODEL_A), &error), 0);
	want_model(fixture, 3, "a");
}

static void the_same_text_again_is_no_news(void **state)
{
	struct fixture *fixture = *state;

	write_file(fixture, MODEL_A);
	open_source(fixture);
	want_model(fixture, 1, "a");
	write_file(fixture, MODEL_A);
	wait_for(fixture->loop, 200);
	source_refresh(fixture->source);
	wait_for(fixture->loop, 50);
	want_model(fixture, 1, "a");
}

static void a_bad_file_leaves_the_last_model_in_force(void **state)
{
	struct fixture *fixture = *state;

	write_file(fixture, MODEL_A);
	open_source(fixture);
	want_model(fixture, 1, "a");
	write_file(fixture, "{\"nodes\": [");
	want_status(fixture, SOURCE_STALE, "not valid JSON");
	write_file(fixture, "{\"nodez\": []}");
	want_status(fixture, SOURCE_STALE, "nodez");
	unlink(fixture->path);
	want_status(fixture, SOURCE_STALE, "No such file or directory");
	assert_int_equal(fixture->n_models, 1);
	/* What was good before is good again, and no news. */
	write_file(fixture, MODEL_A);
	want_status(fixture, SOURCE_CURRENT, "file /");
	want_model(fixture, 1, "a");
	write_file(fixture, MODEL_B);
	want_model(fixture, 2, "b");
}

static void a_file_may_come_later(void **state)
{
	struct fixture *fixture = *state;

	open_source(fixture);
	want_status(fixture, SOURCE_STARTING, "No such file or directory");
	write_file(fixture, "no model");
	want_status(fixture, SOURCE_STARTING, "line 1");
	write_file(fixture, MODEL_A);
	want_model(fixture, 1, "a");
}

static void its_directory_may_go_and_come(void **state)
{
	struct fixture *fixture = *state;

	write_file(fixture, MODEL_A);
	open_source(fixture);
	want_model(fixture, 1, "a");
	unlink(fixture->path);
	rmdir(fixture->directory);
	want_status(fixture, SOURCE_STALE, "No such file or directory");
	mkdir(fixture->directory, 0700);
	write_file(fixture, MODEL_B);
	want_model(fixture, 2, "b");
	write_file(fixture, MODEL_A);
	want_model(fixture, 3, "a");
}

static void a_file_too_large_is_refused(void **state)
{
	struct fixture *fixture = *state;

	write_file(fixture, MODEL_A);
	assert_int_equal(truncate(fixture->path, (256L << 20) + 1), 0);
	open_source(fixture);
	want_status(fixture, SOURCE_STARTING, "larger than");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_is_read_at_the_start_and_when_it_changes),
		TEST(a_file_renamed_into_place_is_read),
		TEST(the_same_text_again_is_no_news),
		TEST(a_bad_file_leaves_the_last_model_in_force),
		TEST(a_file_may_come_later),
		TEST(its_directory_may_go_and_come),
		TEST(a_file_too_large_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
