/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/api.h"
#include "agent/run_dir.h"
#include "lib/http.h"

#define BIG (4 << 20)

static char directory[] = "/tmp/skep-api-XXXXXX";
static char socket_path[64];

static struct {
	struct loop *loop;
	struct http *http;
	struct api *api;
	size_t pending;
	size_t answered; /* paths that were asked for their answer */
	long status;	 /* of the last answer */
	char *body;
	struct api_later *later; /* to be answered when timer expires */
	int later_err;
	struct loop_timer timer;
} test;

static int answer_limit(void *context, const struct api_query *query, json_t **body,
			struct skep_error *error)
{
	(void)error;
	assert_ptr_equal(context, &test);
	test.answered++;
	*body = json_pack("{s:I}", "limit", (json_int_t)query->limit);
	return 0;
}

static int answer_big(void *context, const struct api_query *query, json_t **body,
		      struct skep_error *error)
{
	char *text = malloc(BIG);

	(void)context;
	(void)query;
	(void)error;
	memset(text, 'a', BIG);
	*body = json_pack("[s%]", text, (size_t)BIG);
	free(text);
	return 0;
}

static int answer_error(void *context, const struct api_query *query, json_t **body,
			struct skep_error *error)
{
	(void)context;
	(void)query;
	(void)body;
	return error_set(error, -EPROTO, "what \"failed\" \xff");
}

static int answer_later(void *context, const struct api_query *query, json_t **body,
			struct skep_error *error)
{
	(void)context;
	(void)query;
	(void)body;
	return error_set(error, -EAGAIN, "no model yet");
}

static void answer_expired(struct loop_timer *timer)
{
	struct skep_error error;

	(void)timer;
	error_set(&error, -EINVAL, "after all");
	api_answer_later(test.later, test.later_err,
			 test.later_err ? NULL : json_pack("{s:b}", "late", true), &error);
}

static int post_echo(void *context, const json_t *request, json_t **body, struct skep_error *error)
{
	const char *fail = json_string_value(json_object_get(request, "fail"));

	(void)context;
	test.answered++;
	if (json_object_get(request, "later")) {
		test.later = api_later(test.api);
		test.later_err = fail ? -EINVAL : 0;
		test.timer.expired = answer_expired;
		loop_arm(test.loop, &test.timer, 50);
		return -EINPROGRESS;
	}
	if (fail)
		return error_set(error, !strcmp(fail, "there") ? -EALREADY : -EINVAL, "%s", fail);
	*body = json_deep_copy(request);
	return 0;
}

static const struct api_path paths[] = {
	{"/v1/limit", answer_limit, NULL},     {"/v1/big", answer_big, NULL},
	{"/v1/error", answer_error, NULL},     {"/v1/later", answer_later, NULL},
	{"/v1/echo", answer_limit, post_echo},
};

