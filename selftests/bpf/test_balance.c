/* SPDX-License-Identifier: GPL-2.0-only */
/* Which task a client's packet goes to. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "expect.h"
#include "forms.h"
#include "skep/table.h"

#define TASK_A "10.0.0.11"
#define TASK_B "10.0.0.12"
#define TASK_C "10.0.0.13"
#define AT_A   101
#define AT_B   102
#define AT_C   103

#define SECOND_NS 1000000000ULL
#define IDLE_NS	  (30 * SECOND_NS)

static void give_tasks(struct mesh *mesh, uint32_t service)
{
	mesh_task(mesh, service, TASK_A, HERE, AT_A);
	mesh_task(mesh, service, TASK_B, HERE, AT_B);
	mesh_task(mesh, service, TASK_C, HERE, AT_C);
	mesh_ring(mesh, service, 0, RING(TASK_A, TASK_B, TASK_C));
}

/* To which task's interface? 0: not delivered. */
static int sent_to(struct mesh *mesh, const struct frame *frame)
{
	struct outcome outcome = mesh_run(mesh, FROM_WIRE, frame);

	return outcome.record.way == WAY_PEER ? (int)outcome.record.ifindex : 0;
}

static int tcp_goes_to(struct mesh *mesh, const char *client, uint8_t flags)
{
	struct frame frame = tcp4(client, WEB_AT, flags);

	return sent_to(mesh, &frame);
}

static int udp_goes_to(struct mesh *mesh, const char *client)
{
	struct frame frame = udp4(client, DNS_AT, .payload = "?");

	return sent_to(mesh, &frame);
}

static const char *client_number(int i)
{
	static char client[32];

	snprintf(client, sizeof(client), "192.0.2.%d:%d", 100 + i % 50, 20000 + i);
	return client;
}

static void new_connections_go_round_the_ring_exactly(void **state)
{
	static const int ring[] = {AT_A, AT_B, AT_C};
	struct mesh *mesh = *state;

	give_tasks(mesh, WEB);
	for (int i = 0; i < 300; i++)
		assert_int_equal(tcp_goes_to(mesh, client_number(i), SYN), ring[i % 3]);
	assert_int_equal(mesh_ring_cursor(mesh, WEB), 300);
}

static void udp_conversations_go_round_the_ring_too(void **state)
{
	static const int ring[] = {AT_A, AT_B, AT_C};
	struct mesh *mesh = *state;

	give_tasks(mesh, DNS);
	for (int i = 0; i < 30; i++)
		assert_int_equal(udp_goes_to(mesh, client_number(i)), ring[i % 3]);
}

static void the_cursor_may_wrap(void **state)
{
	struct mesh *mesh = *state;

	give_tasks(mesh, WEB);
	mesh_ring(mesh, WEB, UINT32_MAX, RING(TASK_A, TASK_B));
	assert_int_equal(tcp_goes_to(mesh, client_number(0), SYN), AT_B);
	assert_int_equal(tcp_goes_to(mesh, client_number(1), SYN), AT_A);
}

static void a_new_ring_goes_on_at_its_cursor(void **state)
{
	struct mesh *mesh = *state;

	give_tasks(mesh, WEB);
	mesh_ring(mesh, WEB, 0, RING(TASK_A, TASK_B));
	assert_int_equal(tcp_goes_to(mesh, client_number(0), SYN), AT_A);
	mesh_ring(mesh, WEB, mesh_ring_cursor(mesh, WEB), RING(TASK_A, TASK_B, TASK_C));
	assert_int_equal(tcp_goes_to(mesh, client_number(1), SYN), AT_B);
	assert_int_equal(tcp_goes_to(mesh, client_number(2), SYN), AT_C);
	assert_int_equal(tcp_goes_to(mesh, client_number(3), SYN), AT_A);
}

