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
#include <unistd.h>

#include "proxy/config.h"

#define FLAGS(...) ((char *[]){__VA_ARGS__, NULL})

static struct proxy_config config;
static struct skep_error error;

/* Of a file of this text, then the flags. */
static int read_text(const char *text, char *const flags[])
{
	char path[] = "/tmp/skep-proxy-XXXXXX", *argv[80] = {"--config", path};
	int fd = mkstemp(path), argc = 2, err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	for (; flags && flags[argc - 2]; argc++)
		argv[argc] = flags[argc - 2];
	err = proxy_config_read(&config, argc, argv, &error);
	unlink(path);
	return err;
}

static void takes(char *const flags[])
{
	if (read_text("", flags))
		fail_msg("%s", error.text);
}

static void refuses(char *const flags[], const char *text)
{
	assert_int_equal(read_text("", flags), -EINVAL);
	assert_string_equal(error.text, text);
}

static void defaults_are_those_documented(void **state)
{
	(void)state;
	takes(NULL);
	assert_int_equal(config.n_entries, 1);
	assert_string_equal(config.entries[0].name, "http");
	assert_int_equal(config.entries[0].port, 80);
	assert_true(skep_addr_is_zero(&config.entries[0].addr));
	assert_int_equal(config.workers, 0);
	assert_string_equal(config.agent_socket, "/run/skep/skep.sock");
	assert_string_equal(config.run_dir, "/run/skep-proxy");
	assert_string_equal(config.user, "");
	assert_int_equal(config.log_level, LOG_LEVEL_INFO);
	assert_int_equal(config.n_trusted, 0);
	assert_int_equal(config.head_bytes, 65536);
	assert_int_equal(config.head_fields, 128);
	assert_int_equal(config.head_time_ms, 10000);
	assert_int_equal(config.body_rate, 240);
	assert_int_equal(config.idle_time_ms, 60000);
	assert_int_equal(config.connect_time_ms, 5000);
	assert_int_equal(config.answer_time_ms, 60000);
	assert_int_equal(config.pool, 256);
	assert_int_equal(config.pool_time_ms, 30000);
	assert_int_equal(config.max_connections, 65536);
	assert_int_equal(config.drain_time_ms, 30000);
	assert_string_equal(config.access_log, "");
	assert_int_equal(config.access_format, PROXY_LOG_COMBINED);
}

static void every_flag_has_its_field(void **state)
{
	(void)state;
	takes(FLAGS("--workers", "3", "--agent", "/a.sock", "--run-dir", "/r", "--user", "nobody",
		    "--head-bytes", "2048", "--head-fields", "16", "--head-time", "2",
		    "--body-rate", "7", "--idle-time", "4", "--connect-time", "5", "--answer-time",
		    "6", "--pool", "8", "--pool-time", "9", "--max-connections", "100",
		    "--drain-time", "11", "--splice-from", "12", "--access-log", "/l",
		    "--access-format", "json", "--log-level", "debug"));
	assert_int_equal(config.workers, 3);
	assert_string_equal(config.agent_socket, "/a.sock");
	assert_string_equal(config.run_dir, "/r");
	assert_string_equal(config.user, "nobody");
	assert_int_equal(config.head_bytes, 2048);
	assert_int_equal(config.head_fields, 16);
	assert_int_equal(config.head_time_ms, 2000);
	assert_int_equal(config.body_rate, 7);
	assert_int_equal(config.idle_time_ms, 4000);
	assert_int_equal(config.connect_time_ms, 5000);
	assert_int_equal(config.answer_time_ms, 6000);
	assert_int_equal(config.pool, 8);
	assert_int_equal(config.pool_time_ms, 9000);
	assert_int_equal(config.max_connections, 100);
	assert_int_equal(config.drain_time_ms, 11000);
	assert_int_equal(config.splice_from, 12);
	assert_string_equal(config.access_log, "/l");
	assert_int_equal(config.access_format, PROXY_LOG_JSON);
	assert_int_equal(config.log_level, LOG_LEVEL_DEBUG);
}

