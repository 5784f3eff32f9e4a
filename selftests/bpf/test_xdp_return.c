/* SPDX-License-Identifier: GPL-2.0-only */
/* A tunnel frame at the XDP program of the ingress node: a reply is stripped and sent on, all else
 * goes up to skep0. */
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "xdp.h"

#define AWAY	  "10.0.0.21"
#define AWAY_MAC  "02:42:0a:00:00:15"
#define OTHER	  "10.0.0.22"
#define OTHER_MAC "02:42:0a:00:00:16"
#define RETURN	  SKEP_VNI(SKEP_FRAME_RETURN, 0)
#define FROM_AWAY .mac_from = AWAY_MAC, .mac_to = HERE_MAC
#define TO_CLIENT .mac_from = WIRE_MAC, .mac_to = CLIENT_MAC
#define OUTER_L4  L4_HDR
#define VXLAN	  (OUTER_L4 + 8)

static struct frame usual(void)
{
	struct frame inner = tcp4(WEB_AT, CLIENT, ACK, .payload = "200 OK", .ttl = 63, FROM_AWAY);

	return xdp_framed_from(NODE_2, &inner, RETURN);
}

static void goes_out(struct mesh *mesh, const struct frame *inner, const struct frame *expected)
{
	struct frame frame = xdp_framed_from(NODE_2, inner, RETURN);
	struct xdp_outcome outcome;

	xdp_links(mesh);
	outcome = xdp_run(mesh, &frame);
	assert_int_equal(outcome.result, XDP_TX);
	expect_frame(expected, &outcome.frame);
	expect_ways(mesh, 0, 1, 0);
	expect_no_verdict(mesh);
}

static void a_tcp_reply_reaches_the_client(void **state)
{
	struct frame inner = tcp4(WEB_AT, CLIENT, ACK, .payload = "200 OK", .ttl = 63, FROM_AWAY);
	struct frame expected =
		tcp4(WEB_AT, CLIENT, ACK, .payload = "200 OK", .ttl = 63, TO_CLIENT);

	goes_out(*state, &inner, &expected);
}

static void a_udp_reply_reaches_the_client(void **state)
{
	struct frame inner = udp4(DNS_AT, CLIENT, .payload = "answer", .ttl = 63, FROM_AWAY);
	struct frame expected = udp4(DNS_AT, CLIENT, .payload = "answer", .ttl = 63, TO_CLIENT);

	goes_out(*state, &inner, &expected);
}

static void a_client_far_away_is_reached_by_its_gateway(void **state)
{
	struct frame inner = tcp4(WEB_AT, FAR_CLIENT, ACK, .ttl = 63, FROM_AWAY);
	struct frame expected = tcp4(WEB_AT, FAR_CLIENT, ACK, .ttl = 63, .mac_from = WIRE_MAC,
				     .mac_to = GATEWAY_MAC);

	goes_out(*state, &inner, &expected);
}

static void a_client_behind_another_wire_is_reached_by_a_redirect(void **state)
{
	struct frame inner = tcp4(WEB_AT, WIRE1_CLIENT, ACK, .ttl = 63, FROM_AWAY);
	struct frame expected = tcp4(WEB_AT, WIRE1_CLIENT, ACK, .ttl = 63, .mac_from = WIRE1_MAC,
				     .mac_to = CLIENT1_MAC);
	struct frame frame = xdp_framed_from(NODE_2, &inner, RETURN);
	struct mesh *mesh = *state;
	struct xdp_outcome outcome;

	xdp_links(mesh);
	xdp_wire(mesh, "wire1", WIRE1_MAC);
	outcome = xdp_run(mesh, &frame);
	assert_int_equal(outcome.result, XDP_REDIRECT);
	assert_int_equal(outcome.record.ifindex, if_nametoindex("wire1"));
	expect_frame(&expected, &outcome.frame);
}

static void give_flow(struct mesh *mesh, const char *task)
{
	struct skep_flow flow = {
		.task = addr_of(task),
		.service_id = WEB,
		.target_port = htons(80),
		.state = SKEP_FLOW_SYN,
	};

	mesh_task(mesh, WEB, AWAY, NODE_2, 0);
	mesh_task(mesh, WEB, OTHER, NODE_3, 0);
	mesh_flow_set(mesh, CLIENT, WEB_AT, IPPROTO_TCP, &flow);
}

