/* SPDX-License-Identifier: GPL-2.0-only */
/* The command line: options, the client of the local API, exit statuses. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/options.h"
#include "cli/rows.h"

/* ---- options */

static int parse(struct options *options, unsigned int allowed, struct skep_error *error,
		 const char *first, ...)
{
	char *argv[16] = {(char *)"services"};
	va_list arguments;
	int argc = 1;

	va_start(arguments, first);
	for (const char *next = first; next; next = va_arg(arguments, const char *))
		argv[argc++] = (char *)next;
	va_end(arguments);
	argv[argc] = NULL;
	return options_parse(options, allowed, argc, argv, error);
}

#define ALL (OPTIONS_JSON | OPTIONS_MAPS | OPTIONS_LIMIT | OPTIONS_FORCE | OPTIONS_NAME)

static void options_default_to_the_agent_of_this_host(void **state)
{
	struct options options;
	struct skep_error error;

	(void)state;
	assert_int_equal(parse(&options, ALL, &error, NULL), 0);
	assert_string_equal(options.run_dir, "/run/skep");
	assert_string_equal(options.bpffs, "/sys/fs/bpf/skep");
	assert_int_equal(options.limit, OPTIONS_LIMIT_DEFAULT);
	assert_null(options.name);
	assert_false(options.json || options.maps || options.force);
}

static void options_are_read_in_any_order_around_the_name(void **state)
{
	struct options options;
	struct skep_error error;

	(void)state;
	assert_int_equal(parse(&options, ALL, &error, "--json", "web", "--run-dir=/run/a", "--maps",
			       "--bpffs", "/sys/fs/bpf/a", "--limit", "7", "--force", NULL),
			 0);
	assert_string_equal(options.name, "web");
	assert_string_equal(options.run_dir, "/run/a");
	assert_string_equal(options.bpffs, "/sys/fs/bpf/a");
	assert_int_equal(options.limit, 7);
	assert_true(options.json && options.maps && options.force);
}

static void options_that_are_wrong_are_refused_by_name(void **state)
{
	static const struct {
		unsigned int allowed;
		const char *arguments[3];
		const char *expected;
	} cases[] = {
		{0, {"--json"}, "services does not take --json; see skep help services"},
		{ALL, {"-x"}, "services does not take -x; see skep help services"},
		{ALL, {"--run-dir"}, "--run-dir needs a value"},
		{ALL, {"--run-dir", "here"}, "--run-dir is an absolute path, not here"},
		{ALL, {"--run-dir="}, "--run-dir is an absolute path, not empty"},
		{ALL,
		 {"--bpffs", "/sys/fs/bpf"},
		 "--bpffs says where the maps are: it goes with --maps"},
		{ALL, {"--limit", "0"}, "--limit is a number from 1 to 1000000, not 0"},
		{ALL, {"--limit", "-1"}, "--limit is a number from 1 to 1000000, not -1"},
		{ALL, {"--limit", "1000001"}, "--limit is a number from 1 to 1000000, not 1000001"},
		{ALL,
		 {"--limit", "18446744073709551617"},
		 "--limit is a number from 1 to 1000000, not 18446744073709551617"},
		{ALL, {"--limit", "7x"}, "--limit is a number from 1 to 1000000, not 7x"},
		{ALL,
		 {"web", "api"},
		 "services does not take the argument api; see skep help services"},
		{0, {"web"}, "services does not take the argument web; see skep help services"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct options options;
		struct skep_error error;

		assert_int_equal(parse(&options, cases[i].allowed, &error, cases[i].arguments[0],
				       cases[i].arguments[1], NULL),
				 -EINVAL);
		assert_string_equal(error.text, cases[i].expected);
	}
}

/* ---- the client, against a server that says one thing to one caller */

static struct server {
	char directory[32];
	char path[64];
	pid_t pid;
} server;

static void serve_once(int listener, const char *answer)
{
	char request[4096];
	int fd = accept(listener, NULL, NULL);

	if (fd < 0 || read(fd, request, sizeof(request)) <= 0)
		_exit(1);
	for (size_t size = strlen(answer); size;) {
		ssize_t written = write(fd, answer, size);

		if (written <= 0)
			_exit(1);
		answer += written;
		size -= (size_t)written;
	}
	_exit(0);
}

static void server_start(const char *answer)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(server.directory, "/tmp/skep-cli-XXXXXX");
	assert_non_null(mkdtemp(server.directory));
	snprintf(server.path, sizeof(server.path), "%s/skep.sock", server.directory);
	strcpy(address.sun_path, server.path);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	server.pid = 0;
	if (answer) {
		server.pid = fork();
		assert_true(server.pid >= 0);
		if (!server.pid)
			serve_once(listener, answer);
	}
	close(listener);
}