static void an_entry_is_a_name_an_address_and_a_port(void **state)
{
	char text[ADDR_TEXT_SIZE];

	(void)state;
	takes(FLAGS("--http", "192.0.2.1:8080", "--entry", "admin=[2001:db8::1]:81", "--entry",
		    "two=:82"));
	assert_int_equal(config.n_entries, 3);
	assert_string_equal(config.entries[0].name, "http");
	assert_string_equal(addr_text(&config.entries[0].addr, text), "192.0.2.1");
	assert_int_equal(config.entries[0].port, 8080);
	assert_string_equal(config.entries[1].name, "admin");
	assert_string_equal(addr_text(&config.entries[1].addr, text), "2001:db8::1");
	assert_int_equal(config.entries[1].port, 81);
	assert_true(skep_addr_is_zero(&config.entries[2].addr));
}

static void http_can_be_switched_off_if_there_is_another_entry(void **state)
{
	(void)state;
	takes(FLAGS("--http", "off", "--entry", "a=:81"));
	assert_int_equal(config.n_entries, 1);
	assert_string_equal(config.entries[0].name, "a");
	refuses(FLAGS("--http", "off"), "no entry: give --http or --entry");
}

static void flags_entries_replace_the_files_and_http_stays(void **state)
{
	(void)state;
	assert_int_equal(read_text("http :8080\nentry a=:81\nentry b=:82\ntrust 10.0.0.0/8\n",
				   FLAGS("--entry", "c=:83", "--trust", "192.0.2.0/24", "--trust",
					 "2001:db8::/32")),
			 0);
	assert_int_equal(config.n_entries, 2);
	assert_string_equal(config.entries[0].name, "http");
	assert_int_equal(config.entries[0].port, 8080);
	assert_string_equal(config.entries[1].name, "c");
	assert_int_equal(config.n_trusted, 2);
}

static void a_lone_address_is_a_network_of_one(void **state)
{
	(void)state;
	takes(FLAGS("--trust", "192.0.2.7"));
	assert_int_equal(config.trusted[0].length, 128);
}

static void the_access_log_is_a_path_or_a_word(void **state)
{
	(void)state;
	takes(FLAGS("--access-log", "-"));
	assert_string_equal(config.access_log, "-");
	assert_int_equal(read_text("access-log /l\n", FLAGS("--access-log", "off")), 0);
	assert_string_equal(config.access_log, "");
}

