/* SPDX-License-Identifier: GPL-2.0-only */
/* What a client is told when nobody can serve it: RST (RFC 9293 section 3.10.7.1), ICMP port
 * unreachable. */
#include <netinet/in.h>
#include <string.h>

#include "expect.h"
#include "forms.h"

#define TASK	"10.0.0.11"
#define AT_TASK 101

static void answers(struct mesh *mesh, const struct frame *frame, const struct frame *expected,
		    enum skep_verdict verdict)
{
	struct outcome outcome = mesh_run(mesh, FROM_WIRE, frame);

	expect_sent_out(&outcome, mesh->wire, expected);
	expect_verdict(mesh, verdict);
}

/* An established connection whose task has gone. */
static void lose_task(struct mesh *mesh)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN), ack = tcp4(CLIENT, WEB_AT, ACK);

	mesh_task(mesh, WEB, TASK, HERE, AT_TASK);
	mesh_ring(mesh, WEB, 0, RING(TASK));
	mesh_run(mesh, FROM_WIRE, &syn);
	mesh_run(mesh, FROM_WIRE, &ack);
	mesh_task_gone(mesh, TASK);
}

static struct frame rst(uint8_t flags, uint32_t seq, uint32_t ack)
{
	return tcp4(WEB_AT, CLIENT, flags, .seq = seq, .ack = ack, .answer = true,
		    .mac_from = WIRE_MAC, .mac_to = CLIENT_MAC);
}

static void a_syn_to_a_service_without_tasks_is_refused(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN, .seq = 0x01020304, OPTIONS(2, 4, 5, 180));
	struct frame expected = rst(RST | ACK, 0, 0x01020305);

	answers(*state, &frame, &expected, SKEP_ANSWER_NO_TASK_RST);
}

static void a_syn_with_data_is_refused_with_all_of_it_acknowledged(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN, .seq = 100, .payload = "fast open");
	struct frame expected = rst(RST | ACK, 0, 100 + 1 + 9);

	answers(*state, &frame, &expected, SKEP_ANSWER_NO_TASK_RST);
}

static void sequence_numbers_wrap(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN, .seq = 0xffffffff);
	struct frame expected = rst(RST | ACK, 0, 0);

	answers(*state, &frame, &expected, SKEP_ANSWER_NO_TASK_RST);
}

static void a_service_without_a_ring_refuses_too(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN, .seq = 1);
	struct frame expected = rst(RST | ACK, 0, 2);
	struct mesh *mesh = *state;

	mesh_frontend(mesh, WEB_AT, IPPROTO_TCP, 7, 80);
	answers(mesh, &frame, &expected, SKEP_ANSWER_NO_TASK_RST);
}

static void a_service_whose_tasks_all_drain_refuses(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN, .seq = 1);
	struct frame expected = rst(RST | ACK, 0, 2);
	struct mesh *mesh = *state;

	mesh_task(mesh, WEB, TASK, HERE, AT_TASK);
	mesh_task_state(mesh, TASK, SKEP_TASK_DRAINING);
	mesh_ring(mesh, WEB, 0, RING(TASK));
	answers(mesh, &frame, &expected, SKEP_ANSWER_NO_TASK_RST);
}

static void a_refused_syn_leaves_no_flow(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN);
	struct mesh *mesh = *state;
	struct skep_flow flow;

	mesh_run(mesh, FROM_WIRE, &frame);
	assert_false(mesh_flow(mesh, CLIENT, WEB_AT, IPPROTO_TCP, &flow));
	assert_int_equal(mesh_service_counter(mesh, WEB).packets, 0);
}

static void an_ack_for_a_lost_task_is_reset_at_its_ack_number(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, ACK, .seq = 7, .ack = 0xdeadbeef);
	struct frame expected = rst(RST, 0xdeadbeef, 0);
	struct mesh *mesh = *state;

	lose_task(mesh);
	answers(mesh, &frame, &expected, SKEP_ANSWER_TASK_GONE_RST);
}

static void data_for_a_lost_task_is_reset_without_an_echo(void **state)
{
	struct frame frame =
		tcp4(CLIENT, WEB_AT, ACK | PSH, .seq = 7, .ack = 42, .payload = "GET /");
	struct frame expected = rst(RST, 42, 0);
	struct mesh *mesh = *state;

	lose_task(mesh);
	answers(mesh, &frame, &expected, SKEP_ANSWER_TASK_GONE_RST);
}

static void a_fin_for_a_lost_task_is_reset(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, FIN | ACK, .seq = 7, .ack = 42);
	struct frame expected = rst(RST, 42, 0);
	struct mesh *mesh = *state;

	lose_task(mesh);
	answers(mesh, &frame, &expected, SKEP_ANSWER_TASK_GONE_RST);
}

static void a_fin_without_ack_counts_in_the_answer(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, FIN, .seq = 7, .payload = "bye");
	struct frame expected = rst(RST | ACK, 0, 7 + 3 + 1);
	struct mesh *mesh = *state;

	lose_task(mesh);
	answers(mesh, &frame, &expected, SKEP_ANSWER_TASK_GONE_RST);
}

