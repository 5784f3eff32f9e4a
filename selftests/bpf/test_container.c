/* SPDX-License-Identifier: GPL-2.0-only */
/* Containers of this node as clients of published ports, and what they must not send at all. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "expect.h"

#define CONTAINER "172.18.0.5:40000"
#define TASK	  "10.0.0.11"
#define AT_TASK	  101
#define AWAY	  "10.0.0.21"
#define AWAY_MAC  "02:42:0a:00:00:15"

/* What the packet has as source, once it goes on. */
static const char *source_of(const struct outcome *outcome)
{
	static char text[32];

	snprintf(text, sizeof(text), "10.1.0.1:%u", frame_u16(&outcome->frame, L4_HDR));
	return text;
}

static void to_a_remote_task_it_goes_from_the_nodes_own_address(void **state)
{
	struct frame frame = tcp4(CONTAINER, WEB_AT, SYN, .seq = 7), expected;
	struct mesh *mesh = *state;
	struct skep_return value;
	struct outcome outcome;

	mesh_task(mesh, WEB, AWAY, NODE_2, 0);
	mesh_ring(mesh, WEB, 0, RING(AWAY));
	outcome = mesh_run(mesh, FROM_TASK, &frame);
	expected = tcp4(source_of(&outcome), WEB_AT, SYN, .seq = 7, .ttl = 62, .mac_from = HERE_MAC,
			.mac_to = AWAY_MAC);
	expect_tunnelled(mesh, &outcome, NODE_2, SKEP_VNI(SKEP_FRAME_FORWARD, 80), &expected);
	assert_true(mesh_return(mesh, WEB_AT, source_of(&outcome), IPPROTO_TCP, &value));
	assert_int_equal(value.mode, SKEP_RETURN_CONTAINER);
	assert_int_equal(ntohs(value.frontend_port), 40000);
	expect_no_verdict(mesh);
}

static void to_a_local_task_it_goes_straight_in(void **state)
{
	struct frame frame = udp4(CONTAINER, DNS_AT, .payload = "question"), expected;
	struct mesh *mesh = *state;
	struct outcome outcome;

	mesh_task(mesh, DNS, TASK, HERE, AT_TASK);
	mesh_ring(mesh, DNS, 0, RING(TASK));
	outcome = mesh_run(mesh, FROM_TASK, &frame);
	expected = udp4(source_of(&outcome), TASK ":53", .payload = "question", .ttl = 62);
	expect_delivered(&outcome, AT_TASK, &expected);
	assert_int_equal(outcome.record.made_host, 1);
}

static void its_next_packet_keeps_port_and_task(void **state)
{
	struct frame syn = tcp4(CONTAINER, WEB_AT, SYN), ack = tcp4(CONTAINER, WEB_AT, ACK);
	struct mesh *mesh = *state;
	struct outcome first, second;

	mesh_task(mesh, WEB, TASK, HERE, AT_TASK);
	mesh_ring(mesh, WEB, 0, RING(TASK));
	first = mesh_run(mesh, FROM_TASK, &syn);
	second = mesh_run(mesh, FROM_TASK, &ack);
	assert_int_equal(frame_u16(&first.frame, L4_HDR), frame_u16(&second.frame, L4_HDR));
	assert_int_equal(second.record.ifindex, AT_TASK);
	expect_no_verdict(mesh);
}

static void two_containers_of_one_port_are_told_apart(void **state)
{
	struct frame one = tcp4(CONTAINER, WEB_AT, SYN),
		     two = tcp4("172.18.0.6:40000", WEB_AT, SYN);
	struct mesh *mesh = *state;
	struct outcome first, second;

	mesh_task(mesh, WEB, TASK, HERE, AT_TASK);
	mesh_ring(mesh, WEB, 0, RING(TASK));
	first = mesh_run(mesh, FROM_TASK, &one);
	second = mesh_run(mesh, FROM_TASK, &two);
	assert_int_not_equal(frame_u16(&first.frame, L4_HDR), frame_u16(&second.frame, L4_HDR));
}

static void a_local_tasks_answer_leads_back_into_the_container(void **state)
{
	struct frame frame = tcp4(CONTAINER, WEB_AT, SYN), reply, expected;
	struct mesh *mesh = *state;
	struct outcome outcome;

	mesh_task(mesh, WEB, TASK, HERE, AT_TASK);
	mesh_ring(mesh, WEB, 0, RING(TASK));
	outcome = mesh_run(mesh, FROM_TASK, &frame);
	reply = tcp4(TASK ":80", source_of(&outcome), SYN | ACK);
	expected = tcp4(WEB_AT, CONTAINER, SYN | ACK, .ttl = 62);
	outcome = mesh_run(mesh, FROM_TASK, &reply);
	expect_delivered(&outcome, mesh->wire, &expected); /* whence its packet came in the run */
	assert_int_equal(outcome.record.made_host, 1);
}

