/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Service names at connect time: real sockets in network namespaces of their own, in a cgroup of
 * the test's, with maps as the data path makes them of a model. Needs root.
 */
#include "network.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "datapath/datapath.h"
#include "datapath/names.h"
#include "net/net.h"

#define VIP "10.5.0.2"

/* What came of a connection to the VIP, beside the last byte of the task's address that took it. */
#define REFUSED 1
#define OTHER	2

static char base[] = "/tmp/skep-names-XXXXXX";
static char bpffs[64], cgroups[64], cgroup[96];

struct fixture {
	struct datapath *datapath;
	struct model *model;
	pid_t pids[2];
	struct datapath_container containers[2];
	struct datapath_scope scopes[2];
	struct datapath_node node;
};

static int set_up_group(void **state)
{
	if (network_enter(state) || !mkdtemp(base))
		return -1;
	snprintf(bpffs, sizeof(bpffs), "%s/bpf", base);
	snprintf(cgroups, sizeof(cgroups), "%s/cgroup", base);
	snprintf(cgroup, sizeof(cgroup), "%s/skep-unit-%d", cgroups, (int)getpid());
	if (mkdir(bpffs, 0700) || mkdir(cgroups, 0700) || mount("bpf", bpffs, "bpf", 0, NULL) ||
	    mount("none", cgroups, "cgroup2", 0, NULL) || mkdir(cgroup, 0700))
		return -1;
	return 0;
}

static int tear_down_group(void **state)
{
	(void)state;
	rmdir(cgroup);
	umount(cgroups);
	umount(bpffs);
	rmdir(cgroups);
	rmdir(bpffs);
	return rmdir(base);
}

static struct skep_addr address(const char *text)
{
	struct skep_addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	return addr;
}

static void open_datapath(struct fixture *fixture, const char *where)
{
	char pins[96];
	struct datapath_config config = {
		.bpffs = pins,
		.tunnel_port = 4799,
		.max_frontends = 64,
		.max_services = 16,
		.max_tasks = 64,
		.max_nodes = 16,
		.max_flows = 1024,
		.mode = DATAPATH_TC,
		.cgroup = where,
	};
	struct skep_error error;

	snprintf(pins, sizeof(pins), "%s/pins", bpffs);
	assert_ok(datapath_open(&fixture->datapath, &config, &error), &error);
}

static void use(struct fixture *fixture, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Two networks of one subnet, each with one service, both with the same VIP; tasks as given. */
static void use(struct fixture *fixture, const char *format, ...)
{
	struct datapath_changes changes;
	struct skep_error error = {""};
	char tasks[2048], text[4096];
	va_list arguments;
	int size;

	va_start(arguments, format);
	vsnprintf(tasks, sizeof(tasks), format, arguments);
	va_end(arguments);
	size = snprintf(
		text, sizeof(text),
		"{\"nodes\":[{\"id\":\"n1\",\"address\":\"192.0.2.1\"}],"
		"\"networks\":[{\"id\":\"neta\",\"subnets\":[\"10.5.0.0/24\"]},"
		"{\"id\":\"netb\",\"subnets\":[\"10.5.0.0/24\"]}],"
		"\"services\":[{\"id\":\"a\",\"vips\":[{\"network\":\"neta\",\"address\":\"" VIP
		"\"}]},"
		"{\"id\":\"b\",\"vips\":[{\"network\":\"netb\",\"address\":\"" VIP "\"}],"
		"\"labels\":{\"skep.policy\":\"source\"}}],"
		"\"tasks\":[%s]}",
		tasks);
	model_free(fixture->model);
	if (model_parse(text, (size_t)size, &fixture->model, &error))
		fail_msg("%s", error.text);
	fixture->scopes[0].network = model_find_network(fixture->model, "neta");
	fixture->scopes[1].network = model_find_network(fixture->model, "netb");
	assert_ok(
		datapath_apply(fixture->datapath, fixture->model, &fixture->node, &changes, &error),
		&error);
}

#define TASK(id, service, network, addr)                                                           \
	"{\"id\":\"" id "\",\"service\":\"" service                                                \
	"\",\"node\":\"n1\",\"addresses\":[{\"network\":\"" network "\",\"address\":\"" addr       \
	"\"}]"
#define OF_A TASK("t1", "a", "neta", "10.5.0.11") "}"
#define OF_B TASK("t2", "b", "netb", "10.5.0.12") "}"

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct skep_error error;

	if (!fixture)
		return -1;
	for (int i = 0; i < 2; i++) {
		struct datapath_container *container = &fixture->containers[i];

		fixture->pids[i] = container_start();
		run("nsenter -t %d -n sh -c 'ip link set lo up; ip addr add 10.5.0.100/24 dev lo'",
		    (int)fixture->pids[i]);
		assert_ok(net_namespace_ask(fixture->pids[i], &container->cookie, NULL, NULL, 0,
					    &error),
			  &error);
		assert_int_equal(addr_prefix_parse("10.5.0.0/24", &fixture->scopes[i].prefix), 0);
		container->scopes = &fixture->scopes[i];
		container->n_scopes = 1;
	}
	fixture->node = (struct datapath_node){
		.underlay = address("192.0.2.1"),
		.containers = fixture->containers,
		.n_containers = 2,
	};
	open_datapath(fixture, cgroup);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	struct skep_error error;
	char pins[96];

	datapath_close(fixture->datapath);
	model_free(fixture->model);
	snprintf(pins, sizeof(pins), "%s/pins", bpffs);
	assert_ok(datapath_unload(pins, &error), &error);
	for (int i = 0; i < 2; i++)
		container_stop(fixture->pids[i]);
	free(fixture);
	return 0;
}

