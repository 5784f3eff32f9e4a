/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel can refuse is counted as an error and goes no further. */
#include <netinet/in.h>

#include "expect.h"

static void errs(struct mesh *mesh, enum failure failure)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN, OPTIONS(2, 4, 5, 180));
	struct outcome outcome;

	mesh->stimulus->failure = failure;
	outcome = mesh_run(mesh, FROM_WIRE, &frame);
	expect_dropped(&outcome);
	expect_verdict(mesh, SKEP_DROP_ERROR);
}

static void give_local_task(struct mesh *mesh)
{
	mesh_task(mesh, WEB, "10.0.0.11", HERE, 101);
	mesh_ring(mesh, WEB, 0, RING("10.0.0.11"));
}

static void give_remote_task(struct mesh *mesh)
{
	mesh_task(mesh, WEB, "10.0.0.21", NODE_2, 0);
	mesh_ring(mesh, WEB, 0, RING("10.0.0.21"));
}

static void a_checksum_that_cannot_be_changed_for_a_local_task(void **state)
{
	give_local_task(*state);
	errs(*state, FAIL_CHECKSUM);
}

static void an_mss_that_cannot_be_clamped(void **state)
{
	give_remote_task(*state);
	errs(*state, FAIL_CHECKSUM);
}

static void a_tunnel_key_that_cannot_be_set(void **state)
{
	give_remote_task(*state);
	errs(*state, FAIL_TUNNEL_KEY);
}

static void a_host_packet_whose_type_cannot_be_changed(void **state)
{
	struct frame frame = tcp4("10.0.0.11:80", "10.1.0.1:50000", ACK, .mac_to = MESH_MAC);
	struct mesh *mesh = *state;
	struct outcome outcome;

	mesh->stimulus->failure = FAIL_TYPE;
	outcome = mesh_run(mesh, FROM_MESH, &frame);
	expect_dropped(&outcome);
	expect_verdict(mesh, SKEP_DROP_ERROR);
}

static void a_node_that_does_not_know_its_address_yet_serves_its_own_tasks(void **state)
{
	struct frame frame = tcp4(CLIENT, WEB_AT, SYN);
	struct skep_config config = {};
	struct mesh *mesh = *state;
	struct outcome outcome;

	give_local_task(mesh);
	mesh_config(mesh, &config);
	outcome = mesh_run(mesh, FROM_WIRE, &frame);
	assert_int_equal(outcome.record.way, WAY_PEER);
}

static void but_cannot_forward(void **state)
{
	struct skep_config config = {};

	give_remote_task(*state);
	mesh_config(*state, &config);
	errs(*state, FAIL_NONE);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(a_checksum_that_cannot_be_changed_for_a_local_task),
		cmocka_unit_test(an_mss_that_cannot_be_clamped),
		cmocka_unit_test(a_tunnel_key_that_cannot_be_set),
		cmocka_unit_test(a_host_packet_whose_type_cannot_be_changed),
		cmocka_unit_test(a_node_that_does_not_know_its_address_yet_serves_its_own_tasks),
		cmocka_unit_test(but_cannot_forward),
	};

	return mesh_run_tests("failure", tests, sizeof(tests) / sizeof(tests[0]));
}