static void a_task_that_is_twice_in_the_ring_gets_twice_as_much(void **state)
{
	struct mesh *mesh = *state;
	int to_a = 0;

	give_tasks(mesh, WEB);
	mesh_ring(mesh, WEB, 0, RING(TASK_A, TASK_B, TASK_A));
	for (int i = 0; i < 30; i++)
		to_a += tcp_goes_to(mesh, client_number(i), SYN) == AT_A;
	assert_int_equal(to_a, 20);
}

static void services_have_rings_of_their_own(void **state)
{
	struct mesh *mesh = *state;

	mesh_task(mesh, WEB, TASK_A, HERE, AT_A);
	mesh_ring(mesh, WEB, 0, RING(TASK_A));
	mesh_task(mesh, DNS, TASK_B, HERE, AT_B);
	mesh_ring(mesh, DNS, 0, RING(TASK_B));
	assert_int_equal(tcp_goes_to(mesh, CLIENT, SYN), AT_A);
	assert_int_equal(udp_goes_to(mesh, CLIENT), AT_B);
}

static void a_frontend_may_have_another_ring_and_keeps_its_flows(void **state)
{
	struct mesh *mesh = *state;

	give_tasks(mesh, WEB);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, SYN), AT_A);
	mesh_ring(mesh, DNS + 1, 0, RING(TASK_C));
	mesh_frontend_ring(mesh, WEB_AT, IPPROTO_TCP, DNS + 1);
	for (int i = 0; i < 10; i++)
		assert_int_equal(tcp_goes_to(mesh, client_number(i), SYN), AT_C);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, ACK), AT_A);
	assert_int_equal(tcp_goes_to(mesh, client_number(3), ACK), AT_C);
}

static void a_connection_stays_with_its_task(void **state)
{
	static const uint8_t flags[] = {SYN, ACK, ACK | PSH, ACK, FIN | ACK, ACK};
	struct mesh *mesh = *state;

	give_tasks(mesh, WEB);
	for (size_t i = 0; i < sizeof(flags); i++)
		assert_int_equal(tcp_goes_to(mesh, CLIENT, flags[i]), AT_A);
	assert_int_equal(mesh_ring_cursor(mesh, WEB), 1);
}

static void a_flow_is_written_down(void **state)
{
	struct skep_addr task = addr_of(TASK_A);
	struct mesh *mesh = *state;
	struct skep_flow flow;

	give_tasks(mesh, WEB);
	tcp_goes_to(mesh, CLIENT, SYN);
	assert_true(mesh_flow(mesh, CLIENT, WEB_AT, IPPROTO_TCP, &flow));
	assert_memory_equal(&flow.task, &task, sizeof(task));
	assert_int_equal(flow.service_id, WEB);
	assert_int_equal(ntohs(flow.target_port), 80);
	assert_int_equal(flow.state, SKEP_FLOW_SYN);
	assert_int_equal(flow.source_port, 0);
	assert_true(flow.last_seen_ns > 0);
}

static void a_flow_follows_the_state_of_its_connection(void **state)
{
	static const struct {
		uint8_t flags, state;
	} steps[] = {
		{SYN, SKEP_FLOW_SYN},
		{SYN, SKEP_FLOW_SYN},
		{ACK, SKEP_FLOW_ESTABLISHED},
		{SYN, SKEP_FLOW_ESTABLISHED},
		{PSH | ACK, SKEP_FLOW_ESTABLISHED},
		{FIN | ACK, SKEP_FLOW_CLOSING},
		{ACK, SKEP_FLOW_CLOSING},
		{SYN, SKEP_FLOW_SYN},
		{RST, SKEP_FLOW_CLOSING},
	};
	struct mesh *mesh = *state;
	struct skep_flow flow;

	give_tasks(mesh, WEB);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		tcp_goes_to(mesh, CLIENT, steps[i].flags);
		assert_true(mesh_flow(mesh, CLIENT, WEB_AT, IPPROTO_TCP, &flow));
		assert_int_equal(flow.state, steps[i].state);
	}
}