static void a_remote_tasks_answer_leads_back_into_the_container(void **state)
{
	struct frame frame = udp4(CONTAINER, DNS_AT, .payload = "question"), reply, expected;
	struct mesh *mesh = *state;
	struct outcome outcome;

	mesh_task(mesh, DNS, AWAY, NODE_2, 0);
	mesh_ring(mesh, DNS, 0, RING(AWAY));
	outcome = mesh_run(mesh, FROM_TASK, &frame);
	reply = udp4(DNS_AT, source_of(&outcome), .payload = "answer", .mac_from = AWAY_MAC,
		     .mac_to = HERE_MAC);
	expected = udp4(DNS_AT, CONTAINER, .payload = "answer", .ttl = 63, .mac_from = AWAY_MAC,
			.mac_to = HERE_MAC);
	outcome = mesh_run_framed(mesh, NODE_2, SKEP_VNI(SKEP_FRAME_RETURN, 0), &reply);
	expect_delivered(&outcome, mesh->wire, &expected);
}

static void an_answer_that_no_container_waits_for_is_dropped(void **state)
{
	struct frame reply = udp4(DNS_AT, "10.1.0.1:40000", .payload = "answer",
				  .mac_from = AWAY_MAC, .mac_to = HERE_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome =
		mesh_run_framed(mesh, NODE_2, SKEP_VNI(SKEP_FRAME_RETURN, 0), &reply);

	expect_dropped(&outcome);
	expect_verdict(mesh, SKEP_DROP_NO_TASK);
}

static void with_no_task_it_is_refused_at_once(void **state)
{
	struct frame frame = tcp4(CONTAINER, WEB_AT, SYN, .seq = 8);
	struct frame expected = tcp4(WEB_AT, CONTAINER, RST | ACK, .ack = 9, .answer = true,
				     .mac_from = WIRE_MAC, .mac_to = CLIENT_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome = mesh_run(mesh, FROM_TASK, &frame);

	expect_sent_out(&outcome, mesh->wire, &expected);
	expect_verdict(mesh, SKEP_ANSWER_NO_TASK_RST);
}

static void what_is_for_no_frontend_stays_dockers(void **state)
{
	struct frame frame = tcp4(CONTAINER, TASK ":80", SYN);
	struct mesh *mesh = *state;
	struct outcome outcome;

	mesh_task(mesh, WEB, TASK, HERE, AT_TASK);
	outcome = mesh_run(mesh, FROM_TASK, &frame);
	expect_passed(&outcome, &frame);
	expect_verdict(mesh, SKEP_PASS_NOT_FROM_TASK);
}

static void nothing_from_a_bridge_gets_to_the_tunnels_port(void **state)
{
	struct frame abroad = udp4(CONTAINER, "10.1.0.2:4799", .payload = "frame");
	struct frame forged = udp4("10.1.0.2:50000", "10.1.0.1:4799", .payload = "frame");
	struct frame piece = frame_piece(&abroad, 0, 8);
	struct mesh *mesh = *state;
	struct outcome outcome;

	outcome = mesh_run(mesh, FROM_BRIDGE, &abroad);
	expect_dropped(&outcome);
	outcome = mesh_run(mesh, FROM_BRIDGE, &forged);
	expect_dropped(&outcome);
	outcome = mesh_run(mesh, FROM_BRIDGE, &piece);
	expect_dropped(&outcome);
	assert_int_equal(mesh_verdict(mesh, SKEP_DROP_FORGED), 3);
}

static void all_else_from_a_bridge_passes(void **state)
{
	struct frame udp = udp4(CONTAINER, "10.1.0.2:4789", .payload = "frame");
	struct frame tcp = tcp4(CONTAINER, "10.1.0.2:4799", SYN);
	struct mesh *mesh = *state;
	struct outcome outcome;

	outcome = mesh_run(mesh, FROM_BRIDGE, &udp);
	expect_passed(&outcome, &udp);
	outcome = mesh_run(mesh, FROM_BRIDGE, &tcp);
	expect_passed(&outcome, &tcp);
	expect_no_verdict(mesh);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(to_a_remote_task_it_goes_from_the_nodes_own_address),
		cmocka_unit_test(to_a_local_task_it_goes_straight_in),
		cmocka_unit_test(its_next_packet_keeps_port_and_task),
		cmocka_unit_test(two_containers_of_one_port_are_told_apart),
		cmocka_unit_test(a_local_tasks_answer_leads_back_into_the_container),
		cmocka_unit_test(a_remote_tasks_answer_leads_back_into_the_container),
		cmocka_unit_test(an_answer_that_no_container_waits_for_is_dropped),
		cmocka_unit_test(with_no_task_it_is_refused_at_once),
		cmocka_unit_test(what_is_for_no_frontend_stays_dockers),
		cmocka_unit_test(nothing_from_a_bridge_gets_to_the_tunnels_port),
		cmocka_unit_test(all_else_from_a_bridge_passes),
	};

	return mesh_run_tests("container", tests, sizeof(tests) / sizeof(*tests));
}
