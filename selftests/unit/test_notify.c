/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/notify.h"

/* The service manager's end: a datagram socket, named by a path or, with '@', abstractly. */
static struct manager {
	struct loop *loop;
	struct notify *notify;
	int fd;
	char path[64];
	struct loop_watch watch;
	size_t wanted, received;
	char last[256];
} manager;

static void manager_open(bool abstract)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length;

	memset(&manager, 0, sizeof(manager));
	snprintf(manager.path, sizeof(manager.path), "%sskep-notify-%d", abstract ? "@" : "/tmp/",
		 getpid());
	length = strlen(manager.path);
	memcpy(address.sun_path, manager.path, length);
	if (abstract)
		address.sun_path[0] = '\0';
	manager.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(manager.fd >= 0);
	assert_int_equal(bind(manager.fd, (struct sockaddr *)&address,
			      offsetof(struct sockaddr_un, sun_path) + length + (abstract ? 0 : 1)),
			 0);
	setenv("NOTIFY_SOCKET", manager.path, 1);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	manager.loop = loop_new();
	assert_non_null(manager.loop);
}

static void notify_start(void)
{
	struct skep_error error;

	assert_int_equal(notify_open(&manager.notify, manager.loop, &error), 0);
}

static int manager_close(void **state)
{
	(void)state;
	notify_close(manager.notify);
	loop_free(manager.loop);
	close(manager.fd);
	if (manager.path[0] == '/')
		unlink(manager.path);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return 0;
}

static void expect(const char *text)
{
	char message[512];
	ssize_t size = recv(manager.fd, message, sizeof(message) - 1, MSG_DONTWAIT);

	assert_true(size > 0);
	message[size] = '\0';
	assert_string_equal(message, text);
}

static void expect_silence(void)
{
	char message[512];

	assert_int_equal(recv(manager.fd, message, sizeof(message), MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static void ready_status_and_stopping_are_told(void **state)
{
	(void)state;
	manager_open(false);
	notify_start();
	notify_ready(manager.notify);
	expect("READY=1");
	notify_status(manager.notify, "3 services\nWATCHDOG=trigger");
	expect("STATUS=3 services");
	notify_stopping(manager.notify);
	expect("STOPPING=1");
	expect_silence();
}

static void an_unchanged_status_is_told_once(void **state)
{
	(void)state;
	manager_open(false);
	notify_start();
	notify_status(manager.notify, "one");
	notify_status(manager.notify, "one");
	notify_status(manager.notify, "two");
	expect("STATUS=one");
	expect("STATUS=two");
	expect_silence();
}

static void an_abstract_socket_will_do(void **state)
{
	(void)state;
	manager_open(true);
	notify_start();
	notify_ready(manager.notify);
	expect("READY=1");
}

static void manager_ready(struct loop_watch *watch, uint32_t events)
{
	ssize_t size = recv(watch->fd, manager.last, sizeof(manager.last) - 1, MSG_DONTWAIT);

	(void)events;
	assert_true(size > 0);
	manager.last[size] = '\0';
	if (++manager.received == manager.wanted)
		loop_stop(manager.loop);
}

static void the_watchdog_is_fed_at_half_its_time(void **state)
{
	uint64_t began;

	(void)state;
	manager_open(false);
	setenv("WATCHDOG_USEC", "200000", 1);
	began = loop_now_ns();
	notify_start();
	manager.watch = (struct loop_watch){.fd = manager.fd, .ready = manager_ready};
	assert_int_equal(loop_add(manager.loop, &manager.watch, EPOLLIN), 0);
	manager.wanted = 2;
	assert_int_equal(loop_run(manager.loop), 0);
	assert_string_equal(manager.last, "WATCHDOG=1");
	/* Two of them, 100 ms apart; timers are never early, but may be late on a busy machine. */
	assert_true(loop_now_ns() - began >= 199000000ULL);
	loop_remove(manager.loop, &manager.watch);
}

static void a_watchdog_for_another_process_is_not_fed(void **state)
{
	struct pollfd fd;

	(void)state;
	manager_open(false);
	setenv("WATCHDOG_USEC", "2000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	notify_start();
	fd = (struct pollfd){.fd = manager.fd, .events = POLLIN};
	assert_int_equal(poll(&fd, 1, 20), 0);
}

static void without_a_service_manager_nothing_happens(void **state)
{
	(void)state;
	manager_open(false);
	unsetenv("NOTIFY_SOCKET");
	notify_start();
	notify_ready(manager.notify);
	notify_status(manager.notify, "x");
	expect_silence();
}

static void a_socket_that_cannot_be_is_an_error(void **state)
{
	struct skep_error error;

	(void)state;
	manager_open(false);
	setenv("NOTIFY_SOCKET", "relative", 1);
	assert_int_equal(notify_open(&manager.notify, manager.loop, &error), -EINVAL);
	assert_string_equal(error.text,
			    "NOTIFY_SOCKET=relative is neither a path nor an @name that fits");
	manager.notify = NULL;
}

#define TEST(function) cmocka_unit_test_teardown(function, manager_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ready_status_and_stopping_are_told),
		TEST(an_unchanged_status_is_told_once),
		TEST(an_abstract_socket_will_do),
		TEST(the_watchdog_is_fed_at_half_its_time),
		TEST(a_watchdog_for_another_process_is_not_fed),
		TEST(without_a_service_manager_nothing_happens),
		TEST(a_socket_that_cannot_be_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