static void server_stop(void)
{
	pid_t pid = server.pid;

	unlink(server.path);
	rmdir(server.directory);
	server.pid = 0;
	if (pid)
		assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Whatever the test came to. One that failed may have left the server waiting for a caller. */
static int teardown(void **state)
{
	(void)state;
	if (server.pid)
		kill(server.pid, SIGKILL);
	server_stop();
	return 0;
}

static void the_client_returns_the_agents_json(void **state)
{
	struct skep_error error;
	json_t *answer;

	(void)state;
	server_start("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"nodes\": 3}");
	assert_int_equal(client_get(server.directory, "/v1/status", false, &answer, &error), 0);
	assert_int_equal(row_number(answer, "nodes"), 3);
	json_decref(answer);
	server_stop();
}

static void expect_client_error(const char *http, int err, const char *format)
{
	char expected[256];
	struct skep_error error;
	json_t *answer;

	server_start(http);
	assert_int_equal(client_get(server.directory, "/v1/status", true, &answer, &error), err);
	assert_null(answer);
	snprintf(expected, sizeof(expected), "%s", format);
	if (strstr(error.text, expected) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", error.text, expected);
	assert_non_null(strstr(error.text, server.path));
	server_stop();
}

static void the_client_hands_on_what_the_agent_finds_wrong(void **state)
{
	(void)state;
	expect_client_error("HTTP/1.1 503 No\r\nConnection: close\r\n\r\n{\"error\": \"no model "
			    "as yet\"}",
			    -EREMOTEIO, "says: no model as yet");
	expect_client_error("HTTP/1.1 404 No\r\nConnection: close\r\n\r\n[]", -EREMOTEIO,
			    "answers HTTP 404");
	expect_client_error("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"a\"", -EPROTO,
			    "answers no JSON");
	expect_client_error("hello\r\n", -EPROTO, "does not speak HTTP");
}

static void without_an_agent_the_client_says_what_to_do(void **state)
{
	char expected[512];
	struct skep_error error;
	json_t *answer;

	(void)state;
	server_start(NULL); /* its socket stays, and nobody listens */
	assert_int_equal(client_agent_runs(server.directory, &error), 0);
	assert_int_equal(client_get(server.directory, "/v1/flows", true, &answer, &error),
			 -ECONNREFUSED);
	snprintf(
		expected, sizeof(expected),
		"no agent answers on %s: Connection refused; start it (systemctl start skep), name "
		"its directory (--run-dir), or read the maps without it (--maps)",
		server.path);
	assert_string_equal(error.text, expected);
	server_stop();

	assert_int_equal(client_agent_runs(server.directory, &error), 0);
	assert_int_equal(client_get(server.directory, "/v1/status", false, &answer, &error),
			 -ENOENT);
	assert_null(strstr(error.text, "--maps"));
}

static void a_run_directory_too_long_for_a_socket_is_refused(void **state)
{
	char directory[200] = "/";
	struct skep_error error;
	json_t *answer;

	(void)state;
	memset(directory + 1, 'a', sizeof(directory) - 2);
	assert_int_equal(client_get(directory, "/v1/status", false, &answer, &error),
			 -ENAMETOOLONG);
	assert_int_equal(client_agent_runs(directory, &error), -ENAMETOOLONG);
}

/* ---- whole subcommands, by their exit status */

static int exit_status(const struct cli_command *command, const char *first, const char *second,
		       const char *third)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		char *argv[] = {(char *)command->name, (char *)first, (char *)second, (char *)third,
				NULL};
		int argc = 1;

		while (argc < 4 && argv[argc])
			argc++;
		if (!freopen("/dev/null", "w", stderr) || !freopen("/dev/null", "w", stdout))
			_exit(99);
		_exit(cli_flush(command->run(argc, argv)));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void subcommands_exit_with_2_when_asked_wrongly_and_1_without_an_agent(void **state)
{
	static const struct cli_command *const commands[] = {
		&cli_status, &cli_nodes, &cli_services, &cli_tasks,
		&cli_flows,  &cli_model, &cli_verify,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		assert_int_equal(exit_status(commands[i], "--nonsense", NULL, NULL), CLI_USAGE);
		assert_int_equal(exit_status(commands[i], "--run-dir", "/nonexistent", NULL),
				 CLI_FAILURE);
	}
	assert_int_equal(exit_status(&cli_unload, "--json", NULL, NULL), CLI_USAGE);
	assert_int_equal(exit_status(&cli_vip, NULL, NULL, NULL), CLI_USAGE);
	assert_int_equal(exit_status(&cli_vip, "grab", "192.0.2.1", NULL), CLI_USAGE);
	assert_int_equal(exit_status(&cli_vip, "take", NULL, NULL), CLI_USAGE);
	assert_int_equal(exit_status(&cli_vip, "release", "192.0.2.1", "--json"), CLI_USAGE);
	assert_int_equal(exit_status(&cli_vip, "take", "192.0.2.1", "--run-dir=/nonexistent"),
			 CLI_FAILURE);
	assert_int_equal(exit_status(&cli_vip, "list", "--run-dir=/nonexistent", NULL),
			 CLI_FAILURE);
	assert_int_equal(exit_status(&cli_agent, "--nonsense", NULL, NULL), CLI_USAGE);
	assert_int_equal(exit_status(&cli_services, "--maps", "--bpffs", "/nonexistent"),
			 CLI_FAILURE);
}

static void subcommands_exit_with_0_or_1_as_the_agent_answers(void **state)
{

	(void)state;
	server_start("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
		     "{\"differences\": 0, \"lines\": []}");
	assert_int_equal(exit_status(&cli_verify, "--run-dir", server.directory, NULL), CLI_OK);
	server_stop();
	server_start("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
		     "{\"differences\": 1, \"lines\": [\"a\"]}");
	assert_int_equal(exit_status(&cli_verify, "--json", "--run-dir", server.directory),
			 CLI_FAILURE);
	server_stop();
	server_start("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[]");
	assert_int_equal(exit_status(&cli_services, "web", "--run-dir", server.directory),
			 CLI_FAILURE);
	server_stop();
	server_start("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[]");
	assert_int_equal(exit_status(&cli_services, "--run-dir", server.directory, NULL), CLI_OK);
	server_stop();
	server_start("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}");
	assert_int_equal(exit_status(&cli_services, "--run-dir", server.directory, NULL),
			 CLI_FAILURE);
	server_stop();
}

static void unload_refuses_while_an_agent_listens(void **state)
{

	(void)state;
	/* It connects and says nothing, and the server then ends. */
	server_start("");
	assert_int_equal(
		exit_status(&cli_unload, "--bpffs=/nonexistent", "--run-dir", server.directory),
		CLI_FAILURE);
	server_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_default_to_the_agent_of_this_host),
		cmocka_unit_test(options_are_read_in_any_order_around_the_name),
		cmocka_unit_test(options_that_are_wrong_are_refused_by_name),
		cmocka_unit_test_teardown(the_client_returns_the_agents_json, teardown),
		cmocka_unit_test_teardown(the_client_hands_on_what_the_agent_finds_wrong, teardown),
		cmocka_unit_test_teardown(without_an_agent_the_client_says_what_to_do, teardown),
		cmocka_unit_test(a_run_directory_too_long_for_a_socket_is_refused),
		cmocka_unit_test(subcommands_exit_with_2_when_asked_wrongly_and_1_without_an_agent),
		cmocka_unit_test_teardown(subcommands_exit_with_0_or_1_as_the_agent_answers,
					  teardown),
		cmocka_unit_test_teardown(unload_refuses_while_an_agent_listens, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