static void a_udp_flow_is_one_of_datagrams(void **state)
{
	struct mesh *mesh = *state;
	struct skep_flow flow;

	give_tasks(mesh, DNS);
	udp_goes_to(mesh, CLIENT);
	assert_true(mesh_flow(mesh, CLIENT, DNS_AT, IPPROTO_UDP, &flow));
	assert_int_equal(flow.state, SKEP_FLOW_DATAGRAM);
}

static void a_repeated_syn_keeps_its_task(void **state)
{
	struct mesh *mesh = *state;

	give_tasks(mesh, WEB);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, SYN), AT_A);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, SYN), AT_A);
	assert_int_equal(mesh_ring_cursor(mesh, WEB), 1);
}

static void a_syn_on_a_closing_flow_is_balanced_anew(void **state)
{
	struct mesh *mesh = *state;

	give_tasks(mesh, WEB);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, SYN), AT_A);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, ACK), AT_A);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, FIN | ACK), AT_A);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, SYN), AT_B);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, ACK), AT_B);
}

static void a_forged_syn_does_not_move_a_connection(void **state)
{
	struct mesh *mesh = *state;

	give_tasks(mesh, WEB);
	tcp_goes_to(mesh, CLIENT, SYN);
	tcp_goes_to(mesh, CLIENT, ACK);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, SYN), AT_A);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, ACK | PSH), AT_A);
}

static void nor_does_it_while_the_task_drains(void **state)
{
	struct mesh *mesh = *state;

	give_tasks(mesh, WEB);
	tcp_goes_to(mesh, CLIENT, SYN);
	tcp_goes_to(mesh, CLIENT, ACK);
	mesh_task_state(mesh, TASK_A, SKEP_TASK_DRAINING);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, SYN), AT_A);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, ACK | PSH), AT_A);
}

static void a_draining_task_keeps_its_connections(void **state)
{
	struct mesh *mesh = *state;

	give_tasks(mesh, WEB);
	tcp_goes_to(mesh, CLIENT, SYN);
	mesh_task_state(mesh, TASK_A, SKEP_TASK_DRAINING);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, ACK), AT_A);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, FIN | ACK), AT_A);
}

static void a_draining_task_keeps_its_udp_conversations(void **state)
{
	struct mesh *mesh = *state;

	give_tasks(mesh, DNS);
	assert_int_equal(udp_goes_to(mesh, CLIENT), AT_A);
	mesh_task_state(mesh, TASK_A, SKEP_TASK_DRAINING);
	assert_int_equal(udp_goes_to(mesh, CLIENT), AT_A);
}

static void a_draining_task_takes_no_new_connection(void **state)
{
	struct mesh *mesh = *state;

	give_tasks(mesh, WEB);
	mesh_task_state(mesh, TASK_A, SKEP_TASK_DRAINING);
	for (int i = 0; i < 9; i++)
		assert_int_not_equal(tcp_goes_to(mesh, client_number(i), SYN), AT_A);
}

static void a_repeated_syn_leaves_a_task_that_drains_meanwhile(void **state)
{
	struct mesh *mesh = *state;

	give_tasks(mesh, WEB);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, SYN), AT_A);
	mesh_task_state(mesh, TASK_A, SKEP_TASK_DRAINING);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, SYN), AT_B);
}

static void a_local_task_without_a_hooked_veth_is_passed_over(void **state)
{
	struct mesh *mesh = *state;

	give_tasks(mesh, WEB);
	mesh_task(mesh, WEB, TASK_A, HERE, 0);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, SYN), AT_B);
}

static void a_ring_may_name_tasks_that_have_gone(void **state)
{
	struct mesh *mesh = *state;

	give_tasks(mesh, WEB);
	mesh_task_gone(mesh, TASK_A);
	mesh_task_gone(mesh, TASK_B);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, SYN), AT_C);
}

static void a_new_udp_packet_leaves_a_task_that_is_gone(void **state)
{
	struct mesh *mesh = *state;

	give_tasks(mesh, DNS);
	assert_int_equal(udp_goes_to(mesh, CLIENT), AT_A);
	mesh_task_gone(mesh, TASK_A);
	assert_int_equal(udp_goes_to(mesh, CLIENT), AT_B);
	assert_int_equal(udp_goes_to(mesh, CLIENT), AT_B);
}

