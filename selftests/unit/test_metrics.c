/* SPDX-License-Identifier: GPL-2.0-only */
/* What Prometheus is told, and the server that tells it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/metrics.h"
#include "lib/http.h"

#define PORT 39417

static const char model_text[] =
	"{\"nodes\":[{\"id\":\"n1\",\"name\":\"host1\",\"address\":\"10.1.0.1\"}],"
	"\"networks\":[{\"id\":\"net1\",\"ingress\":true,\"subnets\":[\"10.0.0.0/24\"]}],"
	"\"services\":[{\"id\":\"s1\",\"name\":\"web\",\"ports\":[{\"published\":8080,\"target\":"
	"80,"
	"\"protocol\":\"tcp\"}]},{\"id\":\"s2\",\"name\":\"inner\"}],"
	"\"tasks\":[{\"id\":\"t1\",\"name\":\"web.1\",\"service\":\"s1\",\"node\":\"n1\","
	"\"addresses\":[{\"network\":\"net1\",\"address\":\"10.0.0.6\"}]},"
	"{\"id\":\"t2\",\"name\":\"web.2\",\"service\":\"s1\",\"node\":\"n1\","
	"\"addresses\":[{\"network\":\"net1\",\"address\":\"10.0.0.7\"}]}]}";

static char *print(const struct metrics_facts *facts)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	metrics_print(facts, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void expect_line(const char *text, const char *line)
{
	const char *found = strstr(text, line);

	if (!found || (found != text && found[-1] != '\n') || found[strlen(line)] != '\n')
		fail_msg("no line %s in\n%s", line, text);
}

static void services_tasks_and_verdicts_are_told(void **state)
{
	uint64_t verdicts[SKEP_VERDICT_COUNT] = {[SKEP_PASS_NO_FRONTEND] = 12};
	uint64_t xdp[SKEP_XDP_WAY_COUNT] = {[SKEP_XDP_FORWARDED] = 7};
	struct snapshot_service service = {{"s1", "web"}, 1, 1, {10, 2000, 3}};
	struct snapshot_task task = {.counter = {8, 1600, 2}, .flows = 5};
	struct snapshot snapshot = {&service, 1, &task, 1};
	struct metrics_facts facts = {
		.version = "1.2.3",
		.uptime_s = 9,
		.model_age_s = 4,
		.source_current = true,
		.snapshot = &snapshot,
		.verdicts = verdicts,
		.xdp = xdp,
	};
	struct skep_error error;
	struct model *model;
	char *text;

	(void)state;
	assert_int_equal(addr_parse("10.0.0.6", &task.addr), 0);
	task.task.state = SKEP_TASK_SERVING;
	assert_int_equal(model_parse(model_text, strlen(model_text), &model, &error), 0);
	facts.model = model;
	text = print(&facts);
	expect_line(text, "skep_build_info{version=\"1.2.3\"} 1");
	expect_line(text, "skep_source_current 1");
	expect_line(text, "skep_problem 0");
	expect_line(text, "skep_model_age_seconds 4");
	expect_line(text, "skep_verdicts_total{verdict=\"pass_no_frontend\"} 12");
	expect_line(text, "skep_xdp_packets_total{way=\"forwarded\"} 7");
	expect_line(text, "skep_service_bytes_total{service=\"web\"} 2000");
	expect_line(text,
		    "skep_task_packets_total{service=\"web\",task=\"web.1\",node=\"host1\"} 8");
	expect_line(text, "skep_task_flows{service=\"web\",task=\"web.1\",node=\"host1\"} 5");
	expect_line(text, "skep_task_serving{service=\"web\",task=\"web.1\",node=\"host1\"} 1");
	/* Nothing is said of what the data path knows nothing of. */
	assert_null(strstr(text, "web.2"));
	assert_null(strstr(text, "inner"));
	free(text);
	model_free(model);
}

static void without_a_model_the_rest_is_told(void **state)
{
	uint64_t verdicts[SKEP_VERDICT_COUNT] = {0}, xdp[SKEP_XDP_WAY_COUNT] = {0};
	struct metrics_facts facts = {.version = "1", .verdicts = verdicts, .xdp = xdp};
	char *text = print(&facts);

	(void)state;
	expect_line(text, "skep_source_current 0");
	assert_null(strstr(text, "skep_model"));
	free(text);
}

static void a_proxy_that_has_stopped_says_nothing_more(void **state)
{
	char path[] = "/tmp/skep-metrics-XXXXXX", *text = NULL;
	const struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	int fd = mkstemp(path);
	size_t size;
	FILE *out;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x 1\n", 4), 4);
	for (int stale = 0; stale < 2; stale++) {
		if (stale)
			assert_int_equal(futimens(fd, old), 0);
		out = open_memstream(&text, &size);
		metrics_print_proxy(path, out);
		assert_int_equal(fclose(out), 0);
		assert_string_equal(text, stale ? "" : "x 1\n");
		free(text);
	}
	close(fd);
	unlink(path);
}

static struct loop *loop;
static long status;
static char body[256];

static int print_hello(void *context, FILE *out, struct skep_error *error)
{
	(void)error;
	fprintf(out, "%s", (const char *)context);
	return 0;
}

static void done(void *context, const struct http_answer *answer)
{
	(void)context;
	status = answer->status;
	snprintf(body, sizeof(body), "%s", answer->body ? answer->body : "");
	loop_stop(loop);
}

static void ask(struct http *http, const char *path, const char *method)
{
	char url[64];
	const struct http_query query = {
		.url = url, .method = method, .limit = 255, .timeout_ms = 5000, .done = done};
	struct http_request *request;
	struct skep_error error;

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", PORT, path);
	assert_int_equal(http_start(http, &query, &request, &error), 0);
	assert_int_equal(loop_run(loop), 0);
}

static void the_server_has_one_page(void **state)
{
	const struct skep_addr addr = skep_addr_v4(0x0100007f);
	struct metrics_server *server, *second;
	struct skep_error error;
	struct http *http;

	(void)state;
	loop = loop_new();
	assert_int_equal(http_open(&http, loop, &error), 0);
	assert_int_equal(
		metrics_server_open(&server, loop, &addr, PORT, print_hello, "hello\n", &error), 0);
	ask(http, "/metrics", NULL);
	assert_int_equal(status, 200);
	assert_string_equal(body, "hello\n");
	ask(http, "/", NULL);
	assert_int_equal(status, 404);
	ask(http, "/metrics", "DELETE");
	assert_int_equal(status, 405);
	assert_true(metrics_server_open(&second, loop, &addr, PORT, print_hello, "", &error) < 0);
	assert_non_null(strstr(error.text, "cannot serve metrics on 127.0.0.1 port 39417"));
	http_close(http);
	metrics_server_close(server);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(services_tasks_and_verdicts_are_told),
		cmocka_unit_test(without_a_model_the_rest_is_told),
		cmocka_unit_test(a_proxy_that_has_stopped_says_nothing_more),
		cmocka_unit_test(the_server_has_one_page),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
