/* SPDX-License-Identifier: GPL-2.0-only */
/* One client port towards two frontends of one task: the task must see two connections, and each
 * reply go its own way. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "expect.h"
#include "forms.h"

#define TASK	  "10.0.0.11"
#define TASK_MAC  "02:42:0a:00:00:0b"
#define AT_TASK	  101
#define OTHER_WEB "10.1.0.5:8080"
#define OTHER_DNS "10.1.0.5:5353"
#define WEB_AT_2  "10.1.0.2:8080"
#define WEB_AT_3  "10.1.0.3:8080"
#define FORWARD	  SKEP_VNI(SKEP_FRAME_FORWARD, 80)
#define TAKEN_NS  90000000000ULL
#define FROM_2	  .mac_from = NODE_2_MAC, .mac_to = TASK_MAC
#define FROM_3	  .mac_from = NODE_3_MAC, .mac_to = TASK_MAC

static void give_task(struct mesh *mesh, uint32_t service)
{
	mesh_frontend(mesh, OTHER_WEB, IPPROTO_TCP, WEB, 80);
	mesh_frontend(mesh, OTHER_DNS, IPPROTO_UDP, DNS, 53);
	mesh_task(mesh, service, TASK, HERE, AT_TASK);
	mesh_ring(mesh, service, 0, RING(TASK));
}

/* The client's port as the task sees it; 0: not delivered. */
static uint16_t port_seen(struct mesh *mesh, const struct frame *frame)
{
	struct outcome outcome = mesh_run(mesh, FROM_WIRE, frame);

	return outcome.record.way == WAY_PEER ? frame_u16(&outcome.frame, L4_HDR) : 0;
}

static uint16_t tcp_port_seen(struct mesh *mesh, const char *frontend, uint8_t flags)
{
	struct frame frame = tcp4(CLIENT, frontend, flags);

	return port_seen(mesh, &frame);
}

static uint16_t udp_port_seen(struct mesh *mesh, const char *frontend)
{
	struct frame frame = udp4(CLIENT, frontend, .payload = "question");

	return port_seen(mesh, &frame);
}

static void the_second_connection_gets_another_source_port(void **state)
{
	struct mesh *mesh = *state;
	uint16_t port;

	give_task(mesh, WEB);
	assert_int_equal(tcp_port_seen(mesh, WEB_AT, SYN), 40000);
	port = tcp_port_seen(mesh, OTHER_WEB, SYN);
	assert_true(port >= 1024 && port != 40000);
	expect_verdict(mesh, SKEP_SOURCE_PORT_CHANGED);
}

static void and_keeps_it(void **state)
{
	struct mesh *mesh = *state;
	uint16_t port;

	give_task(mesh, WEB);
	tcp_port_seen(mesh, WEB_AT, SYN);
	port = tcp_port_seen(mesh, OTHER_WEB, SYN);
	assert_int_equal(tcp_port_seen(mesh, OTHER_WEB, SYN), port);
	assert_int_equal(tcp_port_seen(mesh, OTHER_WEB, ACK), port);
	assert_int_equal(tcp_port_seen(mesh, WEB_AT, ACK), 40000);
	assert_int_equal(tcp_port_seen(mesh, OTHER_WEB, FIN | ACK), port);
	expect_verdict(mesh, SKEP_SOURCE_PORT_CHANGED);
}

static void even_when_the_first_ones_way_back_was_evicted(void **state)
{
	struct mesh *mesh = *state;
	uint16_t port;

	give_task(mesh, WEB);
	tcp_port_seen(mesh, WEB_AT, SYN);
	port = tcp_port_seen(mesh, OTHER_WEB, SYN);
	mesh_return_gone(mesh, TASK ":80", CLIENT, IPPROTO_TCP);
	assert_int_equal(tcp_port_seen(mesh, OTHER_WEB, ACK), port);
	assert_int_equal(tcp_port_seen(mesh, WEB_AT, ACK), 40000);
}

static void replies_go_to_the_clients_own_port_from_the_right_frontend(void **state)
{
	struct frame reply = tcp4(TASK ":80", CLIENT, SYN | ACK), other_reply;
	struct frame expected = tcp4(WEB_AT, CLIENT, SYN | ACK, .ttl = 63);
	struct frame other_expected = tcp4(OTHER_WEB, CLIENT, SYN | ACK, .ttl = 63);
	struct mesh *mesh = *state;
	struct outcome outcome;
	char client[32];

	give_task(mesh, WEB);
	tcp_port_seen(mesh, WEB_AT, SYN);
	snprintf(client, sizeof(client), "192.0.2.100:%u", tcp_port_seen(mesh, OTHER_WEB, SYN));
	other_reply = tcp4(TASK ":80", client, SYN | ACK);
	outcome = mesh_run(mesh, FROM_TASK, &reply);
	expect_routed(&outcome, mesh->wire, "192.0.2.100", &expected);
	outcome = mesh_run(mesh, FROM_TASK, &other_reply);
	expect_routed(&outcome, mesh->wire, "192.0.2.100", &other_expected);
}

