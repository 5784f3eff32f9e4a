/* SPDX-License-Identifier: GPL-2.0-only */
/* What skep reads of the kernel's network and of containers' legs: in a namespace of its own, with
 * real links. */
#include "network.h"

#include <sys/stat.h>

#include "lib/loop.h"
#include "net/net.h"

static struct skep_addr addr(const char *text)
{
	struct skep_addr parsed;

	assert_int_equal(addr_parse(text, &parsed), 0);
	return parsed;
}

/* ---- what is there */

static struct net_state read_state(void)
{
	struct skep_error error = {""};
	struct net_state state;

	assert_ok(net_state_read(&state, &error), &error);
	return state;
}

static void links_are_read_with_kind_peer_mac_and_flags(void **unused)
{
	(void)unused;
	run("ip link add left mtu 1400 type veth peer name right");
	run("ip link set left address 02:00:00:00:00:07 up");
	struct net_state state = read_state();

	const struct net_link *left = net_find_link_by_name(&state, "left");
	const struct net_link *right = net_find_link_by_name(&state, "right");
	assert_non_null(left);
	assert_non_null(right);
	assert_string_equal(left->kind, "veth");
	assert_int_equal(left->mtu, 1400);
	assert_int_equal(left->peer_ifindex, right->ifindex);
	assert_int_equal(right->peer_ifindex, left->ifindex);
	assert_memory_equal(left->mac, "\2\0\0\0\0\7", 6);
	assert_true(left->flags & IFF_UP);
	assert_false(right->flags & IFF_UP);
	assert_ptr_equal(net_find_link(&state, left->ifindex), left);
	assert_ptr_equal(net_find_link(&state, right->ifindex), right);
	assert_string_equal(net_find_link_by_name(&state, "lo")->kind, "");
	assert_null(net_find_link(&state, 999999));
	assert_null(net_find_link_by_name(&state, "none"));
	net_state_free(&state);
	run("ip link del left");
}

static void addresses_are_read_sorted(void **unused)
{
	(void)unused;
	run("ip link add left type veth peer name right");
	run("ip addr add 10.2.0.1/16 dev right");
	run("ip addr add 10.1.0.9 peer 10.1.0.10/32 dev left");
	run("ip addr add 10.2.0.1/24 dev left");
	struct net_state state = read_state();
	struct skep_addr wanted = addr("10.2.0.1");
	struct skep_addr local = addr("10.1.0.9"), remote = addr("10.1.0.10"),
			 loopback = addr("127.0.0.1");

	for (size_t i = 1; i < state.n_addrs; i++)
		assert_true(addr_compare(&state.addrs[i - 1].addr, &state.addrs[i].addr) <= 0);
	const struct net_addr *found = net_find_addr(&state, &wanted);
	assert_non_null(found);
	assert_int_equal(found[0].ifindex + found[1].ifindex,
			 ifindex_of("left") + ifindex_of("right"));
	assert_true(found[0].ifindex < found[1].ifindex);
	assert_int_equal(found[0].prefix + found[1].prefix, 96 + 16 + 96 + 24);
	/* Of a point-to-point address, ours. */
	assert_non_null(net_find_addr(&state, &local));
	assert_null(net_find_addr(&state, &remote));
	assert_non_null(net_find_addr(&state, &loopback));
	net_state_free(&state);
	run("ip link del left");
}

static void hundreds_of_links_are_read_whole(void **unused)
{
	size_t before, count = 0;

	(void)unused;
	struct net_state state = read_state();
	before = state.n_links;
	net_state_free(&state);
	run("for i in $(seq 150); do echo link add a$i type veth peer name b$i; done | ip -batch "
	    "-");
	state = read_state();
	assert_int_equal(state.n_links, before + 300);
	for (size_t i = 1; i < state.n_links; i++) {
		assert_true(state.links[i - 1].ifindex < state.links[i].ifindex);
		count += !strcmp(state.links[i].kind, "veth");
	}
	assert_int_equal(count, 300);
	net_state_free(&state);
	run("for i in $(seq 150); do echo link del a$i; done | ip -batch -");
}

/* ---- what changes */

struct watcher {
	struct loop *loop;
	struct net_monitor *monitor;
	struct loop_timer end;
	int calls;
	bool timed_out;
};

