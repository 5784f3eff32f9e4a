/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tunnel (1450 bytes) does not take: fragmentation needed (RFC 1191), or cut on its way.
 */
#include <netinet/in.h>
#include <string.h>

#include "expect.h"
#include "forms.h"

#define TASK	"10.0.0.11"
#define AT_TASK 101
#define AWAY	"10.0.0.21"

#define AWAY_MAC "02:42:0a:00:00:15"
#define TASK_MAC "02:42:0a:00:00:0b"

#define UDP_ROOM (TUNNEL_MTU - 20 - 8)
#define TCP_ROOM (TUNNEL_MTU - 20 - 20)

/* A payload of so many bytes. */
static const char *bytes(size_t n)
{
	static char text[2048];

	memset(text, 'x', sizeof(text));
	text[n] = '\0';
	return text;
}

static void tasks(struct mesh *mesh, uint32_t service, bool here)
{
	mesh_task(mesh, service, here ? TASK : AWAY, here ? HERE : NODE_2, here ? AT_TASK : 0);
	mesh_ring(mesh, service, 0, here ? RING(TASK) : RING(AWAY));
}

static void is_told(struct mesh *mesh, enum program program, const struct frame *frame)
{
	struct frame expected = icmp_too_big(frame, TUNNEL_MTU);
	struct outcome outcome = mesh_run(mesh, program, frame);

	expect_sent_out(&outcome, mesh->wire, &expected);
	expect_verdict(mesh, SKEP_ANSWER_TOO_BIG);
}

/* Goes into the tunnel as it is. */
static void is_sent(struct mesh *mesh, const struct frame *frame)
{
	struct outcome outcome = mesh_run(mesh, FROM_WIRE, frame);

	assert_int_equal(outcome.record.way, WAY_REDIRECT);
	assert_int_equal(outcome.record.ifindex, mesh->mesh);
	assert_int_equal(outcome.frame.length, frame->length);
	expect_no_verdict(mesh);
}

static void a_udp_packet_one_byte_too_big_is_answered(void **state)
{
	struct frame frame =
		udp4(CLIENT, DNS_AT, .payload = bytes(UDP_ROOM + 1), .dont_fragment = true);

	tasks(*state, DNS, false);
	is_told(*state, FROM_WIRE, &frame);
}

static void the_largest_that_fits_is_sent(void **state)
{
	struct frame frame =
		udp4(CLIENT, DNS_AT, .payload = bytes(UDP_ROOM), .dont_fragment = true);

	tasks(*state, DNS, false);
	is_sent(*state, &frame);
}

static void what_may_be_cut_is_sent_however_big(void **state)
{
	struct frame frame = udp4(CLIENT, DNS_AT, .payload = bytes(1472));

	tasks(*state, DNS, false);
	is_sent(*state, &frame);
}

static void a_tcp_packet_too_big_is_answered_with_its_header_quoted(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN);
	struct frame frame = tcp4(CLIENT, WEB_AT, ACK, .seq = 0x01020304,
				  .payload = bytes(TCP_ROOM + 1), .dont_fragment = true);

	tasks(*state, WEB, false);
	mesh_run(*state, FROM_WIRE, &syn);
	is_told(*state, FROM_WIRE, &frame);
}

static void a_gso_packet_is_judged_by_what_it_will_be_cut_to(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN);
	struct frame frame = tcp4(CLIENT, WEB_AT, ACK, .payload = bytes(1900),
				  .dont_fragment = true, OPTIONS(1, 1, 1, 1));
	struct mesh *mesh = *state;

	tasks(mesh, WEB, false);
	mesh_run(mesh, FROM_WIRE, &syn);
	mesh->gso_size = TCP_ROOM - 4;
	is_sent(mesh, &frame);
	mesh->gso_size = TCP_ROOM - 3;
	is_told(mesh, FROM_WIRE, &frame);
}

static void what_stays_on_this_node_may_be_bigger(void **state)
{
	struct frame frame =
		udp4(CLIENT, DNS_AT, .payload = bytes(UDP_ROOM + 1), .dont_fragment = true);
	struct outcome outcome;

	tasks(*state, DNS, true);
	outcome = mesh_run(*state, FROM_WIRE, &frame);
	assert_int_equal(outcome.record.way, WAY_PEER);
	expect_no_verdict(*state);
}

static void note(struct mesh *mesh, enum skep_return_mode mode)
{
	struct skep_return value = {
		.frontend = addr_of(NODE_2),
		.ingress = addr_of(NODE_2),
		.frontend_port = htons(5353),
		.client_port = htons(port_of(CLIENT)),
		.mode = (uint8_t)mode,
	};

	mesh_return_set(mesh, TASK ":53", CLIENT, IPPROTO_UDP, &value);
}

static void a_task_is_told_of_a_reply_too_big_for_the_tunnel(void **state)
{
	struct frame frame = udp4(TASK ":53", CLIENT, .payload = bytes(UDP_ROOM + 1),
				  .dont_fragment = true, .mac_from = TASK_MAC);

	note(*state, SKEP_RETURN_TUNNEL);
	is_told(*state, FROM_TASK, &frame);
}

static void also_of_one_to_another_nodes_host(void **state)
{
	struct frame frame = udp4(TASK ":53", CLIENT, .payload = bytes(UDP_ROOM + 1),
				  .dont_fragment = true, .mac_from = TASK_MAC);

	note(*state, SKEP_RETURN_HOST_TUNNEL);
	is_told(*state, FROM_TASK, &frame);
}

static void a_reply_that_leaves_here_may_be_bigger(void **state)
{
	struct frame frame = udp4(TASK ":53", CLIENT, .payload = bytes(UDP_ROOM + 1),
				  .dont_fragment = true, .mac_from = TASK_MAC);
	struct outcome outcome;

	note(*state, SKEP_RETURN_LOCAL);
	outcome = mesh_run(*state, FROM_TASK, &frame);
	assert_int_equal(outcome.record.way, WAY_NEIGHBOUR);
	expect_no_verdict(*state);
}

static void what_cannot_be_answered_is_dropped(void **state)
{
	struct frame frame =
		udp4(CLIENT, DNS_AT, .payload = bytes(UDP_ROOM + 1), .dont_fragment = true);
	struct mesh *mesh = *state;
	struct outcome outcome;

	tasks(mesh, DNS, false);
	mesh->stimulus->failure = FAIL_TAIL;
	outcome = mesh_run(mesh, FROM_WIRE, &frame);
	expect_dropped(&outcome);
	expect_verdict(mesh, SKEP_DROP_ERROR);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(a_udp_packet_one_byte_too_big_is_answered),
		cmocka_unit_test(the_largest_that_fits_is_sent),
		cmocka_unit_test(what_may_be_cut_is_sent_however_big),
		cmocka_unit_test(a_tcp_packet_too_big_is_answered_with_its_header_quoted),
		cmocka_unit_test(a_gso_packet_is_judged_by_what_it_will_be_cut_to),
		cmocka_unit_test(what_stays_on_this_node_may_be_bigger),
		cmocka_unit_test(a_task_is_told_of_a_reply_too_big_for_the_tunnel),
		cmocka_unit_test(also_of_one_to_another_nodes_host),
		cmocka_unit_test(a_reply_that_leaves_here_may_be_bigger),
		cmocka_unit_test(what_cannot_be_answered_is_dropped),
	};

	return forms_run_tests("too_big", tests, sizeof(tests) / sizeof(tests[0]), FORM_ANY);
}
