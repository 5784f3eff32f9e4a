/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/config.h"

#define ARGUMENTS(...) ((char *[]){__VA_ARGS__, NULL})

static struct agent_config config;
static struct skep_error error;

static int read_flags(char *const argv[])
{
	int argc = 0;

	while (argv[argc])
		argc++;
	return agent_config_read(&config, argc, argv, &error);
}

/* Reads a file of the given text, and flags after it. */
static int read_text(const char *text, char *const flags[])
{
	char path[] = "/tmp/skep-config-XXXXXX";
	char *argv[16] = {"--config", path};
	int fd = mkstemp(path), err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	for (size_t i = 0; flags && flags[i]; i++)
		argv[2 + i] = flags[i];
	err = read_flags(argv);
	unlink(path);
	return err;
}

/* That reading text fails, and says so about the given line. */
static void refuses_line(const char *text, const char *ending)
{
	const char *colon;

	assert_int_equal(read_text(text, NULL), -EINVAL);
	colon = strchr(error.text, ':');
	assert_non_null(colon);
	assert_string_equal(colon + 1, ending);
}

static void refuses_flags(char *const argv[], const char *text)
{
	assert_int_equal(read_flags(argv), -EINVAL);
	assert_string_equal(error.text, text);
}

static void defaults_are_those_documented(void **state)
{
	(void)state;
	assert_int_equal(read_text("", NULL), 0);
	assert_int_equal(config.n_interfaces, 0);
	assert_int_equal(config.n_vips, 0);
	assert_int_equal(config.source, CONFIG_SOURCE_AUTO);
	assert_string_equal(config.docker_socket, "/var/run/docker.sock");
	assert_string_equal(config.docker_root, "/var/lib/docker");
	assert_int_equal(config.feed_port, 2378);
	assert_int_equal(config.tunnel_port, 4799);
	assert_string_equal(config.bpffs, "/sys/fs/bpf/skep");
	assert_string_equal(config.state_dir, "/var/lib/skep");
	assert_string_equal(config.run_dir, "/run/skep");
	assert_string_equal(config.cgroup, "");
	assert_int_equal(config.datapath, DATAPATH_AUTO);
	assert_false(config.dsr);
	assert_int_equal(config.log_level, LOG_LEVEL_INFO);
	assert_int_equal(config.max_flows, 262144);
	assert_int_equal(config.max_tasks, 65536);
	assert_int_equal(config.max_services, 16384);
	assert_int_equal(config.max_frontends, 131072);
	assert_int_equal(config.max_nodes, 4096);
}

