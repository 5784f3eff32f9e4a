/* SPDX-License-Identifier: GPL-2.0-only */
/* How each policy picks a new flow's task, on tc and on XDP alike; and what each task is said to
 * have of live flows. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "xdp.h"

#include "harness.skel.h"
#include "skep/table.h"

/* On another node, so that both programs send to them; a task is told by its last byte. */
#define TASK_A "10.0.0.11"
#define TASK_B "10.0.0.12"
#define TASK_C "10.0.0.13"
#define TASK_D "10.0.0.14"
enum {
	NOBODY = 0,
	A = 11,
	B = 12,
	C = 13,
	D = 14
};

#define INNER_TASK (SKEP_TUNNEL_OVERHEAD + 5)

static const char *const task_names[] = {TASK_A, TASK_B, TASK_C, TASK_D};

static bool over_xdp;

#define BOTH(test)                                                                                 \
	static void test##_on_tc(void **state)                                                     \
	{                                                                                          \
		over_xdp = false;                                                                  \
		test(state);                                                                       \
	}                                                                                          \
	static void test##_on_xdp(void **state)                                                    \
	{                                                                                          \
		over_xdp = true;                                                                   \
		xdp_links(*state);                                                                 \
		test(state);                                                                       \
	}

/* The task that a client's packet is sent to. */
static int sent_to(struct mesh *mesh, const struct frame *frame)
{
	if (over_xdp) {
		struct xdp_outcome outcome = xdp_run(mesh, frame);

		return outcome.result == XDP_TX ? outcome.frame.data[INNER_TASK] : NOBODY;
	}
	struct outcome outcome = mesh_run(mesh, FROM_WIRE, frame);

	return outcome.record.keyed ? outcome.frame.data[5] : NOBODY;
}

static int tcp_goes_to(struct mesh *mesh, const char *client, uint8_t flags)
{
	struct frame frame = tcp4(client, WEB_AT, flags);

	return sent_to(mesh, &frame);
}

static int udp_goes_to(struct mesh *mesh, const char *client)
{
	struct frame frame = udp4(client, DNS_AT, .payload = "?");

	return sent_to(mesh, &frame);
}

/* The same host for every 200 numbers. */
static const char *client_number(int i)
{
	static char client[32];

	snprintf(client, sizeof(client), "198.51.100.%d:%d", 1 + i % 200, 20000 + i);
	return client;
}

static void give_tasks(struct mesh *mesh, uint32_t service)
{
	for (size_t i = 0; i < 4; i++)
		mesh_task(mesh, service, task_names[i], NODE_2, 0);
	mesh_ring(mesh, service, 0, RING(TASK_A, TASK_B, TASK_C));
}

static void web_with(struct mesh *mesh, enum skep_policy policy, uint32_t affinity_s)
{
	give_tasks(mesh, WEB);
	mesh_frontend_policy(mesh, WEB_AT, IPPROTO_TCP, policy, affinity_s);
	mesh_frontend_policy(mesh, "0.0.0.0:8080", IPPROTO_TCP, policy, affinity_s);
}

static void forget_flows(struct mesh *mesh)
{
	static const struct skep_flow_bucket empty;
	struct bpf_map *flows = mesh->programs->maps.flows;

	for (uint32_t i = 0; i < bpf_map__max_entries(flows); i++)
		assert_int_equal(bpf_map_update_elem(bpf_map__fd(flows), &i, &empty, BPF_ANY), 0);
}

/* What another node has: another seed, no flows, no memory of clients, the cursor elsewhere. */
static void go_to_another_node(struct mesh *mesh)
{
	struct skep_config config = mesh_usual_config(mesh);

	forget_flows(mesh);
	config.seed = 0x0dd5eed;
	mesh_config(mesh, &config);
	mesh_affinity_age(mesh, 1000000);
	mesh_ring(mesh, WEB, 77, RING(TASK_A, TASK_B, TASK_C));
}

static void expect_spread(const int counts[256], int all)
{
	for (int task = A; task <= C; task++)
		assert_in_range(counts[task], all / 6, all / 2);
	assert_int_equal(counts[A] + counts[B] + counts[C], all);
}

/* ---- maglev */

static void maglev_spreads_flows_over_all_tasks(void **state)
{
	struct mesh *mesh = *state;
	int counts[256] = {0};

	web_with(mesh, SKEP_POLICY_MAGLEV, 0);
	for (int i = 0; i < 300; i++)
		counts[tcp_goes_to(mesh, client_number(i), SYN)]++;
	expect_spread(counts, 300);
	assert_int_equal(mesh_ring_cursor(mesh, WEB), 0);
}
BOTH(maglev_spreads_flows_over_all_tasks)

