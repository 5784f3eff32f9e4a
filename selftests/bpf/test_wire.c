/* SPDX-License-Identifier: GPL-2.0-only */
/* A client's packet, rewritten for a task of this node, or forwarded to another node. */
#include <netinet/in.h>
#include <string.h>

#include "expect.h"
#include "forms.h"

#define TASK	 "10.0.0.11"
#define TASK_WEB TASK ":80"
#define TASK_DNS TASK ":53"
#define AT_TASK	 101
#define AWAY	 "10.0.0.21"
#define AWAY_MAC "02:42:0a:00:00:15"

static void give_local_task(struct mesh *mesh, uint32_t service)
{
	mesh_task(mesh, service, TASK, HERE, AT_TASK);
	mesh_ring(mesh, service, 0, RING(TASK));
}

static void give_remote_task(struct mesh *mesh, uint32_t service)
{
	mesh_task(mesh, service, AWAY, NODE_2, 0);
	mesh_ring(mesh, service, 0, RING(AWAY));
}

static void delivers(struct mesh *mesh, const struct frame *frame, const struct frame *expected)
{
	struct outcome outcome = mesh_run(mesh, FROM_WIRE, frame);

	expect_delivered(&outcome, AT_TASK, expected);
	expect_no_verdict(mesh);
}

static void a_tcp_packet_reaches_a_local_task(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN, .seq = 1000, OPTIONS(2, 4, 5, 180));
	struct frame syn_there =
		tcp4(CLIENT, TASK_WEB, SYN, .seq = 1000, .ttl = 63, OPTIONS(2, 4, 5, 180));
	struct frame data = tcp4(CLIENT, WEB_AT, ACK | PSH, .seq = 1001, .ack = 77,
				 .payload = "GET / HTTP/1.1");
	struct frame data_there = tcp4(CLIENT, TASK_WEB, ACK | PSH, .seq = 1001, .ack = 77,
				       .ttl = 63, .payload = "GET / HTTP/1.1");
	struct mesh *mesh = *state;

	give_local_task(mesh, WEB);
	delivers(mesh, &syn, &syn_there);
	delivers(mesh, &data, &data_there);
}

static void a_udp_packet_reaches_a_local_task(void **state)
{
	struct frame frame = udp4(CLIENT, DNS_AT, .payload = "question");
	struct frame expected = udp4(CLIENT, TASK_DNS, .payload = "question", .ttl = 63);
	struct mesh *mesh = *state;

	give_local_task(mesh, DNS);
	delivers(mesh, &frame, &expected);
}

static void a_payload_of_odd_length_is_no_matter(void **state)
{
	struct frame frame = udp4(CLIENT, DNS_AT, .payload = "odd");
	struct frame expected = udp4(CLIENT, TASK_DNS, .payload = "odd", .ttl = 63);
	struct mesh *mesh = *state;

	give_local_task(mesh, DNS);
	delivers(mesh, &frame, &expected);
}

static void a_target_port_like_the_published_one_is_no_matter(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN);
	struct frame expected = tcp4(CLIENT, TASK ":8080", SYN, .ttl = 63);
	struct mesh *mesh = *state;

	give_local_task(mesh, WEB);
	mesh_frontend(mesh, WEB_AT, IPPROTO_TCP, WEB, 8080);
	delivers(mesh, &frame, &expected);
}

static void udp_without_a_checksum_keeps_having_none(void **state)
{
	struct frame frame = udp4(CLIENT, DNS_AT, .payload = "question", .without_checksum = true);
	struct frame expected =
		udp4(CLIENT, TASK_DNS, .payload = "question", .ttl = 63, .without_checksum = true);
	struct mesh *mesh = *state;

	give_local_task(mesh, DNS);
	delivers(mesh, &frame, &expected);
}

