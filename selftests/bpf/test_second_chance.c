/* SPDX-License-Identifier: GPL-2.0-only */
/* Frames for a task that is not (or no more) at the backend node. */
#include <netinet/in.h>
#include <string.h>

#include "expect.h"
#include "forms.h"

#define GONE	 "10.0.0.10"
#define GONE_MAC "02:42:0a:00:00:0a"
#define TASK	 "10.0.0.11"
#define AT_TASK	 101
#define AWAY	 "10.0.0.31"
#define AWAY_MAC "02:42:0a:00:00:1f"
#define WEB_AT_2 "10.1.0.2:8080"
#define DNS_AT_2 "10.1.0.2:5353"
#define FORWARD	 SKEP_VNI(SKEP_FRAME_FORWARD, 80)
#define AGAIN	 SKEP_VNI(SKEP_FRAME_FORWARD_AGAIN, 80)
#define RETURN	 SKEP_VNI(SKEP_FRAME_RETURN, 0)

#define FRAMED .mac_from = NODE_2_MAC, .mac_to = GONE_MAC

static void give_task_here(struct mesh *mesh, uint32_t service)
{
	mesh_task(mesh, service, TASK, HERE, AT_TASK);
	mesh_ring(mesh, service, 0, RING(TASK));
}

static void give_task_away(struct mesh *mesh, uint32_t service)
{
	mesh_task(mesh, service, AWAY, NODE_3, 0);
	mesh_ring(mesh, service, 0, RING(AWAY));
}

static struct frame rst(uint8_t flags, uint32_t seq, uint32_t ack)
{
	return tcp4(WEB_AT_2, CLIENT, flags, .seq = seq, .ack = ack, .answer = true,
		    .mac_from = GONE_MAC, .mac_to = NODE_2_MAC);
}

static void a_syn_gets_another_task_here(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT_2, SYN, .ttl = 63, FRAMED);
	struct frame expected = tcp4(CLIENT, TASK ":80", SYN, .ttl = 62, FRAMED);
	struct skep_addr ingress = addr_of(NODE_2);
	struct mesh *mesh = *state;
	struct skep_return value;
	struct outcome outcome;

	give_task_here(mesh, WEB);
	outcome = mesh_run_framed(mesh, NODE_2, FORWARD, &frame);
	expect_delivered(&outcome, AT_TASK, &expected);
	expect_verdict(mesh, SKEP_SECOND_CHANCE);
	assert_true(mesh_return(mesh, TASK ":80", CLIENT, IPPROTO_TCP, &value));
	/* So that the ingress node learns which task has the flow. */
	assert_int_equal(value.mode, SKEP_RETURN_TUNNEL);
	assert_memory_equal(&value.ingress, &ingress, sizeof(ingress));
}

static void a_udp_packet_gets_another_task_here(void **state)
{
	struct frame frame = udp4(CLIENT, DNS_AT_2, .payload = "question", .ttl = 63, FRAMED);
	struct frame expected = udp4(CLIENT, TASK ":53", .payload = "question", .ttl = 62, FRAMED);
	struct mesh *mesh = *state;
	struct outcome outcome;

	give_task_here(mesh, DNS);
	outcome = mesh_run_framed(mesh, NODE_2, SKEP_VNI(SKEP_FRAME_FORWARD, 53), &frame);
	expect_delivered(&outcome, AT_TASK, &expected);
	expect_verdict(mesh, SKEP_SECOND_CHANCE);
}

static void a_syn_is_handed_on_to_another_node(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT_2, SYN, .ttl = 63, FRAMED);
	struct frame expected =
		tcp4(CLIENT, WEB_AT_2, SYN, .ttl = 63, .mac_from = NODE_2_MAC, .mac_to = AWAY_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome;

	give_task_away(mesh, WEB);
	outcome = mesh_run_framed(mesh, NODE_2, FORWARD, &frame);
	expect_tunnelled(mesh, &outcome, NODE_3, AGAIN, &expected);
	expect_verdict(mesh, SKEP_SECOND_CHANCE);
}

static void the_rest_of_the_flow_follows(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT_2, SYN, FRAMED),
		     ack = tcp4(CLIENT, WEB_AT_2, ACK, FRAMED);
	struct frame expected = tcp4(CLIENT, TASK ":80", ACK, .ttl = 63, FRAMED);
	struct mesh *mesh = *state;
	struct outcome outcome;

	give_task_here(mesh, WEB);
	mesh_run_framed(mesh, NODE_2, FORWARD, &syn);
	outcome = mesh_run_framed(mesh, NODE_2, FORWARD, &ack);
	expect_delivered(&outcome, AT_TASK, &expected);
	assert_int_equal(mesh_ring_cursor(mesh, WEB), 1);
}

static void a_task_whose_veth_is_not_hooked_yet_is_not_here(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT_2, SYN, FRAMED);
	struct mesh *mesh = *state;
	struct outcome outcome;

	mesh_task(mesh, WEB, GONE, HERE, 0);
	give_task_here(mesh, WEB);
	outcome = mesh_run_framed(mesh, NODE_2, FORWARD, &frame);
	assert_int_equal(outcome.record.ifindex, AT_TASK);
	expect_verdict(mesh, SKEP_SECOND_CHANCE);
}

