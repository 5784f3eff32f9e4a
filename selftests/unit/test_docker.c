/* SPDX-License-Identifier: GPL-2.0-only */
/* What an agent asks of its own node's Docker; with a fake Engine that says what a real one said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fake_engine.h"
#include "scratch.h"
#include "source/docker.h"
#include "wait.h"

#define INSPECTED "{\"Id\":\"c\",\"State\":{\"Status\":\"running\",\"Running\":true,\"Pid\":%d}}"

struct fixture {
	char *directory;
	struct loop *loop;
	struct http *http;
	struct fake_engine engine;
	json_t *info;
	struct docker *docker;
	unsigned int n_changes, n_events;
	unsigned int wanted;
	int pid;
	const char *text;
};

static void take_change(void *context)
{
	struct fixture *fixture = context;

	fixture->n_changes++;
}

static void take_event(void *context)
{
	struct fixture *fixture = context;

	fixture->n_events++;
}

static json_t *swarm_of(struct fixture *fixture)
{
	return json_object_get(fixture->info, "Swarm");
}

static void publish_info(struct fixture *fixture)
{
	char *text = json_dumps(fixture->info, 0);

	fake_set(&fixture->engine, "/info", 200, text);
	free(text);
}

/* Containers c0, c1, … of tasks t0, t1, … with processes from pid on. */
static void publish_containers(struct fixture *fixture, int n, int pid)
{
	json_t *list = json_array();
	char id[32], task[32], path[64], text[256];

	for (int i = 0; i < n; i++) {
		snprintf(id, sizeof(id), "c%d", i);
		snprintf(task, sizeof(task), "t%d", i);
		json_array_append_new(list, json_pack("{sss{ss}ss}", "Id", id, "Labels",
						      "com.docker.swarm.task.id", task, "State",
						      "running"));
		snprintf(path, sizeof(path), "/containers/%s/json", id);
		snprintf(text, sizeof(text), INSPECTED, pid + i);
		fake_set(&fixture->engine, path, 200, text);
	}
	char *dumped = json_dumps(list, 0);
	fake_set(&fixture->engine, "/containers/json", 200, dumped);
	free(dumped);
	json_decref(list);
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct skep_error error;

	fixture->directory = scratch_make();
	fixture->loop = loop_new();
	assert_int_equal(http_open(&fixture->http, fixture->loop, &error), 0);
	fake_start(&fixture->engine, fixture->loop, fixture->directory);
	fixture->info = scratch_recorded("info");
	publish_info(fixture);
	publish_containers(fixture, 1, 100);
	*state = fixture;
	return 0;
}

static void open_docker(struct fixture *fixture)
{
	struct skep_error error;

	if (docker_open(&fixture->docker, fixture->loop, fixture->http, fixture->engine.path,
			&(struct docker_receiver){take_change, take_event, fixture}, &error))
		fail_msg("%s", error.text);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	docker_close(fixture->docker);
	http_close(fixture->http);
	fake_stop(&fixture->engine);
	loop_free(fixture->loop);
	json_decref(fixture->info);
	scratch_remove(fixture->directory);
	free(fixture);
	return 0;
}

static bool is_active(void *context)
{
	struct fixture *fixture = context;

	return docker_node(fixture->docker)->active;
}

static bool is_worker(void *context)
{
	struct fixture *fixture = context;

	return !docker_node(fixture->docker)->manager;
}

static bool has_containers(void *context)
{
	struct fixture *fixture = context;
	size_t n;

	docker_containers(fixture->docker, &n);
	return n == fixture->wanted;
}

static bool has_pid(void *context)
{
	struct fixture *fixture = context;
	size_t n;
	const struct docker_container *list = docker_containers(fixture->docker, &n);

	return n > 0 && list[0].pid == fixture->pid;
}

static bool says(void *context)
{
	struct fixture *fixture = context;
	const char *problem = docker_problem(fixture->docker);

	return problem && strstr(problem, fixture->text);
}

static bool is_well(void *context)
{
	struct fixture *fixture = context;

	return docker_problem(fixture->docker) == NULL;
}

static void want_containers(struct fixture *fixture, unsigned int n)
{
	fixture->wanted = n;
	assert_true(wait_until(fixture->loop, has_containers, fixture, 1500));
}

