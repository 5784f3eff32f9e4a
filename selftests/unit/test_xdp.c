/* SPDX-License-Identifier: GPL-2.0-only */
/* On which interfaces the XDP program is, what is pinned, and what is left: real links on real
 * veths. */
#include "network.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>

#include "datapath/xdp.h"

static char bpffs[32];
static int wires_map;
static struct net_state net;
static struct datapath_changes changes;
static struct skep_error error;

static int load_program(void)
{
	const struct bpf_insn instructions[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "pass", "GPL", instructions, 2, NULL);

	assert_true(fd >= 0);
	return fd;
}

static __u32 id_of(int program)
{
	struct bpf_prog_info info = {0};
	__u32 size = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(program, &info, &size), 0);
	return info.id;
}

/* Of the program in native mode; 0: none. */
static __u32 attached_to(const char *name)
{
	__u32 id = 0;

	assert_int_equal(bpf_xdp_query_id(ifindex_of(name), XDP_FLAGS_DRV_MODE, &id), 0);
	return id;
}

static bool is_pinned(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/links/xdp-%d", bpffs, ifindex_of(name));
	return access(path, F_OK) == 0;
}

static bool has_entry(int ifindex, struct skep_wire *wire)
{
	__u32 key = (__u32)ifindex;

	return bpf_map_lookup_elem(wires_map, &key, wire) == 0;
}

static void read_net(void)
{
	net_state_free(&net);
	assert_ok(net_state_read(&net, &error), &error);
}

static struct xdp *open_xdp(enum datapath_mode mode, int program)
{
	const struct xdp_config config = {
		.bpffs = bpffs,
		.mode = mode,
		.program = program,
		.missing = "the kernel does not take it",
		.wires = wires_map,
	};
	struct xdp *xdp;

	assert_ok(xdp_open(&xdp, &config, &error), &error);
	return xdp;
}

static int apply(struct xdp *xdp, const char *name, bool fresh)
{
	int ifindex = ifindex_of(name);

	read_net();
	changes = (struct datapath_changes){0};
	return xdp_apply(xdp, &ifindex, 1, &net, fresh, &changes, &error);
}

static void expect_wire(struct xdp *xdp, bool in_force, const char *why)
{
	size_t n;
	const struct datapath_wire *wires = xdp_wires(xdp, &n);

	assert_int_equal(n, 1);
	assert_int_equal(wires[0].xdp, in_force);
	if (!strstr(wires[0].why, why) || !*why != !*wires[0].why)
		fail_msg("no \"%s\" in: %s", why, wires[0].why);
}

static void count_line(void *context, const char *line)
{
	(void)line;
	(*(int *)context)++;
}

static int differences(struct xdp *xdp)
{
	int lines = 0;

	xdp_verify(xdp, count_line, &lines);
	return lines;
}

static int setup(void **state)
{
	(void)state;
	snprintf(bpffs, sizeof(bpffs), "/tmp/skep-unit-XXXXXX");
	if (!mkdtemp(bpffs) || mount("none", bpffs, "bpf", 0, NULL))
		return -1;
	wires_map = bpf_map_create(BPF_MAP_TYPE_HASH, "wires", sizeof(__u32),
				   sizeof(struct skep_wire), SKEP_WIRES_MAX, NULL);
	assert_true(wires_map >= 0);
	run("ip link add e1 type veth peer name peer-e1");
	run("ip link add e2 type veth peer name peer-e2");
	run("ip link add b1 type bridge");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_ok(xdp_remove_all(bpffs, &error), &error);
	net_state_free(&net);
	net = (struct net_state){0};
	close(wires_map);
	run("ip link del e1 2>/dev/null; ip link del e2 2>/dev/null; ip link del b1");
	assert_int_equal(umount(bpffs), 0);
	return rmdir(bpffs);
}

static void a_wire_gets_the_program_a_pin_and_an_entry(void **state)
{
	int program = load_program();
	__u32 id = id_of(program);
	struct xdp *xdp = open_xdp(DATAPATH_XDP, program);
	const struct net_link *link;
	struct skep_wire wire;

	(void)state;
	assert_ok(apply(xdp, "e1", true), &error);
	expect_wire(xdp, true, "");
	assert_int_equal(attached_to("e1"), id);
	assert_true(is_pinned("e1"));
	assert_int_equal(changes.attached, 1);
	assert_true(has_entry(ifindex_of("e1"), &wire));
	link = net_find_link_by_name(&net, "e1");
	assert_memory_equal(wire.mac, link->mac, sizeof(wire.mac));
	assert_true(wire.hint_key[0] || wire.hint_key[1]);
	assert_int_equal(differences(xdp), 0);
	xdp_close(xdp);
}