static void a_syn_leaves_a_task_that_is_gone(void **state)
{
	struct mesh *mesh = *state;

	give_tasks(mesh, WEB);
	tcp_goes_to(mesh, CLIENT, SYN);
	tcp_goes_to(mesh, CLIENT, ACK);
	mesh_task_gone(mesh, TASK_A);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, SYN), AT_B);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, ACK), AT_B);
}

static void an_address_that_another_services_task_took_is_not_followed(void **state)
{
	struct mesh *mesh = *state;

	give_tasks(mesh, WEB);
	tcp_goes_to(mesh, CLIENT, SYN);
	tcp_goes_to(mesh, CLIENT, ACK);
	mesh_task(mesh, DNS, TASK_A, HERE, 109);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, ACK), 0);
	expect_verdict(mesh, SKEP_ANSWER_TASK_GONE_RST);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, SYN), AT_B);
}

static void a_port_that_another_service_took_is_balanced_anew(void **state)
{
	struct mesh *mesh = *state;
	struct skep_flow flow;

	give_tasks(mesh, DNS);
	assert_int_equal(udp_goes_to(mesh, CLIENT), AT_A);
	mesh_task(mesh, 3, "10.0.0.30", HERE, 130);
	mesh_ring(mesh, 3, 0, RING("10.0.0.30"));
	mesh_frontend(mesh, DNS_AT, IPPROTO_UDP, 3, 5300);
	assert_int_equal(udp_goes_to(mesh, CLIENT), 130);
	assert_true(mesh_flow(mesh, CLIENT, DNS_AT, IPPROTO_UDP, &flow));
	assert_int_equal(flow.service_id, 3);
	assert_int_equal(ntohs(flow.target_port), 5300);
}

static void an_open_connection_keeps_its_target_port(void **state)
{
	struct mesh *mesh = *state;
	struct frame frame = tcp4(CLIENT, WEB_AT, ACK),
		     expected = tcp4(CLIENT, TASK_A ":80", ACK, .ttl = 63);
	struct outcome outcome;

	give_tasks(mesh, WEB);
	tcp_goes_to(mesh, CLIENT, SYN);
	mesh_frontend(mesh, WEB_AT, IPPROTO_TCP, WEB, 8000);
	outcome = mesh_run(mesh, FROM_WIRE, &frame);
	expect_delivered(&outcome, AT_A, &expected);
}

static void flow_silent_for(struct mesh *mesh, const char *frontend, uint8_t protocol, uint64_t ns)
{
	struct skep_flow flow;

	assert_true(mesh_flow(mesh, CLIENT, frontend, protocol, &flow));
	flow.last_seen_ns -= ns;
	mesh_flow_set(mesh, CLIENT, frontend, protocol, &flow);
}

static void silent_for(struct mesh *mesh, uint64_t ns)
{
	flow_silent_for(mesh, DNS_AT, IPPROTO_UDP, ns);
}

static void how_long_a_udp_conversation_may_be_silent_is_the_services(void **state)
{
	struct mesh *mesh = *state;

	give_tasks(mesh, DNS);
	mesh_frontend_idle(mesh, DNS_AT, IPPROTO_UDP, 5);
	assert_int_equal(udp_goes_to(mesh, CLIENT), AT_A);
	silent_for(mesh, 4 * SECOND_NS);
	assert_int_equal(udp_goes_to(mesh, CLIENT), AT_A);
	silent_for(mesh, 6 * SECOND_NS);
	assert_int_equal(udp_goes_to(mesh, CLIENT), AT_B);
}

/* A packet of another CPU, whose clock is a tick ahead, may have come in between. */
static void a_flow_that_was_seen_in_the_future_was_not_silent(void **state)
{
	struct mesh *mesh = *state;

	give_tasks(mesh, DNS);
	assert_int_equal(udp_goes_to(mesh, CLIENT), AT_A);
	silent_for(mesh, -(1ULL << SKEP_TICK_SHIFT) * 8);
	assert_int_equal(udp_goes_to(mesh, CLIENT), AT_A);
}

