/* SPDX-License-Identifier: GPL-2.0-only */
/* The path that clients wait at, and who may change things through the local API. */
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
#include "lib/hash.h"
#include "lib/http.h"

static char directory[] = "/tmp/skep-watch-XXXXXX";
static char socket_path[64];

static struct {
	struct loop *loop;
	struct http *http;
	struct api *api;
	const char *text; /* NULL: there is none yet */
	size_t made;	  /* times that it was asked for */
	long status;
	char *body;
	struct loop_timer timer;
} test;

static int text(void *context, char **result, size_t *size, struct skep_error *error)
{
	assert_ptr_equal(context, &test);
	if (!test.text)
		return error_set(error, -EAGAIN, "no model yet");
	test.made++;
	*result = strdup(test.text);
	*size = strlen(test.text);
	return 0;
}

static int post(void *context, const json_t *request, json_t **body, struct skep_error *error)
{
	(void)context;
	(void)request;
	(void)error;
	*body = json_object();
	return 0;
}

static int get(void *context, const struct api_query *query, json_t **body,
	       struct skep_error *error)
{
	(void)query;
	return post(context, NULL, body, error);
}

static const struct api_path paths[] = {{"/v1/change", get, post}};

static int setup(void **state)
{
	struct skep_error error;

	(void)state;
	memset(&test, 0, sizeof(test));
	test.text = "one";
	test.loop = loop_new();
	assert_non_null(test.loop);
	assert_int_equal(http_open(&test.http, test.loop, &error), 0);
	assert_int_equal(api_open(&test.api, test.loop, socket_path, paths, 1, &test, &error), 0);
	assert_int_equal(api_serve_text(test.api, "/v1/watch", text, &error), 0);
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
	test.status = answer->status;
	free(test.body);
	test.body = answer->body ? strdup(answer->body) : NULL;
	loop_stop(test.loop);
}

static struct http_request *start(const char *version)
{
	char url[128];
	const struct http_query query = {
		.url = url,
		.unix_socket = socket_path,
		.limit = 1024,
		.timeout_ms = 10000,
		.done = done,
	};
	struct http_request *request;
	struct skep_error error;

	snprintf(url, sizeof(url), "http://skep/v1/watch%s%s", version ? "?version=" : "",
		 version ? version : "");
	assert_int_equal(http_start(test.http, &query, &request, &error), 0);
	return request;
}

static const char *version_of(const char *of)
{
	static char version[HASH_TEXT_SIZE];

	hash_text(hash_bytes(HASH_START, of, strlen(of)), version);
	return version;
}

static void expect(const char *version, long status, const char *body)
{
	start(version);
	assert_int_equal(loop_run(test.loop), 0);
	assert_int_equal(test.status, status);
	if (body)
		assert_string_equal(test.body, body);
}

static void who_has_nothing_or_something_else_is_answered_at_once(void **state)
{
	(void)state;
	expect(NULL, 200, "one");
	expect("0123456789abcdef", 200, "one");
	expect("", 200, "one");
	/* Made once, however many ask. */
	assert_int_equal(test.made, 1);
}

static void without_a_text_the_reason_is_told(void **state)
{
	(void)state;
	test.text = NULL;
	expect(NULL, 503, "{\"error\":\"no model yet\"}");
	test.text = "one";
	expect(NULL, 200, "one");
}

static void change(struct loop_timer *timer)
{
	(void)timer;
	/* Nothing was answered before. */
	assert_int_equal(test.status, 0);
	test.text = "two";
	api_changed(test.api);
}

static void who_has_it_waits_for_the_next(void **state)
{
	(void)state;
	test.timer.expired = change;
	loop_arm(test.loop, &test.timer, 200);
	expect(version_of("one"), 200, "two");
}

static void stop(struct loop_timer *timer)
{
	(void)timer;
	loop_stop(test.loop);
}

static void who_waits_does_not_keep_the_server_from_closing(void **state)
{
	struct http_request *request = start(version_of("one"));

	(void)state;
	test.timer.expired = stop;
	loop_arm(test.loop, &test.timer, 200);
	assert_int_equal(loop_run(test.loop), 0);
	assert_int_equal(test.status, 0);
	http_cancel(request);
	api_close(test.api);
	test.api = NULL;
}

/* Asks as another user, in another process: writes the status' digits to the pipe. */
static void ask_as_nobody(int out, const char *request)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char answer[512] = "";
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(address.sun_path, socket_path, sizeof(socket_path));
	if (setgid(65534) || setuid(65534) ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    write(fd, request, strlen(request)) < 0 || read(fd, answer, sizeof(answer) - 1) < 12)
		_exit(1);
	_exit(write(out, answer + 9, 3) != 3);
}

static void child_ended(struct loop_watch *watch, uint32_t events)
{
	(void)watch;
	(void)events;
	loop_stop(test.loop);
}

static void expect_as_nobody(const char *request, const char *status)
{
	struct loop_watch watch = {.ready = child_ended};
	char digits[4] = "";
	int ends[2], how;
	pid_t child;

	assert_int_equal(chmod(directory, 0755), 0);
	assert_int_equal(chmod(socket_path, 0666), 0);
	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child)
		ask_as_nobody(ends[1], request);
	close(ends[1]);
	watch.fd = ends[0];
	assert_int_equal(loop_add(test.loop, &watch, 1 /* EPOLLIN */), 0);
	assert_int_equal(loop_run(test.loop), 0);
	assert_int_equal(read(ends[0], digits, 3), 3);
	assert_string_equal(digits, status);
	loop_remove(test.loop, &watch);
	close(ends[0]);
	assert_int_equal(waitpid(child, &how, 0), child);
	assert_int_equal(how, 0);
}

static void who_is_not_root_may_look_and_change_nothing(void **state)
{
	(void)state;
	expect_as_nobody("GET /v1/watch HTTP/1.1\r\nHost: a\r\n\r\n", "200");
	expect_as_nobody("GET /v1/change HTTP/1.1\r\nHost: a\r\n\r\n", "200");
	expect_as_nobody("POST /v1/change HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
			 "403");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			who_has_nothing_or_something_else_is_answered_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(without_a_text_the_reason_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(who_has_it_waits_for_the_next, setup, teardown),
		cmocka_unit_test_setup_teardown(who_waits_does_not_keep_the_server_from_closing,
						setup, teardown),
		cmocka_unit_test_setup_teardown(who_is_not_root_may_look_and_change_nothing, setup,
						teardown),
	};
	int failed;

	if (!mkdtemp(directory))
		return 1;
	snprintf(socket_path, sizeof(socket_path), "%s/socket", directory);
	failed = cmocka_run_group_tests_name("api_watch", tests, NULL, NULL);
	rmdir(directory);
	return failed;
}
