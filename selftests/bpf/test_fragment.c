/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * IPv4 packets in pieces. A whole packet is cut, and what must come out are the pieces of the whole
 * packet that must come out: so the first piece's checksum is that of all.
 */
#include <netinet/in.h>

#include "expect.h"
#include "forms.h"

#define TASK	 "10.0.0.11"
#define AT_TASK	 101
#define AWAY	 "10.0.0.21"
#define TASK_MAC "02:42:0a:00:00:0b"
#define AWAY_MAC "02:42:0a:00:00:15"
#define DNS_AT_2 "10.1.0.2:5353"
#define GONE	 "10.0.0.31"
#define GONE_MAC "02:42:0a:00:00:1f"

#define QUESTION .payload = "a question that goes in two pieces, the second with no port"
#define CUT	 24 /* bytes of the IP payload in the first piece */

static struct frame first(const struct frame *whole)
{
	return frame_piece(whole, 0, CUT);
}

static struct frame later(const struct frame *whole)
{
	return frame_piece(whole, CUT, whole->length - L4_HDR - CUT);
}

static void local_task(struct mesh *mesh)
{
	mesh_task(mesh, DNS, TASK, HERE, AT_TASK);
	mesh_ring(mesh, DNS, 0, RING(TASK));
}

static void remote_task(struct mesh *mesh)
{
	mesh_task(mesh, DNS, AWAY, NODE_2, 0);
	mesh_ring(mesh, DNS, 0, RING(AWAY));
}

static void note(struct mesh *mesh, const char *ingress, enum skep_return_mode mode)
{
	struct skep_return value = {
		.frontend = addr_of(HERE),
		.ingress = addr_of(ingress),
		.frontend_port = htons(5353),
		.client_port = htons(port_of(CLIENT)),
		.mode = (uint8_t)mode,
	};

	mesh_return_set(mesh, TASK ":53", CLIENT, IPPROTO_UDP, &value);
}

static void both_pieces_reach_a_local_task(void **state)
{
	struct frame whole = udp4(CLIENT, DNS_AT, QUESTION);
	struct frame wanted = udp4(CLIENT, TASK ":53", QUESTION, .ttl = 63);
	struct frame pieces[] = {first(&whole), later(&whole)};
	struct frame expected[] = {first(&wanted), later(&wanted)};
	struct mesh *mesh = *state;

	local_task(mesh);
	for (int i = 0; i < 2; i++) {
		struct outcome outcome = mesh_run(mesh, FROM_WIRE, &pieces[i]);

		expect_delivered(&outcome, AT_TASK, &expected[i]);
	}
	expect_no_verdict(mesh);
	assert_int_equal(mesh_task_counter(mesh, TASK).packets, 2);
	assert_int_equal(mesh_task_counter(mesh, TASK).new_flows, 1);
}

static void pieces_of_tcp_follow_their_flow(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN);
	struct frame whole = tcp4(CLIENT, WEB_AT, ACK | PSH, QUESTION);
	struct frame wanted = tcp4(CLIENT, TASK ":80", ACK | PSH, QUESTION, .ttl = 63);
	struct frame pieces[] = {first(&whole), later(&whole)};
	struct frame expected[] = {first(&wanted), later(&wanted)};
	struct mesh *mesh = *state;

	mesh_task(mesh, WEB, TASK, HERE, AT_TASK);
	mesh_ring(mesh, WEB, 0, RING(TASK));
	mesh_run(mesh, FROM_WIRE, &syn);
	for (int i = 0; i < 2; i++) {
		struct outcome outcome = mesh_run(mesh, FROM_WIRE, &pieces[i]);

		expect_delivered(&outcome, AT_TASK, &expected[i]);
	}
}