static void maglev_gives_a_flow_the_same_task_on_every_node(void **state)
{
	struct mesh *mesh = *state;
	int task[50];

	web_with(mesh, SKEP_POLICY_MAGLEV, 0);
	for (int i = 0; i < 50; i++)
		task[i] = tcp_goes_to(mesh, client_number(i), SYN);
	go_to_another_node(mesh);
	for (int i = 0; i < 50; i++)
		assert_int_equal(tcp_goes_to(mesh, client_number(i), SYN), task[i]);
}
BOTH(maglev_gives_a_flow_the_same_task_on_every_node)

static void maglev_takes_up_a_connection_that_began_on_another_node(void **state)
{
	struct mesh *mesh = *state;
	int task[50];

	web_with(mesh, SKEP_POLICY_MAGLEV, 0);
	for (int i = 0; i < 50; i++) {
		task[i] = tcp_goes_to(mesh, client_number(i), SYN);
		assert_int_equal(tcp_goes_to(mesh, client_number(i), ACK), task[i]);
	}
	go_to_another_node(mesh);
	for (int i = 0; i < 50; i++)
		assert_int_equal(tcp_goes_to(mesh, client_number(i), ACK | PSH), task[i]);
	/* Now they are this node's, too, and keep their tasks whatever becomes of the ring. */
	mesh_ring(mesh, WEB, 0, RING(TASK_D));
	for (int i = 0; i < 50; i++)
		assert_int_equal(tcp_goes_to(mesh, client_number(i), ACK), task[i]);
	if (!over_xdp)
		expect_no_verdict(mesh);
}
BOTH(maglev_takes_up_a_connection_that_began_on_another_node)

static void a_connection_that_was_taken_up_is_established_by_its_second_packet(void **state)
{
	struct mesh *mesh = *state;
	struct skep_flow flow;

	web_with(mesh, SKEP_POLICY_MAGLEV, 0);
	assert_int_not_equal(tcp_goes_to(mesh, CLIENT, ACK), NOBODY);
	assert_true(mesh_flow(mesh, CLIENT, WEB_AT, IPPROTO_TCP, &flow));
	assert_int_equal(flow.state, SKEP_FLOW_SYN);
	tcp_goes_to(mesh, CLIENT, ACK);
	assert_true(mesh_flow(mesh, CLIENT, WEB_AT, IPPROTO_TCP, &flow));
	assert_int_equal(flow.state, SKEP_FLOW_ESTABLISHED);
}
BOTH(a_connection_that_was_taken_up_is_established_by_its_second_packet)

static void the_end_of_an_unknown_connection_is_carried_and_not_counted_as_live(void **state)
{
	struct mesh *mesh = *state;

	web_with(mesh, SKEP_POLICY_MAGLEV, 0);
	mesh_ring(mesh, WEB, 0, RING(TASK_A));
	assert_int_equal(tcp_goes_to(mesh, client_number(1), FIN | ACK), A);
	assert_int_equal(tcp_goes_to(mesh, client_number(2), RST), A);
	assert_int_equal(mesh_task_flows(mesh, TASK_A), 0);
}
BOTH(the_end_of_an_unknown_connection_is_carried_and_not_counted_as_live)

static void a_flood_of_forged_acks_washes_out_no_established_connection(void **state)
{
	struct mesh *mesh = *state;
	int room = (int)bpf_map__max_entries(mesh->programs->maps.flows) * SKEP_WAYS;
	int task[200];
	char forged[32];

	web_with(mesh, SKEP_POLICY_MAGLEV, 0);
	for (int i = 0; i < 200; i++) {
		task[i] = tcp_goes_to(mesh, client_number(i), SYN);
		tcp_goes_to(mesh, client_number(i), ACK);
	}
	for (int i = 0; i < room * 10; i++) {
		snprintf(forged, sizeof(forged), "198.51.%d.%d:%d", 101 + i / 250 % 100,
			 1 + i % 250, 1024 + i);
		tcp_goes_to(mesh, forged, ACK);
	}
	/* Another ring, so that those which were lost would be found to be. */
	mesh_ring(mesh, WEB, 0, RING(TASK_D));
	for (int i = 0; i < 200; i++)
		assert_int_equal(tcp_goes_to(mesh, client_number(i), ACK), task[i]);
}
BOTH(a_flood_of_forged_acks_washes_out_no_established_connection)

