/* SPDX-License-Identifier: GPL-2.0-only */
/* A client's packet at the XDP program: written into a frame and sent, or left to tc with a hint.
 */
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xdp.h"

#define TASK	 "10.0.0.11"
#define AT_TASK	 101
#define AWAY	 "10.0.0.21"
#define AWAY_MAC "02:42:0a:00:00:15"
#define FORWARD	 SKEP_VNI(SKEP_FRAME_FORWARD, 80)
#define INWARD	 .ttl = 63, .mac_from = HERE_MAC, .mac_to = AWAY_MAC
#define TOS_AT	 (IPV4_HDR + 1)

static void give_task(struct mesh *mesh, const char *node)
{
	xdp_links(mesh);
	mesh_task(mesh, WEB, AWAY, node, 0);
	mesh_task(mesh, DNS, "10.0.0.22", node, 0);
	mesh_ring(mesh, WEB, 0, RING(AWAY));
	mesh_ring(mesh, DNS, 0, RING("10.0.0.22"));
}

static void give_local_task(struct mesh *mesh)
{
	xdp_links(mesh);
	mesh_task(mesh, WEB, TASK, HERE, AT_TASK);
	mesh_ring(mesh, WEB, 0, RING(TASK));
}

static struct frame to_node_2(const struct frame *inner, uint32_t vni, const struct frame *like)
{
	return xdp_framed(inner, (struct outer_recipe){.mac_from = WIRE_MAC,
						       .mac_to = NODE_2_AT_WIRE,
						       .from = HERE,
						       .to = NODE_2,
						       .vni = vni,
						       .like = like});
}

static void a_tcp_packet_leaves_in_a_frame_by_the_interface_it_came_by(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN), expected;
	struct frame inner = tcp4(CLIENT, WEB_AT, SYN, INWARD);
	struct mesh *mesh = *state;
	struct xdp_outcome outcome;

	give_task(mesh, NODE_2);
	outcome = xdp_run(mesh, &frame);
	assert_int_equal(outcome.result, XDP_TX);
	expected = to_node_2(&inner, FORWARD, &outcome.frame);
	expect_frame(&expected, &outcome.frame);
	assert_int_equal(outcome.meta_length, 0);
	expect_ways(mesh, 1, 0, 0);
	expect_no_verdict(mesh);
}

static void a_udp_packet_likewise(void **state)
{
	struct frame frame = udp4(CLIENT, DNS_AT, .payload = "question"), expected;
	struct frame inner = udp4(CLIENT, DNS_AT, .payload = "question", .ttl = 63,
				  .mac_from = HERE_MAC, .mac_to = "02:42:0a:00:00:16");
	struct mesh *mesh = *state;
	struct xdp_outcome outcome;

	give_task(mesh, NODE_2);
	outcome = xdp_run(mesh, &frame);
	assert_int_equal(outcome.result, XDP_TX);
	expected = to_node_2(&inner, SKEP_VNI(SKEP_FRAME_FORWARD, 53), &outcome.frame);
	expect_frame(&expected, &outcome.frame);
}

static void a_node_behind_another_wire_is_reached_by_a_redirect(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN), expected;
	struct frame inner = tcp4(CLIENT, WEB_AT, SYN, INWARD);
	struct mesh *mesh = *state;
	struct xdp_outcome outcome;

	give_task(mesh, NODE_3);
	xdp_wire(mesh, "wire1", WIRE1_MAC);
	outcome = xdp_run(mesh, &frame);
	assert_int_equal(outcome.result, XDP_REDIRECT);
	assert_int_equal(outcome.record.ifindex, if_nametoindex("wire1"));
	expected = xdp_framed(&inner, (struct outer_recipe){.mac_from = WIRE1_MAC,
							    .mac_to = NODE_3_AT_WIRE,
							    .from = HERE,
							    .to = NODE_3,
							    .vni = FORWARD,
							    .like = &outcome.frame});
	expect_frame(&expected, &outcome.frame);
}