static void both_pieces_go_to_a_remote_task(void **state)
{
	struct frame whole = udp4(CLIENT, DNS_AT, QUESTION);
	struct frame wanted =
		udp4(CLIENT, DNS_AT, QUESTION, .ttl = 63, .mac_from = HERE_MAC, .mac_to = AWAY_MAC);
	struct frame pieces[] = {first(&whole), later(&whole)};
	struct frame expected[] = {first(&wanted), later(&wanted)};
	struct mesh *mesh = *state;

	remote_task(mesh);
	for (int i = 0; i < 2; i++) {
		struct outcome outcome = mesh_run(mesh, FROM_WIRE, &pieces[i]);

		expect_tunnelled(mesh, &outcome, NODE_2, SKEP_VNI(SKEP_FRAME_FORWARD, 53),
				 &expected[i]);
	}
	expect_no_verdict(mesh);
}

static void a_last_piece_of_one_byte_is_rewritten_too(void **state)
{
	struct frame whole = udp4(CLIENT, DNS_AT, .payload = "12345678x");
	struct frame wanted = udp4(CLIENT, TASK ":53", .payload = "12345678x", .ttl = 63);
	struct frame head = frame_piece(&whole, 0, 16), tail = frame_piece(&whole, 16, 1);
	struct frame expected = frame_piece(&wanted, 16, 1);
	struct mesh *mesh = *state;
	struct outcome outcome;

	local_task(mesh);
	mesh_run(mesh, FROM_WIRE, &head);
	outcome = mesh_run(mesh, FROM_WIRE, &tail);
	expect_delivered(&outcome, AT_TASK, &expected);
}

static void passes_as_unknown(struct mesh *mesh, const struct frame *piece)
{
	struct outcome outcome = mesh_run(mesh, FROM_WIRE, piece);

	expect_passed(&outcome, piece);
	expect_verdict(mesh, SKEP_PASS_FRAGMENT);
}

static void a_piece_before_its_first_is_left_to_the_stack(void **state)
{
	struct frame whole = udp4(CLIENT, DNS_AT, QUESTION), piece = later(&whole);

	local_task(*state);
	passes_as_unknown(*state, &piece);
}

static void a_piece_with_another_id_is_another_packets(void **state)
{
	struct frame whole = udp4(CLIENT, DNS_AT, QUESTION);
	struct frame other = udp4(CLIENT, DNS_AT, QUESTION, .id = 0x4321);
	struct frame head = first(&whole), piece = later(&other);

	local_task(*state);
	mesh_run(*state, FROM_WIRE, &head);
	passes_as_unknown(*state, &piece);
}

static void an_id_used_again_after_half_a_minute_is_another_packets(void **state)
{
	struct frame whole = udp4(CLIENT, DNS_AT, QUESTION);
	struct frame head = first(&whole), piece = later(&whole);
	struct outcome outcome;

	local_task(*state);
	mesh_run(*state, FROM_WIRE, &head);
	mesh_fragments_age(*state, 29);
	outcome = mesh_run(*state, FROM_WIRE, &piece);
	assert_int_equal(outcome.record.way, WAY_PEER);
	mesh_fragments_age(*state, 2);
	passes_as_unknown(*state, &piece);
}

static void pieces_of_what_is_no_frontends_are_left_to_the_stack(void **state)
{
	struct frame whole = udp4(CLIENT, HERE ":4799", QUESTION);
	struct frame head = first(&whole), piece = later(&whole);
	struct mesh *mesh = *state;
	struct outcome outcome = mesh_run(mesh, FROM_WIRE, &head);

	expect_passed(&outcome, &head);
	expect_verdict(mesh, SKEP_PASS_NO_FRONTEND);
	outcome = mesh_run(mesh, FROM_WIRE, &piece);
	expect_passed(&outcome, &piece);
	assert_int_equal(mesh_verdict(mesh, SKEP_PASS_FRAGMENT), 1);
}

static void without_a_task_the_first_piece_is_answered_and_no_other(void **state)
{
	struct frame whole = udp4(CLIENT, DNS_AT, QUESTION);
	struct frame head = first(&whole), piece = later(&whole);
	struct frame expected = icmp_unreachable(&head);
	struct mesh *mesh = *state;
	struct outcome outcome = mesh_run(mesh, FROM_WIRE, &head);

	expect_sent_out(&outcome, mesh->wire, &expected);
	outcome = mesh_run(mesh, FROM_WIRE, &piece);
	expect_dropped(&outcome);
	assert_int_equal(mesh_verdict(mesh, SKEP_DROP_NO_TASK), 1);
}

