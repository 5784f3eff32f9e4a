/* SPDX-License-Identifier: GPL-2.0-only */
/* Which VIPs this node holds: in a namespace of its own, with real links, addresses and ARP frames.
 */
#include "network.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "agent/vips.h"
#include "agent/vips_released.h"
#include "net/arp.h"

static struct {
	struct loop *loop;
	struct agent_config config;
	struct node node;
	struct vips *vips;
	int wire;
	int tap; /* hears ARP at the other end of the wire */
	struct loop_watch watch;
	struct loop_timer timeout;
	size_t heard;
	uint8_t frames[8][64];
	size_t sizes[8];
} test;

static struct skep_addr addr(const char *text)
{
	struct skep_addr parsed;

	assert_int_equal(addr_parse(text, &parsed), 0);
	return parsed;
}

/* ---- fixture: 192.0.2.1/24 on wire, and what the wire carries is heard at far */

static void look(void)
{
	struct skep_error error;

	assert_ok(node_read_network(&test.node, &error), &error);
	test.wire = ifindex_of("wire");
	test.node.datapath.wires = &test.wire;
	test.node.datapath.n_wires = 1;
}

static void update(bool may_add)
{
	struct skep_error error;

	look();
	assert_ok(vips_update(test.vips, may_add, &error), &error);
	look();
}

static void begin(void)
{
	struct skep_error error;

	assert_ok(vips_open(&test.vips, test.loop, &test.config, &test.node, &error), &error);
}

static void begin_anew(void)
{
	vips_close(test.vips);
	begin();
}

static void add_vip(const char *text, bool hold)
{
	test.config.vips[test.config.n_vips] = addr(text);
	test.config.vip_hold[test.config.n_vips++] = hold;
}

static int setup(void **state)
{
	(void)state;
	memset(&test, 0, sizeof(test));
	strcpy(test.config.run_dir, "/tmp/skep-vips-XXXXXX");
	assert_non_null(mkdtemp(test.config.run_dir));
	run("ip link add wire address 02:00:00:00:00:01 type veth peer name far");
	run("ip addr add 192.0.2.1/24 dev wire && ip link set wire up && ip link set far up");
	test.loop = loop_new();
	assert_non_null(test.loop);
	add_vip("192.0.2.10", false);
	add_vip("192.0.2.11", true);
	begin();
	look();
	test.tap = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
	assert_true(test.tap >= 0);
	const struct sockaddr_ll far = {.sll_family = AF_PACKET,
					.sll_protocol = htons(ETH_P_ARP),
					.sll_ifindex = ifindex_of("far")};
	int on = 1;
	assert_int_equal(setsockopt(test.tap, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)),
			 0);
	assert_int_equal(bind(test.tap, (const struct sockaddr *)&far, sizeof(far)), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vips_close(test.vips);
	net_state_free(&test.node.net);
	loop_free(test.loop);
	close(test.tap);
	run("ip link del wire; ip link del other 2>/dev/null; rm -rf %s", test.config.run_dir);
	return 0;
}

static void assert_row(size_t i, const char *expected)
{
	json_t *rows = vips_json(test.vips);
	char *text = json_dumps(json_array_get(rows, i), JSON_COMPACT);

	assert_string_equal(text, expected);
	free(text);
	json_decref(rows);
}

#define ROW(addr, hold, holder, interface)                                                         \
	"{\"address\":\"" addr "\",\"hold\":" hold ",\"holder\":" holder                           \
	",\"interface\":" interface "}"

static void on_wire(const char *part)
{
	assert_output("ip -o addr show dev wire", part);
}

static void not_on_wire(const char *part)
{
	assert_no_output("ip -o addr show dev wire", part);
}

/* ---- addresses */

static void a_vip_that_is_taken_is_on_its_interface_with_skeps_label(void **state)
{
	struct skep_error error;

	(void)state;
	update(true);
	assert_row(0, ROW("192.0.2.10", "false", "null", "null"));
	assert_ok(vips_take(test.vips, "192.0.2.10", &error), &error);
	update(true);
	on_wire("inet 192.0.2.10/32 scope global wire:skep");
	assert_row(0, ROW("192.0.2.10", "true", "\"skep\"", "\"wire\""));
	assert_ok(vips_release(test.vips, "192.0.2.10", &error), &error);
	update(true);
	not_on_wire("192.0.2.10/");
	assert_row(0, ROW("192.0.2.10", "false", "null", "null"));
}

