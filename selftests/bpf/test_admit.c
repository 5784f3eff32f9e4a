/* SPDX-License-Identifier: GPL-2.0-only */
/* Whom a service answers (skep.allow), and where (skep.bind); what others are told. tc and XDP. */
#include <linux/bpf.h>
#include <netinet/in.h>
#include <string.h>

#include "xdp.h"

#define LOCAL_TASK  "10.0.0.11"
#define AT_LOCAL    101
#define REMOTE_TASK "10.0.0.12"

static void give_task(struct mesh *mesh, const char *addr)
{
	if (addr[strlen(addr) - 1] == '1')
		mesh_task(mesh, WEB, addr, HERE, AT_LOCAL);
	else
		mesh_task(mesh, WEB, addr, NODE_2, 0);
	mesh_ring(mesh, WEB, 0, RING(addr));
}

static bool reaches(struct mesh *mesh, const char *client, uint8_t flags)
{
	struct frame frame = tcp4(client, WEB_AT, flags);
	struct outcome outcome = mesh_run(mesh, FROM_WIRE, &frame);

	if (outcome.record.way == WAY_PEER)
		return true;
	expect_dropped(&outcome);
	return false;
}

static void restrict_web(struct mesh *mesh)
{
	mesh_frontend_flags(mesh, WEB_AT, IPPROTO_TCP, SKEP_SERVICE_ALLOW);
}

static void clients_of_the_networks_named_come_in_and_no_others(void **state)
{
	struct mesh *mesh = *state;

	give_task(mesh, LOCAL_TASK);
	restrict_web(mesh);
	mesh_allow(mesh, WEB, "192.0.2.0", 24);
	mesh_allow(mesh, WEB, "198.51.100.7", 32);
	assert_true(reaches(mesh, "192.0.2.0:1", SYN));
	assert_true(reaches(mesh, "192.0.2.255:1", SYN));
	assert_true(reaches(mesh, "198.51.100.7:1", SYN));
	assert_false(reaches(mesh, "192.0.1.255:1", SYN));
	assert_false(reaches(mesh, "192.0.3.0:1", SYN));
	assert_false(reaches(mesh, "198.51.100.6:1", SYN));
	assert_int_equal(mesh_verdict(mesh, SKEP_DROP_NOT_ALLOWED), 3);
}

static void a_service_that_is_restricted_to_nobody_is_closed_to_all(void **state)
{
	struct mesh *mesh = *state;

	give_task(mesh, LOCAL_TASK);
	restrict_web(mesh);
	assert_false(reaches(mesh, CLIENT, SYN));
	expect_verdict(mesh, SKEP_DROP_NOT_ALLOWED);
}

static void what_another_service_allows_does_not_count(void **state)
{
	struct mesh *mesh = *state;

	give_task(mesh, LOCAL_TASK);
	restrict_web(mesh);
	mesh_allow(mesh, DNS, "0.0.0.0", 0);
	mesh_allow(mesh, WEB + 256, "192.0.2.0", 24);
	assert_false(reaches(mesh, CLIENT, SYN));
}

static void all_of_ipv4_may_be_allowed(void **state)
{
	struct mesh *mesh = *state;

	give_task(mesh, LOCAL_TASK);
	restrict_web(mesh);
	mesh_allow(mesh, WEB, "0.0.0.0", 0);
	assert_true(reaches(mesh, CLIENT, SYN));
	assert_true(reaches(mesh, FAR_CLIENT, SYN));
}

static void an_open_service_asks_no_list(void **state)
{
	struct mesh *mesh = *state;

	give_task(mesh, LOCAL_TASK);
	mesh_allow(mesh, WEB, "198.51.100.0", 24);
	assert_true(reaches(mesh, CLIENT, SYN));
}

static void who_is_not_allowed_leaves_no_flow(void **state)
{
	struct mesh *mesh = *state;
	struct skep_flow flow;

	give_task(mesh, LOCAL_TASK);
	restrict_web(mesh);
	assert_false(reaches(mesh, CLIENT, SYN));
	assert_false(mesh_flow(mesh, CLIENT, WEB_AT, IPPROTO_TCP, &flow));
	assert_int_equal(mesh_ring_cursor(mesh, WEB), 0);
	assert_int_equal(mesh_service_counter(mesh, WEB).packets, 0);
}

