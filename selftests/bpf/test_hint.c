/* SPDX-License-Identifier: GPL-2.0-only */
/* What from_wire makes of metadata. */
#include <netinet/in.h>
#include <string.h>

#include "xdp.h"

#define TASK	"10.0.0.11"
#define AT_TASK 101
#define OTHER	"10.0.0.12"

static struct record receive(struct mesh *mesh, const struct frame *frame, const void *meta,
			     size_t length)
{
	return xdp_receive(mesh, frame, meta, length).record;
}

static struct skep_hint hint_for(const struct mesh *mesh, const char *task)
{
	return (struct skep_hint){
		.key = {0x1111, (uint32_t)mesh->wire},
		.task = ipv4(task),
		.node = ipv4(HERE),
		.ifindex = AT_TASK,
		.service_id = WEB,
		.counter = ntohl(ipv4(task)) & 0xff,
		.target_port = htons(80),
		.flags = SKEP_HINT_NEW_FLOW,
		.version = SKEP_HINT_VERSION,
	};
}

static void a_hint_is_followed_without_looking_anything_up(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN);
	struct mesh *mesh = *state;
	struct skep_hint hint;
	struct skep_flow flow;
	struct record record;

	xdp_links(mesh);
	mesh_no_frontend(mesh, WEB_AT, IPPROTO_TCP);
	hint = hint_for(mesh, TASK);
	record = receive(mesh, &frame, &hint, sizeof(hint));
	assert_int_equal(record.way, WAY_PEER);
	assert_int_equal(record.ifindex, AT_TASK);
	assert_int_equal(record.checksum_doubted, 0);
	assert_false(mesh_flow(mesh, CLIENT, WEB_AT, IPPROTO_TCP, &flow));
	expect_no_verdict(mesh);
}

static void the_packet_is_counted_as_the_hint_says(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN);
	struct mesh *mesh = *state;
	struct skep_counter counter;
	struct skep_hint hint;

	xdp_links(mesh);
	hint = hint_for(mesh, TASK);
	receive(mesh, &frame, &hint, sizeof(hint));
	counter = mesh_task_counter(mesh, TASK);
	assert_int_equal(counter.packets, 1);
	assert_int_equal(counter.bytes, 40);
	assert_int_equal(counter.new_flows, 1);
	assert_int_equal(mesh_service_counter(mesh, WEB).new_flows, 1);
}

static void a_hint_of_a_remote_task_leads_into_the_tunnel(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN);
	struct mesh *mesh = *state;
	struct skep_hint hint;
	struct record record;

	xdp_links(mesh);
	hint = hint_for(mesh, TASK);
	hint.ifindex = 0;
	hint.node = ipv4(NODE_3);
	record = receive(mesh, &frame, &hint, sizeof(hint));
	assert_int_equal(record.way, WAY_REDIRECT);
	assert_int_equal(record.key.local_ipv4, ntohl(ipv4(NODE_3)));
	assert_int_equal(record.key.tunnel_id, SKEP_VNI(SKEP_FRAME_FORWARD, 80));
}

/* What XDP makes of a frame for TASK that came by way of another node. */
static struct skep_hint stripped_for(const struct mesh *mesh, const char *task, uint8_t flags)
{
	struct skep_hint hint = hint_for(mesh, task);

	hint.node = ipv4(NODE_2);
	hint.flags = SKEP_HINT_STRIPPED | flags;
	return hint;
}

static void a_stripped_packet_is_delivered_and_its_way_back_noted(void **state)
{
	static const uint8_t flags[] = {0, SKEP_HINT_DSR};
	static const uint8_t modes[] = {SKEP_RETURN_TUNNEL, SKEP_RETURN_DIRECT};
	struct frame frame = tcp4(CLIENT, "10.1.0.2:8080", ACK);
	struct frame expected = tcp4(CLIENT, TASK ":80", ACK, .ttl = 63);
	struct skep_addr ingress = addr_of(NODE_2);
	struct mesh *mesh = *state;

	xdp_links(mesh);
	for (int i = 0; i < 2; i++) {
		struct skep_hint hint = stripped_for(mesh, TASK, flags[i]);
		struct outcome outcome = xdp_receive(mesh, &frame, &hint, sizeof(hint));
		struct skep_return value;

		expect_delivered(&outcome, AT_TASK, &expected);
		assert_int_equal(outcome.record.checksum_doubted, 1);
		assert_true(mesh_return(mesh, TASK ":80", CLIENT, IPPROTO_TCP, &value));
		assert_int_equal(value.mode, modes[i]);
		assert_memory_equal(&value.ingress, &ingress, sizeof(ingress));
	}
	expect_no_verdict(mesh);
}

static void its_client_was_counted_by_the_ingress_node(void **state)
{
	struct frame frame = tcp4(CLIENT, "10.1.0.2:8080", ACK);
	struct mesh *mesh = *state;
	struct skep_hint hint;

	xdp_links(mesh);
	hint = stripped_for(mesh, TASK, 0);
	xdp_receive(mesh, &frame, &hint, sizeof(hint));
	assert_int_equal(mesh_task_counter(mesh, TASK).packets, 0);
	assert_int_equal(mesh_service_counter(mesh, WEB).packets, 0);
}

