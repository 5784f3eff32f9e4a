/* SPDX-License-Identifier: GPL-2.0-only */
/* A task's reply, back to the client: from the task's veth, and from the tunnel at the ingress
 * node. */
#include <netinet/in.h>
#include <string.h>

#include "expect.h"
#include "forms.h"

#define TASK	 "10.0.0.11"
#define AWAY	 "10.0.0.21"
#define TASK_MAC "02:42:0a:00:00:0b"
#define AWAY_MAC "02:42:0a:00:00:15"
#define WEB_AT_2 "10.1.0.2:8080"
#define RETURN	 SKEP_VNI(SKEP_FRAME_RETURN, 0)
#define NO_ROUTE "203.0.113.5:40000"

#define FROM_AWAY .mac_from = AWAY_MAC, .mac_to = HERE_MAC

static void note(struct mesh *mesh, const char *task, const char *client, uint8_t protocol,
		 const char *frontend, const char *ingress, enum skep_return_mode mode)
{
	struct skep_return value = {
		.frontend = skep_addr_v4(ipv4_of(frontend)),
		.ingress = addr_of(ingress),
		.frontend_port = htons(port_of(frontend)),
		.client_port = htons(port_of(client)),
		.mode = (uint8_t)mode,
	};

	mesh_return_set(mesh, task, client, protocol, &value);
}

static void a_tcp_reply_leaves_here_as_the_frontends(void **state)
{
	struct frame frame =
		tcp4(TASK ":80", CLIENT, ACK | PSH, .seq = 5, .ack = 6, .payload = "200 OK");
	struct frame expected =
		tcp4(WEB_AT, CLIENT, ACK | PSH, .seq = 5, .ack = 6, .payload = "200 OK", .ttl = 63);
	struct mesh *mesh = *state;
	struct outcome outcome;

	note(mesh, TASK ":80", CLIENT, IPPROTO_TCP, WEB_AT, HERE, SKEP_RETURN_LOCAL);
	outcome = mesh_run(mesh, FROM_TASK, &frame);
	expect_routed(&outcome, mesh->wire, "192.0.2.100", &expected);
	expect_no_verdict(mesh);
}

static void a_udp_reply_leaves_here_as_the_frontends(void **state)
{
	struct frame frame = udp4(TASK ":53", CLIENT, .payload = "answer");
	struct frame expected = udp4(DNS_AT, CLIENT, .payload = "answer", .ttl = 63);
	struct mesh *mesh = *state;
	struct outcome outcome;

	note(mesh, TASK ":53", CLIENT, IPPROTO_UDP, DNS_AT, HERE, SKEP_RETURN_LOCAL);
	outcome = mesh_run(mesh, FROM_TASK, &frame);
	expect_routed(&outcome, mesh->wire, "192.0.2.100", &expected);
}

static void udp_without_a_checksum_keeps_having_none(void **state)
{
	struct frame frame =
		udp4(TASK ":53", CLIENT, .payload = "answer", .without_checksum = true);
	struct frame expected =
		udp4(DNS_AT, CLIENT, .payload = "answer", .without_checksum = true, .ttl = 63);
	struct mesh *mesh = *state;
	struct outcome outcome;

	note(mesh, TASK ":53", CLIENT, IPPROTO_UDP, DNS_AT, HERE, SKEP_RETURN_LOCAL);
	outcome = mesh_run(mesh, FROM_TASK, &frame);
	expect_routed(&outcome, mesh->wire, "192.0.2.100", &expected);
}

static void a_client_far_away_is_reached_by_its_gateway(void **state)
{
	struct frame frame = tcp4(TASK ":80", FAR_CLIENT, ACK);
	struct frame expected = tcp4(WEB_AT, FAR_CLIENT, ACK, .ttl = 63);
	struct mesh *mesh = *state;
	struct outcome outcome;

	note(mesh, TASK ":80", FAR_CLIENT, IPPROTO_TCP, WEB_AT, HERE, SKEP_RETURN_LOCAL);
	outcome = mesh_run(mesh, FROM_TASK, &frame);
	expect_routed(&outcome, mesh->wire, GATEWAY, &expected);
}