/* With an idle time of 60 s, and silent for so long. */
static void give_silent_connection(struct mesh *mesh, uint64_t seconds)
{
	give_tasks(mesh, WEB);
	mesh_frontend_idle(mesh, WEB_AT, IPPROTO_TCP, 60);
	tcp_goes_to(mesh, CLIENT, SYN);
	tcp_goes_to(mesh, CLIENT, ACK);
	flow_silent_for(mesh, WEB_AT, IPPROTO_TCP, seconds * SECOND_NS);
}

static void a_connection_that_was_silent_for_less_than_its_service_lets_it_goes_on(void **state)
{
	struct mesh *mesh = *state;

	give_silent_connection(mesh, 59);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, ACK), AT_A);
	flow_silent_for(mesh, WEB_AT, IPPROTO_TCP, 59 * SECOND_NS);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, ACK), AT_A);
	expect_no_verdict(mesh);
}

static void a_connection_that_was_silent_for_longer_is_reset(void **state)
{
	struct frame data = tcp4(CLIENT, WEB_AT, ACK | PSH, .seq = 7, .ack = 42, .payload = "?");
	struct frame rst = tcp4(WEB_AT, CLIENT, RST, .seq = 42, .answer = true,
				.mac_from = WIRE_MAC, .mac_to = CLIENT_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome;

	give_silent_connection(mesh, 61);
	outcome = mesh_run(mesh, FROM_WIRE, &data);
	expect_sent_out(&outcome, mesh->wire, &rst);
	expect_verdict(mesh, SKEP_ANSWER_IDLE_RST);
}

static void its_syn_is_balanced_anew(void **state)
{
	struct mesh *mesh = *state;

	give_silent_connection(mesh, 61);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, SYN), AT_B);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, ACK), AT_B);
	expect_no_verdict(mesh);
}

static void and_its_rst_still_tells_the_task(void **state)
{
	struct mesh *mesh = *state;

	give_silent_connection(mesh, 61);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, RST), AT_A);
	expect_no_verdict(mesh);
}

static void a_udp_conversation_that_was_silent_is_a_new_one(void **state)
{
	struct mesh *mesh = *state;

	give_tasks(mesh, DNS);
	assert_int_equal(udp_goes_to(mesh, CLIENT), AT_A);
	silent_for(mesh, IDLE_NS + SECOND_NS);
	assert_int_equal(udp_goes_to(mesh, CLIENT), AT_B);
}

static void a_udp_conversation_that_was_silent_for_less_is_not(void **state)
{
	struct mesh *mesh = *state;

	give_tasks(mesh, DNS);
	assert_int_equal(udp_goes_to(mesh, CLIENT), AT_A);
	silent_for(mesh, IDLE_NS - 5000000000ULL);
	assert_int_equal(udp_goes_to(mesh, CLIENT), AT_A);
	/* and is renewed by that packet */
	silent_for(mesh, IDLE_NS - 5000000000ULL);
	assert_int_equal(udp_goes_to(mesh, CLIENT), AT_A);
}

static void a_silent_tcp_connection_is_not_cut(void **state)
{
	struct mesh *mesh = *state;
	struct skep_flow flow;

	give_tasks(mesh, WEB);
	tcp_goes_to(mesh, CLIENT, SYN);
	tcp_goes_to(mesh, CLIENT, ACK);
	assert_true(mesh_flow(mesh, CLIENT, WEB_AT, IPPROTO_TCP, &flow));
	flow.last_seen_ns = 0;
	mesh_flow_set(mesh, CLIENT, WEB_AT, IPPROTO_TCP, &flow);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, ACK), AT_A);
	assert_true(mesh_flow(mesh, CLIENT, WEB_AT, IPPROTO_TCP, &flow));
	assert_true(flow.last_seen_ns > 0);
}

