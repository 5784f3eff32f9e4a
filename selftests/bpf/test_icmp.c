/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ICMP errors about a flow's packets. What is quoted is a whole packet built for each end: so its
 * checksums and the message's are compared with ones computed from scratch.
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

#define ROUTER	  "192.0.2.254:0"
#define TO_HERE	  HERE ":0"
#define TO_TASK	  TASK ":0"
#define MTU_1400  .icmp_type = 3, .icmp_code = 4, .mtu = 1400
#define UDP_QUOTE 28
#define TCP_QUOTE 40

#define FORWARD SKEP_VNI(SKEP_FRAME_FORWARD, 53)
#define RETURN	SKEP_VNI(SKEP_FRAME_RETURN, 0)

/* A reply of skep's as a router saw it. */
#define SEEN .payload = "an answer", .ttl = 60

static void flow(struct mesh *mesh, uint8_t protocol, const char *task, const char *source_port)
{
	bool here = task[7] == '1';
	uint32_t service = protocol == IPPROTO_UDP ? DNS : WEB;
	struct skep_flow value = {
		.task = addr_of(task),
		.service_id = service,
		.target_port = htons(protocol == IPPROTO_UDP ? 53 : 80),
		.source_port = source_port ? htons(port_of(source_port)) : 0,
		.state = SKEP_FLOW_ESTABLISHED,
	};

	mesh_task(mesh, service, task, here ? HERE : NODE_2, here ? AT_TASK : 0);
	mesh_flow_set(mesh, CLIENT, protocol == IPPROTO_UDP ? DNS_AT : WEB_AT, protocol, &value);
}

static void note(struct mesh *mesh, const char *seen_client, enum skep_return_mode mode)
{
	struct skep_return value = {
		.frontend = addr_of(HERE),
		.ingress = addr_of(mode == SKEP_RETURN_TUNNEL ? NODE_2 : HERE),
		.frontend_port = htons(5353),
		.client_port = htons(port_of(CLIENT)),
		.mode = (uint8_t)mode,
	};

	mesh_return_set(mesh, TASK ":53", seen_client, IPPROTO_UDP, &value);
}

static void reaches_task(struct mesh *mesh, const struct frame *error, const struct frame *expected)
{
	struct outcome outcome = mesh_run(mesh, FROM_WIRE, error);

	expect_delivered(&outcome, AT_TASK, expected);
	expect_verdict(mesh, SKEP_ICMP_ERROR);
}

static void is_left(struct mesh *mesh, const struct frame *frame, enum skep_verdict verdict)
{
	struct outcome outcome = mesh_run(mesh, FROM_WIRE, frame);

	expect_passed(&outcome, frame);
	expect_verdict(mesh, verdict);
}

static void an_error_about_a_udp_reply_reaches_its_task(void **state)
{
	struct frame sent = udp4(DNS_AT, CLIENT, SEEN), own = udp4(TASK ":53", CLIENT, SEEN);
	struct frame error = icmp4(ROUTER, TO_HERE, &sent, UDP_QUOTE, MTU_1400);
	struct frame expected = icmp4(ROUTER, TO_TASK, &own, UDP_QUOTE, MTU_1400, .ttl = 63);

	flow(*state, IPPROTO_UDP, TASK, NULL);
	reaches_task(*state, &error, &expected);
}

static void an_error_about_a_tcp_reply_reaches_its_task(void **state)
{
	struct frame sent = tcp4(WEB_AT, CLIENT, ACK, .seq = 7, SEEN);
	struct frame own = tcp4(TASK ":80", CLIENT, ACK, .seq = 7, SEEN);
	struct frame error = icmp4(ROUTER, TO_HERE, &sent, TCP_QUOTE, MTU_1400);
	struct frame expected = icmp4(ROUTER, TO_TASK, &own, TCP_QUOTE, MTU_1400, .ttl = 63);

	flow(*state, IPPROTO_TCP, TASK, NULL);
	reaches_task(*state, &error, &expected);
}