static void a_tunnelled_piece_needs_no_first_one(void **state)
{
	struct frame whole =
		udp4(CLIENT, DNS_AT_2, QUESTION, .mac_from = NODE_2_MAC, .mac_to = TASK_MAC);
	struct frame wanted = udp4(CLIENT, TASK ":53", QUESTION, .ttl = 63, .mac_from = NODE_2_MAC,
				   .mac_to = TASK_MAC);
	struct frame pieces[] = {later(&whole), first(&whole)};
	struct frame expected[] = {later(&wanted), first(&wanted)};
	struct mesh *mesh = *state;
	struct skep_return noted;

	local_task(mesh);
	for (int i = 0; i < 2; i++) {
		struct outcome outcome =
			mesh_run_framed(mesh, NODE_2, SKEP_VNI(SKEP_FRAME_FORWARD, 53), &pieces[i]);

		expect_delivered(&outcome, AT_TASK, &expected[i]);
		assert_int_equal(mesh_return(mesh, TASK ":53", CLIENT, IPPROTO_UDP, &noted), i);
	}
	expect_no_verdict(mesh);
}

static void both_pieces_get_the_same_second_chance(void **state)
{
	struct frame whole =
		udp4(CLIENT, DNS_AT_2, QUESTION, .mac_from = NODE_2_MAC, .mac_to = GONE_MAC);
	struct frame wanted =
		udp4(CLIENT, DNS_AT_2, QUESTION, .mac_from = NODE_2_MAC, .mac_to = AWAY_MAC);
	struct frame pieces[] = {first(&whole), later(&whole)};
	struct frame expected[] = {first(&wanted), later(&wanted)};
	struct mesh *mesh = *state;

	mesh_task(mesh, DNS, AWAY, NODE_3, 0);
	mesh_task(mesh, DNS, TASK, HERE, AT_TASK);
	mesh_ring(mesh, DNS, 0, RING(AWAY, TASK));
	for (int i = 0; i < 2; i++) {
		struct outcome outcome =
			mesh_run_framed(mesh, NODE_2, SKEP_VNI(SKEP_FRAME_FORWARD, 53), &pieces[i]);

		expect_tunnelled(mesh, &outcome, NODE_3, SKEP_VNI(SKEP_FRAME_FORWARD_AGAIN, 53),
				 &expected[i]);
	}
}

static void there_is_no_second_chance_before_the_first_piece(void **state)
{
	struct frame whole =
		udp4(CLIENT, DNS_AT_2, QUESTION, .mac_from = NODE_2_MAC, .mac_to = GONE_MAC);
	struct frame piece = later(&whole);
	struct mesh *mesh = *state;
	struct outcome outcome;

	local_task(mesh);
	outcome = mesh_run_framed(mesh, NODE_2, SKEP_VNI(SKEP_FRAME_FORWARD, 53), &piece);
	expect_dropped(&outcome);
	expect_verdict(mesh, SKEP_DROP_FRAGMENT);
}

static void both_pieces_of_a_reply_leave_here(void **state)
{
	struct frame whole = udp4(TASK ":53", CLIENT, QUESTION);
	struct frame wanted = udp4(DNS_AT, CLIENT, QUESTION, .ttl = 63);
	struct frame pieces[] = {first(&whole), later(&whole)};
	struct frame expected[] = {first(&wanted), later(&wanted)};
	struct mesh *mesh = *state;

	note(mesh, HERE, SKEP_RETURN_LOCAL);
	for (int i = 0; i < 2; i++) {
		struct outcome outcome = mesh_run(mesh, FROM_TASK, &pieces[i]);

		expect_routed(&outcome, mesh->wire, "192.0.2.100", &expected[i]);
	}
	expect_no_verdict(mesh);
}