static void other_policies_take_up_nothing(void **state)
{
	static const enum skep_policy policies[] = {SKEP_POLICY_ROUND_ROBIN, SKEP_POLICY_SOURCE,
						    SKEP_POLICY_LEAST_FLOWS};
	struct mesh *mesh = *state;

	for (size_t i = 0; i < 3; i++) {
		web_with(mesh, policies[i], 60);
		assert_int_equal(tcp_goes_to(mesh, CLIENT, ACK), NOBODY);
	}
	if (!over_xdp)
		assert_int_equal(mesh_verdict(mesh, SKEP_PASS_NO_FLOW), 3);
}
BOTH(other_policies_take_up_nothing)

/* Every node must leave out a task in the same way, as rings do not change at one time. */
static void hashes_go_on_to_the_next_slot_where_a_task_does_not_serve(void **state)
{
	static const enum skep_policy policies[] = {SKEP_POLICY_MAGLEV, SKEP_POLICY_SOURCE};
	static const int next[] = {[A] = B, [B] = C, [C] = A};
	struct mesh *mesh = *state;

	for (size_t p = 0; p < 2; p++) {
		int moved = 0, task[60];

		web_with(mesh, policies[p], 0);
		for (int i = 0; i < 60; i++)
			task[i] = tcp_goes_to(mesh, client_number(i), SYN);
		go_to_another_node(mesh);
		mesh_task_state(mesh, TASK_B, SKEP_TASK_DRAINING);
		for (int i = 0; i < 60; i++) {
			int now = tcp_goes_to(mesh, client_number(i), SYN);

			assert_int_equal(now, task[i] == B ? next[B] : task[i]);
			moved += now != task[i];
		}
		assert_in_range(moved, 5, 50);
		forget_flows(mesh);
	}
}
BOTH(hashes_go_on_to_the_next_slot_where_a_task_does_not_serve)

static void udp_goes_by_hash_too(void **state)
{
	struct mesh *mesh = *state;
	int task[30];

	give_tasks(mesh, DNS);
	mesh_frontend_policy(mesh, DNS_AT, IPPROTO_UDP, SKEP_POLICY_MAGLEV, 0);
	for (int i = 0; i < 30; i++)
		task[i] = udp_goes_to(mesh, client_number(i));
	forget_flows(mesh);
	for (int i = 0; i < 30; i++) {
		assert_int_not_equal(task[i], NOBODY);
		assert_int_equal(udp_goes_to(mesh, client_number(i)), task[i]);
	}
}
BOTH(udp_goes_by_hash_too)

/* ---- source */

static void source_gives_all_connections_of_a_client_to_one_task(void **state)
{
	struct mesh *mesh = *state;
	int task[200], counts[256] = {0};

	web_with(mesh, SKEP_POLICY_SOURCE, 60);
	for (int i = 0; i < 200; i++)
		counts[task[i] = tcp_goes_to(mesh, client_number(i), SYN)]++;
	expect_spread(counts, 200);
	for (int i = 200; i < 600; i++)
		assert_int_equal(tcp_goes_to(mesh, client_number(i), SYN), task[i % 200]);
}
BOTH(source_gives_all_connections_of_a_client_to_one_task)

static void source_gives_a_client_the_same_task_on_every_node(void **state)
{
	struct mesh *mesh = *state;
	int task[50];

	web_with(mesh, SKEP_POLICY_SOURCE, 60);
	for (int i = 0; i < 50; i++)
		task[i] = tcp_goes_to(mesh, client_number(i), SYN);
	go_to_another_node(mesh);
	for (int i = 0; i < 50; i++)
		assert_int_equal(tcp_goes_to(mesh, client_number(200 + i), SYN), task[i]);
}
BOTH(source_gives_a_client_the_same_task_on_every_node)

static void a_changed_ring_moves_no_client_within_the_affinity_time(void **state)
{
	struct mesh *mesh = *state;
	int task[50];

	web_with(mesh, SKEP_POLICY_SOURCE, 3600);
	for (int i = 0; i < 50; i++)
		task[i] = tcp_goes_to(mesh, client_number(i), SYN);
	mesh_ring(mesh, WEB, 0, RING(TASK_D));
	mesh_affinity_age(mesh, 3500);
	for (int i = 0; i < 50; i++)
		assert_int_equal(tcp_goes_to(mesh, client_number(200 + i), SYN), task[i]);
	/* That was a connection, so its time begins anew. */
	mesh_affinity_age(mesh, 3500);
	for (int i = 0; i < 50; i++)
		assert_int_equal(tcp_goes_to(mesh, client_number(400 + i), SYN), task[i]);
	mesh_affinity_age(mesh, 3700);
	for (int i = 0; i < 50; i++)
		assert_int_equal(tcp_goes_to(mesh, client_number(600 + i), SYN), D);
}
BOTH(a_changed_ring_moves_no_client_within_the_affinity_time)