static void eight_bytes_of_tcp_are_enough(void **state)
{
	struct frame sent = tcp4(WEB_AT, CLIENT, ACK, .seq = 7, SEEN);
	struct frame own = tcp4(TASK ":80", CLIENT, ACK, .seq = 7, SEEN);
	struct frame error = icmp4(ROUTER, TO_HERE, &sent, 28, MTU_1400);
	struct frame expected = icmp4(ROUTER, TO_TASK, &own, 28, MTU_1400, .ttl = 63);

	flow(*state, IPPROTO_TCP, TASK, NULL);
	reaches_task(*state, &error, &expected);
}

static void ethernets_padding_is_no_quotation(void **state)
{
	struct frame sent = tcp4(WEB_AT, CLIENT, ACK, .seq = 7, SEEN);
	struct frame own = tcp4(TASK ":80", CLIENT, ACK, .seq = 7, SEEN);
	struct frame error = icmp4(ROUTER, TO_HERE, &sent, 28, MTU_1400);
	struct frame expected = icmp4(ROUTER, TO_TASK, &own, 28, MTU_1400, .ttl = 63);

	flow(*state, IPPROTO_TCP, TASK, NULL);
	for (int i = 0; i < 16; i++)
		error.data[error.length++] = expected.data[expected.length++] = 0xee;
	reaches_task(*state, &error, &expected);
}

static void a_long_quotation_is_kept(void **state)
{
	struct frame sent = udp4(DNS_AT, CLIENT, SEEN), own = udp4(TASK ":53", CLIENT, SEEN);
	struct frame error = icmp4(ROUTER, TO_HERE, &sent, UDP_QUOTE + 9, MTU_1400);
	struct frame expected = icmp4(ROUTER, TO_TASK, &own, UDP_QUOTE + 9, MTU_1400, .ttl = 63);

	flow(*state, IPPROTO_UDP, TASK, NULL);
	reaches_task(*state, &error, &expected);
}

static void udp_without_a_checksum_is_quoted_without(void **state)
{
	struct frame sent = udp4(DNS_AT, CLIENT, SEEN, .without_checksum = true);
	struct frame own = udp4(TASK ":53", CLIENT, SEEN, .without_checksum = true);
	struct frame error = icmp4(ROUTER, TO_HERE, &sent, UDP_QUOTE, MTU_1400);
	struct frame expected = icmp4(ROUTER, TO_TASK, &own, UDP_QUOTE, MTU_1400, .ttl = 63);

	flow(*state, IPPROTO_UDP, TASK, NULL);
	reaches_task(*state, &error, &expected);
}

static void other_errors_likewise(void **state)
{
	static const uint8_t kinds[][2] = {{3, 1}, {3, 3}, {3, 13}, {11, 0}, {12, 0}};
	struct frame sent = udp4(DNS_AT, CLIENT, SEEN), own = udp4(TASK ":53", CLIENT, SEEN);
	struct mesh *mesh = *state;

	flow(mesh, IPPROTO_UDP, TASK, NULL);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct frame error = icmp4(CLIENT, TO_HERE, &sent, UDP_QUOTE,
					   .icmp_type = kinds[i][0], .icmp_code = kinds[i][1]);
		struct frame expected =
			icmp4(CLIENT, TO_TASK, &own, UDP_QUOTE, .icmp_type = kinds[i][0],
			      .icmp_code = kinds[i][1], .ttl = 63);
		struct outcome outcome = mesh_run(mesh, FROM_WIRE, &error);

		expect_delivered(&outcome, AT_TASK, &expected);
	}
}

static void a_changed_source_port_is_changed_in_the_quotation(void **state)
{
	struct frame sent = udp4(DNS_AT, CLIENT, SEEN);
	struct frame own = udp4(TASK ":53", "192.0.2.100:2222", SEEN);
	struct frame error = icmp4(ROUTER, TO_HERE, &sent, UDP_QUOTE, MTU_1400);
	struct frame expected = icmp4(ROUTER, TO_TASK, &own, UDP_QUOTE, MTU_1400, .ttl = 63);

	flow(*state, IPPROTO_UDP, TASK, "192.0.2.100:2222");
	reaches_task(*state, &error, &expected);
}

