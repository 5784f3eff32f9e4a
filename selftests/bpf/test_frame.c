/* SPDX-License-Identifier: GPL-2.0-only */
/* Frames that come in by the tunnel at the backend node. Which are taken, and where they go. */
#include <netinet/in.h>
#include <string.h>

#include "expect.h"
#include "forms.h"

#define TASK	 "10.0.0.11"
#define TASK_MAC "02:42:0a:00:00:0b"
#define AT_TASK	 101
#define WEB_AT_2 "10.1.0.2:8080" /* where the client came in */
#define DNS_AT_2 "10.1.0.2:5353"
#define FORWARD	 SKEP_VNI(SKEP_FRAME_FORWARD, 80)
#define AGAIN	 SKEP_VNI(SKEP_FRAME_FORWARD_AGAIN, 80)

#define FRAMED .mac_from = NODE_2_MAC, .mac_to = TASK_MAC

static void drops(struct mesh *mesh, const char *node, uint32_t vni, const struct frame *frame,
		  enum skep_verdict verdict)
{
	struct outcome outcome;

	mesh_task(mesh, WEB, TASK, HERE, AT_TASK);
	outcome = mesh_run_framed(mesh, node, vni, frame);
	expect_dropped(&outcome);
	expect_verdict(mesh, verdict);
}

static void delivers(struct mesh *mesh, const char *node, uint32_t vni, const struct frame *frame,
		     const struct frame *expected)
{
	struct outcome outcome;

	mesh_task(mesh, WEB, TASK, HERE, AT_TASK);
	outcome = mesh_run_framed(mesh, node, vni, frame);
	expect_delivered(&outcome, AT_TASK, expected);
	assert_int_equal(outcome.record.made_host, 1);
	expect_no_verdict(mesh);
}

static void a_forwarded_tcp_packet_reaches_its_task(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT_2, SYN, .ttl = 63, FRAMED, OPTIONS(2, 4, 5, 0x82));
	struct frame expected =
		tcp4(CLIENT, TASK ":80", SYN, .ttl = 62, FRAMED, OPTIONS(2, 4, 5, 0x82));

	delivers(*state, NODE_2, FORWARD, &frame, &expected);
}

static void a_forwarded_udp_packet_reaches_its_task(void **state)
{
	struct frame frame = udp4(CLIENT, DNS_AT_2, .payload = "question", FRAMED);
	struct frame expected = udp4(CLIENT, TASK ":53", .payload = "question", .ttl = 63, FRAMED);

	delivers(*state, NODE_2, SKEP_VNI(SKEP_FRAME_FORWARD, 53), &frame, &expected);
}

static void udp_without_a_checksum_keeps_having_none(void **state)
{
	struct frame frame =
		udp4(CLIENT, DNS_AT_2, .payload = "x", .without_checksum = true, FRAMED);
	struct frame expected = udp4(CLIENT, TASK ":53", .payload = "x", .without_checksum = true,
				     .ttl = 63, FRAMED);

	delivers(*state, NODE_2, SKEP_VNI(SKEP_FRAME_FORWARD, 53), &frame, &expected);
}

static void no_flow_and_no_service_is_needed(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT_2, ACK, FRAMED);
	struct frame expected = tcp4(CLIENT, TASK ":80", ACK, .ttl = 63, FRAMED);
	struct mesh *mesh = *state;
	struct skep_flow flow;

	mesh_no_frontend(mesh, "0.0.0.0:8080", IPPROTO_TCP);
	delivers(mesh, NODE_2, FORWARD, &frame, &expected);
	assert_false(mesh_flow(mesh, CLIENT, WEB_AT_2, IPPROTO_TCP, &flow));
}

static void the_target_port_is_the_frames(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT_2, SYN, FRAMED);
	struct frame expected = tcp4(CLIENT, TASK ":65535", SYN, .ttl = 63, FRAMED);

	delivers(*state, NODE_2, SKEP_VNI(SKEP_FRAME_FORWARD, 65535), &frame, &expected);
}

static void a_draining_task_gets_its_frames(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT_2, ACK, FRAMED);
	struct frame expected = tcp4(CLIENT, TASK ":80", ACK, .ttl = 63, FRAMED);
	struct mesh *mesh = *state;
	struct outcome outcome;

	mesh_task(mesh, WEB, TASK, HERE, AT_TASK);
	mesh_task_state(mesh, TASK, SKEP_TASK_DRAINING);
	outcome = mesh_run_framed(mesh, NODE_2, FORWARD, &frame);
	expect_delivered(&outcome, AT_TASK, &expected);
}