static void a_syn_ack_tells_which_task_has_the_flow(void **state)
{
	struct frame inner = tcp4(WEB_AT, CLIENT, SYN | ACK, .ttl = 63, .mac_from = OTHER_MAC,
				  .mac_to = HERE_MAC);
	struct frame expected = tcp4(WEB_AT, CLIENT, SYN | ACK, .ttl = 63, TO_CLIENT);
	struct skep_addr other = addr_of(OTHER);
	struct mesh *mesh = *state;
	struct skep_flow flow;

	give_flow(mesh, AWAY);
	goes_out(mesh, &inner, &expected);
	assert_true(mesh_flow(mesh, CLIENT, WEB_AT, IPPROTO_TCP, &flow));
	assert_memory_equal(&flow.task, &other, sizeof(other));
}

/* The kernel's skep0 and from_mesh shall judge it. */
static void goes_up(struct mesh *mesh, const struct frame *frame)
{
	struct xdp_outcome outcome;

	xdp_links(mesh);
	outcome = xdp_run(mesh, frame);
	expect_xdp_passed(&outcome, frame, 0);
	expect_ways(mesh, 0, 0, 0);
	expect_no_verdict(mesh);
}

static void what_is_no_reply_and_for_no_task_here_goes_up(void **state)
{
	static const uint32_t kinds[] = {0,
					 SKEP_FRAME_FORWARD,
					 SKEP_FRAME_FORWARD_AGAIN,
					 SKEP_FRAME_DIRECT,
					 SKEP_FRAME_DIRECT_RETURN,
					 99};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct frame inner = tcp4(WEB_AT, CLIENT, ACK, .ttl = 63, FROM_AWAY);
		struct frame frame = xdp_framed_from(NODE_2, &inner, SKEP_VNI(kinds[i], 0));

		goes_up(*state, &frame);
	}
}

static void a_frame_from_a_stranger_goes_up(void **state)
{
	struct frame inner = tcp4(WEB_AT, CLIENT, ACK, FROM_AWAY);
	struct frame frame = xdp_framed_from(STRANGER, &inner, RETURN);

	goes_up(*state, &frame);
}

static void a_frame_for_another_machine_goes_up(void **state)
{
	struct frame frame = usual();

	frame = frame_between(frame, NODE_2_AT_WIRE, "02:00:00:00:00:77");
	goes_up(*state, &frame);
}

static void a_reply_of_no_frontend_of_this_node_goes_up(void **state)
{
	struct frame inner = tcp4("10.1.0.1:22", CLIENT, ACK, FROM_AWAY);
	struct frame frame = xdp_framed_from(NODE_2, &inner, RETURN);

	goes_up(*state, &frame);
}

static void inner_addresses_that_are_not_skeps_go_up(void **state)
{
	struct frame from = tcp4(WEB_AT, CLIENT, ACK, .mac_to = HERE_MAC);
	struct frame to = tcp4(WEB_AT, CLIENT, ACK, .mac_from = AWAY_MAC);
	struct frame frame = xdp_framed_from(NODE_2, &from, RETURN);

	goes_up(*state, &frame);
	frame = xdp_framed_from(NODE_2, &to, RETURN);
	goes_up(*state, &frame);
}

static void inner_packets_that_skep_does_not_balance_go_up(void **state)
{
	struct frame ipv6 = ethernet_frame(0x86dd, "`", 1);
	struct frame fragment = udp4(DNS_AT, CLIENT, FROM_AWAY);
	struct frame frame;

	ipv6 = frame_between(ipv6, AWAY_MAC, HERE_MAC);
	frame = xdp_framed_from(NODE_2, &ipv6, RETURN);
	goes_up(*state, &frame);
	frame_set_u16(&fragment, IPV4_HDR + 6, 0x2000);
	frame = xdp_framed_from(NODE_2, &fragment, RETURN);
	goes_up(*state, &frame);
}