static void a_long_interface_name_leaves_room_for_the_mark(void **state)
{
	struct skep_error error;

	(void)state;
	run("ip link add enp129s0f0np0 type veth peer name other");
	run("ip addr add 192.0.2.2/25 dev enp129s0f0np0");
	look();
	assert_ok(vips_take(test.vips, "192.0.2.10", &error), &error);
	update(true);
	assert_output("ip -o addr show dev enp129s0f0np0", "enp129s0f0:skep");
	assert_row(0, ROW("192.0.2.10", "true", "\"skep\"", "\"enp129s0f0np0\""));
	assert_ok(vips_release(test.vips, "192.0.2.10", &error), &error);
	assert_no_output("ip -o addr show dev enp129s0f0np0", "192.0.2.10");
}

static void a_vip_goes_where_its_subnet_is_else_to_the_first_wire(void **state)
{
	struct skep_addr in_wire = addr("192.0.2.10"), in_other = addr("192.0.2.130"),
			 nowhere = addr("203.0.113.1"), loopback = addr("127.0.0.9");

	(void)state;
	run("ip link add dev over type veth peer name other");
	run("ip addr add 192.0.2.129/25 dev over && ip addr add 203.0.113.1/32 dev over");
	look();
	assert_string_equal(vips_choose_link(&test.node, &in_wire)->name, "wire");
	assert_string_equal(vips_choose_link(&test.node, &in_other)->name, "over");
	assert_string_equal(vips_choose_link(&test.node, &nowhere)->name, "wire");
	assert_string_equal(vips_choose_link(&test.node, &loopback)->name, "wire");
	test.node.datapath.n_wires = 0;
	assert_null(vips_choose_link(&test.node, &nowhere));
}

static void a_vip_of_the_flags_is_held_once_services_are_answered(void **state)
{
	(void)state;
	update(false);
	not_on_wire("192.0.2.11");
	assert_row(1, ROW("192.0.2.11", "true", "null", "null"));
	update(true);
	on_wire("192.0.2.11/32");
	not_on_wire("192.0.2.10/");
}

static void what_is_held_outlives_the_agent_and_is_known_to_the_next(void **state)
{
	struct skep_error error;

	(void)state;
	update(true);
	assert_ok(vips_take(test.vips, "192.0.2.10", &error), &error);
	begin_anew();
	on_wire("192.0.2.10/32");
	update(false);
	assert_row(0, ROW("192.0.2.10", "true", "\"skep\"", "\"wire\""));
	on_wire("192.0.2.11/32");
}

static void what_was_released_stays_so_although_the_flag_says_hold(void **state)
{
	struct skep_error error;

	(void)state;
	update(true);
	assert_ok(vips_release(test.vips, "192.0.2.11", &error), &error);
	begin_anew();
	update(true);
	not_on_wire("192.0.2.11");
	assert_ok(vips_take(test.vips, "192.0.2.11", &error), &error);
	begin_anew();
	update(true);
	on_wire("192.0.2.11/32");
}

static void a_release_that_was_cut_short_is_finished(void **state)
{
	struct vips_released released = {.addrs = {addr("192.0.2.11")}, .n = 1};
	struct skep_error error;

	(void)state;
	update(true);
	on_wire("192.0.2.11/32");
	assert_ok(vips_released_write(test.config.run_dir, &released, &error), &error);
	begin_anew();
	update(true);
	not_on_wire("192.0.2.11");
}