static void a_client_leaves_a_task_that_drains_and_its_connections_stay(void **state)
{
	struct mesh *mesh = *state;

	web_with(mesh, SKEP_POLICY_SOURCE, 3600);
	mesh_ring(mesh, WEB, 0, RING(TASK_A));
	assert_int_equal(tcp_goes_to(mesh, client_number(0), SYN), A);
	assert_int_equal(tcp_goes_to(mesh, client_number(0), ACK), A);
	mesh_task_state(mesh, TASK_A, SKEP_TASK_DRAINING);
	mesh_ring(mesh, WEB, 0, RING(TASK_B));
	assert_int_equal(tcp_goes_to(mesh, client_number(200), SYN), B);
	assert_int_equal(tcp_goes_to(mesh, client_number(0), ACK | PSH), A);
	/* And has found another for good. */
	mesh_task_state(mesh, TASK_A, SKEP_TASK_SERVING);
	mesh_ring(mesh, WEB, 0, RING(TASK_A));
	assert_int_equal(tcp_goes_to(mesh, client_number(400), SYN), B);
}
BOTH(a_client_leaves_a_task_that_drains_and_its_connections_stay)

static void affinity_to_what_became_another_services_task_is_void(void **state)
{
	struct mesh *mesh = *state;

	web_with(mesh, SKEP_POLICY_SOURCE, 3600);
	mesh_ring(mesh, WEB, 0, RING(TASK_A));
	assert_int_equal(tcp_goes_to(mesh, client_number(0), SYN), A);
	mesh_task(mesh, DNS, TASK_A, NODE_2, 0);
	mesh_ring(mesh, WEB, 0, RING(TASK_B));
	assert_int_equal(tcp_goes_to(mesh, client_number(200), SYN), B);
	mesh_task_gone(mesh, TASK_B);
	mesh_ring(mesh, WEB, 0, RING(TASK_C));
	assert_int_equal(tcp_goes_to(mesh, client_number(400), SYN), C);
}
BOTH(affinity_to_what_became_another_services_task_is_void)

static void affinity_is_written_down_only_when_it_tells_something_new(void **state)
{
	struct mesh *mesh = *state;
	struct skep_addr task;
	uint32_t age;

	web_with(mesh, SKEP_POLICY_SOURCE, 800);
	tcp_goes_to(mesh, client_number(0), SYN);
	assert_true(mesh_affinity(mesh, WEB, client_number(0), &task, &age));
	assert_in_range(age, 0, 5);
	mesh_affinity_age(mesh, 50);
	tcp_goes_to(mesh, client_number(200), SYN);
	assert_true(mesh_affinity(mesh, WEB, client_number(0), &task, &age));
	assert_in_range(age, 49, 60);
	mesh_affinity_age(mesh, 60);
	tcp_goes_to(mesh, client_number(400), SYN);
	assert_true(mesh_affinity(mesh, WEB, client_number(0), &task, &age));
	assert_in_range(age, 0, 5);
}
BOTH(affinity_is_written_down_only_when_it_tells_something_new)

static void other_policies_remember_no_client(void **state)
{
	struct mesh *mesh = *state;
	struct skep_addr task;

	web_with(mesh, SKEP_POLICY_MAGLEV, 60);
	tcp_goes_to(mesh, client_number(0), SYN);
	web_with(mesh, SKEP_POLICY_ROUND_ROBIN, 60);
	tcp_goes_to(mesh, client_number(1), SYN);
	assert_false(mesh_affinity(mesh, WEB, client_number(0), &task, NULL));
	assert_false(mesh_affinity(mesh, WEB, client_number(1), &task, NULL));
}
BOTH(other_policies_remember_no_client)

/* ---- least-flows */

/* A draw sees one task alone in one of 128 times, where there are two. */
static void least_flows_evens_out_what_is_uneven(void **state)
{
	struct mesh *mesh = *state;
	int counts[256] = {0};

	web_with(mesh, SKEP_POLICY_LEAST_FLOWS, 0);
	mesh_ring(mesh, WEB, 0, RING(TASK_A));
	for (int i = 0; i < 100; i++)
		assert_int_equal(tcp_goes_to(mesh, client_number(i), SYN), A);
	mesh_ring(mesh, WEB, 0, RING(TASK_A, TASK_B));
	for (int i = 100; i < 180; i++)
		counts[tcp_goes_to(mesh, client_number(i), SYN)]++;
	assert_in_range(counts[B], 70, 80);
	for (int i = 180; i < 300; i++)
		counts[tcp_goes_to(mesh, client_number(i), SYN)]++;
	assert_in_range(mesh_task_flows(mesh, TASK_A), 144, 156);
	assert_int_equal(mesh_task_flows(mesh, TASK_A) + mesh_task_flows(mesh, TASK_B), 300);
}
BOTH(least_flows_evens_out_what_is_uneven)