static void a_client_without_a_route_gets_nothing(void **state)
{
	struct frame frame = tcp4(TASK ":80", NO_ROUTE, ACK);
	struct mesh *mesh = *state;
	struct outcome outcome;

	note(mesh, TASK ":80", NO_ROUTE, IPPROTO_TCP, WEB_AT, HERE, SKEP_RETURN_LOCAL);
	outcome = mesh_run(mesh, FROM_TASK, &frame);
	expect_dropped(&outcome);
	expect_verdict(mesh, SKEP_DROP_NO_ROUTE);
}

static void a_reply_goes_back_by_the_tunnel(void **state)
{
	struct frame frame = tcp4(TASK ":80", CLIENT, ACK, .seq = 5, .payload = "body");
	struct frame expected = tcp4(WEB_AT_2, CLIENT, ACK, .seq = 5, .payload = "body", .ttl = 63,
				     .mac_from = TASK_MAC, .mac_to = NODE_2_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome;

	note(mesh, TASK ":80", CLIENT, IPPROTO_TCP, WEB_AT_2, NODE_2, SKEP_RETURN_TUNNEL);
	outcome = mesh_run(mesh, FROM_TASK, &frame);
	expect_tunnelled(mesh, &outcome, NODE_2, RETURN, &expected);
	expect_no_verdict(mesh);
}

static void a_reply_keeps_the_sum_of_the_whole_right(void **state)
{
	struct frame frame = tcp4(TASK ":80", CLIENT, SYN | ACK, OPTIONS(1, 2, 4, 5, 180, 0, 0, 0));
	struct mesh *mesh = *state;
	struct outcome outcome;

	note(mesh, TASK ":80", CLIENT, IPPROTO_TCP, WEB_AT_2, NODE_2, SKEP_RETURN_TUNNEL);
	mesh->run_flags = CHECKSUM_COMPLETE;
	outcome = mesh_run(mesh, FROM_TASK, &frame);
	assert_int_equal(outcome.record.way, WAY_REDIRECT);
}

static void a_reply_without_a_hop_left_is_dropped(void **state)
{
	struct frame frame = tcp4(TASK ":80", CLIENT, ACK, .ttl = 1);
	struct mesh *mesh = *state;
	struct outcome outcome;

	note(mesh, TASK ":80", CLIENT, IPPROTO_TCP, WEB_AT, HERE, SKEP_RETURN_LOCAL);
	outcome = mesh_run(mesh, FROM_TASK, &frame);
	expect_dropped(&outcome);
	expect_verdict(mesh, SKEP_DROP_TTL);
}

static void another_port_of_the_task_is_no_reply(void **state)
{
	struct frame frame = tcp4(TASK ":81", CLIENT, ACK);
	struct mesh *mesh = *state;
	struct outcome outcome;

	note(mesh, TASK ":80", CLIENT, IPPROTO_TCP, WEB_AT, HERE, SKEP_RETURN_LOCAL);
	outcome = mesh_run(mesh, FROM_TASK, &frame);
	expect_passed(&outcome, &frame);
	expect_verdict(mesh, SKEP_PASS_NOT_FROM_TASK);
}

static void a_way_back_of_no_known_mode_is_an_error(void **state)
{
	struct frame frame = tcp4(TASK ":80", CLIENT, ACK);
	struct mesh *mesh = *state;
	struct outcome outcome;

	note(mesh, TASK ":80", CLIENT, IPPROTO_TCP, WEB_AT, HERE, 0);
	outcome = mesh_run(mesh, FROM_TASK, &frame);
	expect_dropped(&outcome);
	expect_verdict(mesh, SKEP_DROP_ERROR);
}

static void a_tunnel_that_cannot_be_used_is_an_error(void **state)
{
	struct skep_config without_mesh = mesh_usual_config(*state);
	struct frame frame = tcp4(TASK ":80", CLIENT, ACK);
	struct mesh *mesh = *state;
	struct outcome outcome;

	note(mesh, TASK ":80", CLIENT, IPPROTO_TCP, WEB_AT_2, NODE_2, SKEP_RETURN_TUNNEL);
	mesh->stimulus->failure = FAIL_TUNNEL_KEY;
	outcome = mesh_run(mesh, FROM_TASK, &frame);
	expect_dropped(&outcome);
	mesh->stimulus->failure = FAIL_NONE;
	without_mesh.mesh_ifindex = 0;
	mesh_config(mesh, &without_mesh);
	outcome = mesh_run(mesh, FROM_TASK, &frame);
	expect_dropped(&outcome);
	expect_verdicts_at(mesh, SKEP_DROP_ERROR, 2, __FILE__, __LINE__);
}

static void a_reply_from_the_tunnel_goes_on_to_the_client(void **state)
{
	struct frame frame = tcp4(WEB_AT, CLIENT, ACK, .payload = "body", .ttl = 63, FROM_AWAY);
	struct mesh *mesh = *state;
	struct outcome outcome = mesh_run_framed(mesh, NODE_2, RETURN, &frame);

	expect_routed(&outcome, mesh->wire, "192.0.2.100", &frame);
	expect_no_verdict(mesh);
}

static void a_reply_from_the_tunnel_to_a_client_far_away(void **state)
{
	struct frame frame = udp4(DNS_AT, FAR_CLIENT, .payload = "answer", FROM_AWAY);
	struct mesh *mesh = *state;
	struct outcome outcome = mesh_run_framed(mesh, NODE_2, RETURN, &frame);

	expect_routed(&outcome, mesh->wire, GATEWAY, &frame);
}

static void a_reply_from_the_tunnel_without_a_route_is_dropped(void **state)
{
	struct frame frame = tcp4(WEB_AT, NO_ROUTE, ACK, FROM_AWAY);
	struct mesh *mesh = *state;
	struct outcome outcome = mesh_run_framed(mesh, NODE_2, RETURN, &frame);

	expect_dropped(&outcome);
	expect_verdict(mesh, SKEP_DROP_NO_ROUTE);
}

static void what_is_from_no_frontend_of_this_node_does_not_leave(void **state)
{
	static const char *const sources[] = {WEB_AT_2, "10.1.0.1:22", "10.0.0.21:80"};
	struct mesh *mesh = *state;

	for (size_t i = 0; i < 3; i++) {
		struct frame frame = tcp4(sources[i], CLIENT, ACK, FROM_AWAY);
		struct outcome outcome = mesh_run_framed(mesh, NODE_2, RETURN, &frame);

		expect_dropped(&outcome);
	}
	expect_verdicts_at(mesh, SKEP_DROP_BAD_FRAME, 3, __FILE__, __LINE__);
}

static void a_reply_from_a_stranger_does_not_leave(void **state)
{
	struct frame frame = tcp4(WEB_AT, CLIENT, ACK, FROM_AWAY);
	struct mesh *mesh = *state;
	struct outcome outcome = mesh_run_framed(mesh, STRANGER, RETURN, &frame);

	expect_dropped(&outcome);
	expect_verdict(mesh, SKEP_DROP_NOT_A_NODE);
}

/* The flow was given to TASK; the reply comes from AWAY. To which of the two does the next packet
 * go? */
static bool learns(struct mesh *mesh, uint32_t service, uint8_t protocol, const struct frame *first,
		   const struct frame *reply)
{
	const char *frontend = protocol == IPPROTO_TCP ? WEB_AT : DNS_AT;
	struct skep_addr away = addr_of(AWAY);
	struct skep_flow flow;

	mesh_task(mesh, service, TASK, NODE_3, 0);
	mesh_ring(mesh, service, 0, RING(TASK));
	mesh_run(mesh, FROM_WIRE, first);
	mesh_run_framed(mesh, NODE_2, RETURN, reply);
	assert_true(mesh_flow(mesh, CLIENT, frontend, protocol, &flow));
	assert_int_equal(flow.service_id, service);
	return skep_addr_equal(&flow.task, &away);
}

static void a_syn_ack_tells_which_task_took_the_flow(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN);
	struct frame reply = tcp4(WEB_AT, CLIENT, SYN | ACK, FROM_AWAY);
	struct mesh *mesh = *state;

	mesh_task(mesh, WEB, AWAY, NODE_2, 0);
	assert_true(learns(mesh, WEB, IPPROTO_TCP, &syn, &reply));
}

