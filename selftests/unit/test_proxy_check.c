/* SPDX-License-Identifier: GPL-2.0-only */
/* Health checks of a task that a thread plays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/check.h"
#include "wait.h"

static struct loop *loop;
static struct http *http;
static struct checks *checks;
static struct skep_error error;

static int listener;
static uint16_t port;
static pthread_t thread;
static atomic_int status, asked; /* status 0: closes without an answer */
static char last_head[512];

static void *serve(void *context)
{
	int fd;

	(void)context;
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		char head[sizeof(last_head)] = "", answer[128];
		ssize_t n = recv(fd, head, sizeof(head) - 1, 0);
		int code = atomic_load(&status);

		if (n > 0 && code) {
			n = snprintf(answer, sizeof(answer),
				     "HTTP/1.1 %d X\r\nContent-Length: 0\r\n"
				     "Connection: close\r\n\r\n",
				     code);
			memcpy(last_head, head, sizeof(head));
			if (send(fd, answer, (size_t)n, MSG_NOSIGNAL) < 0)
				perror("send");
		}
		close(fd);
		atomic_fetch_add(&asked, 1);
	}
	return NULL;
}

static int setup(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);

	(void)state;
	loop = loop_new();
	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (!loop || http_open(&http, loop, &error) || checks_open(&checks, loop, http, &error) ||
	    bind(listener, (struct sockaddr *)&address, size) || listen(listener, 16) ||
	    getsockname(listener, (struct sockaddr *)&address, &size))
		return -1;
	port = ntohs(address.sin_port);
	atomic_store(&asked, 0);
	return pthread_create(&thread, NULL, serve, NULL);
}

static int teardown(void **state)
{
	(void)state;
	shutdown(listener, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(listener);
	checks_close(checks);
	http_close(http);
	loop_free(loop);
	return 0;
}

static const struct check *want(uint16_t expected)
{
	const struct route_check how = {.path = "/health",
					.host = "books.example",
					.status = expected,
					.interval_ms = 20,
					.timeout_ms = 500};
	const struct skep_addr addr = skep_addr_v4(htonl(INADDR_LOOPBACK));
	const struct check *check;

	assert_int_equal(checks_want(checks, &how, &addr, port, &check), 0);
	return check;
}

static bool is_down(void *check)
{
	return check_is_down(check);
}

static bool is_well(void *check)
{
	return !check_is_down(check);
}

static bool was_asked(void *times)
{
	return atomic_load(&asked) >= *(int *)times;
}

static void a_task_is_down_after_three_failures_and_well_after_one_success(void **state)
{
	const struct check *check = want(0);
	int three = 3, before;

	(void)state;
	atomic_store(&status, 200);
	assert_true(wait_until(loop, was_asked, &three, 5000));
	assert_false(check_is_down(check));
	assert_non_null(strstr(last_head, "GET /health HTTP/1.1\r\n"));
	assert_non_null(strstr(last_head, "Host: books.example\r\n"));
	before = atomic_load(&asked);
	atomic_store(&status, 500);
	assert_true(wait_until(loop, is_down, (void *)check, 5000));
	assert_true(atomic_load(&asked) >= before + CHECK_FAILURES);
	atomic_store(&status, 302);
	assert_true(wait_until(loop, is_well, (void *)check, 5000));
}

static void a_task_that_does_not_answer_is_down(void **state)
{
	const struct check *check = want(0);

	(void)state;
	atomic_store(&status, 0);
	assert_true(wait_until(loop, is_down, (void *)check, 5000));
}

static void a_status_that_is_named_is_the_only_good_one(void **state)
{
	const struct check *check = want(204);

	(void)state;
	atomic_store(&status, 200);
	assert_true(wait_until(loop, is_down, (void *)check, 5000));
	atomic_store(&status, 204);
	assert_true(wait_until(loop, is_well, (void *)check, 5000));
}

static void the_same_question_is_asked_once_for_all(void **state)
{
	const struct check *one = want(0), *same = want(0), *other = want(204);

	(void)state;
	assert_ptr_equal(one, same);
	assert_ptr_not_equal(one, other);
	checks_unwant(checks, one);
	assert_int_equal(same->users, 1);
	checks_unwant(checks, same);
	checks_unwant(checks, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_task_is_down_after_three_failures_and_well_after_one_success),
		TEST(a_task_that_does_not_answer_is_down),
		TEST(a_status_that_is_named_is_the_only_good_one),
		TEST(the_same_question_is_asked_once_for_all),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