static void least_flows_counts_for_weight(void **state)
{
	struct mesh *mesh = *state;

	web_with(mesh, SKEP_POLICY_LEAST_FLOWS, 0);
	mesh_task_weight(mesh, TASK_A, 3);
	mesh_ring(mesh, WEB, 0, RING(TASK_A, TASK_A, TASK_B, TASK_A));
	for (int i = 0; i < 400; i++)
		tcp_goes_to(mesh, client_number(i), SYN);
	assert_in_range(mesh_task_flows(mesh, TASK_A), 290, 310);
	assert_int_equal(mesh_task_flows(mesh, TASK_A) + mesh_task_flows(mesh, TASK_B), 400);
}
BOTH(least_flows_counts_for_weight)

static void least_flows_draws_from_all_tasks(void **state)
{
	struct mesh *mesh = *state;

	web_with(mesh, SKEP_POLICY_LEAST_FLOWS, 0);
	mesh_ring(mesh, WEB, 0, RING(TASK_A, TASK_B, TASK_C, TASK_D));
	for (int i = 0; i < 400; i++)
		tcp_goes_to(mesh, client_number(i), SYN);
	for (int i = 0; i < 4; i++)
		assert_in_range(mesh_task_flows(mesh, task_names[i]), 90, 110);
}
BOTH(least_flows_draws_from_all_tasks)

static void least_flows_leaves_out_tasks_that_do_not_serve(void **state)
{
	struct mesh *mesh = *state;

	web_with(mesh, SKEP_POLICY_LEAST_FLOWS, 0);
	mesh_ring(mesh, WEB, 0, RING(TASK_A, TASK_B));
	mesh_task_state(mesh, TASK_A, SKEP_TASK_DRAINING);
	for (int i = 0; i < 20; i++) {
		int task = tcp_goes_to(mesh, client_number(i), SYN);

		/* One in 256 draws A eight times. */
		assert_true(task == B || task == NOBODY);
	}
	assert_in_range(mesh_task_flows(mesh, TASK_B), 17, 20);
	mesh_task_gone(mesh, TASK_B);
	assert_int_equal(tcp_goes_to(mesh, client_number(30), SYN), NOBODY);
}
BOTH(least_flows_leaves_out_tasks_that_do_not_serve)

static void least_flows_of_one_task_is_that_task(void **state)
{
	struct mesh *mesh = *state;

	web_with(mesh, SKEP_POLICY_LEAST_FLOWS, 0);
	mesh_ring(mesh, WEB, 0, RING(TASK_C));
	assert_int_equal(tcp_goes_to(mesh, CLIENT, SYN), C);
	mesh_ring(mesh, WEB, 0, NO_TASKS);
	assert_int_equal(tcp_goes_to(mesh, FAR_CLIENT, SYN), NOBODY);
}
BOTH(least_flows_of_one_task_is_that_task)

/* ---- live flows */

static void expect_counts_right(struct mesh *mesh)
{
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(mesh_task_flows(mesh, task_names[i]),
				 mesh_task_flows_found(mesh, task_names[i]));
}

static void a_flow_is_live_from_its_first_packet_to_its_fin_or_rst(void **state)
{
	static const struct {
		uint8_t flags;
		int live;
	} steps[] = {
		{SYN, 1},	{SYN, 1},	{ACK, 1}, {ACK | PSH, 1}, {FIN | ACK, 0}, {ACK, 0},
		{FIN | ACK, 0}, {RST | ACK, 0}, {SYN, 1}, {ACK, 1},	  {RST, 0},	  {RST, 0},
	};
	struct mesh *mesh = *state;

	give_tasks(mesh, WEB);
	mesh_ring(mesh, WEB, 0, RING(TASK_A));
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		assert_int_equal(tcp_goes_to(mesh, CLIENT, steps[i].flags), A);
		assert_int_equal(mesh_task_flows(mesh, TASK_A), steps[i].live);
	}
	expect_counts_right(mesh);
}
BOTH(a_flow_is_live_from_its_first_packet_to_its_fin_or_rst)