static void count_change(void *context)
{
	struct watcher *watcher = context;

	watcher->calls++;
	loop_stop(watcher->loop);
}

static void time_out(struct loop_timer *timer)
{
	struct watcher *watcher = container_of(timer, struct watcher, end);

	watcher->timed_out = true;
	loop_stop(watcher->loop);
}

static void watcher_open(struct watcher *watcher)
{
	struct skep_error error = {""};

	*watcher = (struct watcher){.loop = loop_new(), .end.expired = time_out};
	assert_non_null(watcher->loop);
	assert_ok(net_monitor_open(&watcher->monitor, watcher->loop, count_change, watcher, &error),
		  &error);
}

static void watcher_close(struct watcher *watcher)
{
	net_monitor_close(watcher->monitor);
	loop_free(watcher->loop);
}

/* How often the monitor called within the time, or until its first call if first. */
static int watch(struct watcher *watcher, uint64_t ms, bool first)
{
	watcher->calls = 0;
	watcher->timed_out = false;
	loop_arm(watcher->loop, &watcher->end, ms);
	while (!watcher->timed_out && !(first && watcher->calls))
		assert_int_equal(loop_run(watcher->loop), 0);
	loop_disarm(watcher->loop, &watcher->end);
	return watcher->calls;
}

static void each_kind_of_change_is_told(void **unused)
{
	static const char *const changes[] = {
		"ip link add left type veth peer name right", "ip link set left up",
		"ip addr add 10.1.0.1/24 dev left",	      "ip route add blackhole 10.5.0.0/16",
		"ip rule add priority 77 lookup 77",	      "ip rule del priority 77",
		"ip route del blackhole 10.5.0.0/16",	      "ip link del left",
	};
	struct watcher watcher;

	(void)unused;
	watcher_open(&watcher);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		run("%s", changes[i]);
		if (watch(&watcher, 5000, true) != 1)
			fail_msg("not told of: %s", changes[i]);
		/* A carrier that comes or goes is told somewhat later, by a message of its own. */
		while (watch(&watcher, 100, false))
			;
	}
	watcher_close(&watcher);
}

/* Without the loop running, so that they all wait in the socket; three hundred are more than its
 * buffer holds. */
static void a_burst_is_told_once_though_messages_were_lost(void **unused)
{
	struct watcher watcher;

	(void)unused;
	watcher_open(&watcher);
	run("for i in $(seq 150); do echo link add a$i type veth peer name b$i; done | ip -batch "
	    "-");
	run("for i in $(seq 150); do echo link del a$i; done | ip -batch -");
	assert_int_equal(watch(&watcher, 300, false), 1);
	run("ip link set lo mtu 60000");
	assert_int_equal(watch(&watcher, 5000, true), 1);
	run("ip link set lo mtu 65536");
	watcher_close(&watcher);
}

static void close_itself(void *context)
{
	struct watcher *watcher = context;

	net_monitor_close(watcher->monitor);
	watcher->monitor = NULL;
	count_change(context);
}

static void a_monitor_may_be_closed_from_its_own_call(void **unused)
{
	struct watcher watcher = {.loop = loop_new(), .end.expired = time_out};
	struct skep_error error = {""};

	(void)unused;
	assert_ok(net_monitor_open(&watcher.monitor, watcher.loop, close_itself, &watcher, &error),
		  &error);
	run("ip link set lo mtu 60000");
	assert_int_equal(watch(&watcher, 5000, true), 1);
	run("ip link set lo mtu 65536");
	assert_int_equal(watch(&watcher, 50, false), 0);
	watcher_close(&watcher);
}

/* ---- a container's veth */

static ino_t own_namespace(void)
{
	struct stat status;

	assert_int_equal(stat("/proc/self/ns/net", &status), 0);
	return status.st_ino;
}

static int find_interface(pid_t pid, struct skep_error *error)
{
	ino_t before = own_namespace();
	int ifindex = -1;
	int err = net_task_interface(pid, &ifindex, error);

	assert_int_equal(own_namespace(), before);
	assert_int_equal(ifindex > 0, !err);
	return err ? err : ifindex;
}