static void a_udp_reply_tells_which_task_took_the_flow(void **state)
{
	struct frame question = udp4(CLIENT, DNS_AT), reply = udp4(DNS_AT, CLIENT, FROM_AWAY);
	struct mesh *mesh = *state;

	mesh_task(mesh, DNS, AWAY, NODE_2, 0);
	assert_true(learns(mesh, DNS, IPPROTO_UDP, &question, &reply));
}

static void the_next_packet_goes_to_the_task_that_took_the_flow(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN), ack = tcp4(CLIENT, WEB_AT, ACK);
	struct frame reply = tcp4(WEB_AT, CLIENT, SYN | ACK, FROM_AWAY);
	struct frame expected =
		tcp4(CLIENT, WEB_AT, ACK, .ttl = 63, .mac_from = HERE_MAC, .mac_to = AWAY_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome;

	mesh_task(mesh, WEB, AWAY, NODE_2, 0);
	assert_true(learns(mesh, WEB, IPPROTO_TCP, &syn, &reply));
	outcome = mesh_run(mesh, FROM_WIRE, &ack);
	expect_tunnelled(mesh, &outcome, NODE_2, SKEP_VNI(SKEP_FRAME_FORWARD, 80), &expected);
}

static void other_tcp_packets_move_no_flow(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN), reply = tcp4(WEB_AT, CLIENT, ACK, FROM_AWAY);
	struct mesh *mesh = *state;

	mesh_task(mesh, WEB, AWAY, NODE_2, 0);
	assert_false(learns(mesh, WEB, IPPROTO_TCP, &syn, &reply));
}