static void packets_bytes_and_flows_are_counted_per_service_and_task(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN);
	struct frame data = tcp4(CLIENT, WEB_AT, ACK | PSH, .payload = "0123456789");
	struct skep_counter service, task;
	struct mesh *mesh = *state;

	give_tasks(mesh, WEB);
	mesh_run(mesh, FROM_WIRE, &syn);
	mesh_run(mesh, FROM_WIRE, &data);
	tcp_goes_to(mesh, client_number(1), SYN);

	service = mesh_service_counter(mesh, WEB);
	assert_int_equal(service.packets, 3);
	assert_int_equal(service.bytes, 40 + 50 + 40);
	assert_int_equal(service.new_flows, 2);
	task = mesh_task_counter(mesh, TASK_A);
	assert_int_equal(task.packets, 2);
	assert_int_equal(task.bytes, 40 + 50);
	assert_int_equal(task.new_flows, 1);
	task = mesh_task_counter(mesh, TASK_B);
	assert_int_equal(task.packets, 1);
	expect_no_verdict(mesh);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(new_connections_go_round_the_ring_exactly),
		cmocka_unit_test(udp_conversations_go_round_the_ring_too),
		cmocka_unit_test(the_cursor_may_wrap),
		cmocka_unit_test(a_new_ring_goes_on_at_its_cursor),
		cmocka_unit_test(a_task_that_is_twice_in_the_ring_gets_twice_as_much),
		cmocka_unit_test(services_have_rings_of_their_own),
		cmocka_unit_test(a_frontend_may_have_another_ring_and_keeps_its_flows),
		cmocka_unit_test(a_connection_stays_with_its_task),
		cmocka_unit_test(a_flow_is_written_down),
		cmocka_unit_test(a_flow_follows_the_state_of_its_connection),
		cmocka_unit_test(a_udp_flow_is_one_of_datagrams),
		cmocka_unit_test(a_repeated_syn_keeps_its_task),
		cmocka_unit_test(a_syn_on_a_closing_flow_is_balanced_anew),
		cmocka_unit_test(a_forged_syn_does_not_move_a_connection),
		cmocka_unit_test(nor_does_it_while_the_task_drains),
		cmocka_unit_test(a_draining_task_keeps_its_connections),
		cmocka_unit_test(a_draining_task_keeps_its_udp_conversations),
		cmocka_unit_test(a_draining_task_takes_no_new_connection),
		cmocka_unit_test(a_repeated_syn_leaves_a_task_that_drains_meanwhile),
		cmocka_unit_test(a_local_task_without_a_hooked_veth_is_passed_over),
		cmocka_unit_test(a_ring_may_name_tasks_that_have_gone),
		cmocka_unit_test(a_new_udp_packet_leaves_a_task_that_is_gone),
		cmocka_unit_test(a_syn_leaves_a_task_that_is_gone),
		cmocka_unit_test(an_address_that_another_services_task_took_is_not_followed),
		cmocka_unit_test(a_port_that_another_service_took_is_balanced_anew),
		cmocka_unit_test(an_open_connection_keeps_its_target_port),
		cmocka_unit_test(a_udp_conversation_that_was_silent_is_a_new_one),
		cmocka_unit_test(a_udp_conversation_that_was_silent_for_less_is_not),
		cmocka_unit_test(how_long_a_udp_conversation_may_be_silent_is_the_services),
		cmocka_unit_test(a_flow_that_was_seen_in_the_future_was_not_silent),
		cmocka_unit_test(a_silent_tcp_connection_is_not_cut),
		cmocka_unit_test(
			a_connection_that_was_silent_for_less_than_its_service_lets_it_goes_on),
		cmocka_unit_test(a_connection_that_was_silent_for_longer_is_reset),
		cmocka_unit_test(its_syn_is_balanced_anew),
		cmocka_unit_test(and_its_rst_still_tells_the_task),
		cmocka_unit_test(packets_bytes_and_flows_are_counted_per_service_and_task),
	};

	return forms_run_tests("balance", tests, sizeof(tests) / sizeof(tests[0]), FORM_ANY);
}