/* A checksum that comes to 0 is written as 0xffff, as 0 means none (RFC 768). */
static void a_udp_checksum_never_becomes_none(void **state)
{
	struct mesh *mesh = *state;
	unsigned int seen = 0;

	give_local_task(mesh, DNS);
	for (int i = 0; i < 65536 && !seen; i++) {
		char payload[] = {'!', '?', (char)(i >> 8), (char)i, 0};
		struct frame expected = udp4(CLIENT, TASK_DNS, .payload = payload, .ttl = 63);

		if (frame_u16(&expected, L4_HDR + 6) == 0xffff) {
			struct frame frame = udp4(CLIENT, DNS_AT, .payload = payload);

			delivers(mesh, &frame, &expected);
			seen++;
		}
	}
	assert_int_equal(seen, 1);
}

static void ip_checksums_hold_for_every_ttl(void **state)
{
	struct mesh *mesh = *state;

	give_local_task(mesh, DNS);
	for (int ttl = 2; ttl < 256; ttl++) {
		struct frame frame = udp4(CLIENT, DNS_AT, .ttl = (uint8_t)ttl);
		struct frame expected = udp4(CLIENT, TASK_DNS, .ttl = (uint8_t)(ttl - 1));

		delivers(mesh, &frame, &expected);
	}
}

static void the_sum_of_a_whole_packet_stays_right(void **state)
{
	struct frame tcp = tcp4(CLIENT, WEB_AT, SYN),
		     udp = udp4(CLIENT, DNS_AT, .payload = "question");
	struct mesh *mesh = *state;
	struct outcome outcome;

	give_local_task(mesh, WEB);
	mesh_task(mesh, DNS, "10.0.0.12", HERE, 102);
	mesh_ring(mesh, DNS, 0, RING("10.0.0.12"));
	mesh->run_flags = CHECKSUM_COMPLETE; /* the run itself fails if it is not */
	outcome = mesh_run(mesh, FROM_WIRE, &tcp);
	assert_int_equal(outcome.record.ifindex, AT_TASK);
	outcome = mesh_run(mesh, FROM_WIRE, &udp);
	assert_int_equal(outcome.record.ifindex, 102);
}

static void the_way_back_is_noted(void **state)
{
	struct skep_addr frontend = addr_of("10.1.0.1"), here = addr_of(HERE);
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN);
	struct mesh *mesh = *state;
	struct skep_return value;

	give_local_task(mesh, WEB);
	mesh_run(mesh, FROM_WIRE, &frame);
	assert_true(mesh_return(mesh, TASK_WEB, CLIENT, IPPROTO_TCP, &value));
	assert_memory_equal(&value.frontend, &frontend, sizeof(frontend));
	assert_memory_equal(&value.ingress, &here, sizeof(here));
	assert_int_equal(ntohs(value.frontend_port), 8080);
	assert_int_equal(value.mode, SKEP_RETURN_LOCAL);
	assert_true(value.last_seen_ns > 0);
}

static void a_packet_without_a_hop_left_is_dropped(void **state)
{
	static const uint8_t ttls[] = {1, 0};
	struct mesh *mesh = *state;
	struct outcome outcome;

	give_local_task(mesh, WEB);
	for (int i = 0; i < 2; i++) {
		struct frame frame = tcp4(CLIENT, WEB_AT, SYN);

		frame.data[IPV4_HDR + 8] = ttls[i];
		frame_fix_ip_checksum(&frame);
		outcome = mesh_run(mesh, FROM_WIRE, &frame);
		expect_dropped(&outcome);
	}
	assert_int_equal(mesh_verdict(mesh, SKEP_DROP_TTL), 2);
}

static void so_is_one_for_another_node(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN, .ttl = 1);
	struct mesh *mesh = *state;
	struct outcome outcome;

	give_remote_task(mesh, WEB);
	outcome = mesh_run(mesh, FROM_WIRE, &frame);
	expect_dropped(&outcome);
	expect_verdict(mesh, SKEP_DROP_TTL);
}

static void a_tcp_packet_for_a_remote_task_goes_to_its_node(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN);
	struct frame expected =
		tcp4(CLIENT, WEB_AT, SYN, .ttl = 63, .mac_from = HERE_MAC, .mac_to = AWAY_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome;

	give_remote_task(mesh, WEB);
	outcome = mesh_run(mesh, FROM_WIRE, &frame);
	expect_tunnelled(mesh, &outcome, NODE_2, SKEP_VNI(SKEP_FRAME_FORWARD, 80), &expected);
	expect_no_verdict(mesh);
}