/* Each would be for the kernel to verify, to carry inward, or to refuse. */
static void outer_headers_other_than_skeps_own_go_up(void **state)
{
	struct frame checksum = usual(), marked = usual(), flags = usual(), reserved = usual();
	struct frame udp_length = usual(), trailer = usual();

	frame_set_u16(&checksum, OUTER_L4 + 6, 0x1234);
	goes_up(*state, &checksum);
	marked.data[IPV4_HDR + 1] = 3;
	frame_fix_ip_checksum(&marked);
	goes_up(*state, &marked);
	flags.data[VXLAN] = 0x88;
	goes_up(*state, &flags);
	reserved.data[VXLAN + 7] = 1;
	goes_up(*state, &reserved);
	frame_set_u16(&udp_length, OUTER_L4 + 4, 20);
	goes_up(*state, &udp_length);
	trailer.length += 4;
	goes_up(*state, &trailer);
}

static void frames_cut_short_go_up(void **state)
{
	struct frame whole = usual();

	for (size_t length = 14; length < whole.length; length++) {
		struct frame frame = frame_cut(whole, length);

		goes_up(*state, &frame);
	}
}

/* Cut short inside, with outer headers that fit. */
static void inner_frames_cut_short_go_up(void **state)
{
	struct frame whole = tcp4(WEB_AT, CLIENT, ACK, FROM_AWAY);

	for (size_t length = 0; length < whole.length; length++) {
		struct frame inner = frame_cut(whole, length);
		struct frame frame = xdp_framed_from(NODE_2, &inner, RETURN);

		goes_up(*state, &frame);
	}
}

static void a_client_whose_neighbour_is_not_known_is_left_to_tc(void **state)
{
	struct frame inner = tcp4(WEB_AT, "192.0.2.55:40000", ACK, .ttl = 63, FROM_AWAY);
	struct frame frame = xdp_framed_from(NODE_2, &inner, RETURN);

	goes_up(*state, &frame);
}

static void a_client_without_a_route_is_left_to_tc(void **state)
{
	struct frame inner = tcp4(WEB_AT, "203.0.113.5:40000", ACK, .ttl = 63, FROM_AWAY);
	struct frame frame = xdp_framed_from(NODE_2, &inner, RETURN);

	goes_up(*state, &frame);
}

static void a_client_on_this_very_node_is_left_to_tc(void **state)
{
	struct frame inner = tcp4(WEB_AT, "192.0.2.1:40000", ACK, .ttl = 63, FROM_AWAY);
	struct frame frame = xdp_framed_from(NODE_2, &inner, RETURN);

	goes_up(*state, &frame);
}

static void the_tunnels_port_at_another_address_is_a_port_like_any(void **state)
{
	struct frame inner = tcp4(WEB_AT, CLIENT, ACK, FROM_AWAY);
	struct frame frame = xdp_framed(&inner, (struct outer_recipe){.mac_from = NODE_2_AT_WIRE,
								      .mac_to = WIRE_MAC,
								      .from = NODE_2,
								      .to = "192.0.2.1",
								      .vni = RETURN});

	goes_up(*state, &frame);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tcp_reply_reaches_the_client),
		cmocka_unit_test(a_udp_reply_reaches_the_client),
		cmocka_unit_test(a_client_far_away_is_reached_by_its_gateway),
		cmocka_unit_test(a_client_behind_another_wire_is_reached_by_a_redirect),
		cmocka_unit_test(a_syn_ack_tells_which_task_has_the_flow),
		cmocka_unit_test(what_is_no_reply_and_for_no_task_here_goes_up),
		cmocka_unit_test(a_frame_from_a_stranger_goes_up),
		cmocka_unit_test(a_frame_for_another_machine_goes_up),
		cmocka_unit_test(a_reply_of_no_frontend_of_this_node_goes_up),
		cmocka_unit_test(inner_addresses_that_are_not_skeps_go_up),
		cmocka_unit_test(inner_packets_that_skep_does_not_balance_go_up),
		cmocka_unit_test(outer_headers_other_than_skeps_own_go_up),
		cmocka_unit_test(frames_cut_short_go_up),
		cmocka_unit_test(inner_frames_cut_short_go_up),
		cmocka_unit_test(a_client_whose_neighbour_is_not_known_is_left_to_tc),
		cmocka_unit_test(a_client_without_a_route_is_left_to_tc),
		cmocka_unit_test(a_client_on_this_very_node_is_left_to_tc),
		cmocka_unit_test(the_tunnels_port_at_another_address_is_a_port_like_any),
	};

	return mesh_run_tests("xdp_return", tests, sizeof(tests) / sizeof(tests[0]));
}
