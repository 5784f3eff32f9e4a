/* SPDX-License-Identifier: GPL-2.0-only */
/* Direct server return: the backend node answers clients that came in at another node. */
#include <netinet/in.h>
#include <string.h>

#include "expect.h"
#include "forms.h"

#define TASK	 "10.0.0.11"
#define AT_TASK	 101
#define TASK_MAC "02:42:0a:00:00:0b"
#define AWAY	 "10.0.0.21"
#define AWAY_MAC "02:42:0a:00:00:15"
#define GONE_MAC "02:42:0a:00:00:1f"
#define WEB_AT_2 "10.1.0.2:8080"
#define DNS_AT_2 "10.1.0.2:5353"
#define FORWARD	 SKEP_VNI(SKEP_FRAME_FORWARD, 80)
#define RETURN	 SKEP_VNI(SKEP_FRAME_RETURN, 0)
#define UDP_ROOM (TUNNEL_MTU - 20 - 8)

#define MSS_1460  OPTIONS(2, 4, 0x05, 0xb4)
#define MSS_LIMIT OPTIONS(2, 4, 0x05, 0x82)

#define THIS_HOST "192.0.2.1:40000"
#define NO_ROUTE  "203.0.113.5:40000"

static void note(struct mesh *mesh, uint8_t protocol, const char *client)
{
	struct skep_return value = {
		.frontend = addr_of(NODE_2),
		.ingress = addr_of(NODE_2),
		.frontend_port = htons(protocol == IPPROTO_TCP ? 8080 : 5353),
		.client_port = htons(port_of(client)),
		.mode = SKEP_RETURN_DIRECT,
	};

	mesh_return_set(mesh, protocol == IPPROTO_TCP ? TASK ":80" : TASK ":53", client, protocol,
			&value);
}

static const char *bytes(size_t n)
{
	static char text[2048];

	memset(text, 'x', sizeof(text));
	text[n] = '\0';
	return text;
}

static void a_forwarded_syn_keeps_its_mss_since_the_answer_is_no_tunnels(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN, MSS_1460);
	struct frame expected = tcp4(CLIENT, WEB_AT, SYN, .ttl = 63, .mac_from = HERE_MAC,
				     .mac_to = AWAY_MAC, MSS_1460);
	struct mesh *mesh = *state;
	struct outcome outcome;

	mesh_task(mesh, WEB, AWAY, NODE_2, 0);
	mesh_ring(mesh, WEB, 0, RING(AWAY));
	outcome = mesh_run(mesh, FROM_WIRE, &frame);
	expect_tunnelled(mesh, &outcome, NODE_2, SKEP_VNI(SKEP_FRAME_FORWARD | SKEP_FRAME_DSR, 80),
			 &expected);
}