static uint16_t source_port_of(struct mesh *mesh, const struct frame *frame)
{
	struct xdp_outcome outcome = xdp_run(mesh, frame);

	assert_int_equal(outcome.result, XDP_TX);
	return xdp_source_port(&outcome.frame);
}

static void the_source_port_is_one_for_a_flow_and_others_for_others(void **state)
{
	struct mesh *mesh = *state;
	uint16_t first = 0;
	int others = 0;

	give_task(mesh, NODE_2);
	for (int i = 0; i < 64; i++) {
		char client[] = "192.0.2.100:40000";
		struct frame syn, ack;
		uint16_t port;

		client[15] = (char)('0' + i / 10);
		client[16] = (char)('0' + i % 10);
		syn = tcp4(client, WEB_AT, SYN);
		ack = tcp4(client, WEB_AT, ACK);
		port = source_port_of(mesh, &syn);
		assert_true(port >= 49152);
		assert_int_equal(source_port_of(mesh, &ack), port);
		first = i ? first : port;
		others += port != first;
	}
	assert_true(others > 60);
}

/* RFC 6040: normal mode; what is marked CE inside is told as ECT outside, as Linux does. */
static void congestion_marks_are_copied_outward(void **state)
{
	static const uint8_t marks[][2] = {{0, 0}, {1, 1}, {2, 2}, {3, 2}, {0xb8, 0}, {0xba, 2}};
	struct mesh *mesh = *state;

	give_task(mesh, NODE_2);
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		struct frame frame = tcp4(CLIENT, WEB_AT, SYN);
		struct xdp_outcome outcome;

		frame.data[TOS_AT] = marks[i][0];
		frame_fix_ip_checksum(&frame);
		outcome = xdp_run(mesh, &frame);
		assert_int_equal(outcome.frame.data[TOS_AT], marks[i][1]);
		assert_int_equal(outcome.frame.data[SKEP_TUNNEL_OVERHEAD + TOS_AT], marks[i][0]);
	}
}

static void forwarding_is_counted_once(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN);
	struct mesh *mesh = *state;
	struct skep_counter counter;

	give_task(mesh, NODE_2);
	xdp_run(mesh, &frame);
	counter = mesh_task_counter(mesh, AWAY);
	assert_int_equal(counter.packets, 1);
	assert_int_equal(counter.bytes, 40);
	assert_int_equal(counter.new_flows, 1);
	counter = mesh_service_counter(mesh, WEB);
	assert_int_equal(counter.packets, 1);
}

static void flows_are_kept_as_by_tc(void **state)
{
	struct skep_addr task = addr_of(AWAY);
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN), ack = tcp4(CLIENT, WEB_AT, ACK);
	struct mesh *mesh = *state;
	struct skep_flow flow;
	struct outcome outcome;

	give_task(mesh, NODE_2);
	xdp_run(mesh, &syn);
	assert_true(mesh_flow(mesh, CLIENT, WEB_AT, IPPROTO_TCP, &flow));
	assert_memory_equal(&flow.task, &task, sizeof(task));
	outcome = mesh_run(mesh, FROM_WIRE, &ack);
	assert_int_equal(outcome.record.way, WAY_REDIRECT);
	assert_int_equal(mesh_task_counter(mesh, AWAY).new_flows, 1);
}

static void expect_hint(const struct mesh *mesh, const struct xdp_outcome *outcome,
			const char *task, const char *node, uint32_t ifindex, uint8_t new_flow)
{
	struct skep_hint hint = {
		.key = {0x1111, (uint32_t)mesh->wire},
		.task = ipv4(task),
		.node = ipv4(node),
		.ifindex = ifindex,
		.service_id = WEB,
		.counter = ntohl(ipv4(task)) & 0xff,
		.target_port = htons(80),
		.flags = new_flow ? SKEP_HINT_NEW_FLOW : 0,
		.version = SKEP_HINT_VERSION,
	};

	assert_memory_equal(&outcome->hint, &hint, sizeof(hint));
}