static void a_flow_that_moves_is_counted_where_it_went(void **state)
{
	struct frame reply =
		frame_between(tcp4(WEB_AT, CLIENT, SYN | ACK), "02:42:0a:00:00:0c", HERE_MAC);
	struct mesh *mesh = *state;

	give_tasks(mesh, WEB);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, SYN), A);
	mesh_run_framed(mesh, NODE_2, SKEP_VNI(SKEP_FRAME_RETURN, 0), &reply);
	assert_int_equal(mesh_task_flows(mesh, TASK_A), 0);
	assert_int_equal(mesh_task_flows(mesh, TASK_B), 1);
	assert_int_equal(tcp_goes_to(mesh, CLIENT, ACK), B);

	/* A task that is gone leaves its flow to another by the next SYN. */
	tcp_goes_to(mesh, FAR_CLIENT, SYN);
	mesh_task_gone(mesh, TASK_B);
	assert_int_equal(tcp_goes_to(mesh, FAR_CLIENT, SYN), C);
	assert_int_equal(mesh_task_flows(mesh, TASK_C), 1);
	expect_counts_right(mesh);
}
BOTH(a_flow_that_moves_is_counted_where_it_went)

static void a_flow_that_has_to_make_room_is_counted_down(void **state)
{
	struct mesh *mesh = *state;
	int room = (int)bpf_map__max_entries(mesh->programs->maps.flows) * SKEP_WAYS;
	int live = 0;

	give_tasks(mesh, WEB);
	for (int i = 0; i < room * 2; i++) {
		tcp_goes_to(mesh, client_number(i), SYN);
		if (i % 3)
			tcp_goes_to(mesh, client_number(i), ACK);
		if (i % 5 == 0)
			tcp_goes_to(mesh, client_number(i), FIN | ACK);
	}
	expect_counts_right(mesh);
	for (int i = 0; i < 4; i++)
		live += mesh_task_flows(mesh, task_names[i]);
	assert_in_range(live, room / 2, room);
}
BOTH(a_flow_that_has_to_make_room_is_counted_down)

/* ---- the sweep */

static void expect_flows(struct mesh *mesh, const char *task, int live)
{
	assert_int_equal(mesh_task_flows(mesh, task), live);
	expect_counts_right(mesh);
}

static void the_sweep_ends_silent_udp_conversations(void **state)
{
	struct mesh *mesh = *state;
	struct skep_flow flow;

	give_tasks(mesh, DNS);
	mesh_ring(mesh, DNS, 0, RING(TASK_A));
	for (int i = 0; i < 2; i++)
		udp_goes_to(mesh, client_number(i));
	mesh_flow_age(mesh, client_number(0), DNS_AT, IPPROTO_UDP, 31);
	mesh_flow_age(mesh, client_number(1), DNS_AT, IPPROTO_UDP, 29);
	mesh_sweep(mesh);
	expect_flows(mesh, TASK_A, 1);
	assert_false(mesh_flow(mesh, client_number(0), DNS_AT, IPPROTO_UDP, &flow));

	mesh_frontend_idle(mesh, DNS_AT, IPPROTO_UDP, 20);
	mesh_sweep(mesh);
	expect_flows(mesh, TASK_A, 0);
}
BOTH(the_sweep_ends_silent_udp_conversations)

static void the_sweep_ends_syns_that_nobody_answered(void **state)
{
	struct mesh *mesh = *state;

	give_tasks(mesh, WEB);
	mesh_ring(mesh, WEB, 0, RING(TASK_A));
	for (int i = 0; i < 3; i++)
		tcp_goes_to(mesh, client_number(i), SYN);
	tcp_goes_to(mesh, client_number(2), ACK);
	mesh_flow_age(mesh, client_number(0), WEB_AT, IPPROTO_TCP, 91);
	mesh_flow_age(mesh, client_number(1), WEB_AT, IPPROTO_TCP, 89);
	mesh_flow_age(mesh, client_number(2), WEB_AT, IPPROTO_TCP, 80000);
	mesh_sweep(mesh);
	expect_flows(mesh, TASK_A, 2);
	assert_int_equal(tcp_goes_to(mesh, client_number(0), ACK), NOBODY);
	assert_int_equal(tcp_goes_to(mesh, client_number(2), ACK), A);
}
BOTH(the_sweep_ends_syns_that_nobody_answered)

static void the_sweep_ends_connections_only_after_their_services_idle_time(void **state)
{
	struct mesh *mesh = *state;

	give_tasks(mesh, WEB);
	mesh_ring(mesh, WEB, 0, RING(TASK_A));
	for (int i = 0; i < 2; i++) {
		tcp_goes_to(mesh, client_number(i), SYN);
		tcp_goes_to(mesh, client_number(i), ACK);
	}
	mesh_flow_age(mesh, client_number(0), WEB_AT, IPPROTO_TCP, 700);
	mesh_flow_age(mesh, client_number(1), WEB_AT, IPPROTO_TCP, 500);
	mesh_sweep(mesh);
	expect_flows(mesh, TASK_A, 2);
	mesh_frontend_idle(mesh, WEB_AT, IPPROTO_TCP, 600);
	mesh_sweep(mesh);
	expect_flows(mesh, TASK_A, 1);
	/* Its client is told as if nobody had been here. */
	over_xdp = false;
	assert_int_equal(tcp_goes_to(mesh, client_number(0), ACK), NOBODY);
	expect_verdict(mesh, SKEP_ANSWER_IDLE_RST);
}
BOTH(the_sweep_ends_connections_only_after_their_services_idle_time)