static void a_udp_packet_for_a_remote_task_goes_to_its_node(void **state)
{
	struct frame frame = udp4(CLIENT, DNS_AT, .payload = "question");
	struct frame expected = udp4(CLIENT, DNS_AT, .payload = "question", .ttl = 63,
				     .mac_from = HERE_MAC, .mac_to = AWAY_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome;

	give_remote_task(mesh, DNS);
	outcome = mesh_run(mesh, FROM_WIRE, &frame);
	expect_tunnelled(mesh, &outcome, NODE_2, SKEP_VNI(SKEP_FRAME_FORWARD, 53), &expected);
}

static void no_way_back_is_noted_for_a_remote_task(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN);
	struct mesh *mesh = *state;
	struct skep_return value;

	give_remote_task(mesh, WEB);
	mesh_run(mesh, FROM_WIRE, &frame);
	assert_false(mesh_return(mesh, AWAY ":80", CLIENT, IPPROTO_TCP, &value));
}

static void the_highest_target_port_fits_the_vni(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN);
	struct frame expected =
		tcp4(CLIENT, WEB_AT, SYN, .ttl = 63, .mac_from = HERE_MAC, .mac_to = AWAY_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome;

	give_remote_task(mesh, WEB);
	mesh_frontend(mesh, WEB_AT, IPPROTO_TCP, WEB, 65535);
	outcome = mesh_run(mesh, FROM_WIRE, &frame);
	expect_tunnelled(mesh, &outcome, NODE_2, 0x01ffff, &expected);
}

static void a_forwarded_packet_keeps_the_sum_of_the_whole_right(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN, OPTIONS(1, 1, 1, 2, 4, 5, 180, 0));
	struct mesh *mesh = *state;
	struct outcome outcome;

	give_remote_task(mesh, WEB);
	mesh->run_flags = CHECKSUM_COMPLETE;
	outcome = mesh_run(mesh, FROM_WIRE, &frame);
	assert_int_equal(outcome.record.way, WAY_REDIRECT);
}

static void forwarding_is_counted(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN);
	struct mesh *mesh = *state;
	struct skep_counter counter;

	give_remote_task(mesh, WEB);
	mesh_run(mesh, FROM_WIRE, &frame);
	counter = mesh_task_counter(mesh, AWAY);
	assert_int_equal(counter.packets, 1);
	assert_int_equal(counter.bytes, 40);
	assert_int_equal(counter.new_flows, 1);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tcp_packet_reaches_a_local_task),
		cmocka_unit_test(a_udp_packet_reaches_a_local_task),
		cmocka_unit_test(a_payload_of_odd_length_is_no_matter),
		cmocka_unit_test(a_target_port_like_the_published_one_is_no_matter),
		cmocka_unit_test(udp_without_a_checksum_keeps_having_none),
		cmocka_unit_test(a_udp_checksum_never_becomes_none),
		cmocka_unit_test(ip_checksums_hold_for_every_ttl),
		cmocka_unit_test(the_sum_of_a_whole_packet_stays_right),
		cmocka_unit_test(the_way_back_is_noted),
		cmocka_unit_test(a_packet_without_a_hop_left_is_dropped),
		cmocka_unit_test(so_is_one_for_another_node),
		cmocka_unit_test(a_tcp_packet_for_a_remote_task_goes_to_its_node),
		cmocka_unit_test(a_udp_packet_for_a_remote_task_goes_to_its_node),
		cmocka_unit_test(no_way_back_is_noted_for_a_remote_task),
		cmocka_unit_test(the_highest_target_port_fits_the_vni),
		cmocka_unit_test(a_forwarded_packet_keeps_the_sum_of_the_whole_right),
		cmocka_unit_test(forwarding_is_counted),
	};

	return forms_run_tests("wire", tests, sizeof(tests) / sizeof(tests[0]), FORM_ANY);
}