static void for_a_local_task_the_choice_goes_to_tc_and_nothing_is_counted(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN), ack = tcp4(CLIENT, WEB_AT, ACK);
	struct mesh *mesh = *state;
	struct xdp_outcome outcome;

	give_local_task(mesh);
	outcome = xdp_run(mesh, &syn);
	expect_xdp_passed(&outcome, &syn, sizeof(struct skep_hint));
	expect_hint(mesh, &outcome, TASK, HERE, AT_TASK, 1);
	outcome = xdp_run(mesh, &ack);
	expect_xdp_passed(&outcome, &ack, sizeof(struct skep_hint));
	expect_hint(mesh, &outcome, TASK, HERE, AT_TASK, 0);
	assert_int_equal(mesh_task_counter(mesh, TASK).packets, 0);
	assert_int_equal(mesh_task_counter(mesh, TASK).new_flows, 0);
	expect_ways(mesh, 0, 0, 2);
}

/* Whatever keeps XDP from sending: the packet is as it came, and the choice is made. */
static void leaves_to_tc(struct mesh *mesh, const struct frame *frame, const char *node)
{
	struct xdp_outcome outcome = xdp_run(mesh, frame);

	expect_xdp_passed(&outcome, frame, sizeof(struct skep_hint));
	expect_hint(mesh, &outcome, AWAY, node, 0, 1);
	expect_ways(mesh, 0, 0, 1);
	expect_no_verdict(mesh);
	assert_int_equal(mesh_task_counter(mesh, AWAY).packets, 0);
}

static void a_node_whose_neighbour_is_not_known_is_left_to_tc(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN);
	struct mesh *mesh = *state;

	give_task(mesh, NODE_2);
	assert_int_equal(system("ip neigh del 192.0.2.2 dev wire0"), 0);
	leaves_to_tc(mesh, &frame, NODE_2);
	assert_int_equal(system("ip neigh add 192.0.2.2 lladdr " NODE_2_AT_WIRE " dev wire0"), 0);
}

/* Next hops are kept for a tick of the clock, 67 ms. */
static void a_neighbour_that_changes_is_sent_to_soon_after(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN);
	struct mesh *mesh = *state;
	struct xdp_outcome outcome;
	uint8_t mac[6];
	int i;

	give_task(mesh, NODE_2);
	xdp_run(mesh, &frame);
	assert_int_equal(system("ip neigh replace 192.0.2.2 lladdr " GATEWAY_MAC " dev wire0"), 0);
	mac_parse(GATEWAY_MAC, mac);
	for (i = 0; i < 100; i++) {
		outcome = xdp_run(mesh, &frame);
		assert_int_equal(outcome.result, XDP_TX);
		if (!memcmp(outcome.frame.data, mac, sizeof(mac)))
			break;
		usleep(10000); /* between two looks at what is waited for */
	}
	assert_int_equal(system("ip neigh replace 192.0.2.2 lladdr " NODE_2_AT_WIRE " dev wire0"),
			 0);
	assert_true(i < 50);
}

static void a_next_hop_that_is_known_takes_no_packet_that_is_too_big_for_it(void **state)
{
	static char payload[TUNNEL_MTU - 40 + 2];
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN), large;
	struct mesh *mesh = *state;
	struct xdp_outcome outcome;

	memset(payload, 'x', sizeof(payload) - 1);
	large = tcp4(CLIENT, WEB_AT, ACK, .payload = payload);
	give_task(mesh, NODE_2);
	assert_int_equal(xdp_run(mesh, &frame).result, XDP_TX);
	outcome = xdp_run(mesh, &large);
	expect_xdp_passed(&outcome, &large, sizeof(struct skep_hint));
}

static void a_node_without_a_route_is_left_to_tc(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN);
	struct mesh *mesh = *state;

	give_task(mesh, "10.1.0.7");
	leaves_to_tc(mesh, &frame, "10.1.0.7");
}

static void a_node_behind_an_interface_without_xdp_is_left_to_tc(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN);
	struct mesh *mesh = *state;

	give_task(mesh, NODE_3);
	leaves_to_tc(mesh, &frame, NODE_3);
}

