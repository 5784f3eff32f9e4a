/* SPDX-License-Identifier: GPL-2.0-only */
/* What is not skep's goes on to the stack as it came. */
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "expect.h"
#include "forms.h"

/* In each test the frontend has a task, so that whatever is taken for the service's would be seen.
 */
static void give_tasks(struct mesh *mesh)
{
	mesh_task(mesh, WEB, "10.0.0.11", HERE, 101);
	mesh_ring(mesh, WEB, 0, RING("10.0.0.11"));
	mesh_task(mesh, DNS, "10.0.0.12", HERE, 102);
	mesh_ring(mesh, DNS, 0, RING("10.0.0.12"));
}

static void passes_from(struct mesh *mesh, enum program program, const struct frame *frame,
			enum skep_verdict verdict)
{
	struct outcome outcome;

	give_tasks(mesh);
	outcome = mesh_run(mesh, program, frame);
	expect_passed(&outcome, frame);
	expect_verdict(mesh, verdict);
}

static void passes(struct mesh *mesh, const struct frame *frame, enum skep_verdict verdict)
{
	passes_from(mesh, FROM_WIRE, frame, verdict);
}

static void arp_passes(void **state)
{
	static const uint8_t request[28] = {0, 1, 8, 0, 6, 4, 0, 1};
	struct frame frame = ethernet_frame(ETH_P_ARP, request, sizeof(request));

	passes(*state, &frame, SKEP_PASS_NOT_IPV4);
}

static void ipv6_passes(void **state)
{
	static const uint8_t packet[60] = {0x60, 0, 0, 0, 0, 20, IPPROTO_TCP, 64};
	struct frame frame = ethernet_frame(ETH_P_IPV6, packet, sizeof(packet));

	passes(*state, &frame, SKEP_PASS_NOT_IPV4);
}

static void ipv4_of_another_version_passes(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN);

	frame.data[IPV4_HDR] = 0x65;
	passes(*state, &frame, SKEP_PASS_NOT_IPV4);
}

static void a_vlan_tag_in_the_frame_passes(void **state)
{
	struct frame inner = tcp4(CLIENT, WEB_AT, SYN);
	uint8_t tagged[FRAME_SIZE] = {0, 42, 8, 0};
	struct frame frame;

	memcpy(tagged + 4, inner.data + IPV4_HDR, inner.length - IPV4_HDR);
	frame = ethernet_frame(ETH_P_8021Q, tagged, inner.length - IPV4_HDR + 4);
	passes(*state, &frame, SKEP_PASS_NOT_IPV4);
}

static void ip_options_pass(void **state)
{
	static const uint8_t nops[4] = {1, 1, 1, 1};
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN);

	memmove(frame.data + L4_HDR + 4, frame.data + L4_HDR, frame.length - L4_HDR);
	memcpy(frame.data + L4_HDR, nops, sizeof(nops));
	frame.length += sizeof(nops);
	frame.data[IPV4_HDR] = 0x46;
	frame_set_u16(&frame, IPV4_HDR + 2, (uint16_t)(frame.length - IPV4_HDR));
	passes(*state, &frame, SKEP_PASS_IP_OPTIONS);
}

static void an_ip_header_shorter_than_20_bytes_passes(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN);

	frame.data[IPV4_HDR] = 0x44;
	passes(*state, &frame, SKEP_PASS_MALFORMED);
}

static void fragment(struct mesh *mesh, uint16_t field)
{
	struct frame frame = udp4(CLIENT, DNS_AT, .payload = "a fragment");

	frame_set_u16(&frame, IPV4_HDR + 6, field);
	frame_fix_ip_checksum(&frame);
	passes(mesh, &frame, SKEP_PASS_FRAGMENT);
}

static void a_later_fragment_without_its_first_passes(void **state)
{
	fragment(*state, 0x2000 | 1);
}

static void the_last_fragment_without_its_first_passes(void **state)
{
	fragment(*state, 0x1fff);
}

static void dont_fragment_is_no_fragment(void **state)
{
	struct mesh *mesh = *state;
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN),
		     expected = tcp4(CLIENT, "10.0.0.11:80", SYN, .ttl = 63);
	struct outcome outcome;

	give_tasks(mesh);
	frame_set_u16(&frame, IPV4_HDR + 6, 0x4000);
	frame_fix_ip_checksum(&frame);
	frame_set_u16(&expected, IPV4_HDR + 6, 0x4000);
	frame_fix_ip_checksum(&expected);
	outcome = mesh_run(mesh, FROM_WIRE, &frame);
	expect_delivered(&outcome, 101, &expected);
}

static void other_protocols_pass(void **state)
{
	static const uint8_t protocols[] = {IPPROTO_ICMP, IPPROTO_SCTP, IPPROTO_GRE, IPPROTO_ESP};
	struct mesh *mesh = *state;

	give_tasks(mesh);
	for (size_t i = 0; i < sizeof(protocols); i++) {
		struct frame frame = tcp4(CLIENT, WEB_AT, SYN);
		struct outcome outcome;

		frame.data[IPV4_HDR + 9] = protocols[i];
		outcome = mesh_run(mesh, FROM_WIRE, &frame);
		expect_passed(&outcome, &frame);
	}
	assert_int_equal(mesh_verdict(mesh, SKEP_PASS_PROTOCOL), sizeof(protocols));
}