static void a_gone_tasks_flow_is_counted_no_more_but_still_answered(void **state)
{
	struct mesh *mesh = *state;

	give_tasks(mesh, WEB);
	mesh_ring(mesh, WEB, 0, RING(TASK_A));
	tcp_goes_to(mesh, CLIENT, SYN);
	tcp_goes_to(mesh, CLIENT, ACK);
	mesh_task_gone(mesh, TASK_A);
	mesh_sweep(mesh);
	expect_flows(mesh, TASK_A, 0);
	over_xdp = false;
	assert_int_equal(tcp_goes_to(mesh, CLIENT, ACK), NOBODY);
	expect_verdict(mesh, SKEP_ANSWER_TASK_GONE_RST);
}
BOTH(a_gone_tasks_flow_is_counted_no_more_but_still_answered)

/* A number may be lent again before its last owner's flows are gone. */
static void a_number_that_is_lent_again_goes_down_by_what_its_last_owner_had(void **state)
{
	int tasks = bpf_map__fd(((struct mesh *)*state)->programs->maps.tasks);
	struct skep_addr addr = addr_of(TASK_B);
	struct mesh *mesh = *state;
	struct skep_task task;

	give_tasks(mesh, WEB);
	mesh_ring(mesh, WEB, 0, RING(TASK_A));
	for (int i = 0; i < 3; i++)
		tcp_goes_to(mesh, client_number(i), SYN);
	mesh_task_gone(mesh, TASK_A);
	assert_int_equal(bpf_map_lookup_elem(tasks, &addr, &task), 0);
	task.counter = A;
	assert_int_equal(bpf_map_update_elem(tasks, &addr, &task, BPF_EXIST), 0);
	mesh_ring(mesh, WEB, 0, RING(TASK_B));
	tcp_goes_to(mesh, client_number(10), SYN);
	mesh_sweep(mesh);
	expect_flows(mesh, TASK_A, 1);
	tcp_goes_to(mesh, client_number(10), RST);
	expect_flows(mesh, TASK_A, 0);
}
BOTH(a_number_that_is_lent_again_goes_down_by_what_its_last_owner_had)

static void the_sweep_forgets_flows_of_frontends_that_are_no_more(void **state)
{
	struct mesh *mesh = *state;

	give_tasks(mesh, WEB);
	mesh_ring(mesh, WEB, 0, RING(TASK_A));
	tcp_goes_to(mesh, CLIENT, SYN);
	tcp_goes_to(mesh, CLIENT, ACK);
	/* While it is published, it may be a flow that another node handed on. */
	mesh_no_frontend(mesh, WEB_AT, IPPROTO_TCP);
	mesh_sweep(mesh);
	expect_flows(mesh, TASK_A, 1);
	mesh_no_frontend(mesh, "0.0.0.0:8080", IPPROTO_TCP);
	mesh_sweep(mesh);
	expect_flows(mesh, TASK_A, 0);
}
BOTH(the_sweep_forgets_flows_of_frontends_that_are_no_more)

/* ---- under load */

struct load {
	struct mesh *mesh;
	int program;
	unsigned int seed;
	size_t runs, failed;
	bool xdp;
};

/* Half of the packets are of so few clients that the threads meet at every flow, half of so many
 * that the table is always full and every way soon another's. */
static void *load(void *argument)
{
	static const uint8_t flags[] = {SYN, ACK, ACK, ACK | PSH, FIN | ACK, RST};
	struct load *load = argument;
	struct __sk_buff skb = {.ifindex = (uint32_t)load->mesh->wire};
	unsigned char out[FRAME_SIZE];

	for (size_t i = 0; i < load->runs; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, run, .data_out = out, .data_size_out = sizeof(out),
			    .repeat = 1);
		unsigned int number = rand_r(&load->seed) % (i % 2 ? 8 : 8192);
		struct frame frame;
		char client[32];

		snprintf(client, sizeof(client), "198.51.100.%u:%u", 1 + number % 250,
			 5000 + number);
		frame = tcp4(client, WEB_AT, flags[rand_r(&load->seed) % sizeof(flags)]);
		run.data_in = frame.data;
		run.data_size_in = (uint32_t)frame.length;
		if (!load->xdp) {
			run.ctx_in = &skb;
			run.ctx_size_in = sizeof(skb);
		}
		load->failed += bpf_prog_test_run_opts(load->program, &run) != 0;
	}
	return NULL;
}