static void an_error_neither_renews_its_flow_nor_counts_as_a_packet(void **state)
{
	struct frame sent = udp4(DNS_AT, CLIENT, SEEN);
	struct frame error = icmp4(ROUTER, TO_HERE, &sent, UDP_QUOTE, MTU_1400);
	struct mesh *mesh = *state;
	struct skep_flow value;

	flow(mesh, IPPROTO_UDP, TASK, NULL);
	mesh_run(mesh, FROM_WIRE, &error);
	assert_true(mesh_flow(mesh, CLIENT, DNS_AT, IPPROTO_UDP, &value));
	assert_int_equal(value.last_seen_ns, 0);
	assert_int_equal(mesh_task_counter(mesh, TASK).packets, 0);
}

static void goes_to_remote_task(struct mesh *mesh, uint16_t mtu, uint16_t told)
{
	struct frame sent = udp4(DNS_AT, CLIENT, SEEN);
	struct frame error = icmp4(ROUTER, TO_HERE, &sent, UDP_QUOTE, .icmp_type = 3,
				   .icmp_code = 4, .mtu = mtu);
	struct frame expected =
		icmp4(ROUTER, TO_HERE, &sent, UDP_QUOTE, .icmp_type = 3, .icmp_code = 4,
		      .mtu = told, .ttl = 63, .mac_from = HERE_MAC, .mac_to = AWAY_MAC);
	struct outcome outcome;

	flow(mesh, IPPROTO_UDP, AWAY, NULL);
	outcome = mesh_run(mesh, FROM_WIRE, &error);
	expect_tunnelled(mesh, &outcome, NODE_2, FORWARD, &expected);
	expect_verdict(mesh, SKEP_ICMP_ERROR);
}

static void an_error_for_a_remote_task_goes_by_the_tunnel(void **state)
{
	goes_to_remote_task(*state, 1400, 1400);
}

/* With dsr the task's packets do not come by the tunnel. */
static void no_more_is_told_than_the_tunnel_takes(void **state)
{
	const struct mesh *mesh = *state;

	goes_to_remote_task(*state, 1500, mesh->dsr ? 1500 : TUNNEL_MTU);
}

static void from_the_tunnel_it_reaches_the_task(void **state)
{
	struct frame sent = udp4(DNS_AT_2, CLIENT, SEEN), own = udp4(TASK ":53", CLIENT, SEEN);
	struct frame error = icmp4(ROUTER, NODE_2 ":0", &sent, UDP_QUOTE, MTU_1400,
				   .mac_from = NODE_2_MAC, .mac_to = TASK_MAC);
	struct frame expected = icmp4(ROUTER, TO_TASK, &own, UDP_QUOTE, MTU_1400, .ttl = 63,
				      .mac_from = NODE_2_MAC, .mac_to = TASK_MAC);
	struct mesh *mesh = *state;
	struct skep_return noted;
	struct outcome outcome;

	mesh_task(mesh, DNS, TASK, HERE, AT_TASK);
	outcome = mesh_run_framed(mesh, NODE_2, FORWARD, &error);
	expect_delivered(&outcome, AT_TASK, &expected);
	assert_true(outcome.record.made_host);
	assert_false(mesh_return(mesh, TASK ":53", CLIENT, IPPROTO_UDP, &noted));
}