static void a_packet_too_big_for_the_tunnel_is_left_to_tc(void **state)
{
	static char payload[1412];
	struct frame fits, large;
	struct mesh *mesh = *state;

	give_task(mesh, NODE_2);
	memset(payload, 'x', sizeof(payload) - 1);
	large = tcp4(CLIENT, WEB_AT, SYN, .payload = payload);
	assert_int_equal(large.length, IPV4_HDR + TUNNEL_MTU + 1);
	leaves_to_tc(mesh, &large, NODE_2);
	payload[sizeof(payload) - 2] = '\0';
	fits = tcp4(CLIENT, WEB_AT, SYN, .payload = payload);
	assert_int_equal(xdp_run(mesh, &fits).result, XDP_TX);
}

static void a_packet_without_a_hop_left_is_left_to_tc(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN, .ttl = 1);
	struct mesh *mesh = *state;

	give_task(mesh, NODE_2);
	leaves_to_tc(mesh, &frame, NODE_2);
}

/* No choice, no hint, nothing counted. */
static void passes(struct mesh *mesh, const struct frame *frame)
{
	struct xdp_outcome outcome = xdp_run(mesh, frame);

	expect_xdp_passed(&outcome, frame, 0);
	expect_ways(mesh, 0, 0, 0);
	expect_no_verdict(mesh);
}

static void what_is_for_no_published_port_passes(void **state)
{
	struct frame frame = tcp4(CLIENT, "10.1.0.1:22", SYN);
	struct mesh *mesh = *state;

	give_task(mesh, NODE_2);
	passes(mesh, &frame);
}

static void what_is_for_another_machine_passes(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN, .mac_to = "02:00:00:00:00:77");
	struct mesh *mesh = *state;
	struct skep_flow flow;

	give_task(mesh, NODE_2);
	passes(mesh, &frame);
	assert_false(mesh_flow(mesh, CLIENT, WEB_AT, IPPROTO_TCP, &flow));
}

static void on_an_interface_that_is_no_wire_all_passes(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN);
	struct mesh *mesh = *state;

	give_task(mesh, NODE_2);
	xdp_no_wire(mesh, "wire0");
	passes(mesh, &frame);
}

static void fragments_options_tags_and_ipv6_pass(void **state)
{
	struct frame more = udp4(CLIENT, DNS_AT), last = more, options = more, tagged = more;
	struct frame ipv6 = ethernet_frame(0x86dd, "`", 1);
	struct mesh *mesh = *state;

	give_task(mesh, NODE_2);
	frame_set_u16(&more, IPV4_HDR + 6, 0x2000);
	passes(mesh, &more);
	frame_set_u16(&last, IPV4_HDR + 6, 100);
	passes(mesh, &last);
	options.data[IPV4_HDR] = 0x46;
	passes(mesh, &options);
	frame_set_u16(&tagged, 12, 0x8100);
	passes(mesh, &tagged);
	passes(mesh, &ipv6);
}

static void frames_cut_short_pass(void **state)
{
	struct frame whole = tcp4(CLIENT, WEB_AT, SYN, OPTIONS(2, 4, 5, 180));
	struct mesh *mesh = *state;

	give_task(mesh, NODE_2);
	for (size_t length = 14; length < L4_HDR + 20; length++) {
		struct frame frame = frame_cut(whole, length);

		passes(mesh, &frame);
	}
}

static void an_mss_option_cut_off_by_the_frames_end_is_kept(void **state)
{
	struct frame whole = tcp4(CLIENT, WEB_AT, SYN, OPTIONS(1, 1, 2, 4, 5, 180, 1, 1));
	struct mesh *mesh = *state;

	give_task(mesh, NODE_2);
	for (size_t length = L4_HDR + 20; length < whole.length; length++) {
		struct frame frame = frame_cut(whole, length);
		struct xdp_outcome outcome = xdp_run(mesh, &frame);

		assert_int_equal(outcome.result, XDP_TX);
		assert_memory_equal(outcome.frame.data + SKEP_TUNNEL_OVERHEAD + L4_HDR,
				    frame.data + L4_HDR, length - L4_HDR);
	}
}

