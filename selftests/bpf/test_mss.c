/* SPDX-License-Identifier: GPL-2.0-only */
/* The MSS option is lowered to what fits the tunnel: 1450 - 40 = 1410 = 0x0582. */
#include <netinet/in.h>
#include <string.h>

#include "xdp.h"

#define LOCAL	 "10.0.0.11"
#define AWAY	 "10.0.0.21"
#define AWAY_MAC "02:42:0a:00:00:15"

#define MSS_LIMIT 0x05, 0x82
#define MSS_1411  0x05, 0x83
#define MSS_1460  0x05, 0xb4

/* Forwarded to a remote task with the options `after`, by tc and by XDP. */
#define CLAMPS(flags, after, ...)                                                                  \
	do {                                                                                       \
		struct frame frame = tcp4(CLIENT, WEB_AT, flags, OPTIONS(__VA_ARGS__));            \
		struct frame expected = tcp4(CLIENT, WEB_AT, flags, .ttl = 63,                     \
					     .mac_from = HERE_MAC, .mac_to = AWAY_MAC, after);     \
                                                                                                   \
		forwards(*state, &frame, &expected);                                               \
	} while (0)

static void forwards(struct mesh *mesh, const struct frame *frame, const struct frame *expected)
{
	struct xdp_outcome framed;
	struct outcome outcome;
	struct frame whole;

	xdp_links(mesh);
	mesh_task(mesh, WEB, AWAY, NODE_2, 0);
	mesh_ring(mesh, WEB, 0, RING(AWAY));
	outcome = mesh_run(mesh, FROM_WIRE, frame);
	expect_tunnelled(mesh, &outcome, NODE_2, SKEP_VNI(SKEP_FRAME_FORWARD, 80), expected);
	framed = xdp_run(mesh, frame);
	assert_int_equal(framed.result, XDP_TX);
	whole = xdp_framed(expected, (struct outer_recipe){.mac_from = WIRE_MAC,
							   .mac_to = NODE_2_AT_WIRE,
							   .from = HERE,
							   .to = NODE_2,
							   .vni = SKEP_VNI(SKEP_FRAME_FORWARD, 80),
							   .like = &framed.frame});
	expect_frame(&whole, &framed.frame);
}

static void as_first_option(void **state)
{
	CLAMPS(SYN, OPTIONS(2, 4, MSS_LIMIT), 2, 4, MSS_1460);
}

static void one_byte_too_large(void **state)
{
	CLAMPS(SYN, OPTIONS(2, 4, MSS_LIMIT), 2, 4, MSS_1411);
}

static void the_largest(void **state)
{
	CLAMPS(SYN, OPTIONS(2, 4, MSS_LIMIT), 2, 4, 0xff, 0xff);
}

static void exactly_the_limit_is_kept(void **state)
{
	CLAMPS(SYN, OPTIONS(2, 4, MSS_LIMIT), 2, 4, MSS_LIMIT);
}

static void a_smaller_one_is_kept(void **state)
{
	CLAMPS(SYN, OPTIONS(2, 4, 2, 24), 2, 4, 2, 24);
}

static void zero_is_kept(void **state)
{
	CLAMPS(SYN, OPTIONS(2, 4, 0, 0), 2, 4, 0, 0);
}

static void after_four_nops(void **state)
{
	CLAMPS(SYN, OPTIONS(1, 1, 1, 1, 2, 4, MSS_LIMIT), 1, 1, 1, 1, 2, 4, MSS_1460);
}

static void at_an_odd_offset(void **state)
{
	CLAMPS(SYN, OPTIONS(1, 2, 4, MSS_LIMIT, 0, 0, 0), 1, 2, 4, MSS_1460, 0, 0, 0);
}

static void at_an_offset_of_three(void **state)
{
	CLAMPS(SYN, OPTIONS(1, 1, 1, 2, 4, MSS_LIMIT, 1), 1, 1, 1, 2, 4, MSS_1460, 1);
}

static void after_all_that_linux_sends(void **state)
{
	/* SACK permitted, time stamps, NOP, window scale */
	CLAMPS(SYN, OPTIONS(4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 7, 2, 4, MSS_LIMIT), 4, 2,
	       8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 7, 2, 4, MSS_1460);
}

static void as_the_last_of_forty_bytes(void **state)
{
	CLAMPS(SYN,
	       OPTIONS(30, 18, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 30, 18, 1, 2,
		       3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 2, 4, MSS_LIMIT),
	       30, 18, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 30, 18, 1, 2, 3, 4, 5,
	       6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 2, 4, MSS_1460);
}

static void a_syn_without_options_is_kept(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN);
	struct frame expected =
		tcp4(CLIENT, WEB_AT, SYN, .ttl = 63, .mac_from = HERE_MAC, .mac_to = AWAY_MAC);

	forwards(*state, &frame, &expected);
}

static void a_syn_without_mss_is_kept(void **state)
{
	CLAMPS(SYN, OPTIONS(4, 2, 1, 1), 4, 2, 1, 1);
}

static void nothing_is_read_after_the_end_of_options(void **state)
{
	CLAMPS(SYN, OPTIONS(0, 2, 4, MSS_1460, 0, 0, 0), 0, 2, 4, MSS_1460, 0, 0, 0);
}

static void an_mss_option_of_another_length_is_kept(void **state)
{
	CLAMPS(SYN, OPTIONS(2, 6, MSS_1460, 0xff, 0xff, 0, 0), 2, 6, MSS_1460, 0xff, 0xff, 0, 0);
}