static void a_frame_cut_in_its_layer_4_header_passes(void **state)
{
	struct mesh *mesh = *state;
	struct frame tcp = tcp4(CLIENT, WEB_AT, SYN), udp = udp4(CLIENT, DNS_AT);
	unsigned int runs = 0;

	give_tasks(mesh);
	/* The kernel's test runs take no IPv4 frame without a whole IPv4 header. */
	for (size_t length = L4_HDR; length < tcp.length; length++, runs++) {
		struct frame cut = frame_cut(tcp, length);
		struct outcome outcome = mesh_run(mesh, FROM_WIRE, &cut);

		expect_passed(&outcome, &cut);
	}
	for (size_t length = L4_HDR; length < udp.length; length++, runs++) {
		struct frame cut = frame_cut(udp, length);
		struct outcome outcome = mesh_run(mesh, FROM_WIRE, &cut);

		expect_passed(&outcome, &cut);
	}
	expect_verdicts_at(mesh, SKEP_PASS_MALFORMED, runs, __FILE__, __LINE__);
}

static void a_tcp_header_shorter_than_20_bytes_passes(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN);

	frame.data[L4_HDR + 12] = 0x40;
	passes(*state, &frame, SKEP_PASS_MALFORMED);
}

static void a_tcp_header_longer_than_the_packet_passes(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN);

	frame.data[L4_HDR + 12] = 0xf0;
	passes(*state, &frame, SKEP_PASS_MALFORMED);
}

static void another_port_passes(void **state)
{
	struct frame frame = tcp4(CLIENT, "10.1.0.1:8081", SYN);

	passes(*state, &frame, SKEP_PASS_NO_FRONTEND);
}

static void another_address_passes(void **state)
{
	struct frame frame = tcp4(CLIENT, "10.1.0.77:8080", SYN);

	passes(*state, &frame, SKEP_PASS_NO_FRONTEND);
}

static void the_same_port_of_the_other_protocol_passes(void **state)
{
	struct frame frame = udp4(CLIENT, WEB_AT);

	passes(*state, &frame, SKEP_PASS_NO_FRONTEND);
}

static void the_middle_of_an_unknown_connection_passes(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, ACK | PSH, .payload = "GET /");

	passes(*state, &frame, SKEP_PASS_NO_FLOW);
}

static void an_unknown_syn_ack_passes(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN | ACK);

	passes(*state, &frame, SKEP_PASS_NO_FLOW);
}

static void an_unknown_rst_passes(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, RST);

	passes(*state, &frame, SKEP_PASS_NO_FLOW);
}

static void frames_for_other_hosts_pass_uncounted(void **state)
{
	static const char *const macs[] = {"02:00:00:00:00:99", "ff:ff:ff:ff:ff:ff",
					   "01:00:5e:00:00:01"};
	struct mesh *mesh = *state;

	give_tasks(mesh);
	for (size_t i = 0; i < 3; i++) {
		struct frame frame = tcp4(CLIENT, WEB_AT, SYN, .mac_to = macs[i]);
		struct outcome outcome = mesh_run(mesh, FROM_WIRE, &frame);

		expect_passed(&outcome, &frame);
	}
	expect_no_verdict(mesh);
}

static void a_tasks_own_traffic_passes(void **state)
{
	struct frame frame = tcp4("10.0.0.11:35000", "192.0.2.100:443", SYN);

	passes_from(*state, FROM_TASK, &frame, SKEP_PASS_NOT_FROM_TASK);
}

static void a_tasks_arp_passes(void **state)
{
	static const uint8_t request[28] = {0, 1, 8, 0, 6, 4, 0, 1};
	struct frame frame = ethernet_frame(ETH_P_ARP, request, sizeof(request));

	passes_from(*state, FROM_TASK, &frame, SKEP_PASS_NOT_IPV4);
}

static void what_the_host_sends_to_a_task_by_icmp_passes(void **state)
{
	struct frame frame = tcp4("10.1.0.1:1", "10.0.0.11:1", 0, .mac_from = MESH_MAC);

	frame.data[IPV4_HDR + 9] = IPPROTO_ICMP;
	passes_from(*state, TO_MESH, &frame, SKEP_PASS_PROTOCOL);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(arp_passes),
		cmocka_unit_test(ipv6_passes),
		cmocka_unit_test(ipv4_of_another_version_passes),
		cmocka_unit_test(a_vlan_tag_in_the_frame_passes),
		cmocka_unit_test(ip_options_pass),
		cmocka_unit_test(an_ip_header_shorter_than_20_bytes_passes),
		cmocka_unit_test(a_later_fragment_without_its_first_passes),
		cmocka_unit_test(the_last_fragment_without_its_first_passes),
		cmocka_unit_test(dont_fragment_is_no_fragment),
		cmocka_unit_test(other_protocols_pass),
		cmocka_unit_test(a_frame_cut_in_its_layer_4_header_passes),
		cmocka_unit_test(a_tcp_header_shorter_than_20_bytes_passes),
		cmocka_unit_test(a_tcp_header_longer_than_the_packet_passes),
		cmocka_unit_test(another_port_passes),
		cmocka_unit_test(another_address_passes),
		cmocka_unit_test(the_same_port_of_the_other_protocol_passes),
		cmocka_unit_test(the_middle_of_an_unknown_connection_passes),
		cmocka_unit_test(an_unknown_syn_ack_passes),
		cmocka_unit_test(an_unknown_rst_passes),
		cmocka_unit_test(frames_for_other_hosts_pass_uncounted),
		cmocka_unit_test(a_tasks_own_traffic_passes),
		cmocka_unit_test(a_tasks_arp_passes),
		cmocka_unit_test(what_the_host_sends_to_a_task_by_icmp_passes),
	};

	return forms_run_tests("pass", tests, sizeof(tests) / sizeof(tests[0]), FORM_ANY);
}