static void data_without_ack_counts_in_the_answer(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, PSH, .seq = 7, .payload = "odd");
	struct frame expected = rst(RST | ACK, 0, 10);
	struct mesh *mesh = *state;

	lose_task(mesh);
	answers(mesh, &frame, &expected, SKEP_ANSWER_TASK_GONE_RST);
}

static void options_and_padding_are_no_data(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN, .seq = 7, OPTIONS(2, 4, 5, 180, 1, 1, 4, 2));
	struct frame expected = rst(RST | ACK, 0, 8);
	struct mesh *mesh = *state;

	frame.length += 6; /* Ethernet's, up to 60 bytes and more */
	memset(frame.data + frame.length - 6, 0xee, 6);
	answers(mesh, &frame, &expected, SKEP_ANSWER_NO_TASK_RST);
}

static void a_rst_is_never_answered(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, RST, .seq = 7);
	struct mesh *mesh = *state;
	struct outcome outcome;

	lose_task(mesh);
	outcome = mesh_run(mesh, FROM_WIRE, &frame);
	expect_dropped(&outcome);
	expect_verdict(mesh, SKEP_DROP_NO_TASK);
}

static void what_cannot_be_answered_is_dropped(void **state)
{
	struct frame tcp = tcp4(CLIENT, WEB_AT, SYN), udp = udp4(CLIENT, DNS_AT);
	struct mesh *mesh = *state;
	struct outcome outcome;

	mesh->stimulus->failure = FAIL_TAIL;
	outcome = mesh_run(mesh, FROM_WIRE, &tcp);
	expect_dropped(&outcome);
	outcome = mesh_run(mesh, FROM_WIRE, &udp);
	expect_dropped(&outcome);
	expect_verdicts_at(mesh, SKEP_DROP_NO_TASK, 2, __FILE__, __LINE__);
}

static void udp_to_a_service_without_tasks_is_unreachable(void **state)
{
	struct frame frame = udp4(CLIENT, DNS_AT, .payload = "a question that is not quoted");
	struct frame expected = icmp_unreachable(&frame);

	answers(*state, &frame, &expected, SKEP_ANSWER_NO_TASK_ICMP);
}

static void an_empty_udp_packet_is_quoted_too(void **state)
{
	struct frame frame = udp4(CLIENT, DNS_AT, .ttl = 3);
	struct frame expected = icmp_unreachable(&frame);

	answers(*state, &frame, &expected, SKEP_ANSWER_NO_TASK_ICMP);
}

static void udp_without_a_checksum_is_quoted_as_it_was(void **state)
{
	struct frame frame = udp4(CLIENT, DNS_AT, .payload = "x", .without_checksum = true);
	struct frame expected = icmp_unreachable(&frame);

	answers(*state, &frame, &expected, SKEP_ANSWER_NO_TASK_ICMP);
}

static void udp_of_a_lost_task_is_unreachable_if_there_is_no_other(void **state)
{
	struct frame frame = udp4(CLIENT, DNS_AT, .payload = "x");
	struct frame expected = icmp_unreachable(&frame);
	struct mesh *mesh = *state;

	mesh_task(mesh, DNS, TASK, HERE, AT_TASK);
	mesh_ring(mesh, DNS, 0, RING(TASK));
	mesh_run(mesh, FROM_WIRE, &frame);
	mesh_task_gone(mesh, TASK);
	answers(mesh, &frame, &expected, SKEP_ANSWER_NO_TASK_ICMP);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(a_syn_to_a_service_without_tasks_is_refused),
		cmocka_unit_test(a_syn_with_data_is_refused_with_all_of_it_acknowledged),
		cmocka_unit_test(sequence_numbers_wrap),
		cmocka_unit_test(a_service_without_a_ring_refuses_too),
		cmocka_unit_test(a_service_whose_tasks_all_drain_refuses),
		cmocka_unit_test(a_refused_syn_leaves_no_flow),
		cmocka_unit_test(an_ack_for_a_lost_task_is_reset_at_its_ack_number),
		cmocka_unit_test(data_for_a_lost_task_is_reset_without_an_echo),
		cmocka_unit_test(a_fin_for_a_lost_task_is_reset),
		cmocka_unit_test(a_fin_without_ack_counts_in_the_answer),
		cmocka_unit_test(data_without_ack_counts_in_the_answer),
		cmocka_unit_test(options_and_padding_are_no_data),
		cmocka_unit_test(a_rst_is_never_answered),
		cmocka_unit_test(what_cannot_be_answered_is_dropped),
		cmocka_unit_test(udp_to_a_service_without_tasks_is_unreachable),
		cmocka_unit_test(an_empty_udp_packet_is_quoted_too),
		cmocka_unit_test(udp_without_a_checksum_is_quoted_as_it_was),
		cmocka_unit_test(udp_of_a_lost_task_is_unreachable_if_there_is_no_other),
	};

	return forms_run_tests("answer", tests, sizeof(tests) / sizeof(tests[0]), FORM_ANY);
}