static void it_stays_without_an_agent_and_the_next_replaces_it_in_place(void **state)
{
	int program = load_program();
	__u32 old = id_of(program), new;
	struct xdp *xdp = open_xdp(DATAPATH_XDP, program);
	struct skep_wire before, after;

	(void)state;
	assert_ok(apply(xdp, "e1", true), &error);
	xdp_close(xdp);
	assert_int_equal(attached_to("e1"), old);
	assert_true(has_entry(ifindex_of("e1"), &before));
	program = load_program();
	new = id_of(program);
	xdp = open_xdp(DATAPATH_XDP, program);
	assert_int_equal(attached_to("e1"), old);
	assert_ok(apply(xdp, "e1", true), &error);
	assert_int_equal(attached_to("e1"), new);
	assert_int_equal(changes.attached, 1);
	assert_int_equal(changes.detached, 0);
	assert_true(has_entry(ifindex_of("e1"), &after));
	assert_memory_equal(&before, &after, sizeof(before));
	xdp_close(xdp);
}

static void a_second_apply_changes_nothing(void **state)
{
	struct xdp *xdp = open_xdp(DATAPATH_XDP, load_program());

	(void)state;
	assert_ok(apply(xdp, "e1", true), &error);
	assert_ok(apply(xdp, "e1", false), &error);
	assert_int_equal(changes.attached, 0);
	assert_ok(apply(xdp, "e1", true), &error);
	assert_int_equal(changes.attached, 0);
	xdp_close(xdp);
}

static void what_is_no_wire_any_more_loses_all_of_it(void **state)
{
	struct xdp *xdp = open_xdp(DATAPATH_XDP, load_program());
	struct skep_wire wire;

	(void)state;
	assert_ok(apply(xdp, "e1", true), &error);
	assert_ok(apply(xdp, "e2", true), &error);
	assert_int_equal(attached_to("e1"), 0);
	assert_false(is_pinned("e1"));
	assert_false(has_entry(ifindex_of("e1"), &wire));
	assert_true(is_pinned("e2"));
	assert_int_equal(changes.detached, 1);
	xdp_close(xdp);
}

static void tc_alone_takes_an_earlier_agents_program_off(void **state)
{
	struct xdp *xdp = open_xdp(DATAPATH_XDP, load_program());

	(void)state;
	assert_ok(apply(xdp, "e1", true), &error);
	xdp_close(xdp);
	xdp = open_xdp(DATAPATH_TC, -1);
	assert_ok(apply(xdp, "e1", true), &error);
	expect_wire(xdp, false, "--datapath tc");
	assert_int_equal(attached_to("e1"), 0);
	assert_false(is_pinned("e1"));
	xdp_close(xdp);
}

static void a_driver_without_xdp_is_told_of(void **state)
{
	struct xdp *xdp = open_xdp(DATAPATH_AUTO, load_program());
	struct skep_wire wire;

	(void)state;
	assert_ok(apply(xdp, "b1", true), &error);
	expect_wire(xdp, false, "no native XDP");
	assert_false(is_pinned("b1"));
	assert_false(has_entry(ifindex_of("b1"), &wire));
	xdp_close(xdp);
}

static void it_is_an_error_if_xdp_was_asked_for(void **state)
{
	struct xdp *xdp = open_xdp(DATAPATH_XDP, load_program());

	(void)state;
	assert_error(apply(xdp, "b1", true), -EOPNOTSUPP, &error,
		     "no XDP on b1, as --datapath xdp asks for: its driver has no native XDP");
	xdp_close(xdp);
}

static void a_kernel_that_does_not_take_the_program_is_told_of(void **state)
{
	struct xdp *xdp = open_xdp(DATAPATH_AUTO, -EACCES);

	(void)state;
	assert_ok(apply(xdp, "e1", true), &error);
	expect_wire(xdp, false, "the kernel does not take it");
	xdp_close(xdp);
}

static void anothers_program_is_left_alone_and_followed_when_it_goes(void **state)
{
	int other = load_program();
	struct xdp *xdp = open_xdp(DATAPATH_XDP, load_program());

	(void)state;
	assert_int_equal(bpf_xdp_attach(ifindex_of("e1"), other, XDP_FLAGS_DRV_MODE, NULL), 0);
	assert_error(apply(xdp, "e1", true), -EOPNOTSUPP, &error, "another XDP program");
	expect_wire(xdp, false, "another XDP program");
	assert_int_equal(attached_to("e1"), id_of(other));
	assert_int_equal(bpf_xdp_detach(ifindex_of("e1"), XDP_FLAGS_DRV_MODE, NULL), 0);
	assert_ok(apply(xdp, "e1", true), &error);
	expect_wire(xdp, true, "");
	close(other);
	xdp_close(xdp);
}

/* The frames that veth gives to a program without fragments are of one page. */
static void a_driver_is_asked_again_when_the_mtu_is_another(void **state)
{
	struct xdp *xdp = open_xdp(DATAPATH_XDP, load_program());

	(void)state;
	run("ip link set e1 mtu 9000 && ip link set peer-e1 mtu 9000");
	assert_error(apply(xdp, "e1", true), -EOPNOTSUPP, &error, "refuses");
	expect_wire(xdp, false, "refuses");
	run("ip link set e1 mtu 1500 && ip link set peer-e1 mtu 1500");
	assert_ok(apply(xdp, "e1", false), &error);
	expect_wire(xdp, true, "");
	xdp_close(xdp);
}