static void it_gets_no_second_chance(void **state)
{
	struct frame sent = udp4(DNS_AT_2, CLIENT, SEEN);
	struct frame error = icmp4(ROUTER, NODE_2 ":0", &sent, UDP_QUOTE, MTU_1400,
				   .mac_from = NODE_2_MAC, .mac_to = AWAY_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome;

	mesh_task(mesh, DNS, TASK, HERE, AT_TASK);
	mesh_ring(mesh, DNS, 0, RING(TASK));
	outcome = mesh_run_framed(mesh, NODE_2, FORWARD, &error);
	expect_dropped(&outcome);
	expect_verdict(mesh, SKEP_DROP_NO_TASK);
}

static void an_error_about_no_flow_is_left_to_the_stack(void **state)
{
	struct frame sent = udp4(DNS_AT, CLIENT, SEEN);
	struct frame error = icmp4(ROUTER, TO_HERE, &sent, UDP_QUOTE, MTU_1400);

	is_left(*state, &error, SKEP_PASS_NO_FLOW);
}

static void an_error_about_a_flow_whose_task_is_gone_too(void **state)
{
	struct frame sent = udp4(DNS_AT, CLIENT, SEEN);
	struct frame error = icmp4(ROUTER, TO_HERE, &sent, UDP_QUOTE, MTU_1400);

	flow(*state, IPPROTO_UDP, TASK, NULL);
	mesh_task_gone(*state, TASK);
	is_left(*state, &error, SKEP_PASS_NO_FLOW);
}

static void an_error_about_the_hosts_own_packet_too(void **state)
{
	struct frame sent = udp4(HERE ":123", CLIENT, SEEN);
	struct frame error = icmp4(ROUTER, TO_HERE, &sent, UDP_QUOTE, MTU_1400);

	is_left(*state, &error, SKEP_PASS_NO_FRONTEND);
}

static void what_is_no_error_is_left_to_the_stack(void **state)
{
	struct frame sent = udp4(DNS_AT, CLIENT, SEEN);
	struct frame echo =
		icmp4(CLIENT, TO_HERE, &sent, UDP_QUOTE, .icmp_type = 8, .icmp_code = 0);

	flow(*state, IPPROTO_UDP, TASK, NULL);
	is_left(*state, &echo, SKEP_PASS_PROTOCOL);
}

static void an_error_to_another_than_the_quoted_sender_is_left(void **state)
{
	struct frame sent = udp4(DNS_AT, CLIENT, SEEN);
	struct frame error = icmp4(ROUTER, "192.0.2.1:0", &sent, UDP_QUOTE, MTU_1400);

	flow(*state, IPPROTO_UDP, TASK, NULL);
	is_left(*state, &error, SKEP_PASS_PROTOCOL);
}

static void a_quotation_without_ports_is_left(void **state)
{
	struct frame sent = udp4(DNS_AT, CLIENT, SEEN), piece = frame_piece(&sent, 8, 9);
	struct frame later = icmp4(ROUTER, TO_HERE, &piece, UDP_QUOTE, MTU_1400);
	struct frame cut = icmp4(ROUTER, TO_HERE, &sent, 24, MTU_1400);
	struct mesh *mesh = *state;
	struct outcome outcome;

	flow(mesh, IPPROTO_UDP, TASK, NULL);
	is_left(mesh, &later, SKEP_PASS_PROTOCOL);
	outcome = mesh_run(mesh, FROM_WIRE, &cut);
	expect_passed(&outcome, &cut);
	for (int i = 0; i < 24; i++) /* padding is no quotation either */
		cut.data[cut.length++] = 0;
	outcome = mesh_run(mesh, FROM_WIRE, &cut);
	expect_passed(&outcome, &cut);
}

static void an_error_in_pieces_is_left(void **state)
{
	struct frame sent = udp4(DNS_AT, CLIENT, SEEN);
	struct frame error = icmp4(ROUTER, TO_HERE, &sent, UDP_QUOTE, MTU_1400);

	flow(*state, IPPROTO_UDP, TASK, NULL);
	frame_set_u16(&error, IPV4_HDR + 6, 0x2000);
	frame_fix_ip_checksum(&error);
	is_left(*state, &error, SKEP_PASS_PROTOCOL);
}

static void an_error_without_a_hop_left_is_dropped(void **state)
{
	struct frame sent = udp4(DNS_AT, CLIENT, SEEN);
	struct frame error = icmp4(ROUTER, TO_HERE, &sent, UDP_QUOTE, MTU_1400, .ttl = 1);
	struct outcome outcome;

	flow(*state, IPPROTO_UDP, TASK, NULL);
	outcome = mesh_run(*state, FROM_WIRE, &error);
	expect_dropped(&outcome);
	assert_int_equal(mesh_verdict(*state, SKEP_DROP_TTL), 1);
}

/* The other way: what a task's kernel says of a client's packet. */

static void a_tasks_port_unreachable_leaves_here_as_the_frontends(void **state)
{
	struct frame got = udp4(CLIENT, TASK ":53", SEEN), sent = udp4(CLIENT, DNS_AT, SEEN);
	struct frame error =
		icmp4(TO_TASK, CLIENT, &got, UDP_QUOTE + 9, .icmp_type = 3, .icmp_code = 3);
	struct frame expected = icmp4(TO_HERE, CLIENT, &sent, UDP_QUOTE + 9, .icmp_type = 3,
				      .icmp_code = 3, .ttl = 63);
	struct mesh *mesh = *state;
	struct outcome outcome;

	note(mesh, CLIENT, SKEP_RETURN_LOCAL);
	outcome = mesh_run(mesh, FROM_TASK, &error);
	expect_routed(&outcome, mesh->wire, "192.0.2.100", &expected);
	expect_verdict(mesh, SKEP_ICMP_ERROR);
}

static void a_changed_source_port_is_changed_back(void **state)
{
	struct frame got = udp4("192.0.2.100:2222", TASK ":53", SEEN);
	struct frame sent = udp4(CLIENT, DNS_AT, SEEN);
	struct frame error =
		icmp4(TO_TASK, CLIENT, &got, UDP_QUOTE, .icmp_type = 3, .icmp_code = 3);
	struct frame expected =
		icmp4(TO_HERE, CLIENT, &sent, UDP_QUOTE, .icmp_type = 3, .icmp_code = 3, .ttl = 63);
	struct mesh *mesh = *state;
	struct outcome outcome;

	note(mesh, "192.0.2.100:2222", SKEP_RETURN_LOCAL);
	outcome = mesh_run(mesh, FROM_TASK, &error);
	expect_routed(&outcome, mesh->wire, "192.0.2.100", &expected);
}

static void from_another_address_of_the_task_it_is_the_frontends_too(void **state)
{
	struct frame got = udp4(CLIENT, TASK ":53", SEEN), sent = udp4(CLIENT, DNS_AT, SEEN);
	struct frame error =
		icmp4("172.18.0.2:0", CLIENT, &got, UDP_QUOTE, .icmp_type = 3, .icmp_code = 3);
	struct frame expected =
		icmp4(TO_HERE, CLIENT, &sent, UDP_QUOTE, .icmp_type = 3, .icmp_code = 3, .ttl = 63);
	struct mesh *mesh = *state;
	struct outcome outcome;

	note(mesh, CLIENT, SKEP_RETURN_LOCAL);
	outcome = mesh_run(mesh, FROM_TASK, &error);
	expect_routed(&outcome, mesh->wire, "192.0.2.100", &expected);
}

static void it_returns_by_the_tunnel_to_where_the_client_came_in(void **state)
{
	struct frame got = udp4(CLIENT, TASK ":53", SEEN), sent = udp4(CLIENT, DNS_AT, SEEN);
	struct frame error =
		icmp4(TO_TASK, CLIENT, &got, UDP_QUOTE, .icmp_type = 3, .icmp_code = 3);
	struct frame expected =
		icmp4(TO_HERE, CLIENT, &sent, UDP_QUOTE, .icmp_type = 3, .icmp_code = 3, .ttl = 63,
		      .mac_from = TASK_MAC, .mac_to = NODE_2_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome;

	note(mesh, CLIENT, SKEP_RETURN_TUNNEL);
	outcome = mesh_run(mesh, FROM_TASK, &error);
	expect_tunnelled(mesh, &outcome, NODE_2, RETURN, &expected);
}

static void and_leaves_there(void **state)
{
	struct frame sent = udp4(CLIENT, DNS_AT, SEEN);
	struct frame error = icmp4(TO_HERE, CLIENT, &sent, UDP_QUOTE, .icmp_type = 3,
				   .icmp_code = 3, .mac_from = AWAY_MAC, .mac_to = HERE_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome;
	struct skep_flow value;

	flow(mesh, IPPROTO_UDP, TASK, NULL);
	mesh_task(mesh, DNS, AWAY, NODE_2, 0);
	outcome = mesh_run_framed(mesh, NODE_2, RETURN, &error);
	expect_routed(&outcome, mesh->wire, "192.0.2.100", &error);
	/* It does not say that the flow is that task's, as an answer would. */
	assert_true(mesh_flow(mesh, CLIENT, DNS_AT, IPPROTO_UDP, &value));
	assert_int_equal(value.task.word[3], ipv4(TASK));
}

static void about_no_frontends_packet_nothing_leaves(void **state)
{
	struct frame sent = udp4(CLIENT, HERE ":9", SEEN);
	struct frame error = icmp4(TO_HERE, CLIENT, &sent, UDP_QUOTE, .icmp_type = 3,
				   .icmp_code = 3, .mac_from = AWAY_MAC, .mac_to = HERE_MAC);
	struct outcome outcome = mesh_run_framed(*state, NODE_2, RETURN, &error);

	expect_dropped(&outcome);
	expect_verdict(*state, SKEP_DROP_BAD_FRAME);
}

static void a_tasks_own_errors_are_left_to_the_stack(void **state)
{
	struct frame got = udp4(CLIENT, TASK ":53", SEEN);
	struct frame error =
		icmp4(TO_TASK, CLIENT, &got, UDP_QUOTE, .icmp_type = 3, .icmp_code = 3);
	struct outcome outcome = mesh_run(*state, FROM_TASK, &error);

	expect_passed(&outcome, &error);
	expect_verdict(*state, SKEP_PASS_NOT_FROM_TASK);
}

static void the_sum_of_a_whole_packet_stays_right(void **state)
{
	struct mesh *mesh = *state;

	mesh->run_flags = CHECKSUM_COMPLETE;
	an_error_about_a_tcp_reply_reaches_its_task(state);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_about_a_udp_reply_reaches_its_task),
		cmocka_unit_test(an_error_about_a_tcp_reply_reaches_its_task),
		cmocka_unit_test(eight_bytes_of_tcp_are_enough),
		cmocka_unit_test(ethernets_padding_is_no_quotation),
		cmocka_unit_test(a_long_quotation_is_kept),
		cmocka_unit_test(udp_without_a_checksum_is_quoted_without),
		cmocka_unit_test(other_errors_likewise),
		cmocka_unit_test(a_changed_source_port_is_changed_in_the_quotation),
		cmocka_unit_test(an_error_neither_renews_its_flow_nor_counts_as_a_packet),
		cmocka_unit_test(an_error_for_a_remote_task_goes_by_the_tunnel),
		cmocka_unit_test(no_more_is_told_than_the_tunnel_takes),
		cmocka_unit_test(from_the_tunnel_it_reaches_the_task),
		cmocka_unit_test(it_gets_no_second_chance),
		cmocka_unit_test(an_error_about_no_flow_is_left_to_the_stack),
		cmocka_unit_test(an_error_about_a_flow_whose_task_is_gone_too),
		cmocka_unit_test(an_error_about_the_hosts_own_packet_too),
		cmocka_unit_test(what_is_no_error_is_left_to_the_stack),
		cmocka_unit_test(an_error_to_another_than_the_quoted_sender_is_left),
		cmocka_unit_test(a_quotation_without_ports_is_left),
		cmocka_unit_test(an_error_in_pieces_is_left),
		cmocka_unit_test(an_error_without_a_hop_left_is_dropped),
		cmocka_unit_test(a_tasks_port_unreachable_leaves_here_as_the_frontends),
		cmocka_unit_test(a_changed_source_port_is_changed_back),
		cmocka_unit_test(from_another_address_of_the_task_it_is_the_frontends_too),
		cmocka_unit_test(it_returns_by_the_tunnel_to_where_the_client_came_in),
		cmocka_unit_test(and_leaves_there),
		cmocka_unit_test(about_no_frontends_packet_nothing_leaves),
		cmocka_unit_test(a_tasks_own_errors_are_left_to_the_stack),
		cmocka_unit_test(the_sum_of_a_whole_packet_stays_right),
	};

	return forms_run_tests("icmp", tests, sizeof(tests) / sizeof(tests[0]), FORM_ANY);
}
