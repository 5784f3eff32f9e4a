/* SPDX-License-Identifier: GPL-2.0-only */
/* Sockets of the host itself, through skep0 to tasks and back: own ones and those of other nodes'
 * hosts. */
#include <netinet/in.h>
#include <string.h>

#include "expect.h"

#define TASK	      "10.0.0.11"
#define TASK_MAC      "02:42:0a:00:00:0b"
#define AT_TASK	      101
#define AWAY	      "10.0.0.21"
#define AWAY_MAC      "02:42:0a:00:00:15"
#define HOST	      "10.1.0.1:50000"
#define HOST_2	      "10.1.0.2:50000"
#define DIRECT	      SKEP_VNI(SKEP_FRAME_DIRECT, 0)
#define DIRECT_RETURN SKEP_VNI(SKEP_FRAME_DIRECT_RETURN, 0)

/* As the host's stack sends on skep0, which knows no ARP. */
#define FROM_HOST .mac_from = MESH_MAC, .mac_to = MESH_MAC

static void to_a_local_task_it_is_turned_round(void **state)
{
	struct frame frame = tcp4(HOST, TASK ":80", SYN, FROM_HOST);
	struct frame expected = frame_between(frame, HERE_MAC, TASK_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome;

	mesh_task(mesh, WEB, TASK, HERE, AT_TASK);
	outcome = mesh_run(mesh, TO_MESH, &frame);
	expect_turned_round(&outcome, mesh->mesh, &expected);
	expect_no_verdict(mesh);
}

static void what_was_turned_round_reaches_the_task(void **state)
{
	struct frame frame = tcp4(HOST, TASK ":80", SYN, .mac_from = HERE_MAC, .mac_to = TASK_MAC);
	struct frame expected =
		tcp4(HOST, TASK ":80", SYN, .ttl = 63, .mac_from = HERE_MAC, .mac_to = TASK_MAC);
	struct mesh *mesh = *state;
	struct skep_return value;
	struct outcome outcome;

	mesh_task(mesh, WEB, TASK, HERE, AT_TASK);
	outcome = mesh_run(mesh, FROM_MESH, &frame);
	expect_delivered(&outcome, AT_TASK, &expected);
	assert_int_equal(outcome.record.made_host, 1);
	assert_true(mesh_return(mesh, TASK ":80", HOST, IPPROTO_TCP, &value));
	assert_int_equal(value.mode, SKEP_RETURN_HOST);
	expect_no_verdict(mesh);
}

static void what_was_turned_round_for_a_task_that_left_is_dropped(void **state)
{
	struct frame frame = tcp4(HOST, TASK ":80", SYN, .mac_from = HERE_MAC, .mac_to = TASK_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome = mesh_run(mesh, FROM_MESH, &frame);

	expect_dropped(&outcome);
	expect_verdict(mesh, SKEP_DROP_NO_TASK);
}

static void to_a_remote_task_it_goes_by_the_tunnel(void **state)
{
	struct frame frame = udp4(HOST, AWAY ":53", .payload = "question", FROM_HOST);
	struct frame expected = frame_between(frame, HERE_MAC, AWAY_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome;

	mesh_task(mesh, DNS, AWAY, NODE_2, 0);
	outcome = mesh_run(mesh, TO_MESH, &frame);
	expect_tunnelled(mesh, &outcome, NODE_2, DIRECT, &expected);
	expect_no_verdict(mesh);
}

static void what_skep_itself_sends_is_left_alone(void **state)
{
	struct frame frame =
		tcp4(CLIENT, "10.1.0.2:8080", SYN, .mac_from = HERE_MAC, .mac_to = AWAY_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome = mesh_run(mesh, TO_MESH, &frame);

	expect_passed(&outcome, &frame);
	expect_no_verdict(mesh);
}

static void nobody_else_may_use_the_tunnel(void **state)
{
	struct frame frame = tcp4("172.18.0.5:50000", TASK ":80", SYN, FROM_HOST);
	struct mesh *mesh = *state;
	struct outcome outcome;

	mesh_task(mesh, WEB, TASK, HERE, AT_TASK);
	outcome = mesh_run(mesh, TO_MESH, &frame);
	expect_dropped(&outcome);
	expect_verdict(mesh, SKEP_DROP_BAD_FRAME);
}

static void a_connection_to_no_task_is_refused(void **state)
{
	struct frame frame = tcp4(HOST, TASK ":80", SYN, .seq = 8, FROM_HOST);
	struct frame expected = tcp4(TASK ":80", HOST, RST | ACK, .ack = 9, .answer = true,
				     .mac_from = TASK_MAC, .mac_to = MESH_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome = mesh_run(mesh, TO_MESH, &frame);

	expect_turned_round(&outcome, mesh->mesh, &expected);
	expect_verdict(mesh, SKEP_ANSWER_TASK_GONE_RST);
}

static void so_is_one_to_a_task_that_is_not_hooked(void **state)
{
	struct frame frame = tcp4(HOST, TASK ":80", SYN, .seq = 8, FROM_HOST);
	struct mesh *mesh = *state;

	mesh_task(mesh, WEB, TASK, HERE, 0);
	mesh_run(mesh, TO_MESH, &frame);
	expect_verdict(mesh, SKEP_ANSWER_TASK_GONE_RST);
}

static void udp_to_no_task_is_dropped(void **state)
{
	struct frame frame = udp4(HOST, TASK ":53", FROM_HOST);
	struct mesh *mesh = *state;
	struct outcome outcome = mesh_run(mesh, TO_MESH, &frame);

	expect_dropped(&outcome);
	expect_verdict(mesh, SKEP_DROP_NO_TASK);
}

static void a_refusal_reaches_the_hosts_socket(void **state)
{
	struct frame frame = tcp4(TASK ":80", HOST, RST | ACK, .answer = true, .mac_from = TASK_MAC,
				  .mac_to = MESH_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome = mesh_run(mesh, FROM_MESH, &frame);

	expect_passed(&outcome, &frame);
	assert_int_equal(outcome.record.made_host, 1);
}

static void a_local_tasks_reply_is_turned_round(void **state)
{
	struct skep_return value = {.frontend = addr_of(TASK),
				    .ingress = addr_of(HERE),
				    .frontend_port = htons(80),
				    .client_port = htons(50000),
				    .mode = SKEP_RETURN_HOST};
	struct frame frame = tcp4(TASK ":80", HOST, SYN | ACK);
	struct frame expected = tcp4(TASK ":80", HOST, SYN | ACK, .ttl = 63, .mac_from = TASK_MAC,
				     .mac_to = MESH_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome;

	mesh_return_set(mesh, TASK ":80", HOST, IPPROTO_TCP, &value);
	outcome = mesh_run(mesh, FROM_TASK, &frame);
	expect_turned_round(&outcome, mesh->mesh, &expected);
	outcome = mesh_run(mesh, FROM_MESH, &expected);
	expect_passed(&outcome, &expected);
	assert_int_equal(outcome.record.made_host, 1);
	expect_no_verdict(mesh);
}

static void another_hosts_packet_reaches_the_task(void **state)
{
	struct frame frame =
		tcp4(HOST_2, TASK ":80", SYN, .mac_from = NODE_2_MAC, .mac_to = TASK_MAC);
	struct frame expected = tcp4(HOST_2, TASK ":80", SYN, .ttl = 63, .mac_from = NODE_2_MAC,
				     .mac_to = TASK_MAC);
	struct skep_addr ingress = addr_of(NODE_2);
	struct mesh *mesh = *state;
	struct skep_return value;
	struct outcome outcome;

	mesh_task(mesh, WEB, TASK, HERE, AT_TASK);
	outcome = mesh_run_framed(mesh, NODE_2, DIRECT, &frame);
	expect_delivered(&outcome, AT_TASK, &expected);
	assert_int_equal(outcome.record.made_host, 1);
	assert_true(mesh_return(mesh, TASK ":80", HOST_2, IPPROTO_TCP, &value));
	assert_int_equal(value.mode, SKEP_RETURN_HOST_TUNNEL);
	assert_memory_equal(&value.ingress, &ingress, sizeof(ingress));
	expect_no_verdict(mesh);
}

static void another_hosts_packet_must_be_addressed_to_the_task(void **state)
{
	struct frame frame =
		tcp4(HOST_2, "10.0.0.12:80", SYN, .mac_from = NODE_2_MAC, .mac_to = TASK_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome;

	mesh_task(mesh, WEB, TASK, HERE, AT_TASK);
	outcome = mesh_run_framed(mesh, NODE_2, DIRECT, &frame);
	expect_dropped(&outcome);
	expect_verdict(mesh, SKEP_DROP_NO_TASK);
}

static void another_hosts_packet_gets_no_second_chance(void **state)
{
	struct frame frame =
		tcp4(HOST_2, TASK ":80", SYN, .mac_from = NODE_2_MAC, .mac_to = TASK_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome = mesh_run_framed(mesh, NODE_2, DIRECT, &frame);

	expect_dropped(&outcome);
	expect_verdict(mesh, SKEP_DROP_NO_TASK);
}

static void the_reply_to_another_host_goes_by_the_tunnel(void **state)
{
	struct skep_return value = {.frontend = addr_of(TASK),
				    .ingress = addr_of(NODE_2),
				    .frontend_port = htons(53),
				    .client_port = htons(50000),
				    .mode = SKEP_RETURN_HOST_TUNNEL};
	struct frame frame = udp4(TASK ":53", HOST_2, .payload = "answer");
	struct frame expected = udp4(TASK ":53", HOST_2, .payload = "answer", .ttl = 63,
				     .mac_from = TASK_MAC, .mac_to = NODE_2_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome;

	mesh_return_set(mesh, TASK ":53", HOST_2, IPPROTO_UDP, &value);
	outcome = mesh_run(mesh, FROM_TASK, &frame);
	expect_tunnelled(mesh, &outcome, NODE_2, DIRECT_RETURN, &expected);
}

static void the_reply_reaches_the_hosts_socket(void **state)
{
	struct frame frame =
		tcp4(AWAY ":80", HOST, SYN | ACK, .mac_from = AWAY_MAC, .mac_to = HERE_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome = mesh_run_framed(mesh, NODE_2, DIRECT_RETURN, &frame);

	expect_passed(&outcome, &frame);
	assert_int_equal(outcome.record.made_host, 1);
	expect_no_verdict(mesh);
}

static void and_goes_no_further_than_this_host(void **state)
{
	struct frame frame = tcp4(AWAY ":80", "192.0.2.100:50000", SYN | ACK, .mac_from = AWAY_MAC,
				  .mac_to = HERE_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome = mesh_run_framed(mesh, NODE_2, DIRECT_RETURN, &frame);

	expect_dropped(&outcome);
	expect_verdict(mesh, SKEP_DROP_BAD_FRAME);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(to_a_local_task_it_is_turned_round),
		cmocka_unit_test(what_was_turned_round_reaches_the_task),
		cmocka_unit_test(what_was_turned_round_for_a_task_that_left_is_dropped),
		cmocka_unit_test(to_a_remote_task_it_goes_by_the_tunnel),
		cmocka_unit_test(what_skep_itself_sends_is_left_alone),
		cmocka_unit_test(nobody_else_may_use_the_tunnel),
		cmocka_unit_test(a_connection_to_no_task_is_refused),
		cmocka_unit_test(so_is_one_to_a_task_that_is_not_hooked),
		cmocka_unit_test(udp_to_no_task_is_dropped),
		cmocka_unit_test(a_refusal_reaches_the_hosts_socket),
		cmocka_unit_test(a_local_tasks_reply_is_turned_round),
		cmocka_unit_test(another_hosts_packet_reaches_the_task),
		cmocka_unit_test(another_hosts_packet_must_be_addressed_to_the_task),
		cmocka_unit_test(another_hosts_packet_gets_no_second_chance),
		cmocka_unit_test(the_reply_to_another_host_goes_by_the_tunnel),
		cmocka_unit_test(the_reply_reaches_the_hosts_socket),
		cmocka_unit_test(and_goes_no_further_than_this_host),
	};

	return mesh_run_tests("host", tests, sizeof(tests) / sizeof(tests[0]));
}