static void a_replys_later_piece_tells_the_frontends_port_in_its_frame(void **state)
{
	struct frame whole = udp4(TASK ":53", CLIENT, QUESTION);
	struct frame wanted = udp4(DNS_AT, CLIENT, QUESTION, .ttl = 63, .mac_from = TASK_MAC,
				   .mac_to = NODE_2_MAC);
	struct frame pieces[] = {first(&whole), later(&whole)};
	struct frame expected[] = {first(&wanted), later(&wanted)};
	uint16_t ports[] = {0, 5353};
	struct mesh *mesh = *state;

	note(mesh, NODE_2, SKEP_RETURN_TUNNEL);
	for (int i = 0; i < 2; i++) {
		struct outcome outcome = mesh_run(mesh, FROM_TASK, &pieces[i]);

		expect_tunnelled(mesh, &outcome, NODE_2, SKEP_VNI(SKEP_FRAME_RETURN, ports[i]),
				 &expected[i]);
	}
}

static void a_tunnelled_reply_needs_no_first_piece(void **state)
{
	struct frame whole =
		udp4(DNS_AT, CLIENT, QUESTION, .mac_from = AWAY_MAC, .mac_to = HERE_MAC);
	struct frame piece = later(&whole);
	struct mesh *mesh = *state;
	struct outcome outcome =
		mesh_run_framed(mesh, NODE_2, SKEP_VNI(SKEP_FRAME_RETURN, 5353), &piece);

	expect_routed(&outcome, mesh->wire, "192.0.2.100", &piece);
	expect_no_verdict(mesh);
}

static void a_tunnelled_piece_of_no_frontends_reply_is_dropped(void **state)
{
	struct frame whole =
		udp4(DNS_AT, CLIENT, QUESTION, .mac_from = AWAY_MAC, .mac_to = HERE_MAC);
	struct frame piece = later(&whole);
	struct mesh *mesh = *state;
	struct outcome outcome =
		mesh_run_framed(mesh, NODE_2, SKEP_VNI(SKEP_FRAME_RETURN, 5354), &piece);

	expect_dropped(&outcome);
	expect_verdict(mesh, SKEP_DROP_BAD_FRAME);
}

static void the_sum_of_a_whole_piece_stays_right(void **state)
{
	struct mesh *mesh = *state;

	mesh->run_flags = CHECKSUM_COMPLETE;
	both_pieces_reach_a_local_task(state);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(both_pieces_reach_a_local_task),
		cmocka_unit_test(pieces_of_tcp_follow_their_flow),
		cmocka_unit_test(both_pieces_go_to_a_remote_task),
		cmocka_unit_test(a_last_piece_of_one_byte_is_rewritten_too),
		cmocka_unit_test(a_piece_before_its_first_is_left_to_the_stack),
		cmocka_unit_test(a_piece_with_another_id_is_another_packets),
		cmocka_unit_test(an_id_used_again_after_half_a_minute_is_another_packets),
		cmocka_unit_test(pieces_of_what_is_no_frontends_are_left_to_the_stack),
		cmocka_unit_test(without_a_task_the_first_piece_is_answered_and_no_other),
		cmocka_unit_test(a_tunnelled_piece_needs_no_first_one),
		cmocka_unit_test(both_pieces_get_the_same_second_chance),
		cmocka_unit_test(there_is_no_second_chance_before_the_first_piece),
		cmocka_unit_test(both_pieces_of_a_reply_leave_here),
		cmocka_unit_test(a_replys_later_piece_tells_the_frontends_port_in_its_frame),
		cmocka_unit_test(a_tunnelled_reply_needs_no_first_piece),
		cmocka_unit_test(a_tunnelled_piece_of_no_frontends_reply_is_dropped),
		cmocka_unit_test(the_sum_of_a_whole_piece_stays_right),
	};

	return forms_run_tests("fragment", tests, sizeof(tests) / sizeof(tests[0]), FORM_ANY);
}
