/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/listeners.h"

static struct proxy_config config;
static struct listeners listeners;
static struct skep_error error;

/* A port that nobody has now. */
static uint16_t free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static void set_entries(size_t n)
{
	memset(&config, 0, sizeof(config));
	for (size_t i = 0; i < n; i++) {
		snprintf(config.entries[i].name, sizeof(config.entries[i].name), "e%zu", i);
		config.entries[i].addr = skep_addr_v4(htonl(INADDR_LOOPBACK));
		config.entries[i].port = free_port();
	}
	config.n_entries = n;
}

static void open_all(size_t workers)
{
	if (listeners_open(&listeners, &config, workers, &error))
		fail_msg("%s", error.text);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void describe_to_environment(void)
{
	char *text = listeners_describe(&listeners, &config);

	for (size_t i = 0; i < listeners.n; i++)
		fcntl(listeners.list[i].fd, F_SETFD, 0);
	setenv(LISTENERS_VARIABLE, text, 1);
	free(text);
}

static void each_worker_has_a_socket_of_each_entry(void **state)
{
	size_t of_entry[2] = {0};

	(void)state;
	set_entries(2);
	open_all(3);
	assert_int_equal(listeners.n, 6);
	for (size_t i = 0; i < listeners.n; i++) {
		int listens = 0;
		socklen_t size = sizeof(listens);

		of_entry[listeners.list[i].entry]++;
		assert_int_equal(getsockopt(listeners.list[i].fd, SOL_SOCKET, SO_ACCEPTCONN,
					    &listens, &size),
				 0);
		assert_true(listens);
	}
	assert_int_equal(of_entry[0], 3);
	assert_int_equal(of_entry[1], 3);
	listeners_close(&listeners);
}

static void everywhere_means_both_families(void **state)
{
	struct sockaddr_in client = {.sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	set_entries(1);
	config.entries[0].addr = (struct skep_addr){{0}};
	client.sin_port = htons(config.entries[0].port);
	open_all(1);
	assert_int_equal(connect(fd, (struct sockaddr *)&client, sizeof(client)), 0);
	close(fd);
	listeners_close(&listeners);
}

static void the_description_names_descriptor_address_and_port(void **state)
{
	char expected[128], *text;

	(void)state;
	set_entries(1);
	open_all(1);
	text = listeners_describe(&listeners, &config);
	snprintf(expected, sizeof(expected), "%d:127.0.0.1/%u ", listeners.list[0].fd,
		 config.entries[0].port);
	assert_string_equal(text, expected);
	free(text);
	listeners_close(&listeners);
}

static void a_successor_takes_over_the_sockets_there_are(void **state)
{
	struct listeners before;

	(void)state;
	set_entries(2);
	open_all(2);
	before = listeners;
	describe_to_environment();
	open_all(2);
	assert_int_equal(listeners.n, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(listeners.list[i].fd, before.list[i].fd);
		assert_int_equal(fcntl(listeners.list[i].fd, F_GETFD), FD_CLOEXEC);
	}
	assert_null(getenv(LISTENERS_VARIABLE));
	free(before.list);
	listeners_close(&listeners);
}

static void more_workers_get_new_sockets_and_fewer_share_the_old(void **state)
{
	struct listeners before;

	(void)state;
	set_entries(1);
	open_all(2);
	before = listeners;
	describe_to_environment();
	open_all(3);
	assert_int_equal(listeners.n, 3);
	free(before.list);
	before = listeners;
	describe_to_environment();
	open_all(1);
	assert_int_equal(listeners.n, 3);
	free(before.list);
	listeners_close(&listeners);
}

static void a_socket_of_an_entry_that_is_gone_is_closed(void **state)
{
	struct listeners before;

	(void)state;
	set_entries(2);
	open_all(1);
	before = listeners;
	describe_to_environment();
	config.n_entries = 1;
	open_all(1);
	assert_int_equal(listeners.n, 1);
	assert_true(is_open(before.list[0].fd));
	assert_false(is_open(before.list[1].fd));
	free(before.list);
	listeners_close(&listeners);
}

static void a_variable_of_nonsense_takes_over_nothing(void **state)
{
	static const char *const texts[] = {"",
					    "x",
					    "1",
					    "1:",
					    "1:/80 ",
					    "1:127.0.0.1",
					    "1:a/80 ",
					    "-1:127.0.0.1/80 ",
					    "99999999999:127.0.0.1/80 ",
					    "1:127.0.0.1/80",
					    "1:127.0.0.1/99999 ",
					    "1:127.0.0.1/8x "};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		set_entries(1);
		setenv(LISTENERS_VARIABLE, texts[i], 1);
		open_all(1);
		assert_int_equal(listeners.n, 1);
		listeners_close(&listeners);
		assert_true(is_open(1));
	}
}

static void a_port_that_somebody_has_is_an_error_of_that_entry(void **state)
{
	char expected[256];
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	set_entries(1);
	address.sin_port = htons(config.entries[0].port);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(listeners_open(&listeners, &config, 1, &error), -EADDRINUSE);
	snprintf(expected, sizeof(expected),
		 "entry e0: cannot listen on 127.0.0.1 port %u: Address already in use",
		 config.entries[0].port);
	assert_string_equal(error.text, expected);
	close(fd);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_worker_has_a_socket_of_each_entry),
		cmocka_unit_test(everywhere_means_both_families),
		cmocka_unit_test(the_description_names_descriptor_address_and_port),
		cmocka_unit_test(a_successor_takes_over_the_sockets_there_are),
		cmocka_unit_test(more_workers_get_new_sockets_and_fewer_share_the_old),
		cmocka_unit_test(a_socket_of_an_entry_that_is_gone_is_closed),
		cmocka_unit_test(a_variable_of_nonsense_takes_over_nothing),
		cmocka_unit_test(a_port_that_somebody_has_is_an_error_of_that_entry),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