static void a_connection_ends_when_its_client_is_no_longer_allowed(void **state)
{
	struct mesh *mesh = *state;

	give_task(mesh, LOCAL_TASK);
	assert_true(reaches(mesh, CLIENT, SYN));
	assert_true(reaches(mesh, CLIENT, ACK));
	restrict_web(mesh);
	assert_false(reaches(mesh, CLIENT, ACK));
	mesh_allow(mesh, WEB, "192.0.2.100", 32);
	assert_true(reaches(mesh, CLIENT, ACK));
}

static void the_backend_node_does_not_ask_again(void **state)
{
	struct frame syn = tcp4(CLIENT, "10.1.0.2:8080", SYN, .mac_from = NODE_2_MAC,
				.mac_to = "02:42:0a:00:00:63"),
		     expected = tcp4(CLIENT, LOCAL_TASK ":80", SYN, .ttl = 63);
	struct mesh *mesh = *state;
	struct outcome outcome;

	/* A second chance: the task that the ingress node chose, 10.0.0.99, is not here. */
	give_task(mesh, LOCAL_TASK);
	mesh_frontend_flags(mesh, "0.0.0.0:8080", IPPROTO_TCP, SKEP_SERVICE_ALLOW);
	outcome = mesh_run_framed(mesh, NODE_2, SKEP_VNI(SKEP_FRAME_FORWARD, 80), &syn);
	assert_int_equal(outcome.record.way, WAY_PEER);
	assert_int_equal(outcome.record.ifindex, AT_LOCAL);
	assert_int_equal(frame_u16(&outcome.frame, L4_HDR + 2), frame_u16(&expected, L4_HDR + 2));
	expect_verdict(mesh, SKEP_SECOND_CHANCE);
}

static void a_second_chance_has_the_services_idle_time(void **state)
{
	struct frame ask = udp4(CLIENT, "10.1.0.2:5353", .payload = "?", .mac_from = NODE_2_MAC,
				.mac_to = "02:42:0a:00:00:63");
	struct mesh *mesh = *state;
	struct skep_flow flow;

	mesh_task(mesh, DNS, "10.0.0.21", HERE, 121);
	mesh_task(mesh, DNS, "10.0.0.22", HERE, 122);
	mesh_ring(mesh, DNS, 0, RING("10.0.0.21", "10.0.0.22"));
	mesh_frontend_idle(mesh, "0.0.0.0:5353", IPPROTO_UDP, 5);
	assert_int_equal(mesh_run_framed(mesh, NODE_2, SKEP_VNI(SKEP_FRAME_FORWARD, 53), &ask)
				 .record.ifindex,
			 121);
	assert_true(mesh_flow(mesh, CLIENT, "10.1.0.2:5353", IPPROTO_UDP, &flow));
	flow.last_seen_ns -= 6000000000ULL;
	mesh_flow_set(mesh, CLIENT, "10.1.0.2:5353", IPPROTO_UDP, &flow);
	assert_int_equal(mesh_run_framed(mesh, NODE_2, SKEP_VNI(SKEP_FRAME_FORWARD, 53), &ask)
				 .record.ifindex,
			 122);
}

static void an_icmp_error_about_a_flow_goes_on(void **state)
{
	struct frame reply = tcp4(WEB_AT, CLIENT, ACK);
	struct frame error = icmp4("192.0.2.254:0", "10.1.0.1:0", &reply, 40, .icmp_type = 3,
				   .icmp_code = 4, .mtu = 1400);
	struct mesh *mesh = *state;
	struct outcome outcome;

	give_task(mesh, LOCAL_TASK);
	assert_true(reaches(mesh, CLIENT, SYN));
	restrict_web(mesh);
	outcome = mesh_run(mesh, FROM_WIRE, &error);
	assert_int_equal(outcome.record.way, WAY_PEER);
	expect_verdict(mesh, SKEP_ICMP_ERROR);
}

/* ---- bound elsewhere */

static void closed(struct mesh *mesh, const char *endpoint, uint8_t protocol)
{
	mesh_frontend_flags(mesh, endpoint, protocol, SKEP_SERVICE_CLOSED);
}