static int setup(void **state)
{
	struct skep_error error;

	(void)state;
	memset(&test, 0, sizeof(test));
	test.loop = loop_new();
	assert_non_null(test.loop);
	assert_int_equal(http_open(&test.http, test.loop, &error), 0);
	assert_int_equal(api_open(&test.api, test.loop, socket_path, paths,
				  sizeof(paths) / sizeof(*paths), &test, &error),
			 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	http_close(test.http);
	api_close(test.api);
	loop_free(test.loop);
	free(test.body);
	return 0;
}

static void done(void *context, const struct http_answer *answer)
{
	(void)context;
	if (!answer->status)
		print_error("%s\n", answer->error);
	test.status = answer->status;
	free(test.body);
	test.body = answer->body ? strdup(answer->body) : NULL;
	if (!--test.pending)
		loop_stop(test.loop);
}

static void start(const char *method, const char *path, const char *body)
{
	char url[128];
	struct http_query query = {
		.url = url,
		.method = method,
		.unix_socket = socket_path,
		.body = body,
		.limit = 2 * BIG,
		.timeout_ms = 10000,
		.done = done,
	};
	struct http_request *request;
	struct skep_error error;

	snprintf(url, sizeof(url), "http://skep%s", path);
	assert_int_equal(http_start(test.http, &query, &request, &error), 0);
	test.pending++;
}

static void expect(const char *method, const char *path, long status, const char *body)
{
	start(method, path, NULL);
	assert_int_equal(loop_run(test.loop), 0);
	assert_int_equal(test.status, status);
	if (body)
		assert_string_equal(test.body, body);
}

static void a_path_answers_its_json(void **state)
{
	(void)state;
	expect("GET", "/v1/limit", 200, "{\"limit\":0}");
	expect("GET", "/v1/limit?limit=17", 200, "{\"limit\":17}");
}

static void a_bad_limit_is_refused(void **state)
{
	static const char *const limits[] = {"0", "-1", "x", "", "1x", "1000001", "99999999999"};

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		char path[64];

		snprintf(path, sizeof(path), "/v1/limit?limit=%s", limits[i]);
		expect("GET", path, 400, "{\"error\":\"limit is not a number from 1 to 1000000\"}");
	}
	assert_int_equal(test.answered, 0);
}

static void an_unknown_path_is_not_found(void **state)
{
	(void)state;
	expect("GET", "/", 404, "{\"error\":\"there is no such path\"}");
	expect("GET", "/v1/limits", 404, "{\"error\":\"there is no such path\"}");
}

static void other_methods_than_get_are_refused(void **state)
{
	(void)state;
	expect("DELETE", "/v1/limit", 405, "{\"error\":\"this path answers GET only\"}");
	start("POST", "/v1/limit", "{\"a\":1}");
	assert_int_equal(loop_run(test.loop), 0);
	assert_int_equal(test.status, 405);
	assert_int_equal(test.answered, 0);
}

static void expect_post(const char *request, long status, const char *body)
{
	start("POST", "/v1/echo", request);
	assert_int_equal(loop_run(test.loop), 0);
	assert_int_equal(test.status, status);
	assert_string_equal(test.body, body);
}

static void a_path_takes_a_json_object_by_post(void **state)
{
	(void)state;
	expect_post("{\"a\": [1, 2]}", 200, "{\"a\":[1,2]}");
	assert_int_equal(test.answered, 1);
	expect("GET", "/v1/echo", 200, "{\"limit\":0}");
	expect("PUT", "/v1/echo", 405, "{\"error\":\"this path answers GET, POST only\"}");
}

static void a_posted_body_that_is_no_object_is_refused(void **state)
{
	static const char *const bodies[] = {"",      "[]",   "1",   "{", "{\"a\":1,\"a\":2}",
					     "{} {}", "null", "\xff"};

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++)
		expect_post(bodies[i], 400, "{\"error\":\"the body is no JSON object\"}");
	assert_int_equal(test.answered, 0);
}

static void a_posted_body_has_a_bound(void **state)
{
	char *body = malloc(BIG + 1);

	(void)state;
	memset(body, ' ', BIG);
	memcpy(body, "{}", 2);
	body[API_BODY_MAX] = '\0';
	expect_post(body, 200, "{}");
	body[API_BODY_MAX] = ' ';
	body[API_BODY_MAX + 1] = '\0';
	expect_post(body, 413, "{\"error\":\"the body is too large\"}");
	body[API_BODY_MAX + 1] = ' ';
	body[BIG] = '\0';
	expect_post(body, 413, "{\"error\":\"the body is too large\"}");
	assert_int_equal(test.answered, 1);
	free(body);
}

static void what_a_post_cannot_do_has_a_status_of_its_own(void **state)
{
	(void)state;
	expect_post("{\"fail\": \"there\"}", 409, "{\"error\":\"there\"}");
	expect_post("{\"fail\": \"wrong\"}", 400, "{\"error\":\"wrong\"}");
}

