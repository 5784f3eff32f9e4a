/* SPDX-License-Identifier: GPL-2.0-only */
/* What addresses mean in a container, by its own routes; and who listens, of whom. Needs root. */
#include "network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "agent/listeners.h"
#include "agent/scopes.h"
#include "net/net.h"

#define MODEL                                                                                      \
	"{\"networks\":[{\"id\":\"i\",\"ingress\":true,\"subnets\":[\"10.0.0.0/24\"]},"            \
	"{\"id\":\"x\",\"subnets\":[\"10.5.0.0/24\"]},{\"id\":\"y\",\"subnets\":[\"10.5.0.0/"      \
	"24\"]}],"                                                                                 \
	"\"services\":[{\"id\":\"s\",\"ports\":[{\"published\":8080,\"target\":80,\"protocol\":"   \
	"\"tcp\"},{\"published\":8053,\"target\":53,\"protocol\":\"udp\"}]}]}"

struct fixture {
	struct model *model;
	struct docker_container container;
	struct scopes scopes;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct skep_error error;

	if (!fixture || model_parse(MODEL, strlen(MODEL), &fixture->model, &error))
		return -1;
	fixture->container.pid = container_start();
	run("nsenter -t %d -n sh -c 'ip link set lo up; ip link add name one type veth peer name "
	    "two; ip link set one up; ip link set two up'",
	    (int)fixture->container.pid);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	container_stop(fixture->container.pid);
	scopes_free(&fixture->scopes);
	model_free(fixture->model);
	free(fixture);
	return 0;
}

static void join(struct fixture *fixture, const char *network, const char *address)
{
	struct docker_network *place =
		&fixture->container.networks[fixture->container.n_networks++];

	snprintf(place->id, sizeof(place->id), "%s", network);
	assert_int_equal(addr_parse(address, &place->address), 0);
}

static void update(struct fixture *fixture, bool again)
{
	struct skep_error error;

	assert_ok(
		scopes_update(&fixture->scopes, &fixture->container, fixture->model, again, &error),
		&error);
}

static void in_container(const struct fixture *fixture, const char *command)
{
	run("nsenter -t %d -n %s", (int)fixture->container.pid, command);
}

static void a_network_is_in_scope_once_the_routes_lead_there(void **state)
{
	struct fixture *fixture = *state;

	join(fixture, "x", "10.5.0.7");
	update(fixture, false);
	assert_int_equal(fixture->scopes.n, 0);
	assert_false(fixture->scopes.whole);
	assert_true(fixture->scopes.cookie != 0);
	in_container(fixture, "ip addr add 10.5.0.7/24 dev one");
	update(fixture, true);
	assert_int_equal(fixture->scopes.n, 1);
	assert_true(fixture->scopes.whole);
	assert_int_equal(fixture->scopes.items[0].network, 0);
}

static void of_two_networks_with_one_subnet_the_route_says_which(void **state)
{
	struct fixture *fixture = *state;

	join(fixture, "x", "10.5.0.7");
	join(fixture, "y", "10.5.0.8");
	in_container(fixture, "ip addr add 10.5.0.8/24 dev two");
	in_container(fixture, "ip addr add 10.5.0.7/24 dev one");
	update(fixture, false);
	assert_int_equal(fixture->scopes.n, 1);
	assert_int_equal(fixture->scopes.items[0].network, 1);
	assert_true(fixture->scopes.whole);
}

static void two_networks_that_gave_it_one_address_are_neither(void **state)
{
	struct fixture *fixture = *state;

	join(fixture, "x", "10.5.0.7");
	join(fixture, "y", "10.5.0.7");
	in_container(fixture, "ip addr add 10.5.0.7/24 dev one");
	update(fixture, false);
	assert_int_equal(fixture->scopes.n, 0);
}

static void the_ingress_network_and_unknown_ones_are_no_scope(void **state)
{
	struct fixture *fixture = *state;

	join(fixture, "i", "10.0.0.7");
	join(fixture, "z", "10.9.0.7");
	in_container(fixture, "ip addr add 10.0.0.7/24 dev one");
	update(fixture, false);
	assert_int_equal(fixture->scopes.n, 0);
	assert_true(fixture->scopes.whole);
}

static void a_process_in_the_hosts_own_network_has_none(void **state)
{
	struct fixture *fixture = *state;
	pid_t pid = fixture->container.pid;

	fixture->container.pid = getpid();
	join(fixture, "x", "10.5.0.7");
	update(fixture, false);
	assert_int_equal(fixture->scopes.cookie, 0);
	assert_true(fixture->scopes.whole);
	fixture->container.pid = pid;
}

static int wait_on(int type, uint16_t port)
{
	struct sockaddr_in end = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, type, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&end, sizeof(end)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void who_listens_on_a_published_port_is_listed(void **state)
{
	struct fixture *fixture = *state;
	struct listeners *listeners = listeners_new();
	int tcp = wait_on(SOCK_STREAM, 8080), udp = wait_on(SOCK_DGRAM, 8053);
	int other = wait_on(SOCK_STREAM, 8053), wrong = wait_on(SOCK_DGRAM, 8080);
	const struct datapath_listener *list;
	struct skep_error error;
	bool changed;
	size_t n;

	assert_ok(listeners_update(listeners, fixture->model, &changed, &error), &error);
	assert_true(changed);
	list = listeners_list(listeners, &n);
	assert_int_equal(n, 2);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(list[i].pid, getpid());
		assert_string_equal(listeners_name(listeners, &list[i]), "test_scopes");
	}
	assert_ok(listeners_update(listeners, fixture->model, &changed, &error), &error);
	assert_false(changed);
	close(tcp);
	close(udp);
	assert_ok(listeners_update(listeners, fixture->model, &changed, &error), &error);
	assert_true(changed);
	listeners_list(listeners, &n);
	assert_int_equal(n, 0);
	close(other);
	close(wrong);
	listeners_free(listeners);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_network_is_in_scope_once_the_routes_lead_there),
		TEST(of_two_networks_with_one_subnet_the_route_says_which),
		TEST(two_networks_that_gave_it_one_address_are_neither),
		TEST(the_ingress_network_and_unknown_ones_are_no_scope),
		TEST(a_process_in_the_hosts_own_network_has_none),
		TEST(who_listens_on_a_published_port_is_listed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, network_enter, NULL);
}