static void the_way_back_is_to_the_ingress_node(void **state)
{
	struct skep_addr frontend = addr_of("10.1.0.2"), ingress = addr_of(NODE_2);
	struct frame frame = tcp4(CLIENT, WEB_AT_2, SYN, FRAMED);
	struct mesh *mesh = *state;
	struct skep_return value;

	mesh_task(mesh, WEB, TASK, HERE, AT_TASK);
	mesh_run_framed(mesh, NODE_2, FORWARD, &frame);
	assert_true(mesh_return(mesh, TASK ":80", CLIENT, IPPROTO_TCP, &value));
	assert_memory_equal(&value.frontend, &frontend, sizeof(frontend));
	assert_memory_equal(&value.ingress, &ingress, sizeof(ingress));
	assert_int_equal(ntohs(value.frontend_port), 8080);
	assert_int_equal(value.mode, forms_mode(mesh));
}

static void a_frame_that_was_handed_on_still_names_the_ingress_node(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT_2, SYN, FRAMED);
	struct frame expected = tcp4(CLIENT, TASK ":80", SYN, .ttl = 63, FRAMED);
	struct skep_addr ingress = addr_of(NODE_2);
	struct mesh *mesh = *state;
	struct skep_return value;

	delivers(mesh, NODE_3, AGAIN, &frame, &expected);
	assert_true(mesh_return(mesh, TASK ":80", CLIENT, IPPROTO_TCP, &value));
	assert_memory_equal(&value.ingress, &ingress, sizeof(ingress));
}

static void the_way_back_follows_a_client_that_comes_in_elsewhere(void **state)
{
	struct frame first = tcp4(CLIENT, WEB_AT_2, SYN, FRAMED);
	struct frame second =
		tcp4(CLIENT, WEB_AT_2, ACK, .mac_from = NODE_3_MAC, .mac_to = TASK_MAC);
	struct skep_addr ingress = addr_of(NODE_3);
	struct mesh *mesh = *state;
	struct skep_return value;

	mesh_task(mesh, WEB, TASK, HERE, AT_TASK);
	mesh_run_framed(mesh, NODE_2, FORWARD, &first);
	mesh_run_framed(mesh, NODE_3, FORWARD, &second);
	assert_true(mesh_return(mesh, TASK ":80", CLIENT, IPPROTO_TCP, &value));
	assert_memory_equal(&value.ingress, &ingress, sizeof(ingress));
}

static void the_sum_of_a_whole_packet_stays_right(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT_2, SYN, FRAMED);
	struct mesh *mesh = *state;
	struct outcome outcome;

	mesh_task(mesh, WEB, TASK, HERE, AT_TASK);
	mesh->run_flags = CHECKSUM_COMPLETE;
	outcome = mesh_run_framed(mesh, NODE_2, FORWARD, &frame);
	assert_int_equal(outcome.record.ifindex, AT_TASK);
}

static void a_frame_from_no_node_is_dropped(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT_2, SYN, FRAMED);

	drops(*state, STRANGER, FORWARD, &frame, SKEP_DROP_NOT_A_NODE);
}

static void a_frame_from_a_node_that_left_is_dropped(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT_2, SYN, FRAMED);

	mesh_node_gone(*state, NODE_2);
	drops(*state, NODE_2, FORWARD, &frame, SKEP_DROP_NOT_A_NODE);
}

static void a_frame_that_names_no_node_as_ingress_is_dropped(void **state)
{
	struct frame frame =
		tcp4(CLIENT, WEB_AT_2, SYN, .mac_from = "02:42:0a:01:00:09", .mac_to = TASK_MAC);

	drops(*state, NODE_2, AGAIN, &frame, SKEP_DROP_BAD_FRAME);
}

static void a_frame_of_no_known_kind_is_dropped(void **state)
{
	static const uint32_t kinds[] = {0, 6, 7, 128, 0x82, 0x83, 0x84, 0x85, 0xc1, 0x41, 255};
	struct frame frame = tcp4(CLIENT, WEB_AT_2, SYN, FRAMED);
	struct mesh *mesh = *state;

	mesh_task(mesh, WEB, TASK, HERE, AT_TASK);
	for (size_t i = 0; i < 11; i++) {
		struct outcome outcome =
			mesh_run_framed(mesh, NODE_2, SKEP_VNI(kinds[i], 80), &frame);

		expect_dropped(&outcome);
	}
	expect_verdicts_at(mesh, SKEP_DROP_BAD_FRAME, 11, __FILE__, __LINE__);
}

static void a_frame_not_addressed_to_a_task_is_dropped(void **state)
{
	struct frame frame =
		tcp4(CLIENT, WEB_AT_2, SYN, .mac_from = NODE_2_MAC, .mac_to = MESH_MAC);

	drops(*state, NODE_2, FORWARD, &frame, SKEP_DROP_BAD_FRAME);
}

static void a_frame_not_addressed_by_a_node_is_dropped(void **state)
{
	struct frame frame =
		tcp4(CLIENT, WEB_AT_2, SYN, .mac_from = CLIENT_MAC, .mac_to = TASK_MAC);

	drops(*state, NODE_2, FORWARD, &frame, SKEP_DROP_BAD_FRAME);
}