static void without_a_task_tc_answers(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN);
	struct mesh *mesh = *state;

	xdp_links(mesh);
	passes(mesh, &frame);
}

static void the_middle_of_an_unknown_connection_is_left_to_tc(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, ACK);
	struct mesh *mesh = *state;

	give_task(mesh, NODE_2);
	passes(mesh, &frame);
}

static void a_connection_whose_task_is_gone_is_left_to_tc(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN), ack = tcp4(CLIENT, WEB_AT, ACK);
	struct mesh *mesh = *state;
	struct xdp_outcome outcome;

	give_task(mesh, NODE_2);
	xdp_run(mesh, &syn);
	mesh_task_gone(mesh, AWAY);
	outcome = xdp_run(mesh, &ack);
	expect_xdp_passed(&outcome, &ack, 0);
}

static void metadata_that_was_there_is_taken_off(void **state)
{
	struct frame other = tcp4(CLIENT, "10.1.0.1:22", SYN), syn = tcp4(CLIENT, WEB_AT, SYN);
	struct skep_hint forged = {.version = SKEP_HINT_VERSION, .ifindex = 55};
	struct mesh *mesh = *state;
	struct xdp_outcome outcome;

	give_local_task(mesh);
	outcome = xdp_run_with_meta(mesh, &other, &forged, sizeof(forged));
	expect_xdp_passed(&outcome, &other, 0);
	outcome = xdp_run_with_meta(mesh, &syn, &forged, sizeof(forged));
	expect_hint(mesh, &outcome, TASK, HERE, AT_TASK, 1);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tcp_packet_leaves_in_a_frame_by_the_interface_it_came_by),
		cmocka_unit_test(a_udp_packet_likewise),
		cmocka_unit_test(a_node_behind_another_wire_is_reached_by_a_redirect),
		cmocka_unit_test(the_source_port_is_one_for_a_flow_and_others_for_others),
		cmocka_unit_test(congestion_marks_are_copied_outward),
		cmocka_unit_test(forwarding_is_counted_once),
		cmocka_unit_test(flows_are_kept_as_by_tc),
		cmocka_unit_test(for_a_local_task_the_choice_goes_to_tc_and_nothing_is_counted),
		cmocka_unit_test(a_node_whose_neighbour_is_not_known_is_left_to_tc),
		cmocka_unit_test(a_node_without_a_route_is_left_to_tc),
		cmocka_unit_test(a_node_behind_an_interface_without_xdp_is_left_to_tc),
		cmocka_unit_test(a_neighbour_that_changes_is_sent_to_soon_after),
		cmocka_unit_test(a_next_hop_that_is_known_takes_no_packet_that_is_too_big_for_it),
		cmocka_unit_test(a_packet_too_big_for_the_tunnel_is_left_to_tc),
		cmocka_unit_test(a_packet_without_a_hop_left_is_left_to_tc),
		cmocka_unit_test(what_is_for_no_published_port_passes),
		cmocka_unit_test(what_is_for_another_machine_passes),
		cmocka_unit_test(on_an_interface_that_is_no_wire_all_passes),
		cmocka_unit_test(fragments_options_tags_and_ipv6_pass),
		cmocka_unit_test(frames_cut_short_pass),
		cmocka_unit_test(an_mss_option_cut_off_by_the_frames_end_is_kept),
		cmocka_unit_test(without_a_task_tc_answers),
		cmocka_unit_test(the_middle_of_an_unknown_connection_is_left_to_tc),
		cmocka_unit_test(a_connection_whose_task_is_gone_is_left_to_tc),
		cmocka_unit_test(metadata_that_was_there_is_taken_off),
	};

	return mesh_run_tests("xdp_forward", tests, sizeof(tests) / sizeof(tests[0]));
}