static void fake_engine_tells_who_the_node_is(void **state)
{
	struct fixture *fixture = *state;
	char text[ADDR_TEXT_SIZE];

	open_docker(fixture);
	assert_false(docker_node(fixture->docker)->active);
	assert_true(wait_until(fixture->loop, is_active, fixture, 2000));
	const struct docker_node *node = docker_node(fixture->docker);
	assert_string_equal(node->id, "k7pjfh9k3ah58thzvug17tnk0");
	assert_string_equal(addr_text(&node->address, text), "10.1.0.1");
	assert_true(node->manager);
	assert_int_equal(node->n_managers, 1);
	assert_string_equal(node->managers[0], "10.1.0.1");
	want_containers(fixture, 1);
	assert_null(docker_problem(fixture->docker));
}

static void fake_engine_managers_are_sorted_and_each_once(void **state)
{
	struct fixture *fixture = *state;

	json_object_set_new(
		swarm_of(fixture), "RemoteManagers",
		json_loads("[{\"Addr\":\"10.1.0.3:2377\"},{\"Addr\":\"10.1.0.2:2377\"},"
			   "{\"Addr\":\"10.1.0.3:2378\"},{\"Addr\":\"[fd00::1]:2377\"},{},null,"
			   "{\"Addr\":\"0.0.0.0:2377\"},{\"Addr\":7},{\"Addr\":\"nonsense\"}]",
			   0, NULL));
	publish_info(fixture);
	open_docker(fixture);
	assert_true(wait_until(fixture->loop, is_active, fixture, 2000));
	const struct docker_node *node = docker_node(fixture->docker);
	assert_int_equal(node->n_managers, 2);
	assert_string_equal(node->managers[0], "10.1.0.2");
	assert_string_equal(node->managers[1], "10.1.0.3");
}

static void fake_engine_demotion_shows_within_two_seconds(void **state)
{
	struct fixture *fixture = *state;

	open_docker(fixture);
	assert_true(wait_until(fixture->loop, is_active, fixture, 2000));
	json_object_set_new(swarm_of(fixture), "ControlAvailable", json_false());
	publish_info(fixture);
	assert_true(wait_until(fixture->loop, is_worker, fixture, 2300));
	/* Nothing else changed: nothing else is told. */
	unsigned int n = fixture->n_changes;
	wait_for(fixture->loop, 2500);
	assert_int_equal(fixture->n_changes, n);
}

static void fake_engine_node_in_no_swarm_is_said(void **state)
{
	struct fixture *fixture = *state;

	json_object_set_new(swarm_of(fixture), "LocalNodeState", json_string("inactive"));
	json_object_set_new(swarm_of(fixture), "NodeID", json_string(""));
	json_object_set_new(swarm_of(fixture), "NodeAddr", json_string(""));
	json_object_set_new(swarm_of(fixture), "RemoteManagers", json_null());
	publish_info(fixture);
	open_docker(fixture);
	fixture->text = "in no Swarm";
	assert_true(wait_until(fixture->loop, says, fixture, 2000));
	assert_false(docker_node(fixture->docker)->active);
}

static bool is_inactive(void *context)
{
	return !is_active(context);
}

static void fake_engine_shutting_down_is_not_leaving_the_swarm(void **state)
{
	struct fixture *fixture = *state;

	open_docker(fixture);
	assert_true(wait_until(fixture->loop, is_active, fixture, 2000));
	/* As a real one does, for some seconds before it is gone. */
	json_object_set_new(swarm_of(fixture), "LocalNodeState", json_string("inactive"));
	publish_info(fixture);
	fixture->text = "in no Swarm";
	assert_true(wait_until(fixture->loop, says, fixture, 3000));
	assert_true(docker_node(fixture->docker)->active);
	fake_down(&fixture->engine);
	fixture->text = "Docker at";
	assert_true(wait_until(fixture->loop, says, fixture, 3000));
	assert_true(docker_node(fixture->docker)->active);
	/* One that goes on saying so has left. */
	fake_up(&fixture->engine);
	assert_false(wait_until(fixture->loop, is_inactive, fixture, 8000));
	assert_true(wait_until(fixture->loop, is_inactive, fixture, 8000));
}

static void fake_engine_locked_keeps_what_was_known(void **state)
{
	struct fixture *fixture = *state;

	open_docker(fixture);
	assert_true(wait_until(fixture->loop, is_active, fixture, 2000));
	json_object_set_new(swarm_of(fixture), "LocalNodeState", json_string("locked"));
	json_object_set_new(swarm_of(fixture), "NodeID", json_string(""));
	publish_info(fixture);
	fixture->text = "\"locked\" (docker swarm unlock)";
	assert_true(wait_until(fixture->loop, says, fixture, 3000));
	assert_true(docker_node(fixture->docker)->active);
}