static void bad_values_are_refused_by_name(void **state)
{
	(void)state;
	refuses(FLAGS("--http", "8080"),
		"--http: \"8080\" is not of the form ADDR:PORT, [ADDR]:PORT or :PORT");
	refuses(FLAGS("--http", ":0"),
		"--http: \":0\" is not of the form ADDR:PORT, [ADDR]:PORT or :PORT");
	refuses(FLAGS("--http", ":65536"),
		"--http: \":65536\" is not of the form ADDR:PORT, [ADDR]:PORT or :PORT");
	refuses(FLAGS("--http", "2001:db8::1:80"),
		"--http: \"2001:db8::1:80\" is not of the form ADDR:PORT, [ADDR]:PORT or :PORT");
	refuses(FLAGS("--http", "host:80"),
		"--http: \"host:80\" is not of the form ADDR:PORT, [ADDR]:PORT or :PORT");
	refuses(FLAGS("--entry", ":80"), "--entry: \":80\" is not of the form NAME=ADDR:PORT");
	refuses(FLAGS("--entry", "=:80"), "--entry: \"=:80\" is not of the form NAME=ADDR:PORT");
	refuses(FLAGS("--entry", "a b=:81"),
		"--entry: an entry's name has letters, digits, '-', '_' and '.' only");
	refuses(FLAGS("--entry", "a=:81", "--entry", "a=:82"), "--entry: entry a is given twice");
	refuses(FLAGS("--entry", "http=:81"), "--entry: entry http is given twice");
	refuses(FLAGS("--entry", "a=:80"), "--entry: entry http has that address and port already");
	refuses(FLAGS("--workers", "0"), "--workers: \"0\" is not a number from 1 to 64");
	refuses(FLAGS("--workers", "65"), "--workers: \"65\" is not a number from 1 to 64");
	refuses(FLAGS("--agent", "a.sock"), "--agent: \"a.sock\" is not an absolute path");
	refuses(FLAGS("--run-dir", "r"), "--run-dir: \"r\" is not an absolute path");
	refuses(FLAGS("--user", ""), "--user: \"\" is not a user's name");
	refuses(FLAGS("--trust", "all"), "--trust: \"all\" is not a network like 192.0.2.0/24");
	refuses(FLAGS("--head-bytes", "10"),
		"--head-bytes: \"10\" is not a number from 1024 to 1048576");
	refuses(FLAGS("--head-fields", "129"),
		"--head-fields: \"129\" is not a number from 8 to 128");
	refuses(FLAGS("--head-time", "0"), "--head-time: \"0\" is not a number from 1 to 3600");
	refuses(FLAGS("--body-rate", "-1"),
		"--body-rate: \"-1\" is not a number from 0 to 1073741824");
	refuses(FLAGS("--idle-time", "1m"), "--idle-time: \"1m\" is not a number from 1 to 86400");
	refuses(FLAGS("--connect-time", "0"),
		"--connect-time: \"0\" is not a number from 1 to 3600");
	refuses(FLAGS("--answer-time", ""), "--answer-time: \"\" is not a number from 1 to 86400");
	refuses(FLAGS("--pool", "65537"), "--pool: \"65537\" is not a number from 0 to 65536");
	refuses(FLAGS("--pool-time", "0"), "--pool-time: \"0\" is not a number from 1 to 86400");
	refuses(FLAGS("--max-connections", "1"),
		"--max-connections: \"1\" is not a number from 16 to 16777216");
	refuses(FLAGS("--drain-time", "x"), "--drain-time: \"x\" is not a number from 0 to 86400");
	refuses(FLAGS("--splice-from", "99999999999"),
		"--splice-from: \"99999999999\" is not a number from 0 to 1073741824");
	refuses(FLAGS("--access-log", "log"), "--access-log: \"log\" is not an absolute path");
	refuses(FLAGS("--access-format", "xml"),
		"--access-format: \"xml\" is neither combined nor json");
	refuses(FLAGS("--log-level", "loud"),
		"--log-level: \"loud\" is none of error, warning, info, debug");
}

static void no_more_entries_and_networks_than_there_is_room_for(void **state)
{
	char text[4096] = "", *end = text;

	(void)state;
	for (int i = 0; i < PROXY_MAX_ENTRIES; i++)
		end += sprintf(end, "entry e%d=:%d\n", i, 8000 + i);
	assert_int_equal(read_text(text, NULL), -EINVAL);
	assert_non_null(strstr(error.text, ":16: entry: more than 16 entries"));
	end = text;
	for (int i = 0; i <= PROXY_MAX_TRUSTED; i++)
		end += sprintf(end, "trust 10.%d.0.0/16\n", i);
	assert_int_equal(read_text(text, NULL), -EINVAL);
	assert_non_null(strstr(error.text, ":65: trust: more than 64 networks"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_documented),
		cmocka_unit_test(every_flag_has_its_field),
		cmocka_unit_test(an_entry_is_a_name_an_address_and_a_port),
		cmocka_unit_test(http_can_be_switched_off_if_there_is_another_entry),
		cmocka_unit_test(flags_entries_replace_the_files_and_http_stays),
		cmocka_unit_test(a_lone_address_is_a_network_of_one),
		cmocka_unit_test(the_access_log_is_a_path_or_a_word),
		cmocka_unit_test(bad_values_are_refused_by_name),
		cmocka_unit_test(no_more_entries_and_networks_than_there_is_room_for),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