static void a_list_of_released_vips_that_makes_no_sense_is_refused(void **state)
{
	struct vips_released released;
	struct skep_error error;

	(void)state;
	assert_int_equal(vips_released_read(test.config.run_dir, &released, &error), 0);
	assert_int_equal(released.n, 0);
	run("printf '192.0.2.11\\nnonsense\\n' >%s/vips-released", test.config.run_dir);
	assert_error(vips_released_read(test.config.run_dir, &released, &error), -EINVAL, &error,
		     "vips-released: is not a list of addresses");
	assert_int_equal(released.n, 0);
	run("for i in $(seq 65); do echo 192.0.2.$i; done >%s/vips-released", test.config.run_dir);
	assert_error(vips_released_read(test.config.run_dir, &released, &error), -EINVAL, &error,
		     "vips-released: is not a list of addresses");
	begin_anew(); /* all the same */
}

static void an_address_that_was_taken_away_comes_back(void **state)
{
	(void)state;
	update(true);
	run("ip addr del 192.0.2.11/32 dev wire");
	update(true);
	on_wire("192.0.2.11/32");
}

static void what_is_no_vip_any_more_goes(void **state)
{
	(void)state;
	update(true);
	test.config.n_vips = 1;
	begin_anew();
	update(true);
	not_on_wire("192.0.2.11");
	on_wire("192.0.2.1/24");
}

static void what_others_put_there_is_left_alone(void **state)
{
	struct skep_error error;

	(void)state;
	run("ip addr add 192.0.2.10/32 dev wire && ip addr add 192.0.2.11/24 dev wire");
	update(true);
	assert_row(0, ROW("192.0.2.10", "false", "\"other\"", "\"wire\""));
	assert_row(1, ROW("192.0.2.11", "true", "\"other\"", "\"wire\""));
	assert_error(vips_take(test.vips, "192.0.2.10", &error), -EALREADY, &error,
		     "192.0.2.10 is on wire already, put there by somebody else");
	assert_error(vips_release(test.vips, "192.0.2.10", &error), -EALREADY, &error,
		     "192.0.2.10 was put on wire by somebody else");
	assert_ok(vips_release(test.vips, "192.0.2.11", &error), &error);
	update(true);
	assert_ok(net_vips_remove_all(&error), &error);
	on_wire("192.0.2.10/32");
	on_wire("192.0.2.11/24");
}

static void unloading_removes_what_skep_added_and_nothing_else(void **state)
{
	struct skep_error error;

	(void)state;
	run("ip addr add 192.0.2.12/32 dev wire label wire:mine");
	update(true);
	assert_ok(vips_take(test.vips, "192.0.2.10", &error), &error);
	assert_ok(net_vips_remove_all(&error), &error);
	not_on_wire("192.0.2.10/");
	not_on_wire("192.0.2.11");
	on_wire("192.0.2.12/32");
	on_wire("192.0.2.1/24");
	assert_ok(net_vips_remove_all(&error), &error);
}

static void orders_that_make_no_sense_are_refused(void **state)
{
	static const char *const texts[] = {"",	       "x",	     "::1", "192.0.2.10/32",
					    "192.0.2", " 192.0.2.10"};
	struct skep_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		assert_error(vips_take(test.vips, texts[i], &error), -EINVAL, &error,
			     "is not an IPv4 address");
		assert_error(vips_release(test.vips, texts[i], &error), -EINVAL, &error,
			     "is not an IPv4 address");
	}
	assert_error(vips_take(test.vips, "192.0.2.1", &error), -ENOENT, &error,
		     "192.0.2.1 is no VIP: give the agents of all nodes --vip 192.0.2.1 first");
	assert_error(vips_release(test.vips, "192.0.2.10", &error), -EALREADY, &error,
		     "this node does not hold 192.0.2.10");
	assert_ok(vips_take(test.vips, "192.0.2.10", &error), &error);
	look();
	assert_error(vips_take(test.vips, "192.0.2.10", &error), -EALREADY, &error,
		     "this node holds 192.0.2.10 already, on wire");
}

static void without_an_interface_nothing_is_taken(void **state)
{
	struct skep_error error;

	(void)state;
	add_vip("203.0.113.1", false);
	begin_anew();
	look();
	test.node.datapath.n_wires = 0;
	assert_error(vips_take(test.vips, "203.0.113.1", &error), -ENODEV, &error,
		     "there is no interface to hold the VIP 203.0.113.1 on");
	assert_row(2, ROW("203.0.113.1", "false", "null", "null"));
}