static void a_post_may_be_answered_later(void **state)
{
	(void)state;
	expect_post("{\"later\": true}", 200, "{\"late\":true}");
	expect_post("{\"later\": true, \"fail\": \"x\"}", 400, "{\"error\":\"after all\"}");
	assert_int_equal(test.answered, 2);
}

static void others_are_answered_meanwhile(void **state)
{
	(void)state;
	start("POST", "/v1/echo", "{\"later\": true}");
	for (int i = 0; i < 10; i++)
		start("GET", "/v1/limit", NULL);
	assert_int_equal(loop_run(test.loop), 0);
	assert_int_equal(test.answered, 11);
	assert_string_equal(test.body, "{\"late\":true}");
}

static void errors_come_as_one_line_of_json(void **state)
{
	(void)state;
	expect("GET", "/v1/error", 500, "{\"error\":\"what \\\"failed\\\" ?\"}");
	expect("GET", "/v1/later", 503, "{\"error\":\"no model yet\"}");
}

static void a_long_answer_arrives_whole(void **state)
{
	(void)state;
	expect("GET", "/v1/big", 200, NULL);
	assert_int_equal(strlen(test.body), BIG + 4);
}

static void many_ask_at_once(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++)
		start("GET", "/v1/limit", NULL);
	assert_int_equal(loop_run(test.loop), 0);
	assert_int_equal(test.answered, 50);
	assert_int_equal(test.status, 200);
}

static void the_socket_is_for_owner_and_group(void **state)
{
	struct stat status;

	(void)state;
	assert_int_equal(stat(socket_path, &status), 0);
	assert_true(S_ISSOCK(status.st_mode));
	assert_int_equal(status.st_mode & 0777, 0660);
}

static void closing_removes_the_socket(void **state)
{
	(void)state;
	api_close(test.api);
	test.api = NULL;
	assert_int_equal(access(socket_path, F_OK), -1);
}

static void a_stale_socket_is_replaced(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct skep_error error;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	api_close(test.api);
	test.api = NULL;
	strcpy(address.sun_path, socket_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(access(socket_path, F_OK), 0);
	assert_int_equal(api_open(&test.api, test.loop, socket_path, paths, 1, &test, &error), 0);
	expect("GET", "/v1/limit", 200, "{\"limit\":0}");
}

static void one_agent_holds_a_run_directory(void **state)
{
	struct skep_error error;
	char expected[32];
	int fd = -1, status;
	pid_t child;

	(void)state;
	assert_int_equal(run_dir_lock(directory, &fd, &error), 0);
	child = fork();
	if (!child) {
		struct skep_error why;
		int second;

		snprintf(expected, sizeof(expected), "(process %d)", getppid());
		_exit(run_dir_lock(directory, &second, &why) == -EBUSY && strstr(why.text, expected)
			      ? 0
			      : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	run_dir_unlock(directory, fd);
	assert_int_equal(run_dir_lock(directory, &fd, &error), 0);
	run_dir_unlock(directory, fd);
}

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(socket_path, sizeof(socket_path), "%s/skep.sock", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	return rmdir(directory);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_path_answers_its_json),
		TEST(a_bad_limit_is_refused),
		TEST(an_unknown_path_is_not_found),
		TEST(other_methods_than_get_are_refused),
		TEST(a_path_takes_a_json_object_by_post),
		TEST(a_posted_body_that_is_no_object_is_refused),
		TEST(a_posted_body_has_a_bound),
		TEST(what_a_post_cannot_do_has_a_status_of_its_own),
		TEST(a_post_may_be_answered_later),
		TEST(others_are_answered_meanwhile),
		TEST(errors_come_as_one_line_of_json),
		TEST(a_long_answer_arrives_whole),
		TEST(many_ask_at_once),
		TEST(the_socket_is_for_owner_and_group),
		TEST(closing_removes_the_socket),
		TEST(a_stale_socket_is_replaced),
		cmocka_unit_test(one_agent_holds_a_run_directory),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
