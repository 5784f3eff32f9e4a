/* SPDX-License-Identifier: GPL-2.0-only */
/* A forward frame at the XDP program of the backend node: stripped and left to tc with a hint of
 * what it said, or gone up to skep0 as it came. What from_wire makes of it: forms.h. */
#include <netinet/in.h>
#include <string.h>

#include "xdp.h"

#define TASK	  "10.0.0.11"
#define TASK_MAC  "02:42:0a:00:00:0b"
#define AT_TASK	  101
#define WEB_AT_2  "10.1.0.2:8080"
#define FORWARD	  SKEP_VNI(SKEP_FRAME_FORWARD, 80)
#define DIRECTLY  SKEP_VNI(SKEP_FRAME_FORWARD | SKEP_FRAME_DSR, 80)
#define AGAIN	  SKEP_VNI(SKEP_FRAME_FORWARD_AGAIN, 80)
#define FROM_2	  .mac_from = NODE_2_MAC, .mac_to = TASK_MAC
#define OUTER_UDP L4_HDR
#define VXLAN	  (OUTER_UDP + 8)

static struct frame usual(void)
{
	struct frame inner = tcp4(CLIENT, WEB_AT_2, SYN, .ttl = 63, FROM_2);

	return xdp_framed_from(NODE_2, &inner, FORWARD);
}

static void give_task(struct mesh *mesh)
{
	xdp_links(mesh);
	mesh_task(mesh, WEB, TASK, HERE, AT_TASK);
}

static void is_stripped(struct mesh *mesh, const char *node, uint32_t vni, uint8_t flags)
{
	struct frame inner = tcp4(CLIENT, WEB_AT_2, ACK, .ttl = 63, .payload = "GET /", FROM_2);
	struct frame expected = frame_between(inner, NODE_2_MAC, WIRE_MAC);
	struct frame frame = xdp_framed_from(node, &inner, vni);
	struct xdp_outcome outcome;
	struct skep_hint hint = {
		.key = {0x1111, (uint32_t)mesh->wire},
		.task = ipv4(TASK),
		.node = ipv4(NODE_2),
		.ifindex = AT_TASK,
		.service_id = WEB,
		.counter = ntohl(ipv4(TASK)) & 0xff,
		.target_port = htons(SKEP_VNI_PORT(vni)),
		.flags = SKEP_HINT_STRIPPED | flags,
		.version = SKEP_HINT_VERSION,
	};

	give_task(mesh);
	outcome = xdp_run(mesh, &frame);
	expect_xdp_passed(&outcome, &expected, sizeof(hint));
	assert_memory_equal(&outcome.hint, &hint, sizeof(hint));
	expect_all_ways(mesh, 0, 0, 0, 1);
	expect_no_verdict(mesh);
	assert_int_equal(mesh_task_counter(mesh, TASK).packets, 0);
}

static void a_frame_for_a_task_here_is_taken_off(void **state)
{
	is_stripped(*state, NODE_2, FORWARD, 0);
}

static void the_hint_says_that_the_client_is_answered_directly(void **state)
{
	is_stripped(*state, NODE_2, DIRECTLY, SKEP_HINT_DSR);
}

static void the_hint_names_the_ingress_node_of_a_frame_that_was_handed_on(void **state)
{
	is_stripped(*state, NODE_3, AGAIN, 0);
}

static void the_hint_has_the_highest_target_port(void **state)
{
	is_stripped(*state, NODE_2, SKEP_VNI(SKEP_FRAME_FORWARD, 65535), 0);
}

static void goes_up(struct mesh *mesh, const struct frame *frame)
{
	struct xdp_outcome outcome = xdp_run(mesh, frame);

	expect_xdp_passed(&outcome, frame, 0);
	expect_all_ways(mesh, 0, 0, 0, 0);
	expect_no_verdict(mesh);
}

static void a_frame_for_a_task_that_is_not_here_goes_up(void **state)
{
	struct frame frame = usual();
	struct mesh *mesh = *state;

	xdp_links(mesh);
	goes_up(mesh, &frame);
	mesh_task(mesh, WEB, TASK, HERE, 0);
	goes_up(mesh, &frame);
	mesh_task(mesh, WEB, TASK, NODE_3, AT_TASK);
	goes_up(mesh, &frame);
}

static void a_frame_that_names_another_ingress_node_goes_up(void **state)
{
	static const struct {
		const char *node, *ingress;
		uint32_t vni;
	} frames[] = {
		{NODE_2, NODE_3_MAC, FORWARD},	      {NODE_2, NODE_3_MAC, DIRECTLY},
		{NODE_2, "02:42:0a:01:00:09", AGAIN}, {STRANGER, "02:42:0a:01:00:09", FORWARD},
		{STRANGER, NODE_2_MAC, AGAIN},
	};

	give_task(*state);
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		struct frame inner = tcp4(CLIENT, WEB_AT_2, SYN, .mac_from = frames[i].ingress,
					  .mac_to = TASK_MAC);
		struct frame frame = xdp_framed_from(frames[i].node, &inner, frames[i].vni);

		goes_up(*state, &frame);
	}
}

static void other_kinds_go_up(void **state)
{
	static const uint32_t kinds[] = {
		0, SKEP_FRAME_DIRECT, SKEP_FRAME_DIRECT_RETURN, 0x80, 0x82, 0x83, 0x84, 0x85, 0xc1};

	give_task(*state);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct frame inner = tcp4(CLIENT, WEB_AT_2, SYN, FROM_2);
		struct frame frame = xdp_framed_from(NODE_2, &inner, SKEP_VNI(kinds[i], 80));

		goes_up(*state, &frame);
	}
}