static void any_address_of_the_ingress_node_is_served(void **state)
{
	struct frame frame = tcp4(CLIENT, "203.0.113.80:8080", SYN, FRAMED);
	struct frame expected = tcp4(CLIENT, TASK ":80", SYN, .ttl = 63, FRAMED);
	struct mesh *mesh = *state;
	struct outcome outcome;

	give_task_here(mesh, WEB);
	outcome = mesh_run_framed(mesh, NODE_2, FORWARD, &frame);
	expect_delivered(&outcome, AT_TASK, &expected);
}

static void never_more_than_once(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT_2, SYN, FRAMED);
	struct frame udp = udp4(CLIENT, DNS_AT_2, FRAMED);
	struct mesh *mesh = *state;
	struct outcome outcome;

	give_task_away(mesh, WEB);
	outcome = mesh_run_framed(mesh, NODE_3, AGAIN, &syn);
	expect_dropped(&outcome);
	outcome = mesh_run_framed(mesh, NODE_3, SKEP_VNI(SKEP_FRAME_FORWARD_AGAIN, 53), &udp);
	expect_dropped(&outcome);
	expect_verdicts_at(mesh, SKEP_DROP_NO_TASK, 2, __FILE__, __LINE__);
}

static void the_middle_of_a_connection_is_reset_through_the_ingress_node(void **state)
{
	struct frame frame =
		tcp4(CLIENT, WEB_AT_2, ACK | PSH, .seq = 9, .ack = 77, .payload = "GET /", FRAMED);
	struct frame expected = rst(RST, 77, 0);
	struct mesh *mesh = *state;
	struct outcome outcome;

	give_task_here(mesh, WEB);
	outcome = mesh_run_framed(mesh, NODE_2, FORWARD, &frame);
	expect_tunnelled(mesh, &outcome, NODE_2, RETURN, &expected);
	expect_verdict(mesh, SKEP_ANSWER_TASK_GONE_RST);
}

static void so_it_is_if_it_was_handed_on(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT_2, ACK, .ack = 77, FRAMED),
		     expected = rst(RST, 77, 0);
	struct mesh *mesh = *state;
	struct outcome outcome;

	give_task_here(mesh, WEB);
	outcome = mesh_run_framed(mesh, NODE_3, AGAIN, &frame);
	expect_tunnelled(mesh, &outcome, NODE_2, RETURN, &expected);
	expect_verdict(mesh, SKEP_ANSWER_TASK_GONE_RST);
}

static void a_syn_is_refused_if_there_is_no_other_task(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT_2, SYN, .seq = 4, FRAMED),
		     expected = rst(RST | ACK, 0, 5);
	struct mesh *mesh = *state;
	struct outcome outcome = mesh_run_framed(mesh, NODE_2, FORWARD, &frame);

	expect_tunnelled(mesh, &outcome, NODE_2, RETURN, &expected);
	expect_verdict(mesh, SKEP_ANSWER_TASK_GONE_RST);
}

static void a_syn_for_a_port_unknown_here_is_refused(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT_2, SYN, .seq = 4, FRAMED),
		     expected = rst(RST | ACK, 0, 5);
	struct mesh *mesh = *state;
	struct outcome outcome;

	give_task_here(mesh, WEB);
	mesh_no_frontend(mesh, "0.0.0.0:8080", IPPROTO_TCP);
	outcome = mesh_run_framed(mesh, NODE_2, FORWARD, &frame);
	expect_tunnelled(mesh, &outcome, NODE_2, RETURN, &expected);
}

static void a_rst_ends_here(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT_2, RST, FRAMED);
	struct mesh *mesh = *state;
	struct outcome outcome = mesh_run_framed(mesh, NODE_2, FORWARD, &frame);

	expect_dropped(&outcome);
	expect_verdict(mesh, SKEP_DROP_NO_TASK);
}

static void a_udp_packet_ends_here_if_there_is_no_other_task(void **state)
{
	struct frame frame = udp4(CLIENT, DNS_AT_2, FRAMED);
	struct mesh *mesh = *state;
	struct outcome outcome =
		mesh_run_framed(mesh, NODE_2, SKEP_VNI(SKEP_FRAME_FORWARD, 53), &frame);

	expect_dropped(&outcome);
	expect_verdict(mesh, SKEP_DROP_NO_TASK);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(a_syn_gets_another_task_here),
		cmocka_unit_test(a_udp_packet_gets_another_task_here),
		cmocka_unit_test(a_syn_is_handed_on_to_another_node),
		cmocka_unit_test(the_rest_of_the_flow_follows),
		cmocka_unit_test(a_task_whose_veth_is_not_hooked_yet_is_not_here),
		cmocka_unit_test(any_address_of_the_ingress_node_is_served),
		cmocka_unit_test(never_more_than_once),
		cmocka_unit_test(the_middle_of_a_connection_is_reset_through_the_ingress_node),
		cmocka_unit_test(so_it_is_if_it_was_handed_on),
		cmocka_unit_test(a_syn_is_refused_if_there_is_no_other_task),
		cmocka_unit_test(a_syn_for_a_port_unknown_here_is_refused),
		cmocka_unit_test(a_rst_ends_here),
		cmocka_unit_test(a_udp_packet_ends_here_if_there_is_no_other_task),
	};

	return forms_run_tests("second chance", tests, sizeof(tests) / sizeof(tests[0]), FORM_ANY);
}
