/* SPDX-License-Identifier: GPL-2.0-only */
/* What skep makes in the kernel's network: skep0, its rule and its routes; in a namespace of its
 * own. */
#include "network.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

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

static void ensure_routes(const char *source, const char *const *networks, size_t n,
			  bool wanted_changed)
{
	struct addr_prefix prefixes[8];
	struct skep_error error = {""};
	struct skep_addr from = addr(source);
	bool changed = !wanted_changed;

	for (size_t i = 0; i < n; i++)
		prefixes[i] = prefix(networks[i]);
	assert_ok(net_mesh_routes_ensure((int)if_nametoindex(NET_MESH_NAME), &from, prefixes, n,
					 &changed, &error),
		  &error);
	assert_int_equal(changed, wanted_changed);
}

#define NETWORKS(...)                                                                              \
	(const char *const[]){__VA_ARGS__},                                                        \
		sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)
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
	ensure_routes("10.1.0.1",
		      NETWORKS("10.0.1.0/24", "10.0.0.0/24", "10.0.1.0/24", "10.0.0.0/16"), true);
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
	assert_string_equal(output_of(SHOW_ROUTES),
			    "10.0.0.0/24 dev skep0 proto 147 scope link src 10.1.0.2 \n");
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
	struct skep_addr source = addr("10.1.0.1"), foreign = addr("10.9.9.9"),
			 six = addr("fd00::1");
	struct addr_prefix four = prefix("10.0.0.0/24"), other = prefix("fd00::/64");
	struct skep_error error = {""};
	bool changed;

	(void)unused;
	routes_setup();
	int ifindex = ifindex_of(NET_MESH_NAME);
	assert_error(net_mesh_routes_ensure(ifindex, &foreign, &four, 1, &changed, &error), -EINVAL,
		     &error, "cannot set route 10.0.0.0/24 in table 4799");
	assert_error(net_mesh_routes_ensure(ifindex, &source, &other, 1, &changed, &error), -EINVAL,
		     &error, "fd00::/64");
	assert_error(net_mesh_routes_ensure(ifindex, &six, &four, 1, &changed, &error), -EINVAL,
		     &error, "fd00::1");
	assert_error(net_mesh_routes_ensure(999999, &source, &four, 1, &changed, &error), -ENODEV,
		     &error, "10.0.0.0/24");
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

/* VXLAN header, inner Ethernet, IPv4 and UDP of 10.0.0.5:53 to 10.1.0.1:5353, checksum zero: none.
 */
static void send_from_task(void)
{
	uint8_t frame[8 + 14 + 20 + 8 + 4] = {
		0x08, 0,    0,	       0,	    0, 0,  1,	 0, /* VNI 1 */
		0x02, 0x53, 10,	       1,	    0, 1,  0x02, 0x42, 10,  0,	 0,   5,   0x08,
		0, /* to skep0 */
		0x45, 0,    0,	       32,	    0, 0,  0,	 0,    64,  17,	 0,   0,   10,
		0,    0,    5,	       10,	    1, 0,  1, /* IPv4 */
		0,    53,   5353 >> 8, 5353 & 0xff, 0, 12, 0,	 0,    'd', 'a', 't', 'a', /* UDP */
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
	assert_int_equal(sendto(fd, frame, sizeof(frame), 0, (const struct sockaddr *)&tunnel,
				sizeof(tunnel)),
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