static void the_whole_packet_is_right(void **state)
{
	struct frame first = udp4(CLIENT, DNS_AT),
		     second = udp4(CLIENT, OTHER_DNS, .payload = "question");
	struct mesh *mesh = *state;
	struct frame expected;
	struct outcome outcome;
	char client[32];

	give_task(mesh, DNS);
	mesh_run(mesh, FROM_WIRE, &first);
	outcome = mesh_run(mesh, FROM_WIRE, &second);
	snprintf(client, sizeof(client), "192.0.2.100:%u", frame_u16(&outcome.frame, L4_HDR));
	expected = udp4(client, TASK ":53", .payload = "question", .ttl = 63);
	expect_delivered(&outcome, AT_TASK, &expected);
}

static void udp_conversations_stay_apart_too(void **state)
{
	struct mesh *mesh = *state;
	uint16_t port;

	give_task(mesh, DNS);
	assert_int_equal(udp_port_seen(mesh, DNS_AT), 40000);
	port = udp_port_seen(mesh, OTHER_DNS);
	assert_int_not_equal(port, 40000);
	assert_int_equal(udp_port_seen(mesh, OTHER_DNS), port);
	assert_int_equal(udp_port_seen(mesh, DNS_AT), 40000);
}

static void so_do_connections_through_two_ingress_nodes(void **state)
{
	struct frame first = tcp4(CLIENT, WEB_AT_2, SYN, FROM_2),
		     second = tcp4(CLIENT, WEB_AT_3, SYN, FROM_3);
	struct frame next = tcp4(CLIENT, WEB_AT_3, ACK, FROM_3), reply, expected;
	struct mesh *mesh = *state;
	struct outcome outcome;
	char client[32];
	uint16_t port;

	give_task(mesh, WEB);
	outcome = mesh_run_framed(mesh, NODE_2, FORWARD, &first);
	assert_int_equal(frame_u16(&outcome.frame, L4_HDR), 40000);
	outcome = mesh_run_framed(mesh, NODE_3, FORWARD, &second);
	port = frame_u16(&outcome.frame, L4_HDR);
	assert_int_not_equal(port, 40000);
	outcome = mesh_run_framed(mesh, NODE_3, FORWARD, &next);
	assert_int_equal(frame_u16(&outcome.frame, L4_HDR), port);

	snprintf(client, sizeof(client), "192.0.2.100:%u", port);
	reply = tcp4(TASK ":80", client, SYN | ACK);
	expected = tcp4(WEB_AT_3, CLIENT, SYN | ACK, .ttl = 63);
	outcome = mesh_run(mesh, FROM_TASK, &reply);
	if (mesh->dsr) {
		expect_routed(&outcome, mesh->wire, "192.0.2.100", &expected);
		return;
	}
	expected = frame_between(expected, TASK_MAC, NODE_3_MAC);
	expect_tunnelled(mesh, &outcome, NODE_3, SKEP_VNI(SKEP_FRAME_RETURN, 0), &expected);
}

static void after_long_silence_the_port_may_be_had(void **state)
{
	struct mesh *mesh = *state;
	struct skep_return value;

	give_task(mesh, WEB);
	tcp_port_seen(mesh, WEB_AT, SYN);
	assert_true(mesh_return(mesh, TASK ":80", CLIENT, IPPROTO_TCP, &value));
	value.last_seen_ns -= TAKEN_NS + 1000000000ULL;
	mesh_return_set(mesh, TASK ":80", CLIENT, IPPROTO_TCP, &value);
	assert_int_equal(tcp_port_seen(mesh, OTHER_WEB, SYN), 40000);
}

static void the_middle_of_a_connection_whose_port_is_anothers_is_dropped(void **state)
{
	struct mesh *mesh = *state;
	struct skep_return value;

	give_task(mesh, WEB);
	tcp_port_seen(mesh, WEB_AT, SYN);
	assert_true(mesh_return(mesh, TASK ":80", CLIENT, IPPROTO_TCP, &value));
	value.frontend = addr_of("10.1.0.77");
	mesh_return_set(mesh, TASK ":80", CLIENT, IPPROTO_TCP, &value);
	assert_int_equal(tcp_port_seen(mesh, WEB_AT, ACK), 0);
	expect_verdict(mesh, SKEP_DROP_COLLISION);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(the_second_connection_gets_another_source_port),
		cmocka_unit_test(and_keeps_it),
		cmocka_unit_test(even_when_the_first_ones_way_back_was_evicted),
		cmocka_unit_test(replies_go_to_the_clients_own_port_from_the_right_frontend),
		cmocka_unit_test(the_whole_packet_is_right),
		cmocka_unit_test(udp_conversations_stay_apart_too),
		cmocka_unit_test(so_do_connections_through_two_ingress_nodes),
		cmocka_unit_test(after_long_silence_the_port_may_be_had),
		cmocka_unit_test(the_middle_of_a_connection_whose_port_is_anothers_is_dropped),
	};

	return forms_run_tests("collision", tests, sizeof(tests) / sizeof(tests[0]), FORM_ANY);
}