static void a_frame_with_what_skep_never_sends_is_dropped(void **state)
{
	struct frame frames[3];
	struct mesh *mesh = *state;

	for (size_t i = 0; i < 3; i++)
		frames[i] = tcp4(CLIENT, WEB_AT_2, SYN, FRAMED);
	frame_set_u16(&frames[0], 12, 0x86dd);
	frames[1].data[IPV4_HDR] = 0x46;
	frames[2].data[IPV4_HDR + 9] = IPPROTO_ICMP;
	mesh_task(mesh, WEB, TASK, HERE, AT_TASK);
	for (size_t i = 0; i < 3; i++) {
		struct outcome outcome = mesh_run_framed(mesh, NODE_2, FORWARD, &frames[i]);

		expect_dropped(&outcome);
	}
	expect_verdicts_at(mesh, SKEP_DROP_BAD_FRAME, 3, __FILE__, __LINE__);
}

static void a_frame_without_a_hop_left_is_dropped(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT_2, SYN, .ttl = 1, FRAMED);

	drops(*state, NODE_2, FORWARD, &frame, SKEP_DROP_TTL);
}

static void a_task_hooked_here_but_listed_elsewhere_gets_nothing(void **state)
{
	struct frame frame = udp4(CLIENT, DNS_AT_2, FRAMED);
	struct mesh *mesh = *state;
	struct outcome outcome;

	mesh_task(mesh, DNS, TASK, NODE_3, AT_TASK);
	outcome = mesh_run_framed(mesh, NODE_2, SKEP_VNI(SKEP_FRAME_FORWARD, 53), &frame);
	expect_dropped(&outcome);
	expect_verdict(mesh, SKEP_DROP_NO_TASK);
}

static void client_counters_are_the_ingress_nodes(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT_2, SYN, FRAMED);
	struct mesh *mesh = *state;

	mesh_task(mesh, WEB, TASK, HERE, AT_TASK);
	mesh_run_framed(mesh, NODE_2, FORWARD, &frame);
	assert_int_equal(mesh_task_counter(mesh, TASK).packets, 0);
}

static void failures_of_the_kernel_are_counted(void **state)
{
	static const enum failure failures[] = {FAIL_TYPE, FAIL_CHECKSUM};
	struct frame frame = tcp4(CLIENT, WEB_AT_2, SYN, FRAMED);
	struct mesh *mesh = *state;

	mesh_task(mesh, WEB, TASK, HERE, AT_TASK);
	for (size_t i = 0; i < 2; i++) {
		struct outcome outcome;

		mesh->stimulus->failure = failures[i];
		outcome = mesh_run_framed(mesh, NODE_2, FORWARD, &frame);
		expect_dropped(&outcome);
	}
	expect_verdicts_at(mesh, SKEP_DROP_ERROR, 2, __FILE__, __LINE__);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(a_forwarded_tcp_packet_reaches_its_task),
		cmocka_unit_test(a_forwarded_udp_packet_reaches_its_task),
		cmocka_unit_test(udp_without_a_checksum_keeps_having_none),
		cmocka_unit_test(no_flow_and_no_service_is_needed),
		cmocka_unit_test(the_target_port_is_the_frames),
		cmocka_unit_test(a_draining_task_gets_its_frames),
		cmocka_unit_test(the_way_back_is_to_the_ingress_node),
		cmocka_unit_test(a_frame_that_was_handed_on_still_names_the_ingress_node),
		cmocka_unit_test(the_way_back_follows_a_client_that_comes_in_elsewhere),
		cmocka_unit_test(the_sum_of_a_whole_packet_stays_right),
		cmocka_unit_test(a_frame_from_no_node_is_dropped),
		cmocka_unit_test(a_frame_from_a_node_that_left_is_dropped),
		cmocka_unit_test(a_frame_that_names_no_node_as_ingress_is_dropped),
		cmocka_unit_test(a_frame_of_no_known_kind_is_dropped),
		cmocka_unit_test(a_frame_not_addressed_to_a_task_is_dropped),
		cmocka_unit_test(a_frame_not_addressed_by_a_node_is_dropped),
		cmocka_unit_test(a_frame_with_what_skep_never_sends_is_dropped),
		cmocka_unit_test(a_frame_without_a_hop_left_is_dropped),
		cmocka_unit_test(a_task_hooked_here_but_listed_elsewhere_gets_nothing),
		cmocka_unit_test(client_counters_are_the_ingress_nodes),
		cmocka_unit_test(failures_of_the_kernel_are_counted),
	};

	return forms_run_tests("frame", tests, sizeof(tests) / sizeof(tests[0]), FORM_ANY);
}