static void fake_engine_event_shows_a_new_container_at_once(void **state)
{
	struct fixture *fixture = *state;

	open_docker(fixture);
	want_containers(fixture, 1);
	wait_for(fixture->loop, 100);
	publish_containers(fixture, 20, 100);
	assert_int_equal(fake_event(&fixture->engine,
				    "{\"Type\":\"container\",\"Action\":\"start\","
				    "\"Actor\":{\"ID\":\"c1\",\"Attributes\":{"
				    "\"com.docker.swarm.task.id\":\"t1\"}}}"),
			 1);
	uint64_t began = loop_now_ns();
	want_containers(fixture, 20);
	assert_true(loop_now_ns() - began < 1000 * 1000000ULL);
	assert_int_equal(fixture->n_events, 1);
	size_t n;
	const struct docker_container *list = docker_containers(fixture->docker, &n);
	/* Sorted by task id: t0, t1, t10, … */
	assert_string_equal(list[2].task_id, "t10");
	assert_int_equal(list[2].pid, 110);
	publish_containers(fixture, 0, 0);
	fake_event(&fixture->engine, "{\"Type\":\"container\",\"Action\":\"die\","
				     "\"Actor\":{\"ID\":\"c0\",\"Attributes\":{"
				     "\"com.docker.swarm.task.id\":\"t0\"}}}");
	want_containers(fixture, 0);
	assert_int_equal(fixture->n_events, 2);
}

static void fake_engine_container_started_again_has_another_process(void **state)
{
	struct fixture *fixture = *state;

	open_docker(fixture);
	want_containers(fixture, 1);
	wait_for(fixture->loop, 100);
	publish_containers(fixture, 1, 200);
	fake_event(&fixture->engine, "{\"Type\":\"container\",\"Action\":\"start\","
				     "\"Actor\":{\"ID\":\"c0\"}}");
	fixture->pid = 200;
	assert_true(wait_until(fixture->loop, has_pid, fixture, 1000));
}

static void fake_engine_restarted_is_read_anew(void **state)
{
	struct fixture *fixture = *state;

	open_docker(fixture);
	want_containers(fixture, 1);
	assert_true(wait_until(fixture->loop, is_active, fixture, 2000));
	fake_down(&fixture->engine);
	fixture->text = "Docker at";
	assert_true(wait_until(fixture->loop, says, fixture, 3000));
	/* The last answer stays. */
	assert_true(docker_node(fixture->docker)->active);
	want_containers(fixture, 1);
	publish_containers(fixture, 2, 300);
	fake_up(&fixture->engine);
	want_containers(fixture, 2);
	fixture->pid = 300;
	assert_true(wait_until(fixture->loop, has_pid, fixture, 3000));
	assert_true(wait_until(fixture->loop, is_well, fixture, 3000));
}

#define NETWORKS(text) "\"NetworkSettings\":{\"Networks\":{" text "}}"
#define NETWORK(name, id, address)                                                                 \
	"\"" name "\":{\"NetworkID\":\"" id "\",\"IPAddress\":\"" address "\"}"
#define LOCAL_ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static bool has_networks(void *context)
{
	struct fixture *fixture = context;
	size_t n;
	const struct docker_container *list = docker_containers(fixture->docker, &n);

	return n == 1 && list[0].n_networks == fixture->wanted;
}