/* Larger than the tunnel takes, so XDP leaves it to tc, with a hint. */
static void so_does_a_packet_that_xdp_leaves_to_tc(void **state)
{
	struct frame frame = udp4(CLIENT, DNS_AT, .payload = bytes(UDP_ROOM + 1));
	struct frame expected = udp4(CLIENT, DNS_AT, .payload = bytes(UDP_ROOM + 1), .ttl = 63,
				     .mac_from = HERE_MAC, .mac_to = AWAY_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome;

	mesh_task(mesh, DNS, AWAY, NODE_2, 0);
	mesh_ring(mesh, DNS, 0, RING(AWAY));
	outcome = mesh_run(mesh, FROM_WIRE, &frame);
	expect_tunnelled(mesh, &outcome, NODE_2, SKEP_VNI(SKEP_FRAME_FORWARD | SKEP_FRAME_DSR, 53),
			 &expected);
}

static void a_reply_leaves_straight_to_the_client(void **state)
{
	struct frame frame = tcp4(TASK ":80", CLIENT, ACK, .seq = 5, .payload = "body");
	struct frame expected = tcp4(WEB_AT_2, CLIENT, ACK, .seq = 5, .payload = "body", .ttl = 63);
	struct mesh *mesh = *state;
	struct outcome outcome;

	note(mesh, IPPROTO_TCP, CLIENT);
	outcome = mesh_run(mesh, FROM_TASK, &frame);
	expect_routed(&outcome, mesh->wire, "192.0.2.100", &expected);
	expect_no_verdict(mesh);
}

static void or_to_its_gateway(void **state)
{
	struct frame frame = udp4(TASK ":53", FAR_CLIENT, .payload = "answer");
	struct frame expected = udp4(DNS_AT_2, FAR_CLIENT, .payload = "answer", .ttl = 63);
	struct mesh *mesh = *state;
	struct outcome outcome;

	note(mesh, IPPROTO_UDP, FAR_CLIENT);
	outcome = mesh_run(mesh, FROM_TASK, &frame);
	expect_routed(&outcome, mesh->wire, GATEWAY, &expected);
}

static void a_syn_acks_mss_is_clamped_since_the_client_sends_by_the_tunnel(void **state)
{
	struct frame frame = tcp4(TASK ":80", CLIENT, SYN | ACK, MSS_1460);
	struct frame expected = tcp4(WEB_AT_2, CLIENT, SYN | ACK, .ttl = 63, MSS_LIMIT);
	struct mesh *mesh = *state;
	struct outcome outcome;

	note(mesh, IPPROTO_TCP, CLIENT);
	outcome = mesh_run(mesh, FROM_TASK, &frame);
	expect_routed(&outcome, mesh->wire, "192.0.2.100", &expected);
}

static void a_reply_may_be_bigger_than_the_tunnel_takes(void **state)
{
	struct frame frame = udp4(TASK ":53", CLIENT, .payload = bytes(UDP_ROOM + 1),
				  .dont_fragment = true, .mac_from = TASK_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome;

	note(mesh, IPPROTO_UDP, CLIENT);
	outcome = mesh_run(mesh, FROM_TASK, &frame);
	assert_int_equal(outcome.record.way, WAY_NEIGHBOUR);
	expect_no_verdict(mesh);
}

static void both_pieces_of_a_reply_leave_straight(void **state)
{
	struct frame whole = udp4(TASK ":53", CLIENT, .payload = "an answer that goes in two");
	struct frame wanted =
		udp4(DNS_AT_2, CLIENT, .payload = "an answer that goes in two", .ttl = 63);
	struct mesh *mesh = *state;

	note(mesh, IPPROTO_UDP, CLIENT);
	for (int i = 0; i < 2; i++) {
		size_t length = i ? whole.length - L4_HDR - 16 : 16;
		struct frame piece = frame_piece(&whole, 16 * i, length);
		struct frame expected = frame_piece(&wanted, 16 * i, length);
		struct outcome outcome = mesh_run(mesh, FROM_TASK, &piece);

		expect_routed(&outcome, mesh->wire, "192.0.2.100", &expected);
	}
}

static void a_tasks_port_unreachable_leaves_straight(void **state)
{
	struct frame got = udp4(CLIENT, TASK ":53"), sent = udp4(CLIENT, DNS_AT_2);
	struct frame error = icmp4(TASK ":0", CLIENT, &got, 28, .icmp_type = 3, .icmp_code = 3);
	struct frame expected =
		icmp4(NODE_2 ":0", CLIENT, &sent, 28, .icmp_type = 3, .icmp_code = 3, .ttl = 63);
	struct mesh *mesh = *state;
	struct outcome outcome;

	note(mesh, IPPROTO_UDP, CLIENT);
	outcome = mesh_run(mesh, FROM_TASK, &error);
	expect_routed(&outcome, mesh->wire, "192.0.2.100", &expected);
	expect_verdict(mesh, SKEP_ICMP_ERROR);
}

/* Above all a client on this very host (a container, say): only by the wire is it reached. */
static void to_whom_this_node_has_no_route_the_reply_goes_by_the_tunnel(void **state)
{
	static const char *const clients[] = {THIS_HOST, NO_ROUTE};
	struct mesh *mesh = *state;

	for (int i = 0; i < 2; i++) {
		struct frame frame = tcp4(TASK ":80", clients[i], ACK, .payload = "body");
		struct frame expected = tcp4(WEB_AT_2, clients[i], ACK, .payload = "body",
					     .ttl = 63, .mac_from = TASK_MAC, .mac_to = NODE_2_MAC);
		struct outcome outcome;

		note(mesh, IPPROTO_TCP, clients[i]);
		outcome = mesh_run(mesh, FROM_TASK, &frame);
		expect_tunnelled(mesh, &outcome, NODE_2, RETURN, &expected);
	}
	expect_verdicts_at(mesh, SKEP_RETURN_NOT_DIRECT, 2, __FILE__, __LINE__);
}

static void and_its_task_is_told_if_it_is_too_big_for_that(void **state)
{
	struct frame frame = udp4(TASK ":53", NO_ROUTE, .payload = bytes(UDP_ROOM + 1),
				  .dont_fragment = true, .mac_from = TASK_MAC);
	struct frame expected = icmp_too_big(&frame, TUNNEL_MTU);
	struct mesh *mesh = *state;
	struct outcome outcome;

	note(mesh, IPPROTO_UDP, NO_ROUTE);
	outcome = mesh_run(mesh, FROM_TASK, &frame);
	expect_sent_out(&outcome, mesh->wire, &expected);
	assert_int_equal(mesh_verdict(mesh, SKEP_ANSWER_TOO_BIG), 1);
}

/* The ingress node learns from an answer by the tunnel which task has the flow. */
static void a_second_chance_is_answered_by_the_tunnel(void **state)
{
	struct frame frame =
		tcp4(CLIENT, WEB_AT_2, SYN, .mac_from = NODE_2_MAC, .mac_to = GONE_MAC, MSS_1460);
	struct frame expected =
		tcp4(CLIENT, WEB_AT_2, SYN, .mac_from = NODE_2_MAC, .mac_to = AWAY_MAC, MSS_LIMIT);
	struct mesh *mesh = *state;
	struct outcome outcome;

	mesh_task(mesh, WEB, AWAY, NODE_3, 0);
	mesh_ring(mesh, WEB, 0, RING(AWAY));
	outcome = mesh_run_framed(mesh, NODE_2, FORWARD, &frame);
	expect_tunnelled(mesh, &outcome, NODE_3, SKEP_VNI(SKEP_FRAME_FORWARD_AGAIN, 80), &expected);
}

static void until_the_ingress_node_sends_to_that_task_itself(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT_2, SYN, .mac_from = NODE_2_MAC, .mac_to = TASK_MAC);
	struct frame ack = tcp4(CLIENT, WEB_AT_2, ACK, .mac_from = NODE_2_MAC, .mac_to = TASK_MAC);
	struct mesh *mesh = *state;
	struct skep_return value;

	mesh_task(mesh, WEB, TASK, HERE, AT_TASK);
	mesh_run_framed(mesh, NODE_3, SKEP_VNI(SKEP_FRAME_FORWARD_AGAIN, 80), &syn);
	assert_true(mesh_return(mesh, TASK ":80", CLIENT, IPPROTO_TCP, &value));
	assert_int_equal(value.mode, SKEP_RETURN_TUNNEL);
	mesh_run_framed(mesh, NODE_2, FORWARD, &ack);
	assert_true(mesh_return(mesh, TASK ":80", CLIENT, IPPROTO_TCP, &value));
	assert_int_equal(value.mode, SKEP_RETURN_DIRECT);
	assert_int_equal(value.state, SKEP_FLOW_ESTABLISHED);
}

static void the_sum_of_a_whole_reply_stays_right(void **state)
{
	struct frame frame = tcp4(TASK ":80", CLIENT, SYN | ACK, MSS_1460);
	struct mesh *mesh = *state;
	struct outcome outcome;

	note(mesh, IPPROTO_TCP, CLIENT);
	mesh->run_flags = CHECKSUM_COMPLETE;
	outcome = mesh_run(mesh, FROM_TASK, &frame);
	assert_int_equal(outcome.record.way, WAY_NEIGHBOUR);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_forwarded_syn_keeps_its_mss_since_the_answer_is_no_tunnels),
		cmocka_unit_test(so_does_a_packet_that_xdp_leaves_to_tc),
		cmocka_unit_test(a_reply_leaves_straight_to_the_client),
		cmocka_unit_test(or_to_its_gateway),
		cmocka_unit_test(a_syn_acks_mss_is_clamped_since_the_client_sends_by_the_tunnel),
		cmocka_unit_test(a_reply_may_be_bigger_than_the_tunnel_takes),
		cmocka_unit_test(both_pieces_of_a_reply_leave_straight),
		cmocka_unit_test(a_tasks_port_unreachable_leaves_straight),
		cmocka_unit_test(to_whom_this_node_has_no_route_the_reply_goes_by_the_tunnel),
		cmocka_unit_test(and_its_task_is_told_if_it_is_too_big_for_that),
		cmocka_unit_test(a_second_chance_is_answered_by_the_tunnel),
		cmocka_unit_test(until_the_ingress_node_sends_to_that_task_itself),
		cmocka_unit_test(the_sum_of_a_whole_reply_stays_right),
	};

	return forms_run_tests("dsr", tests, sizeof(tests) / sizeof(tests[0]), FORM_DSR);
}