static void where_a_service_is_not_bound_connections_are_refused(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN, .seq = 7);
	struct frame rst = tcp4(WEB_AT, CLIENT, RST | ACK, .ack = 8, .answer = true,
				.mac_from = WIRE_MAC, .mac_to = CLIENT_MAC);
	struct mesh *mesh = *state;
	struct skep_flow flow;
	struct outcome outcome;

	give_task(mesh, LOCAL_TASK);
	closed(mesh, WEB_AT, IPPROTO_TCP);
	outcome = mesh_run(mesh, FROM_WIRE, &syn);
	expect_sent_out(&outcome, mesh->wire, &rst);
	expect_verdict(mesh, SKEP_ANSWER_NOT_BOUND);
	assert_false(mesh_flow(mesh, CLIENT, WEB_AT, IPPROTO_TCP, &flow));
}

static void and_datagrams_answered_with_port_unreachable(void **state)
{
	struct frame ask = udp4(CLIENT, DNS_AT, .payload = "?");
	struct frame unreachable = icmp_unreachable(&ask);
	struct mesh *mesh = *state;
	struct outcome outcome;

	closed(mesh, DNS_AT, IPPROTO_UDP);
	outcome = mesh_run(mesh, FROM_WIRE, &ask);
	expect_sent_out(&outcome, mesh->wire, &unreachable);
	expect_verdict(mesh, SKEP_ANSWER_NOT_BOUND);
}

static void a_reset_to_there_is_not_answered(void **state)
{
	struct frame rst = tcp4(CLIENT, WEB_AT, RST);
	struct mesh *mesh = *state;
	struct outcome outcome;

	closed(mesh, WEB_AT, IPPROTO_TCP);
	outcome = mesh_run(mesh, FROM_WIRE, &rst);
	expect_dropped(&outcome);
	expect_verdict(mesh, SKEP_ANSWER_NOT_BOUND);
}

static void a_connection_that_was_open_is_cut_at_both_ends(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN, .seq = 7);
	struct frame more = tcp4(CLIENT, WEB_AT, ACK, .seq = 8, .ack = 3);
	struct frame rst = tcp4(WEB_AT, CLIENT, RST, .seq = 3, .answer = true, .mac_from = WIRE_MAC,
				.mac_to = CLIENT_MAC);
	struct frame its_own = tcp4(CLIENT, WEB_AT, RST, .seq = 8);
	struct frame at_task = tcp4(CLIENT, LOCAL_TASK ":80", RST, .seq = 8, .ttl = 63);
	struct mesh *mesh = *state;
	struct outcome outcome;

	give_task(mesh, LOCAL_TASK);
	mesh_run(mesh, FROM_WIRE, &syn);
	closed(mesh, WEB_AT, IPPROTO_TCP);
	outcome = mesh_run(mesh, FROM_WIRE, &more);
	expect_sent_out(&outcome, mesh->wire, &rst);
	outcome = mesh_run(mesh, FROM_WIRE, &its_own);
	expect_delivered(&outcome, AT_LOCAL, &at_task);
}

static void elsewhere_it_answers(void **state)
{
	struct frame syn = tcp4(CLIENT, "192.0.2.1:8080", SYN);
	struct mesh *mesh = *state;

	give_task(mesh, LOCAL_TASK);
	mesh_frontend(mesh, "192.0.2.1:8080", IPPROTO_TCP, WEB, 80);
	closed(mesh, WEB_AT, IPPROTO_TCP);
	assert_int_equal(mesh_run(mesh, FROM_WIRE, &syn).record.ifindex, AT_LOCAL);
	expect_no_verdict(mesh);
}

/* ---- XDP */

static void xdp_forwards_for_those_who_are_allowed(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN);
	struct mesh *mesh = *state;

	xdp_links(mesh);
	give_task(mesh, REMOTE_TASK);
	restrict_web(mesh);
	mesh_allow(mesh, WEB, "192.0.2.0", 24);
	assert_int_equal(xdp_run(mesh, &syn).result, XDP_TX);
	expect_ways(mesh, 1, 0, 0);
	expect_no_verdict(mesh);
}