/* Meanwhile, tasks go and come, and the sweep finds it out. */
static void *churn(void *argument)
{
	struct load *churn = argument;

	for (size_t i = 0; i < churn->runs; i++) {
		const char *task = task_names[i % 3];

		mesh_task_gone(churn->mesh, task);
		mesh_sweep(churn->mesh);
		mesh_task(churn->mesh, WEB, task, NODE_2, 0);
	}
	return NULL;
}

static void counts_are_exact_after_any_load_and_zero_when_all_has_ended(void **state)
{
	struct mesh *mesh = *state;
	const int tc = bpf_program__fd(mesh->programs->progs.from_wire);
	struct load loads[] = {
		{mesh, tc, 1, 150000, 0, false},
		{mesh, tc, 2, 150000, 0, false},
		{mesh, -1, 0, 300, 0, false},
	};
	pthread_t threads[3];
	int live = 0;

	web_with(mesh, SKEP_POLICY_LEAST_FLOWS, 0);
	for (int i = 0; i < 2000; i++) /* fill the table: what is new takes another's place */
		tcp_goes_to(mesh, client_number(i), SYN);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, i < 2 ? load : churn, &loads[i]),
				 0);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(loads[0].failed + loads[1].failed, 0);
	expect_counts_right(mesh);
	for (int i = 0; i < 4; i++)
		live += mesh_task_flows(mesh, task_names[i]);
	assert_true(live > 0);

	mesh_no_frontend(mesh, WEB_AT, IPPROTO_TCP);
	mesh_no_frontend(mesh, "0.0.0.0:8080", IPPROTO_TCP);
	mesh_sweep(mesh);
	for (int i = 0; i < 4; i++)
		assert_int_equal(mesh_task_flows(mesh, task_names[i]), 0);
}

#define on_both(test) cmocka_unit_test(test##_on_tc), cmocka_unit_test(test##_on_xdp)

int main(void)
{
	struct CMUnitTest tests[] = {
		on_both(maglev_spreads_flows_over_all_tasks),
		on_both(maglev_gives_a_flow_the_same_task_on_every_node),
		on_both(maglev_takes_up_a_connection_that_began_on_another_node),
		on_both(a_connection_that_was_taken_up_is_established_by_its_second_packet),
		on_both(the_end_of_an_unknown_connection_is_carried_and_not_counted_as_live),
		on_both(a_flood_of_forged_acks_washes_out_no_established_connection),
		on_both(other_policies_take_up_nothing),
		on_both(hashes_go_on_to_the_next_slot_where_a_task_does_not_serve),
		on_both(udp_goes_by_hash_too),
		on_both(source_gives_all_connections_of_a_client_to_one_task),
		on_both(source_gives_a_client_the_same_task_on_every_node),
		on_both(a_changed_ring_moves_no_client_within_the_affinity_time),
		on_both(a_client_leaves_a_task_that_drains_and_its_connections_stay),
		on_both(affinity_to_what_became_another_services_task_is_void),
		on_both(affinity_is_written_down_only_when_it_tells_something_new),
		on_both(other_policies_remember_no_client),
		on_both(least_flows_evens_out_what_is_uneven),
		on_both(least_flows_counts_for_weight),
		on_both(least_flows_draws_from_all_tasks),
		on_both(least_flows_leaves_out_tasks_that_do_not_serve),
		on_both(least_flows_of_one_task_is_that_task),
		on_both(a_flow_is_live_from_its_first_packet_to_its_fin_or_rst),
		on_both(a_flow_that_moves_is_counted_where_it_went),
		on_both(a_flow_that_has_to_make_room_is_counted_down),
		on_both(the_sweep_ends_silent_udp_conversations),
		on_both(the_sweep_ends_syns_that_nobody_answered),
		on_both(the_sweep_ends_connections_only_after_their_services_idle_time),
		on_both(a_gone_tasks_flow_is_counted_no_more_but_still_answered),
		on_both(a_number_that_is_lent_again_goes_down_by_what_its_last_owner_had),
		on_both(the_sweep_forgets_flows_of_frontends_that_are_no_more),
		cmocka_unit_test(counts_are_exact_after_any_load_and_zero_when_all_has_ended),
	};

	return mesh_run_tests("policy", tests, sizeof(tests) / sizeof(tests[0]));
}