static void an_interface_that_carries_vlans_has_tc_alone(void **state)
{
	struct xdp *xdp = open_xdp(DATAPATH_XDP, load_program());
	struct net_link links[2];
	struct net_state with_vlan = {.links = links, .n_links = 2};
	int ifindex = ifindex_of("e1");

	(void)state;
	assert_ok(apply(xdp, "e1", true), &error);
	links[0] = *net_find_link(&net, ifindex);
	links[1] = (struct net_link){
		.ifindex = ifindex + 1000, .kind = "vlan", .peer_ifindex = ifindex};
	assert_error(xdp_apply(xdp, &ifindex, 1, &with_vlan, false, &changes, &error), -EOPNOTSUPP,
		     &error, "VLAN");
	expect_wire(xdp, false, "VLAN");
	assert_int_equal(attached_to("e1"), 0);
	xdp_close(xdp);
}

static void a_veth_has_tc_alone_unless_xdp_is_asked_for(void **state)
{
	struct xdp *xdp = open_xdp(DATAPATH_AUTO, load_program());

	(void)state;
	assert_ok(apply(xdp, "e1", true), &error);
	expect_wire(xdp, false, "it is a veth");
	assert_int_equal(attached_to("e1"), 0);
	xdp_close(xdp);
}

static void the_entry_follows_the_mac(void **state)
{
	struct xdp *xdp = open_xdp(DATAPATH_XDP, load_program());
	struct skep_wire before, after;

	(void)state;
	assert_ok(apply(xdp, "e1", true), &error);
	assert_true(has_entry(ifindex_of("e1"), &before));
	run("ip link set e1 address 02:00:00:00:00:77");
	assert_ok(apply(xdp, "e1", false), &error);
	assert_true(has_entry(ifindex_of("e1"), &after));
	assert_int_equal(after.mac[5], 0x77);
	assert_memory_equal(before.hint_key, after.hint_key, sizeof(before.hint_key));
	xdp_close(xdp);
}

static void an_interface_that_came_back_by_its_number_gets_it_anew(void **state)
{
	struct xdp *xdp = open_xdp(DATAPATH_XDP, load_program());
	int ifindex = ifindex_of("e1");

	(void)state;
	assert_ok(apply(xdp, "e1", true), &error);
	run("ip link del e1");
	run("ip link add e1 index %d type veth peer name peer-e1", ifindex);
	assert_ok(apply(xdp, "e1", true), &error);
	expect_wire(xdp, true, "");
	assert_true(attached_to("e1"));
	assert_int_equal(differences(xdp), 0);
	xdp_close(xdp);
}

static void what_somebody_took_away_is_seen_by_verify_and_mended(void **state)
{
	struct xdp *xdp = open_xdp(DATAPATH_XDP, load_program());
	__u32 key = (__u32)ifindex_of("e1");

	(void)state;
	assert_ok(apply(xdp, "e1", true), &error);
	assert_int_equal(bpf_map_delete_elem(wires_map, &key), 0);
	assert_int_equal(differences(xdp), 1);
	assert_ok(apply(xdp, "e1", true), &error);
	assert_int_equal(differences(xdp), 0);
	xdp_close(xdp);
}

static void unload_leaves_nothing_even_while_an_agent_holds_the_links(void **state)
{
	struct xdp *xdp = open_xdp(DATAPATH_XDP, load_program());
	char path[64];

	(void)state;
	assert_ok(apply(xdp, "e1", true), &error);
	assert_ok(xdp_remove_all(bpffs, &error), &error);
	assert_int_equal(attached_to("e1"), 0);
	snprintf(path, sizeof(path), "%s/links", bpffs);
	assert_int_equal(access(path, F_OK), -1);
	assert_ok(xdp_remove_all(bpffs, &error), &error);
	xdp_close(xdp);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_wire_gets_the_program_a_pin_and_an_entry),
		TEST(it_stays_without_an_agent_and_the_next_replaces_it_in_place),
		TEST(a_second_apply_changes_nothing),
		TEST(what_is_no_wire_any_more_loses_all_of_it),
		TEST(tc_alone_takes_an_earlier_agents_program_off),
		TEST(a_driver_without_xdp_is_told_of),
		TEST(it_is_an_error_if_xdp_was_asked_for),
		TEST(a_kernel_that_does_not_take_the_program_is_told_of),
		TEST(anothers_program_is_left_alone_and_followed_when_it_goes),
		TEST(a_driver_is_asked_again_when_the_mtu_is_another),
		TEST(an_interface_that_carries_vlans_has_tc_alone),
		TEST(a_veth_has_tc_alone_unless_xdp_is_asked_for),
		TEST(the_entry_follows_the_mac),
		TEST(an_interface_that_came_back_by_its_number_gets_it_anew),
		TEST(what_somebody_took_away_is_seen_by_verify_and_mended),
		TEST(unload_leaves_nothing_even_while_an_agent_holds_the_links),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, network_enter, NULL);
}