static void xdp_drops_others_itself(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN);
	struct mesh *mesh = *state;
	struct skep_flow flow;

	xdp_links(mesh);
	give_task(mesh, REMOTE_TASK);
	restrict_web(mesh);
	mesh_allow(mesh, WEB, "198.51.100.0", 24);
	assert_int_equal(xdp_run(mesh, &syn).result, XDP_DROP);
	expect_verdict(mesh, SKEP_DROP_NOT_ALLOWED);
	expect_ways(mesh, 0, 0, 0);
	assert_false(mesh_flow(mesh, CLIENT, WEB_AT, IPPROTO_TCP, &flow));
}

static void xdp_leaves_what_is_for_another_host_alone(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN, .mac_to = "02:00:00:00:00:99");
	struct mesh *mesh = *state;
	struct xdp_outcome outcome;

	xdp_links(mesh);
	give_task(mesh, REMOTE_TASK);
	restrict_web(mesh);
	outcome = xdp_run(mesh, &syn);
	expect_xdp_passed(&outcome, &syn, 0);
	expect_no_verdict(mesh);
}

static void xdp_leaves_refusals_to_tc(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN);
	struct mesh *mesh = *state;
	struct xdp_outcome outcome;

	xdp_links(mesh);
	give_task(mesh, REMOTE_TASK);
	closed(mesh, WEB_AT, IPPROTO_TCP);
	outcome = xdp_run(mesh, &syn);
	expect_xdp_passed(&outcome, &syn, 0);
	expect_no_verdict(mesh);
}

static void and_so_the_reset_of_a_connection_that_was_silent_for_too_long(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN), ack = tcp4(CLIENT, WEB_AT, ACK);
	struct mesh *mesh = *state;
	struct xdp_outcome outcome;
	struct skep_flow flow;

	xdp_links(mesh);
	give_task(mesh, REMOTE_TASK);
	mesh_frontend_idle(mesh, WEB_AT, IPPROTO_TCP, 60);
	assert_int_equal(xdp_run(mesh, &syn).result, XDP_TX);
	assert_int_equal(xdp_run(mesh, &ack).result, XDP_TX);
	assert_true(mesh_flow(mesh, CLIENT, WEB_AT, IPPROTO_TCP, &flow));
	flow.last_seen_ns -= 61000000000ULL;
	mesh_flow_set(mesh, CLIENT, WEB_AT, IPPROTO_TCP, &flow);
	outcome = xdp_run(mesh, &ack);
	expect_xdp_passed(&outcome, &ack, 0);
	assert_int_equal(mesh_run(mesh, FROM_WIRE, &ack).record.way, WAY_REDIRECT);
	expect_verdict(mesh, SKEP_ANSWER_IDLE_RST);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(clients_of_the_networks_named_come_in_and_no_others),
		cmocka_unit_test(a_service_that_is_restricted_to_nobody_is_closed_to_all),
		cmocka_unit_test(what_another_service_allows_does_not_count),
		cmocka_unit_test(all_of_ipv4_may_be_allowed),
		cmocka_unit_test(an_open_service_asks_no_list),
		cmocka_unit_test(who_is_not_allowed_leaves_no_flow),
		cmocka_unit_test(a_connection_ends_when_its_client_is_no_longer_allowed),
		cmocka_unit_test(the_backend_node_does_not_ask_again),
		cmocka_unit_test(a_second_chance_has_the_services_idle_time),
		cmocka_unit_test(an_icmp_error_about_a_flow_goes_on),
		cmocka_unit_test(where_a_service_is_not_bound_connections_are_refused),
		cmocka_unit_test(and_datagrams_answered_with_port_unreachable),
		cmocka_unit_test(a_reset_to_there_is_not_answered),
		cmocka_unit_test(a_connection_that_was_open_is_cut_at_both_ends),
		cmocka_unit_test(elsewhere_it_answers),
		cmocka_unit_test(xdp_forwards_for_those_who_are_allowed),
		cmocka_unit_test(xdp_drops_others_itself),
		cmocka_unit_test(xdp_leaves_what_is_for_another_host_alone),
		cmocka_unit_test(xdp_leaves_refusals_to_tc),
		cmocka_unit_test(and_so_the_reset_of_a_connection_that_was_silent_for_too_long),
	};

	return mesh_run_tests("admit", tests, sizeof(tests) / sizeof(tests[0]));
}