static void inner_addresses_that_are_not_skeps_go_up(void **state)
{
	struct frame from = tcp4(CLIENT, WEB_AT_2, SYN, .mac_to = TASK_MAC);
	struct frame to = tcp4(CLIENT, WEB_AT_2, SYN, .mac_from = NODE_2_MAC);
	struct frame frame = xdp_framed_from(NODE_2, &from, FORWARD);

	give_task(*state);
	goes_up(*state, &frame);
	frame = xdp_framed_from(NODE_2, &to, FORWARD);
	goes_up(*state, &frame);
}

static void inner_packets_that_are_not_plain_tcp_or_udp_go_up(void **state)
{
	struct frame quoted = udp4("10.1.0.2:5353", CLIENT);
	struct frame inner[] = {
		icmp4("192.0.2.254:0", NODE_2 ":0", &quoted, 28, FROM_2, .icmp_type = 3),
		udp4(CLIENT, WEB_AT_2, FROM_2),
		udp4(CLIENT, WEB_AT_2, FROM_2),
		udp4(CLIENT, WEB_AT_2, FROM_2),
		frame_between(ethernet_frame(0x86dd, "`", 1), NODE_2_MAC, TASK_MAC),
	};

	frame_set_u16(&inner[1], IPV4_HDR + 6, 0x2000);
	frame_set_u16(&inner[2], IPV4_HDR + 6, 100);
	inner[3].data[IPV4_HDR] = 0x46;
	give_task(*state);
	for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++) {
		struct frame frame = xdp_framed_from(NODE_2, &inner[i], FORWARD);

		goes_up(*state, &frame);
	}
}

/* Each would be for the kernel to verify, to carry inward, to put together or to refuse. */
static void outer_headers_other_than_skeps_own_go_up(void **state)
{
	struct frame frames[8];

	for (size_t i = 0; i < 8; i++)
		frames[i] = usual();
	frame_set_u16(&frames[0], OUTER_UDP + 6, 0x1234);
	frames[1].data[IPV4_HDR + 1] = 3;
	frames[2].data[VXLAN] = 0x88;
	frames[3].data[VXLAN + 7] = 1;
	frame_set_u16(&frames[4], OUTER_UDP + 4, 20);
	frames[5].length += 4;
	frame_set_u16(&frames[6], IPV4_HDR + 6, 0x2000);
	frames[7] = frame_between(frames[7], NODE_2_AT_WIRE, "02:00:00:00:00:77");
	give_task(*state);
	for (size_t i = 0; i < 8; i++) {
		frame_fix_ip_checksum(&frames[i]);
		goes_up(*state, &frames[i]);
	}
}

static void frames_cut_short_go_up(void **state)
{
	struct frame inner = tcp4(CLIENT, WEB_AT_2, SYN, FROM_2), whole = usual();

	give_task(*state);
	for (size_t length = 14; length < whole.length; length++) {
		struct frame frame = frame_cut(whole, length);

		goes_up(*state, &frame);
	}
	/* Cut short inside, with outer headers that fit. */
	for (size_t length = 0; length < inner.length; length++) {
		struct frame cut = frame_cut(inner, length);
		struct frame frame = xdp_framed_from(NODE_2, &cut, FORWARD);

		goes_up(*state, &frame);
	}
}

static void on_an_interface_that_is_no_wire_it_goes_up(void **state)
{
	struct frame frame = usual();

	give_task(*state);
	xdp_no_wire(*state, "wire0");
	goes_up(*state, &frame);
}

static void without_metadata_it_goes_up(void **state)
{
	struct frame frame = usual();
	struct mesh *mesh = *state;

	give_task(mesh);
	mesh->stimulus->failure = FAIL_META;
	goes_up(mesh, &frame);
}

static void what_fails_halfway_is_dropped_and_counted(void **state)
{
	struct frame frame = usual();
	struct mesh *mesh = *state;

	give_task(mesh);
	mesh->stimulus->failure = FAIL_HEAD;
	assert_int_equal(xdp_run(mesh, &frame).result, XDP_DROP);
	expect_verdict(mesh, SKEP_DROP_ERROR);
	expect_all_ways(mesh, 0, 0, 0, 0);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_for_a_task_here_is_taken_off),
		cmocka_unit_test(the_hint_says_that_the_client_is_answered_directly),
		cmocka_unit_test(the_hint_names_the_ingress_node_of_a_frame_that_was_handed_on),
		cmocka_unit_test(the_hint_has_the_highest_target_port),
		cmocka_unit_test(a_frame_for_a_task_that_is_not_here_goes_up),
		cmocka_unit_test(a_frame_that_names_another_ingress_node_goes_up),
		cmocka_unit_test(other_kinds_go_up),
		cmocka_unit_test(inner_addresses_that_are_not_skeps_go_up),
		cmocka_unit_test(inner_packets_that_are_not_plain_tcp_or_udp_go_up),
		cmocka_unit_test(outer_headers_other_than_skeps_own_go_up),
		cmocka_unit_test(frames_cut_short_go_up),
		cmocka_unit_test(on_an_interface_that_is_no_wire_it_goes_up),
		cmocka_unit_test(without_metadata_it_goes_up),
		cmocka_unit_test(what_fails_halfway_is_dropped_and_counted),
	};

	return mesh_run_tests("xdp_strip", tests, sizeof(tests) / sizeof(tests[0]));
}