static void every_flag_is_also_a_line_of_the_file(void **state)
{
	(void)state;
	assert_int_equal(read_text("# a comment\n"
				   "interface eth0,eth1   # two\n"
				   "\n"
				   "vip\t10.0.0.9\r\n"
				   "  vip 10.0.0.8\n"
				   "source file:/etc/mesh#1.json\n"
				   "docker unix:///run/d.sock\n"
				   "docker-root /srv/docker\n"
				   "feed-port 1\n"
				   "tunnel-port 65535\n"
				   "bpffs /sys/fs/bpf/other\n"
				   "state-dir /s\n"
				   "run-dir /r\n"
				   "cgroup /c\n"
				   "datapath xdp\n"
				   "return dsr\n"
				   "log-level debug\n"
				   "max-flows 1024\n"
				   "max-tasks 100\n"
				   "max-services 101\n"
				   "max-frontends 102\n"
				   "max-nodes 103",
				   NULL),
			 0);
	assert_int_equal(config.n_interfaces, 2);
	assert_string_equal(config.interfaces[0], "eth0");
	assert_string_equal(config.interfaces[1], "eth1");
	assert_int_equal(config.n_vips, 2);
	assert_int_equal(ntohl(config.vips[0].word[3]), 0x0a000008);
	assert_int_equal(ntohl(config.vips[1].word[3]), 0x0a000009);
	assert_int_equal(config.source, CONFIG_SOURCE_FILE);
	assert_string_equal(config.source_path, "/etc/mesh#1.json");
	assert_string_equal(config.docker_socket, "/run/d.sock");
	assert_string_equal(config.docker_root, "/srv/docker");
	assert_int_equal(config.feed_port, 1);
	assert_int_equal(config.tunnel_port, 65535);
	assert_string_equal(config.bpffs, "/sys/fs/bpf/other");
	assert_string_equal(config.state_dir, "/s");
	assert_string_equal(config.run_dir, "/r");
	assert_string_equal(config.cgroup, "/c");
	assert_int_equal(config.datapath, DATAPATH_XDP);
	assert_true(config.dsr);
	assert_int_equal(config.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(config.max_flows, 1024);
	assert_int_equal(config.max_tasks, 100);
	assert_int_equal(config.max_services, 101);
	assert_int_equal(config.max_frontends, 102);
	assert_int_equal(config.max_nodes, 103);
}

static void flags_win_over_the_file(void **state)
{
	(void)state;
	assert_int_equal(
		read_text("feed-port 1\nvip 10.0.0.1\nvip 10.0.0.2\ninterface a,b\n"
			  "tunnel-port 5\n",
			  ARGUMENTS("--feed-port=2", "--vip", "10.0.0.3", "--interface", "c")),
		0);
	assert_int_equal(config.feed_port, 2);
	assert_int_equal(config.tunnel_port, 5);
	assert_int_equal(config.n_vips, 1);
	assert_int_equal(ntohl(config.vips[0].word[3]), 0x0a000003);
	assert_int_equal(config.n_interfaces, 1);
	assert_string_equal(config.interfaces[0], "c");
}

static void a_bad_line_is_named_by_file_and_line(void **state)
{
	(void)state;
	refuses_line("\n# x\nfeed-prot 1\n", "3: feed-prot: there is no such setting");
	refuses_line("feed-port\n", "1: feed-port: a value is missing");
	refuses_line("feed-port # 1\n", "1: feed-port: a value is missing");
	refuses_line("feed-port 1\nfeed-port 1\n", "2: feed-port: given twice");
	refuses_line("feed-port 0\n", "1: feed-port: \"0\" is not a number from 1 to 65535");
	refuses_line("feed-port -1\n", "1: feed-port: \"-1\" is not a number from 1 to 65535");
	refuses_line("feed-port 65536\n",
		     "1: feed-port: \"65536\" is not a number from 1 to 65535");
	refuses_line("max-tasks 99999999999999999999\n",
		     "1: max-tasks: \"99999999999999999999\" is not a number from 16 to 200000");
	refuses_line("feed-port 1 2\n", "1: feed-port: \"1 2\" is not a number from 1 to 65535");
	refuses_line("vip ::1\n", "1: vip: \"::1\" is not an IPv4 address");
	refuses_line("vip 0.0.0.0\n", "1: vip: \"0.0.0.0\" is not an IPv4 address");
	refuses_line("vip 10.0.0.1\nvip 10.0.0.1\n", "2: vip: 10.0.0.1 is given twice");
	refuses_line("vip 10.0.0.1\nvip 10.0.0.1,hold\n", "2: vip: 10.0.0.1 is given twice");
	refuses_line("vip 10.0.0.1,held\n",
		     "1: vip: only \",hold\" may follow the address, not \",held\"");
	refuses_line("vip 10.0.0.1,\n", "1: vip: only \",hold\" may follow the address, not \",\"");
	refuses_line("vip ,hold\n", "1: vip: \",hold\" is not an IPv4 address");
	refuses_line("vip 224.0.0.18\n", "1: vip: 224.0.0.18 is not the address of a host");
	refuses_line("vip 127.0.0.1\n", "1: vip: 127.0.0.1 is not the address of a host");
	refuses_line("vip 255.255.255.255\n",
		     "1: vip: 255.255.255.255 is not the address of a host");
	refuses_line("bpffs relative\n", "1: bpffs: \"relative\" is not an absolute path");
	refuses_line("docker /run/docker.sock\n",
		     "1: docker: \"/run/docker.sock\" is not of the form unix:///path");
	refuses_line("source swam\n",
		     "1: source: \"swam\" is none of auto, swarm, feed, file:PATH");
	refuses_line("source file:\n", "1: source: file: needs a path of 1 to 255 bytes");
	refuses_line("return direct\n", "1: return: \"direct\" is neither tunnel nor dsr");
	refuses_line("datapath fast\n", "1: datapath: \"fast\" is none of auto, xdp, tc");
	refuses_line("log-level loud\n",
		     "1: log-level: \"loud\" is none of error, warning, info, debug");
	refuses_line("interface eth0,\n", "1: interface: \"\" is not an interface's name");
	refuses_line("interface eth0,eth0\n", "1: interface: eth0 is named twice");
	refuses_line("interface 0123456789abcdef\n",
		     "1: interface: \"0123456789abcdef\" is not an interface's name");
	refuses_line("interface skep0\n",
		     "1: interface: skep0 is skep's own, clients do not come in by it");
	refuses_line("config /etc/other\n", "1: config: there is no such setting");
}

static void a_bad_flag_is_named(void **state)
{
	(void)state;
	refuses_flags(ARGUMENTS("--feed-prot", "1"), "--feed-prot: there is no such setting");
	refuses_flags(ARGUMENTS("--feed-port"), "--feed-port: a value is missing");
	refuses_flags(ARGUMENTS("--feed-port=x"),
		      "--feed-port: \"x\" is not a number from 1 to 65535");
	refuses_flags(ARGUMENTS("--feed-port=1", "--feed-port=1"), "--feed-port: given twice");
	refuses_flags(ARGUMENTS("feed-port"), "feed-port: is not a flag");
	refuses_flags(ARGUMENTS("--"), "--: is not a flag");
	refuses_flags(ARGUMENTS("--config=/a", "--config=/b"), "--config: given twice");
}

static void a_run_directory_too_long_for_a_socket_is_refused(void **state)
{
	char path[200];

	(void)state;
	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	refuses_flags(ARGUMENTS("--run-dir", path), "--run-dir: path is longer than 97 bytes");
	assert_int_equal(read_flags(ARGUMENTS("--state-dir", path)), 0);
}

static void a_named_file_must_be_there(void **state)
{
	(void)state;
	assert_int_equal(read_flags(ARGUMENTS("--config", "/nowhere/skep.conf")), -ENOENT);
	assert_non_null(strstr(error.text, "/nowhere/skep.conf"));
}

static void a_vip_says_whether_this_node_is_to_hold_it(void **state)
{
	(void)state;
	assert_int_equal(read_text("vip 10.0.0.9,hold\nvip 10.0.0.7\nvip 10.0.0.8,hold\n",
				   ARGUMENTS("--log-level", "info")),
			 0);
	assert_int_equal(config.n_vips, 3);
	assert_int_equal(ntohl(config.vips[0].word[3]), 0x0a000007);
	assert_false(config.vip_hold[0]);
	assert_true(config.vip_hold[1]);
	assert_true(config.vip_hold[2]);
}

static void more_vips_than_fit_are_refused(void **state)
{
	char text[4096] = "";

	(void)state;
	for (int i = 0; i <= CONFIG_MAX_VIPS; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "vip 10.0.1.%d\n", i);
	refuses_line(text, "65: vip: more than 64 addresses");
}

static void names_can_be_switched_off(void **state)
{
	char *flags[] = {"--cgroup", "off", NULL};

	(void)state;
	assert_int_equal(read_text("cgroup /c\n", flags), 0);
	assert_string_equal(config.cgroup, "off");
}

static void a_file_that_is_not_text_is_refused(void **state)
{
	char path[] = "/tmp/skep-config-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "vip\0 1", 6), 6);
	close(fd);
	assert_int_equal(read_flags(ARGUMENTS("--config", path)), -EINVAL);
	unlink(path);
	assert_non_null(strstr(error.text, "is not a text file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_documented),
		cmocka_unit_test(every_flag_is_also_a_line_of_the_file),
		cmocka_unit_test(flags_win_over_the_file),
		cmocka_unit_test(a_bad_line_is_named_by_file_and_line),
		cmocka_unit_test(a_bad_flag_is_named),
		cmocka_unit_test(a_run_directory_too_long_for_a_socket_is_refused),
		cmocka_unit_test(a_named_file_must_be_there),
		cmocka_unit_test(a_vip_says_whether_this_node_is_to_hold_it),
		cmocka_unit_test(more_vips_than_fit_are_refused),
		cmocka_unit_test(names_can_be_switched_off),
		cmocka_unit_test(a_file_that_is_not_text_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