static void no_flow_moves_to_a_task_of_another_service(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN),
		     reply = tcp4(WEB_AT, CLIENT, SYN | ACK, FROM_AWAY);
	struct mesh *mesh = *state;

	mesh_task(mesh, DNS, AWAY, NODE_2, 0);
	assert_false(learns(mesh, WEB, IPPROTO_TCP, &syn, &reply));
}

static void no_flow_moves_to_an_unknown_task(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN),
		     reply = tcp4(WEB_AT, CLIENT, SYN | ACK, FROM_AWAY);

	assert_false(learns(*state, WEB, IPPROTO_TCP, &syn, &reply));
}

static void a_reply_makes_no_flow(void **state)
{
	struct frame reply = tcp4(WEB_AT, CLIENT, SYN | ACK, FROM_AWAY);
	struct mesh *mesh = *state;
	struct skep_flow flow;

	mesh_task(mesh, WEB, AWAY, NODE_2, 0);
	mesh_run_framed(mesh, NODE_2, RETURN, &reply);
	assert_false(mesh_flow(mesh, CLIENT, WEB_AT, IPPROTO_TCP, &flow));
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tcp_reply_leaves_here_as_the_frontends),
		cmocka_unit_test(a_udp_reply_leaves_here_as_the_frontends),
		cmocka_unit_test(udp_without_a_checksum_keeps_having_none),
		cmocka_unit_test(a_client_far_away_is_reached_by_its_gateway),
		cmocka_unit_test(a_client_without_a_route_gets_nothing),
		cmocka_unit_test(a_reply_goes_back_by_the_tunnel),
		cmocka_unit_test(a_reply_keeps_the_sum_of_the_whole_right),
		cmocka_unit_test(a_reply_without_a_hop_left_is_dropped),
		cmocka_unit_test(another_port_of_the_task_is_no_reply),
		cmocka_unit_test(a_way_back_of_no_known_mode_is_an_error),
		cmocka_unit_test(a_tunnel_that_cannot_be_used_is_an_error),
		cmocka_unit_test(a_reply_from_the_tunnel_goes_on_to_the_client),
		cmocka_unit_test(a_reply_from_the_tunnel_to_a_client_far_away),
		cmocka_unit_test(a_reply_from_the_tunnel_without_a_route_is_dropped),
		cmocka_unit_test(what_is_from_no_frontend_of_this_node_does_not_leave),
		cmocka_unit_test(a_reply_from_a_stranger_does_not_leave),
		cmocka_unit_test(a_syn_ack_tells_which_task_took_the_flow),
		cmocka_unit_test(a_udp_reply_tells_which_task_took_the_flow),
		cmocka_unit_test(the_next_packet_goes_to_the_task_that_took_the_flow),
		cmocka_unit_test(other_tcp_packets_move_no_flow),
		cmocka_unit_test(no_flow_moves_to_a_task_of_another_service),
		cmocka_unit_test(no_flow_moves_to_an_unknown_task),
		cmocka_unit_test(a_reply_makes_no_flow),
	};

	return forms_run_tests("return", tests, sizeof(tests) / sizeof(tests[0]), FORM_ANY);
}
