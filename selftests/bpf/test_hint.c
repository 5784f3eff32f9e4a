/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What from_wire makes of metadata. A tc test run takes none, so live frames go through wire0: by
 * an XDP program that lets all through as it was given, and up into from_wire.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "xdp.h"

#include "harness.skel.h"

#define TASK	"10.0.0.11"
#define AT_TASK 101
#define OTHER	"10.0.0.12"

static int program_fd(struct bpf_program *program)
{
	return bpf_program__fd(program);
}

/* Sends the frame with metadata through wire0; what from_wire did is in the record. */
static struct record receive(struct mesh *mesh, const struct frame *frame, const void *meta,
			     size_t length)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = mesh->wire, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, filter, .prog_fd = program_fd(mesh->programs->progs.from_wire));
	uint8_t data[FRAME_SIZE + 256];
	struct xdp_md context = {
		.data = (uint32_t)length,
		.data_end = (uint32_t)(length + frame->length),
		.ingress_ifindex = (uint32_t)mesh->wire,
	};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = data,
		    .data_size_in = (uint32_t)(length + frame->length), .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = 1,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = 1);

	if (bpf_tc_hook_create(&hook) || bpf_tc_attach(&hook, &filter))
		fail_msg("attach from_wire: %s", strerror(errno));
	memcpy(data, meta, length);
	memcpy(data + length, frame->data, frame->length);
	memset(&mesh->programs->bss->record, 0, sizeof(struct record));
	if (bpf_prog_test_run_opts(program_fd(mesh->programs->progs.pass_all), &run))
		fail_msg("live frames: %s", strerror(errno));
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	assert_int_equal(bpf_tc_hook_destroy(&hook), 0);
	return mesh->programs->bss->record;
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
		.new_flow = 1,
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
		cmocka_unit_test(no_metadata_is_no_hint),
		cmocka_unit_test(a_hint_without_the_key_is_not_followed),
		cmocka_unit_test(a_hint_on_an_interface_without_xdp_is_not_followed),
		cmocka_unit_test(a_hint_of_another_version_is_not_followed),
		cmocka_unit_test(less_than_a_hint_is_not_followed),
	};

	return mesh_run_tests("hint", tests, sizeof(tests) / sizeof(tests[0]));
}