static void an_option_of_length_zero_ends_the_search(void **state)
{
	CLAMPS(SYN, OPTIONS(8, 0, 2, 4, MSS_1460, 0, 0), 8, 0, 2, 4, MSS_1460, 0, 0);
}

static void an_option_of_length_one_ends_the_search(void **state)
{
	CLAMPS(SYN, OPTIONS(8, 1, 2, 4, MSS_1460, 0, 0), 8, 1, 2, 4, MSS_1460, 0, 0);
}

static void an_option_longer_than_the_header_ends_the_search(void **state)
{
	CLAMPS(SYN, OPTIONS(8, 255, 2, 4, MSS_1460, 0, 0), 8, 255, 2, 4, MSS_1460, 0, 0);
}

static void an_mss_cut_off_by_the_header_is_kept(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN, OPTIONS(1, 1, 2, 4), .payload = "\xff\xff");
	struct frame expected =
		tcp4(CLIENT, WEB_AT, SYN, .ttl = 63, .mac_from = HERE_MAC, .mac_to = AWAY_MAC,
		     OPTIONS(1, 1, 2, 4), .payload = "\xff\xff");

	forwards(*state, &frame, &expected);
}

static void no_other_packet_is_touched(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN);
	struct mesh *mesh = *state;

	mesh_task(mesh, WEB, AWAY, NODE_2, 0);
	mesh_ring(mesh, WEB, 0, RING(AWAY));
	mesh_run(mesh, FROM_WIRE, &syn);
	CLAMPS(ACK, OPTIONS(2, 4, MSS_1460), 2, 4, MSS_1460);
}

static void a_local_task_may_get_all_that_the_wire_carries(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN, OPTIONS(2, 4, MSS_1460));
	struct frame expected = tcp4(CLIENT, LOCAL ":80", SYN, .ttl = 63, OPTIONS(2, 4, MSS_1460));
	struct mesh *mesh = *state;
	struct outcome outcome;

	mesh_task(mesh, WEB, LOCAL, HERE, 101);
	mesh_ring(mesh, WEB, 0, RING(LOCAL));
	outcome = mesh_run(mesh, FROM_WIRE, &frame);
	expect_delivered(&outcome, 101, &expected);
}

static void answer_of_mode(struct mesh *mesh, enum skep_return_mode mode, uint8_t mss_high,
			   uint8_t mss_low)
{
	struct skep_return value = {
		.frontend = addr_of("10.1.0.2"),
		.ingress = addr_of(NODE_2),
		.frontend_port = htons(8080),
		.client_port = htons(port_of(CLIENT)),
		.mode = (uint8_t)mode,
	};
	struct frame frame = tcp4(LOCAL ":80", CLIENT, SYN | ACK, OPTIONS(2, 4, MSS_1460));
	struct frame expected = tcp4("10.1.0.2:8080", CLIENT, SYN | ACK, .ttl = 63,
				     OPTIONS(2, 4, mss_high, mss_low));
	struct outcome outcome;

	mesh_return_set(mesh, LOCAL ":80", CLIENT, IPPROTO_TCP, &value);
	outcome = mesh_run(mesh, FROM_TASK, &frame);
	if (mode == SKEP_RETURN_TUNNEL)
		expected = frame_between(expected, "02:42:0a:00:00:0b", NODE_2_MAC);
	expect_frame(&expected, &outcome.frame);
}

static void of_a_syn_ack_that_goes_back_by_the_tunnel(void **state)
{
	answer_of_mode(*state, SKEP_RETURN_TUNNEL, MSS_LIMIT);
}

static void but_not_of_one_that_leaves_here(void **state)
{
	answer_of_mode(*state, SKEP_RETURN_LOCAL, MSS_1460);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(as_first_option),
		cmocka_unit_test(one_byte_too_large),
		cmocka_unit_test(the_largest),
		cmocka_unit_test(exactly_the_limit_is_kept),
		cmocka_unit_test(a_smaller_one_is_kept),
		cmocka_unit_test(zero_is_kept),
		cmocka_unit_test(after_four_nops),
		cmocka_unit_test(at_an_odd_offset),
		cmocka_unit_test(at_an_offset_of_three),
		cmocka_unit_test(after_all_that_linux_sends),
		cmocka_unit_test(as_the_last_of_forty_bytes),
		cmocka_unit_test(a_syn_without_options_is_kept),
		cmocka_unit_test(a_syn_without_mss_is_kept),
		cmocka_unit_test(nothing_is_read_after_the_end_of_options),
		cmocka_unit_test(an_mss_option_of_another_length_is_kept),
		cmocka_unit_test(an_option_of_length_zero_ends_the_search),
		cmocka_unit_test(an_option_of_length_one_ends_the_search),
		cmocka_unit_test(an_option_longer_than_the_header_ends_the_search),
		cmocka_unit_test(an_mss_cut_off_by_the_header_is_kept),
		cmocka_unit_test(no_other_packet_is_touched),
		cmocka_unit_test(a_local_task_may_get_all_that_the_wire_carries),
		cmocka_unit_test(of_a_syn_ack_that_goes_back_by_the_tunnel),
		cmocka_unit_test(but_not_of_one_that_leaves_here),
	};

	return mesh_run_tests("mss", tests, sizeof(tests) / sizeof(tests[0]));
}