/* ---- on the wire */

static void tap_ready(struct loop_watch *watch, uint32_t events)
{
	(void)events;
	ssize_t size = recv(watch->fd, test.frames[test.heard % 8], 64, 0);

	/* That the link was down meanwhile is told by an error, once. */
	if (size < 0)
		return;
	test.sizes[test.heard++ % 8] = (size_t)size;
}

static void time_is_up(struct loop_timer *timer)
{
	(void)timer;
	loop_stop(test.loop);
}

static void run_for(uint64_t ms)
{
	test.watch = (struct loop_watch){.fd = test.tap, .ready = tap_ready};
	test.timeout.expired = time_is_up;
	assert_int_equal(loop_add(test.loop, &test.watch, EPOLLIN), 0);
	loop_arm(test.loop, &test.timeout, ms);
	assert_int_equal(loop_run(test.loop), 0);
	loop_remove(test.loop, &test.watch);
}

static void a_vip_that_comes_is_announced_three_times(void **state)
{
	struct skep_error error;
	struct skep_addr claimed;
	uint8_t mac[6];

	(void)state;
	assert_ok(vips_take(test.vips, "192.0.2.10", &error), &error);
	update(false);
	update(false); /* which is no news */
	run_for(2500);
	assert_int_equal(test.heard, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_true(net_arp_sender(test.frames[i], test.sizes[i], &claimed, mac));
		assert_string_equal(addr_text(&claimed, (char[ADDR_TEXT_SIZE]){0}), "192.0.2.10");
		assert_memory_equal(mac, "\2\0\0\0\0\1", 6);
	}
}

static void a_vip_that_is_released_is_announced_no_more(void **state)
{
	struct skep_error error;

	(void)state;
	assert_ok(vips_take(test.vips, "192.0.2.10", &error), &error);
	update(false);
	assert_ok(vips_release(test.vips, "192.0.2.10", &error), &error);
	update(false);
	run_for(1300);
	assert_int_equal(test.heard, 1);
}

/* The kernel tells the other end of a link's state in its own time. */
#define WIRE_IS                                                                                    \
	"for i in $(seq 100); do ip link show dev wire | grep -q 'state [A-Z]*%s' && exit;"        \
	" sleep 0.02; done; exit 1"

static void a_link_that_comes_up_again_is_told_again(void **state)
{
	struct skep_error error;

	(void)state;
	assert_ok(vips_take(test.vips, "192.0.2.10", &error), &error);
	update(false);
	run("ip link set far down");
	run(WIRE_IS, "DOWN");
	update(false);
	run("ip link set far up");
	run(WIRE_IS, "UP");
	update(false);
	run_for(200);
	assert_int_equal(test.heard, 2);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_vip_that_is_taken_is_on_its_interface_with_skeps_label),
		TEST(a_long_interface_name_leaves_room_for_the_mark),
		TEST(a_vip_goes_where_its_subnet_is_else_to_the_first_wire),
		TEST(a_vip_of_the_flags_is_held_once_services_are_answered),
		TEST(what_is_held_outlives_the_agent_and_is_known_to_the_next),
		TEST(what_was_released_stays_so_although_the_flag_says_hold),
		TEST(a_release_that_was_cut_short_is_finished),
		TEST(a_list_of_released_vips_that_makes_no_sense_is_refused),
		TEST(an_address_that_was_taken_away_comes_back),
		TEST(what_is_no_vip_any_more_goes),
		TEST(what_others_put_there_is_left_alone),
		TEST(unloading_removes_what_skep_added_and_nothing_else),
		TEST(orders_that_make_no_sense_are_refused),
		TEST(without_an_interface_nothing_is_taken),
		TEST(a_vip_that_comes_is_announced_three_times),
		TEST(a_vip_that_is_released_is_announced_no_more),
		TEST(a_link_that_comes_up_again_is_told_again),
	};

	return cmocka_run_group_tests(tests, network_enter, NULL);
}
