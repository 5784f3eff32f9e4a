/* SPDX-License-Identifier: GPL-2.0-only */
/* A back end outside the Swarm: it sees the node as its client, and the client sees the frontend.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "xdp.h"

#define BACKEND	   "192.0.2.150:9000"
#define BACKEND_IP "192.0.2.150"
#define HERE_IP	   HERE

static void give_backend(struct mesh *mesh, uint32_t service)
{
	struct skep_addr key = skep_addr_outside(service, ipv4_of(BACKEND), htons(9000));
	struct skep_config config = mesh_usual_config(mesh);
	char text[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET6, &key, text, sizeof(text));
	mesh_task(mesh, service, text, "::", 0);
	mesh_ring(mesh, service, 0, RING(text));
	config.outside = 1;
	mesh_config(mesh, &config);
}

/* This node, as the back end sees it. */
static const char *source(uint16_t port)
{
	static char text[32];

	snprintf(text, sizeof(text), "%s:%u", HERE_IP, port);
	return text;
}

/* The node's port for the flow that the frame is of. */
static uint16_t goes_out(struct mesh *mesh, const struct frame *frame)
{
	struct outcome outcome = mesh_run(mesh, FROM_WIRE, frame);

	assert_int_equal(outcome.record.way, WAY_NEIGHBOUR);
	return frame_u16(&outcome.frame, L4_HDR);
}

static void a_connection_goes_out_under_the_nodes_address(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN, .seq = 7);
	struct mesh *mesh = *state;
	struct outcome outcome;
	struct frame expected;
	uint16_t port;

	give_backend(mesh, WEB);
	outcome = mesh_run(mesh, FROM_WIRE, &syn);
	port = frame_u16(&outcome.frame, L4_HDR);
	assert_in_range(port, 1024, 29999);
	expected = tcp4(source(port), BACKEND, SYN, .seq = 7, .ttl = 63);
	expect_routed(&outcome, mesh->wire, BACKEND_IP, &expected);
	expect_no_verdict(mesh);
}

static void its_packets_keep_the_port_and_others_have_their_own(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN), ack = tcp4(CLIENT, WEB_AT, ACK),
		     other = tcp4("192.0.2.100:40001", WEB_AT, SYN);
	struct mesh *mesh = *state;
	uint16_t port;

	give_backend(mesh, WEB);
	port = goes_out(mesh, &syn);
	assert_int_equal(goes_out(mesh, &ack), port);
	assert_int_not_equal(goes_out(mesh, &other), port);
	assert_int_equal(goes_out(mesh, &ack), port);
}

static void a_reply_comes_back_as_the_frontends(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN);
	struct frame expected = tcp4(WEB_AT, CLIENT, SYN | ACK, .seq = 3, .ack = 8, .ttl = 63);
	struct mesh *mesh = *state;
	struct outcome outcome;
	struct frame reply;

	give_backend(mesh, WEB);
	reply = tcp4(BACKEND, source(goes_out(mesh, &syn)), SYN | ACK, .seq = 3, .ack = 8);
	outcome = mesh_run(mesh, FROM_WIRE, &reply);
	expect_routed(&outcome, mesh->wire, "192.0.2.100", &expected);
	expect_no_verdict(mesh);
}

static void datagrams_go_and_come_likewise(void **state)
{
	struct frame ask = udp4(CLIENT, DNS_AT, .payload = "?");
	struct frame expected = udp4(DNS_AT, CLIENT, .payload = "!", .ttl = 63);
	struct mesh *mesh = *state;
	struct outcome outcome;
	struct frame reply;

	give_backend(mesh, DNS);
	reply = udp4(BACKEND, source(goes_out(mesh, &ask)), .payload = "!");
	outcome = mesh_run(mesh, FROM_WIRE, &reply);
	expect_routed(&outcome, mesh->wire, "192.0.2.100", &expected);
}

static void what_else_is_for_this_host_goes_on_to_it(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN);
	struct mesh *mesh = *state;
	struct outcome outcome;
	struct frame other;
	uint16_t port;

	give_backend(mesh, WEB);
	port = goes_out(mesh, &syn);
	other = tcp4("192.0.2.150:9001", source(port), ACK);
	outcome = mesh_run(mesh, FROM_WIRE, &other);
	expect_passed(&outcome, &other);
	other = tcp4("192.0.2.151:9000", source(port), ACK);
	outcome = mesh_run(mesh, FROM_WIRE, &other);
	expect_passed(&outcome, &other);
}

static void without_such_back_ends_nobody_looks(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN);
	struct mesh *mesh = *state;
	struct skep_config config;
	struct outcome outcome;
	struct frame reply;

	give_backend(mesh, WEB);
	reply = tcp4(BACKEND, source(goes_out(mesh, &syn)), SYN | ACK);
	config = mesh_usual_config(mesh);
	mesh_config(mesh, &config);
	outcome = mesh_run(mesh, FROM_WIRE, &reply);
	expect_passed(&outcome, &reply);
}

static void a_connection_ends_with_its_back_end(void **state)
{
	struct frame syn = tcp4(CLIENT, WEB_AT, SYN), ack = tcp4(CLIENT, WEB_AT, ACK, .ack = 3);
	struct frame rst = tcp4(WEB_AT, CLIENT, RST, .seq = 3, .answer = true, .mac_from = WIRE_MAC,
				.mac_to = CLIENT_MAC);
	struct skep_addr key = skep_addr_outside(WEB, ipv4_of(BACKEND), htons(9000));
	struct mesh *mesh = *state;
	struct outcome outcome;
	char text[INET6_ADDRSTRLEN];

	give_backend(mesh, WEB);
	goes_out(mesh, &syn);
	inet_ntop(AF_INET6, &key, text, sizeof(text));
	mesh_task_gone(mesh, text);
	outcome = mesh_run(mesh, FROM_WIRE, &ack);
	expect_sent_out(&outcome, mesh->wire, &rst);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connection_goes_out_under_the_nodes_address),
		cmocka_unit_test(its_packets_keep_the_port_and_others_have_their_own),
		cmocka_unit_test(a_reply_comes_back_as_the_frontends),
		cmocka_unit_test(datagrams_go_and_come_likewise),
		cmocka_unit_test(what_else_is_for_this_host_goes_on_to_it),
		cmocka_unit_test(without_such_back_ends_nobody_looks),
		cmocka_unit_test(a_connection_ends_with_its_back_end),
	};

	return mesh_run_tests("outside", tests, sizeof(tests) / sizeof(tests[0]));
}