static void fake_engine_networks_of_any_container_are_told_as_they_come(void **state)
{
	struct fixture *fixture = *state;
	const struct docker_container *container;
	char text[ADDR_TEXT_SIZE];
	size_t n;

	fake_set(&fixture->engine, "/containers/json", 200,
		 "[{\"Id\":\"c0\",\"Labels\":{}," NETWORKS(
			 NETWORK("bridge", LOCAL_ID, "172.17.0.2") "," NETWORK(
				 "none", "netz", "") "," NETWORK("app", "neta", "10.0.1.7")) "}]");
	open_docker(fixture);
	want_containers(fixture, 1);
	container = docker_containers(fixture->docker, &n);
	assert_string_equal(container->task_id, "");
	assert_string_equal(container->id, "c0");
	assert_int_equal(container->n_networks, 1);
	assert_string_equal(container->networks[0].id, "neta");
	assert_string_equal(addr_text(&container->networks[0].address, text), "10.0.1.7");

	fake_set(&fixture->engine, "/containers/json", 200,
		 "[{\"Id\":\"c0\",\"Labels\":{}," NETWORKS(NETWORK(
			 "other", "netb", "10.0.2.7") "," NETWORK("app", "neta", "10.0.1.7")) "}]");
	fake_event(&fixture->engine,
		   "{\"Action\":\"connect\",\"Type\":\"network\",\"Actor\":{\"ID\":"
		   "\"netb\",\"Attributes\":{\"container\":\"c0\"}}}");
	fixture->wanted = 2;
	assert_true(wait_until(fixture->loop, has_networks, fixture, 1500));
	assert_int_equal(fixture->n_events, 0); /* no task's: other nodes need not look */
}

static void fake_engine_hostile_answers_are_survived(void **state)
{
	static const char *const lists[] = {
		"{}",
		"[null, 3, {}, {\"Id\": 3}, {\"Id\": \"../../info\"}]",
		"[{\"Id\":\"c9/json?\",\"Labels\":{\"com.docker.swarm.task.id\":\"t9\"}}]",
		"[{\"Id\":\"c9\",\"Labels\":{\"com.docker.swarm.task.id\":\"\"}}]",
		"[{\"Id\":\"c9\",\"Labels\":{\"com.docker.swarm.task.id\":[]}}]",
		"[{\"Id\":\"c9\",\"Labels\":{\"com.docker.swarm.task.id\":\"t9\"}}]",
		"[{\"Id\":\"c9\",\"NetworkSettings\":{\"Networks\":{\"a\":3,\"b\":{\"NetworkID\":[]"
		"},"
		"\"c\":{\"NetworkID\":\"../x\",\"IPAddress\":\"10.0.0.1\"},"
		"\"d\":{\"NetworkID\":\"x\",\"IPAddress\":\"10.0.0.1.1\"}}}}]",
		"[[[[",
	};
	static const char *const inspections[] = {
		"{\"State\":{\"Running\":true,\"Pid\":-1}}",
		"{\"State\":{\"Running\":true,\"Pid\":99999999999}}",
		"{\"State\":{\"Running\":false,\"Pid\":5}}",
		"{\"State\":[]}",
		"null",
		"",
	};
	struct fixture *fixture = *state;

	open_docker(fixture);
	want_containers(fixture, 1);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		for (size_t j = 0; j < sizeof(inspections) / sizeof(inspections[0]); j++) {
			fake_set(&fixture->engine, "/containers/json", 200, lists[i]);
			fake_set(&fixture->engine, "/containers/c9/json", 200, inspections[j]);
			fake_event(&fixture->engine, "nonsense");
			fake_event(&fixture->engine, "{\"Action\":[],\"Actor\":3}");
			wait_for(fixture->loop, 15);
		}
	}
	publish_containers(fixture, 3, 100);
	fake_event(&fixture->engine, "{\"Action\":\"start\",\"Actor\":{\"ID\":\"c1\"}}");
	want_containers(fixture, 3);
}

static void a_socket_s_path_is_taken_from_its_url(void **state)
{
	(void)state;
	assert_string_equal(docker_socket_path("unix:///var/run/docker.sock"),
			    "/var/run/docker.sock");
	assert_null(docker_socket_path("tcp://10.0.0.1:2375"));
	assert_null(docker_socket_path("unix://relative"));
	assert_null(docker_socket_path("/var/run/docker.sock"));
	assert_null(docker_socket_path(""));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(fake_engine_tells_who_the_node_is),
		TEST(fake_engine_managers_are_sorted_and_each_once),
		TEST(fake_engine_demotion_shows_within_two_seconds),
		TEST(fake_engine_node_in_no_swarm_is_said),
		TEST(fake_engine_locked_keeps_what_was_known),
		TEST(fake_engine_shutting_down_is_not_leaving_the_swarm),
		TEST(fake_engine_event_shows_a_new_container_at_once),
		TEST(fake_engine_container_started_again_has_another_process),
		TEST(fake_engine_restarted_is_read_anew),
		TEST(fake_engine_networks_of_any_container_are_told_as_they_come),
		TEST(fake_engine_hostile_answers_are_survived),
		cmocka_unit_test(a_socket_s_path_is_taken_from_its_url),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