static void the_leg_with_the_default_route_is_found(void **unused)
{
	pid_t task = container_start();
	struct skep_error error = {""};

	(void)unused;
	run("ip link add overlay type veth peer name eth0 netns %d", task);
	run("ip link add gwbridge type veth peer name eth1 netns %d", task);
	run("ip link set overlay up; ip link set gwbridge up");
	run("nsenter -t %d -n sh -ec 'ip addr add 10.0.0.5/24 dev eth0; ip link set eth0 up;"
	    "ip addr add 172.18.0.3/16 dev eth1; ip link set eth1 up;"
	    "ip route add default via 172.18.0.1; ip route add default via 10.0.0.1 metric 50'",
	    task);
	assert_int_equal(find_interface(task, &error), ifindex_of("gwbridge"));
	run("ip link del overlay; ip link del gwbridge");
	container_stop(task);
}

static void without_a_default_route_the_only_leg_is_found_and_two_are_none(void **unused)
{
	pid_t task = container_start();
	struct skep_error error = {""};

	(void)unused;
	assert_error(find_interface(task, &error), -ENOENT, &error, "no veth");
	run("ip link add one type veth peer name eth0 netns %d", task);
	assert_int_equal(find_interface(task, &error), ifindex_of("one"));
	run("ip link add two type veth peer name eth1 netns %d", task);
	assert_error(find_interface(task, &error), -ENOENT, &error, "no veth");
	run("ip link del one; ip link del two");
	container_stop(task);
}

/* As a Docker overlay's sandbox has the other ends of its tasks' legs, numbered like the host's
 * own. */
static void a_leg_into_another_namespace_is_not_mistaken_for_one_of_ours(void **unused)
{
	pid_t task = container_start(), sandbox = container_start(), other = container_start();
	struct skep_error error = {""};

	(void)unused;
	run("ip link add decoy index 6000 type veth peer name eth0 index 5000 netns %d", other);
	run("nsenter -t %d -n ip link add leg index 6000 type veth peer name eth0 index 5000 netns "
	    "%d",
	    sandbox, task);
	assert_int_equal(find_interface(other, &error), 6000);
	assert_error(find_interface(task, &error), -ENOENT, &error, "no veth");
	run("nsenter -t %d -n sh -ec 'ip link set eth0 up; ip route add default dev eth0'", task);
	assert_error(find_interface(task, &error), -ENOENT, &error, "no veth");
	run("ip link del decoy");
	container_stop(task);
	container_stop(sandbox);
	container_stop(other);
}

static void a_default_route_that_leads_nowhere_near_is_no_leg(void **unused)
{
	pid_t task = container_start();
	struct skep_error error = {""};

	(void)unused;
	run("ip link add one type veth peer name eth0 netns %d", task);
	run("nsenter -t %d -n sh -ec 'ip link set lo up; ip route add default dev lo'", task);
	assert_error(find_interface(task, &error), -ENOENT, &error, "no veth");
	run("ip link del one");
	container_stop(task);
}

static void processes_gone_dead_or_in_our_own_network_have_none(void **unused)
{
	struct skep_error error = {""};
	siginfo_t info;
	pid_t pid = fork();

	(void)unused;
	if (!pid)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_error(find_interface(pid, &error), -ESRCH, &error, "is gone");
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_error(find_interface(pid, &error), -ESRCH, &error, "is gone");
	assert_error(find_interface(getpid(), &error), -ENOENT, &error, "host's own network");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links_are_read_with_kind_peer_mac_and_flags),
		cmocka_unit_test(addresses_are_read_sorted),
		cmocka_unit_test(hundreds_of_links_are_read_whole),
		cmocka_unit_test(each_kind_of_change_is_told),
		cmocka_unit_test(a_burst_is_told_once_though_messages_were_lost),
		cmocka_unit_test(a_monitor_may_be_closed_from_its_own_call),
		cmocka_unit_test(the_leg_with_the_default_route_is_found),
		cmocka_unit_test(without_a_default_route_the_only_leg_is_found_and_two_are_none),
		cmocka_unit_test(a_leg_into_another_namespace_is_not_mistaken_for_one_of_ours),
		cmocka_unit_test(a_default_route_that_leads_nowhere_near_is_no_leg),
		cmocka_unit_test(processes_gone_dead_or_in_our_own_network_have_none),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, network_enter, NULL);
}