static void enter(pid_t pid, bool joins)
{
	char path[128];
	int fd;

	if (joins) {
		snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
		fd = open(path, O_WRONLY);
		if (fd < 0 || write(fd, "0", 1) != 1)
			_exit(OTHER);
		close(fd);
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	fd = open(path, O_RDONLY);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		_exit(OTHER);
	close(fd);
}

static struct sockaddr_in end_of(const char *text)
{
	struct sockaddr_in end = {.sin_family = AF_INET, .sin_port = htons(80)};

	inet_pton(AF_INET, text, &end.sin_addr);
	return end;
}

/* Tasks .11 to .13 all listen, whoever they are; which of them does the VIP lead to? */
static int connect_once(const struct pollfd tasks[3])
{
	struct sockaddr_in end = end_of(VIP), peer;
	socklen_t size = sizeof(peer);
	int fd = socket(AF_INET, SOCK_STREAM, 0), result = OTHER;

	if (connect(fd, (struct sockaddr *)&end, sizeof(end)))
		result = errno == ECONNREFUSED ? REFUSED : OTHER;
	else if (!getpeername(fd, (struct sockaddr *)&peer, &size) &&
		 peer.sin_addr.s_addr == end.sin_addr.s_addr)
		for (int i = 0; i < 3; i++) {
			struct pollfd one = tasks[i];

			if (poll(&one, 1, 0) == 1) {
				close(accept(one.fd, NULL, NULL));
				result = 11 + i;
			}
		}
	close(fd);
	return result;
}

/* What n connections from the container come to: counts[result]. */
static void connect_from(pid_t pid, bool joins, int n, int counts[16])
{
	struct pollfd tasks[3];
	int results[2], status;
	pid_t child;

	memset(counts, 0, 16 * sizeof(*counts));
	assert_int_equal(pipe(results), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		enter(pid, joins);
		for (int i = 0; i < 3; i++) {
			struct sockaddr_in end = end_of(i == 0	 ? "10.5.0.11"
							: i == 1 ? "10.5.0.12"
								 : "10.5.0.13");
			int on = 1;

			tasks[i] = (struct pollfd){socket(AF_INET, SOCK_STREAM, 0), POLLIN, 0};
			setsockopt(tasks[i].fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
			if (bind(tasks[i].fd, (struct sockaddr *)&end, sizeof(end)) ||
			    listen(tasks[i].fd, 16))
				_exit(OTHER);
		}
		for (int i = 0; i < n; i++) {
			int result = connect_once(tasks);

			if (write(results[1], &result, sizeof(result)) != sizeof(result))
				_exit(OTHER);
		}
		_exit(0);
	}
	close(results[1]);
	for (int result; read(results[0], &result, sizeof(result)) == sizeof(result);)
		counts[result & 15]++;
	close(results[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void networks_of_one_subnet_are_told_apart_by_who_asks(void **state)
{
	struct fixture *fixture = *state;
	int counts[16];

	use(fixture, OF_A "," OF_B);
	connect_from(fixture->pids[0], true, 4, counts);
	assert_int_equal(counts[11], 4);
	connect_from(fixture->pids[1], true, 4, counts);
	assert_int_equal(counts[12], 4);
}

static void who_is_on_no_network_is_left_alone(void **state)
{
	struct fixture *fixture = *state;
	int counts[16];

	fixture->containers[0].n_scopes = 0;
	use(fixture, OF_A "," OF_B);
	connect_from(fixture->pids[0], true, 2, counts);
	assert_int_equal(counts[REFUSED], 2);
}

static void so_is_who_is_not_in_the_cgroup(void **state)
{
	struct fixture *fixture = *state;
	int counts[16];

	use(fixture, OF_A);
	connect_from(fixture->pids[0], false, 2, counts);
	assert_int_equal(counts[REFUSED], 2);
}

static void without_a_task_it_is_refused(void **state)
{
	struct fixture *fixture = *state;
	int counts[16];

	use(fixture, OF_B);
	connect_from(fixture->pids[0], true, 2, counts);
	assert_int_equal(counts[REFUSED], 2);
}

static void a_task_that_drains_gets_nothing_new(void **state)
{
	struct fixture *fixture = *state;
	int counts[16];

	use(fixture, TASK("t1", "a", "neta", "10.5.0.11") ",\"desired\":\"shutdown\"}," TASK(
			     "t3", "a", "neta", "10.5.0.13") "}");
	connect_from(fixture->pids[0], true, 4, counts);
	assert_int_equal(counts[13], 4);
}

static void shares_are_as_the_weights(void **state)
{
	struct fixture *fixture = *state;
	int counts[16];

	use(fixture, TASK("t1", "a", "neta", "10.5.0.11") ",\"weight\":3}," TASK("t3", "a", "neta",
										 "10.5.0.13") "}");
	connect_from(fixture->pids[0], true, 40, counts);
	assert_int_equal(counts[11], 30);
	assert_int_equal(counts[13], 10);
}

static void by_source_a_container_keeps_its_task(void **state)
{
	struct fixture *fixture = *state;
	int counts[16];

	use(fixture, OF_B "," TASK("t3", "b", "netb", "10.5.0.13") "}");
	connect_from(fixture->pids[1], true, 20, counts);
	assert_int_equal(counts[12] + counts[13], 20);
	assert_true(counts[12] == 20 || counts[13] == 20);
}

static uint32_t link_id(const char *name, uint32_t *program)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);
	char path[128];
	int link;

	snprintf(path, sizeof(path), "%s/pins/names/%s", bpffs, name);
	link = bpf_obj_get(path);
	assert_true(link >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(link, &info, &size), 0);
	close(link);
	*program = info.prog_id;
	return info.id;
}

static void another_agent_puts_its_programs_in_the_old_ones_place(void **state)
{
	struct fixture *fixture = *state;
	uint32_t before, after, link;
	int counts[16];

	use(fixture, OF_A "," TASK("t3", "a", "neta", "10.5.0.13") "}");
	connect_from(fixture->pids[0], true, 1, counts);
	assert_int_equal(counts[11], 1);
	link = link_id("connect4", &before);
	datapath_close(fixture->datapath);
	open_datapath(fixture, cgroup);
	use(fixture, OF_A "," TASK("t3", "a", "neta", "10.5.0.13") "}");
	assert_int_equal(link_id("connect4", &after), link);
	assert_int_not_equal(after, before);
	connect_from(fixture->pids[0], true, 1, counts);
	assert_int_equal(counts[13], 1); /* round robin goes on */
}

static void switched_off_nothing_is_answered_any_more(void **state)
{
	struct fixture *fixture = *state;
	int counts[16];

	use(fixture, OF_A);
	datapath_close(fixture->datapath);
	open_datapath(fixture, "off");
	use(fixture, OF_A);
	assert_string_equal(datapath_names_problem(fixture->datapath), "");
	connect_from(fixture->pids[0], true, 2, counts);
	assert_int_equal(counts[REFUSED], 2);
}

static void without_a_cgroup_the_rest_works_and_it_is_told(void **state)
{
	struct fixture *fixture = *state;
	struct datapath_changes changes;
	struct skep_error error;

	datapath_close(fixture->datapath);
	open_datapath(fixture, "/nowhere");
	model_free(fixture->model);
	assert_int_equal(model_parse("{}", 2, &fixture->model, &error), 0);
	fixture->node.n_containers = 0;
	assert_error(
		datapath_apply(fixture->datapath, fixture->model, &fixture->node, &changes, &error),
		-ENOENT, &error, "--cgroup /nowhere");
}

static void count_line(void *context, const char *line)
{
	(void)line;
	(*(int *)context)++;
}

static void what_somebody_took_away_is_found_and_mended(void **state)
{
	struct fixture *fixture = *state;
	struct datapath_changes changes;
	struct skep_error error;
	size_t differences;
	char path[128];
	int lines = 0;

	use(fixture, OF_A);
	snprintf(path, sizeof(path), "%s/pins/names/connect4", bpffs);
	assert_int_equal(unlink(path), 0);
	assert_ok(datapath_verify(fixture->datapath, fixture->model, &fixture->node, count_line,
				  &lines, &differences, &error),
		  &error);
	assert_int_equal(lines, 1);
	assert_int_equal(differences, 1);
	assert_ok(datapath_resync(fixture->datapath, &error), &error);
	assert_ok(
		datapath_apply(fixture->datapath, fixture->model, &fixture->node, &changes, &error),
		&error);
	assert_int_equal(changes.attached, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(networks_of_one_subnet_are_told_apart_by_who_asks),
		TEST(who_is_on_no_network_is_left_alone),
		TEST(so_is_who_is_not_in_the_cgroup),
		TEST(without_a_task_it_is_refused),
		TEST(a_task_that_drains_gets_nothing_new),
		TEST(shares_are_as_the_weights),
		TEST(by_source_a_container_keeps_its_task),
		TEST(another_agent_puts_its_programs_in_the_old_ones_place),
		TEST(switched_off_nothing_is_answered_any_more),
		TEST(without_a_cgroup_the_rest_works_and_it_is_told),
		TEST(what_somebody_took_away_is_found_and_mended),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