/* Without its frame it would be another machine's packet to the stack. */
static void a_stripped_packet_that_cannot_be_read_is_never_left_to_the_stack(void **state)
{
	struct frame frames[3];
	struct mesh *mesh = *state;
	struct skep_hint hint;

	xdp_links(mesh);
	hint = stripped_for(mesh, TASK, 0);
	for (size_t i = 0; i < 3; i++)
		frames[i] = tcp4(CLIENT, "10.1.0.2:8080", ACK);
	frame_set_u16(&frames[0], 12, 0x86dd);
	frames[1].data[IPV4_HDR] = 0x46;
	frames[2].data[IPV4_HDR + 9] = 50;
	for (size_t i = 0; i < 3; i++) {
		struct outcome outcome = xdp_receive(mesh, &frames[i], &hint, sizeof(hint));

		expect_dropped(&outcome);
	}
	expect_verdicts_at(mesh, SKEP_DROP_BAD_FRAME, 3, __FILE__, __LINE__);
}

static void nobody_else_can_say_that_a_packet_was_stripped(void **state)
{
	struct frame frame = tcp4(CLIENT, "10.1.0.2:8080", ACK);
	struct mesh *mesh = *state;

	xdp_links(mesh);
	for (int i = 0; i < 2; i++) {
		struct skep_hint hint = stripped_for(mesh, TASK, 0);
		struct outcome outcome;

		hint.key[i] ^= 0x100;
		outcome = xdp_receive(mesh, &frame, &hint, sizeof(hint));
		expect_passed(&outcome, &frame);
	}
	expect_verdicts_at(mesh, SKEP_PASS_NO_FRONTEND, 2, __FILE__, __LINE__);
}

/* Balanced as without any: to the task of the ring. */
static void does_not_follow(struct mesh *mesh, const void *meta, size_t length)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN);
	struct record record;

	mesh_task(mesh, WEB, OTHER, HERE, 102);
	mesh_ring(mesh, WEB, 0, RING(OTHER));
	record = receive(mesh, &frame, meta, length);
	assert_int_equal(record.way, WAY_PEER);
	assert_int_equal(record.ifindex, 102);
	assert_int_equal(mesh_task_counter(mesh, TASK).packets, 0);
}

static void no_metadata_is_no_hint(void **state)
{
	xdp_links(*state);
	does_not_follow(*state, "", 0);
}

static void a_hint_without_the_key_is_not_followed(void **state)
{
	struct mesh *mesh = *state;
	struct skep_hint hint;

	xdp_links(mesh);
	for (int i = 0; i < 2; i++) {
		hint = hint_for(mesh, TASK);
		hint.key[i] ^= 1;
		does_not_follow(mesh, &hint, sizeof(hint));
		mesh_task_gone(mesh, OTHER);
	}
}

static void a_hint_on_an_interface_without_xdp_is_not_followed(void **state)
{
	struct mesh *mesh = *state;
	struct skep_hint hint;

	xdp_links(mesh);
	xdp_no_wire(mesh, "wire0");
	hint = hint_for(mesh, TASK);
	does_not_follow(mesh, &hint, sizeof(hint));
}

static void a_hint_of_another_version_is_not_followed(void **state)
{
	struct mesh *mesh = *state;
	struct skep_hint hint;

	xdp_links(mesh);
	hint = hint_for(mesh, TASK);
	hint.version++;
	does_not_follow(mesh, &hint, sizeof(hint));
}

static void less_than_a_hint_is_not_followed(void **state)
{
	struct mesh *mesh = *state;
	struct skep_hint hint;

	xdp_links(mesh);
	hint = hint_for(mesh, TASK);
	does_not_follow(mesh, &hint, sizeof(hint) - 4);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hint_is_followed_without_looking_anything_up),
		cmocka_unit_test(the_packet_is_counted_as_the_hint_says),
		cmocka_unit_test(a_hint_of_a_remote_task_leads_into_the_tunnel),
		cmocka_unit_test(a_stripped_packet_is_delivered_and_its_way_back_noted),
		cmocka_unit_test(its_client_was_counted_by_the_ingress_node),
		cmocka_unit_test(a_stripped_packet_that_cannot_be_read_is_never_left_to_the_stack),
		cmocka_unit_test(nobody_else_can_say_that_a_packet_was_stripped),
		cmocka_unit_test(no_metadata_is_no_hint),
		cmocka_unit_test(a_hint_without_the_key_is_not_followed),
		cmocka_unit_test(a_hint_on_an_interface_without_xdp_is_not_followed),
		cmocka_unit_test(a_hint_of_another_version_is_not_followed),
		cmocka_unit_test(less_than_a_hint_is_not_followed),
	};

	return mesh_run_tests("hint", tests, sizeof(tests) / sizeof(tests[0]));
}
