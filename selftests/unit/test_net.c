/* SPDX-License-Identifier: GPL-2.0-only */
/* What skep reads of the kernel's network, and what it makes there: in a namespace of its own, with real links. */
#include "network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "lib/loop.h"
#include "net/net.h"

static struct skep_addr addr(const char *text)
{
	struct skep_addr parsed;

	assert_int_equal(addr_parse(text, &parsed), 0);
	return parsed;
}

static struct addr_prefix prefix(const char *text)
{
	struct addr_prefix parsed;

	assert_int_equal(addr_prefix_parse(text, &parsed), 0);
	return parsed;
}

static void assert_ok(int err, const struct skep_error *error)
{
	if (err)
		fail_msg("%d: %s", err, error->text);
}

static void assert_error(int err, int wanted, const struct skep_error *error, const char *part)
{
	assert_int_equal(err, wanted);
	if (!strstr(error->text, part))
		fail_msg("no \"%s\" in: %s", part, error->text);
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
	struct skep_addr local = addr("10.1.0.9"), remote = addr("10.1.0.10"), loopback = addr("127.0.0.1");

	for (size_t i = 1; i < state.n_addrs; i++)
		assert_true(addr_compare(&state.addrs[i - 1].addr, &state.addrs[i].addr) <= 0);
	const struct net_addr *found = net_find_addr(&state, &wanted);
	assert_non_null(found);
	assert_int_equal(found[0].ifindex + found[1].ifindex, ifindex_of("left") + ifindex_of("right"));
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
	run("for i in $(seq 150); do echo link add a$i type veth peer name b$i; done | ip -batch -");
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
	assert_ok(net_monitor_open(&watcher->monitor, watcher->loop, count_change, watcher, &error), &error);
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
		"ip link add left type veth peer name right",
		"ip link set left up",
		"ip addr add 10.1.0.1/24 dev left",
		"ip route add blackhole 10.5.0.0/16",
		"ip rule add priority 77 lookup 77",
		"ip rule del priority 77",
		"ip route del blackhole 10.5.0.0/16",
		"ip link del left",
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

/* Without the loop running, so that they all wait in the socket; three hundred are more than its buffer holds. */
static void a_burst_is_told_once_though_messages_were_lost(void **unused)
{
	struct watcher watcher;

	(void)unused;
	watcher_open(&watcher);
	run("for i in $(seq 150); do echo link add a$i type veth peer name b$i; done | ip -batch -");
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
	assert_ok(net_monitor_open(&watcher.monitor, watcher.loop, close_itself, &watcher, &error), &error);
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

/* As a Docker overlay's sandbox has the other ends of its tasks' legs, numbered like the host's own. */
static void a_leg_into_another_namespace_is_not_mistaken_for_one_of_ours(void **unused)
{
	pid_t task = container_start(), sandbox = container_start(), other = container_start();
	struct skep_error error = {""};

	(void)unused;
	run("ip link add decoy index 6000 type veth peer name eth0 index 5000 netns %d", other);
	run("nsenter -t %d -n ip link add leg index 6000 type veth peer name eth0 index 5000 netns %d",
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

/* ---- skep0 */

static const struct net_mesh mesh = {.port = 4799, .mac = {0x02, 0x53, 10, 1, 0, 1}, .mtu = 1450};

static int ensure(const struct net_mesh *wanted, bool wanted_changed)
{
	struct skep_error error = {""};
	bool changed = !wanted_changed;
	int ifindex = 0;

	assert_ok(net_mesh_ensure(wanted, &ifindex, &changed, &error), &error);
	assert_int_equal(ifindex, ifindex_of(NET_MESH_NAME));
	assert_int_equal(changed, wanted_changed);
	return ifindex;
}

static void remove_mesh(void)
{
	struct skep_error error = {""};

	assert_ok(net_mesh_remove(&error), &error);
}

static void mesh_is_made_as_it_must_be_and_then_left_alone(void **unused)
{
	(void)unused;
	int ifindex = ensure(&mesh, true);

	assert_output("ip -d link show skep0", "vxlan external");
	assert_output("ip -d link show skep0", "nolearning");
	assert_output("ip -d link show skep0", "dstport 4799");
	assert_output("ip -d link show skep0", "mtu 1450");
	assert_output("ip -d link show skep0", "02:53:0a:01:00:01");
	assert_output("ip link show skep0", "NOARP,UP,LOWER_UP");
	assert_output("cat /proc/sys/net/ipv4/conf/skep0/forwarding", "1");
	assert_output("cat /proc/sys/net/ipv4/conf/skep0/rp_filter", "0");
	assert_no_output("ip -6 addr show dev skep0", "inet6");
	assert_int_equal(ensure(&mesh, false), ifindex);
	remove_mesh();
	assert_int_equal(if_nametoindex(NET_MESH_NAME), 0);
	remove_mesh();
}

static void mesh_that_was_tampered_with_is_mended_in_place(void **unused)
{
	static const char *const damage[] = {
		"ip link set skep0 down",
		"ip link set skep0 mtu 1300",
		"ip link set skep0 address 02:00:00:00:00:09",
		"ip link set skep0 arp on",
		"echo 0 > /proc/sys/net/ipv4/conf/skep0/forwarding",
		"echo 2 > /proc/sys/net/ipv4/conf/skep0/rp_filter",
	};

	(void)unused;
	int ifindex = ensure(&mesh, true);
	for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
		run("%s", damage[i]);
		assert_int_equal(ensure(&mesh, true), ifindex);
		assert_int_equal(ensure(&mesh, false), ifindex);
	}
	remove_mesh();
}

static void mesh_is_made_anew_for_another_port_only(void **unused)
{
	struct net_mesh other = mesh;

	(void)unused;
	int ifindex = ensure(&mesh, true);
	other.mtu = 1400;
	other.mac[5] = 9;
	assert_int_equal(ensure(&other, true), ifindex);
	other.port = 4800;
	assert_int_not_equal(ensure(&other, true), ifindex);
	assert_output("ip -d link show skep0", "dstport 4800");
	remove_mesh();
}

static void a_stranger_of_that_name_is_left_alone(void **unused)
{
	static const char *const strangers[] = {
		"ip link add skep0 type veth peer name other",
		"ip link add skep0 type vxlan id 7 dstport 4799 nolearning",
		"ip link add skep0 type vxlan external dstport 4799 learning",
	};
	struct skep_error error = {""};
	bool changed;
	int ifindex;

	(void)unused;
	for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
		run("%s", strangers[i]);
		int stranger = ifindex_of(NET_MESH_NAME);
		assert_error(net_mesh_ensure(&mesh, &ifindex, &changed, &error), -EEXIST, &error,
			     "not skep's");
		assert_false(changed);
		remove_mesh();
		assert_int_equal(ifindex_of(NET_MESH_NAME), stranger);
		run("ip link del skep0");
	}
}

static void a_port_that_is_taken_is_told(void **unused)
{
	const struct sockaddr_in taken = {.sin_family = AF_INET, .sin_port = htons(4799)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct skep_error error = {""};
	bool changed;
	int ifindex;

	(void)unused;
	assert_int_equal(bind(fd, (const struct sockaddr *)&taken, sizeof(taken)), 0);
	assert_error(net_mesh_ensure(&mesh, &ifindex, &changed, &error), -EADDRINUSE, &error,
		     "UDP port 4799");
	close(fd);
	ensure(&mesh, true);
	remove_mesh();

	run("ip link add other type vxlan external dstport 4799 nolearning");
	assert_error(net_mesh_ensure(&mesh, &ifindex, &changed, &error), -EADDRINUSE, &error,
		     "UDP port 4799");
	run("ip link del other");
}

/* As systemd's ProtectKernelTunables=yes leaves it. */
static void read_only_proc_sys_is_told(void **unused)
{
	struct skep_error error = {""};
	bool changed;
	int ifindex;

	(void)unused;
	run("mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys");
	assert_error(net_mesh_ensure(&mesh, &ifindex, &changed, &error), -EROFS, &error,
		     "ProtectKernelTunables");
	run("umount /proc/sys");
	ensure(&mesh, true);
	remove_mesh();
}

/* ---- routes */

static void ensure_routes(const char *source, const char *const *networks, size_t n, bool wanted_changed)
{
	struct addr_prefix prefixes[8];
	struct skep_error error = {""};
	struct skep_addr from = addr(source);
	bool changed = !wanted_changed;

	for (size_t i = 0; i < n; i++)
		prefixes[i] = prefix(networks[i]);
	assert_ok(net_mesh_routes_ensure((int)if_nametoindex(NET_MESH_NAME), &from, prefixes, n, &changed,
					 &error),
		  &error);
	assert_int_equal(changed, wanted_changed);
}

#define NETWORKS(...) (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)
#define SHOW_ROUTES "ip route show table 4799"

static void routes_setup(void)
{
	ensure(&mesh, true);
	run("ip addr add 10.1.0.1/32 dev lo; ip addr add 10.1.0.2/32 dev lo");
}

static void routes_teardown(void)
{
	struct skep_error error = {""};
	bool changed;

	assert_ok(net_mesh_routes_ensure(0, NULL, NULL, 0, &changed, &error), &error);
	remove_mesh();
	run("ip addr del 10.1.0.1/32 dev lo; ip addr del 10.1.0.2/32 dev lo");
}

static void routes_are_brought_to_what_is_asked(void **unused)
{
	(void)unused;
	routes_setup();
	ensure_routes("10.1.0.1", NETWORKS("10.0.1.0/24", "10.0.0.0/24", "10.0.1.0/24", "10.0.0.0/16"), true);
	assert_string_equal(output_of(SHOW_ROUTES),
			    "10.0.0.0/24 dev skep0 proto 147 scope link src 10.1.0.1 \n"
			    "10.0.0.0/16 dev skep0 proto 147 scope link src 10.1.0.1 \n"
			    "10.0.1.0/24 dev skep0 proto 147 scope link src 10.1.0.1 \n");
	assert_output("ip rule", "4799:\tfrom all iif lo lookup 4799 proto 147");
	ensure_routes("10.1.0.1", NETWORKS("10.0.0.0/24", "10.0.0.0/16", "10.0.1.0/24"), false);
	ensure_routes("10.1.0.1", NETWORKS("10.0.0.0/24", "10.0.2.0/24"), true);
	assert_string_equal(output_of(SHOW_ROUTES),
			    "10.0.0.0/24 dev skep0 proto 147 scope link src 10.1.0.1 \n"
			    "10.0.2.0/24 dev skep0 proto 147 scope link src 10.1.0.1 \n");
	/* Another source: replaced, not added. */
	ensure_routes("10.1.0.2", NETWORKS("10.0.0.0/24"), true);
	assert_string_equal(output_of(SHOW_ROUTES), "10.0.0.0/24 dev skep0 proto 147 scope link src 10.1.0.2 \n");
	ensure_routes("10.1.0.2", NULL, 0, true);
	assert_string_equal(output_of(SHOW_ROUTES " 2>/dev/null || true"), "");
	assert_no_output("ip rule", "4799");
	ensure_routes("10.1.0.2", NULL, 0, false);
	routes_teardown();
}

static void lost_rule_and_routes_come_back(void **unused)
{
	(void)unused;
	routes_setup();
	ensure_routes("10.1.0.1", NETWORKS("10.0.0.0/24"), true);
	run("ip rule del priority 4799");
	ensure_routes("10.1.0.1", NETWORKS("10.0.0.0/24"), true);
	run("ip route flush table 4799");
	ensure_routes("10.1.0.1", NETWORKS("10.0.0.0/24"), true);
	/* The kernel takes routes away with their device. */
	remove_mesh();
	ensure(&mesh, true);
	ensure_routes("10.1.0.1", NETWORKS("10.0.0.0/24"), true);
	ensure_routes("10.1.0.1", NETWORKS("10.0.0.0/24"), false);
	routes_teardown();
}

static void what_others_put_there_stays(void **unused)
{
	(void)unused;
	routes_setup();
	run("ip route add blackhole 10.7.0.0/16 table 4799 proto static");
	run("ip rule add priority 4799 from 10.8.0.0/16 lookup 4799");
	ensure_routes("10.1.0.1", NETWORKS("10.0.0.0/24"), true);
	ensure_routes("10.1.0.1", NULL, 0, true);
	assert_string_equal(output_of(SHOW_ROUTES), "blackhole 10.7.0.0/16 proto static \n");
	assert_output("ip rule", "4799:\tfrom 10.8.0.0/16 lookup 4799");
	assert_no_output("ip rule", "iif lo");
	run("ip route flush table 4799; ip rule del priority 4799");
	routes_teardown();
}

static void routes_that_cannot_be_are_told(void **unused)
{
	struct skep_addr source = addr("10.1.0.1"), foreign = addr("10.9.9.9"), six = addr("fd00::1");
	struct addr_prefix four = prefix("10.0.0.0/24"), other = prefix("fd00::/64");
	struct skep_error error = {""};
	bool changed;

	(void)unused;
	routes_setup();
	int ifindex = ifindex_of(NET_MESH_NAME);
	assert_error(net_mesh_routes_ensure(ifindex, &foreign, &four, 1, &changed, &error), -EINVAL, &error,
		     "cannot set route 10.0.0.0/24 in table 4799");
	assert_error(net_mesh_routes_ensure(ifindex, &source, &other, 1, &changed, &error), -EINVAL, &error,
		     "fd00::/64");
	assert_error(net_mesh_routes_ensure(ifindex, &six, &four, 1, &changed, &error), -EINVAL, &error,
		     "fd00::1");
	assert_error(net_mesh_routes_ensure(999999, &source, &four, 1, &changed, &error), -ENODEV, &error,
		     "10.0.0.0/24");
	routes_teardown();
}

/* ---- a task's answer to a socket of the host, as it comes in from skep0 */

static uint16_t checksum(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* VXLAN header, inner Ethernet, IPv4 and UDP of 10.0.0.5:53 to 10.1.0.1:5353, checksum zero: none. */
static void send_from_task(void)
{
	uint8_t frame[8 + 14 + 20 + 8 + 4] = {
		0x08, 0, 0, 0, 0, 0, 1, 0,					   /* VNI 1 */
		0x02, 0x53, 10, 1, 0, 1, 0x02, 0x42, 10, 0, 0, 5, 0x08, 0,	   /* to skep0 */
		0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 5, 10, 1, 0, 1, /* IPv4 */
		0, 53, 5353 >> 8, 5353 & 0xff, 0, 12, 0, 0, 'd', 'a', 't', 'a',	   /* UDP */
	};
	const struct sockaddr_in tunnel = {
		.sin_family = AF_INET,
		.sin_port = htons(4799),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	uint16_t sum = checksum(frame + 22, 20);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	frame[22 + 10] = (uint8_t)(sum >> 8);
	frame[22 + 11] = (uint8_t)sum;
	assert_true(fd >= 0);
	assert_int_equal(sendto(fd, frame, sizeof(frame), 0, (const struct sockaddr *)&tunnel, sizeof(tunnel)),
			 sizeof(frame));
	close(fd);
}

static bool arrives(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	char data[8];

	send_from_task();
	if (poll(&wait, 1, 200) == 0)
		return false;
	assert_int_equal(recv(fd, data, sizeof(data), 0), 4);
	return true;
}

static void answers_pass_strict_rp_filter_by_the_rule_and_routes(void **unused)
{
	struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(5353)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)unused;
	routes_setup();
	inet_pton(AF_INET, "10.1.0.1", &local.sin_addr);
	assert_int_equal(bind(fd, (const struct sockaddr *)&local, sizeof(local)), 0);
	/* A default route elsewhere, as any host has. */
	run("ip link add wire type veth peer name peer; ip link set wire up; ip link set peer up");
	run("ip addr add 192.0.2.1/24 dev wire; ip route add default via 192.0.2.2");

	ensure_routes("10.1.0.1", NETWORKS("10.0.0.0/24"), true);
	assert_true(arrives(fd));
	run("echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter");
	assert_true(arrives(fd));
	/* It is the routes that make it so. */
	ensure_routes("10.1.0.1", NULL, 0, true);
	assert_false(arrives(fd));
	run("echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter");
	assert_true(arrives(fd));
	close(fd);
	run("ip link del wire");
	routes_teardown();
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
		cmocka_unit_test(mesh_is_made_as_it_must_be_and_then_left_alone),
		cmocka_unit_test(mesh_that_was_tampered_with_is_mended_in_place),
		cmocka_unit_test(mesh_is_made_anew_for_another_port_only),
		cmocka_unit_test(a_stranger_of_that_name_is_left_alone),
		cmocka_unit_test(a_port_that_is_taken_is_told),
		cmocka_unit_test(read_only_proc_sys_is_told),
		cmocka_unit_test(routes_are_brought_to_what_is_asked),
		cmocka_unit_test(lost_rule_and_routes_come_back),
		cmocka_unit_test(what_others_put_there_stays),
		cmocka_unit_test(routes_that_cannot_be_are_told),
		cmocka_unit_test(answers_pass_strict_rp_filter_by_the_rule_and_routes),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, network_enter, NULL);
}
