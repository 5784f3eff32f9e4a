/* SPDX-License-Identifier: GPL-2.0-only */
/* The tables of connections when they fill, and under load on several CPUs. */
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "expect.h"
#include "harness.skel.h"
#include "skep/table.h"

#define TASK_A "10.0.0.21"
#define TASK_B "10.0.0.22"

/* As many as the fixture's tables have ways. */
static size_t ways(const struct mesh *mesh)
{
	return bpf_map__max_entries(mesh->programs->maps.flows) * SKEP_WAYS;
}

/* Tasks on another node: the ingress node's table alone is filled. */
static void give_remote_tasks(struct mesh *mesh)
{
	mesh_task(mesh, WEB, TASK_A, NODE_2, 0);
	mesh_task(mesh, WEB, TASK_B, NODE_2, 0);
	mesh_ring(mesh, WEB, 0, RING(TASK_A, TASK_B));
}

static const char *client_number(size_t i)
{
	static char client[32];

	snprintf(client, sizeof(client), "198.51.%zu.%zu:%zu", i / 250 % 250, i % 250 + 1,
		 1024 + i % 60000);
	return client;
}

static enum way sent(struct mesh *mesh, size_t client, uint8_t flags)
{
	struct frame frame = tcp4(client_number(client), WEB_AT, flags);

	return mesh_run(mesh, FROM_WIRE, &frame).record.way;
}

static void establish(struct mesh *mesh, size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++) {
		assert_int_equal(sent(mesh, i, SYN), WAY_REDIRECT);
		assert_int_equal(sent(mesh, i, ACK), WAY_REDIRECT);
	}
}

static size_t living(struct mesh *mesh, size_t first, size_t n)
{
	size_t found = 0;

	for (size_t i = first; i < first + n; i++)
		found += sent(mesh, i, ACK) == WAY_REDIRECT;
	return found;
}

static void a_table_half_full_of_connections_loses_none(void **state)
{
	struct mesh *mesh = *state;
	size_t n = ways(mesh) / 2;

	give_remote_tasks(mesh);
	establish(mesh, 0, n);
	assert_int_equal(living(mesh, 0, n), n);
	assert_int_equal(mesh_verdict(mesh, SKEP_FLOW_EVICTED), 0);
}

static void a_table_two_thirds_full_of_half_open_connections_loses_none(void **state)
{
	struct mesh *mesh = *state;
	size_t n = ways(mesh) * 2 / 3;

	give_remote_tasks(mesh);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(sent(mesh, i, SYN), WAY_REDIRECT);
	assert_int_equal(living(mesh, 0, n), n);
}

static void a_syn_flood_washes_out_no_established_connection(void **state)
{
	struct mesh *mesh = *state;
	size_t n = ways(mesh) / 4;

	give_remote_tasks(mesh);
	establish(mesh, 0, n);
	for (size_t i = 0; i < ways(mesh) * 10; i++)
		assert_int_equal(sent(mesh, 10000 + i, SYN), WAY_REDIRECT);
	assert_int_equal(living(mesh, 0, n), n);
	assert_int_equal(mesh_verdict(mesh, SKEP_FLOW_EVICTED), 0);
}

static void a_full_table_still_takes_new_connections_and_counts_what_it_evicts(void **state)
{
	struct mesh *mesh = *state;
	size_t n = ways(mesh) * 2, left;

	give_remote_tasks(mesh);
	establish(mesh, 0, n);
	left = living(mesh, 0, n);
	assert_true(left <= ways(mesh) && left > ways(mesh) * 9 / 10);
	assert_int_equal(mesh_verdict(mesh, SKEP_FLOW_EVICTED), n - left);
}

static void connections_that_were_closed_make_room_first(void **state)
{
	struct mesh *mesh = *state;
	size_t n = ways(mesh) / 4;

	give_remote_tasks(mesh);
	establish(mesh, 0, n);
	for (size_t i = 20000; i < 20000 + 3 * n; i++) {
		establish(mesh, i, 1);
		sent(mesh, i, FIN | ACK);
	}
	establish(mesh, 40000, n);
	assert_int_equal(living(mesh, 0, n), n);
	assert_int_equal(mesh_verdict(mesh, SKEP_FLOW_EVICTED), 0);
}

/* What a reader may meet while a writer is at work: a key with another entry's value. */
static void a_value_that_was_not_written_for_its_key_is_not_believed(void **state)
{
	struct mesh *mesh = *state;
	struct bpf_map *flows = mesh->programs->maps.flows;
	struct skep_flow_bucket bucket;
	size_t changed = 0;

	give_remote_tasks(mesh);
	establish(mesh, 7, 1);
	for (uint32_t index = 0; index < bpf_map__max_entries(flows); index++) {
		assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(flows), &index, &bucket), 0);
		for (int way = 0; way < SKEP_WAYS; way++) {
			if (!bucket.tag[way])
				continue;
			bucket.way[way].value.task = skep_addr_v4(htonl(0x0a000016));
			changed++;
			assert_int_equal(
				bpf_map_update_elem(bpf_map__fd(flows), &index, &bucket, BPF_ANY),
				0);
		}
	}
	assert_int_equal(changed, 1);
	assert_int_equal(sent(mesh, 7, ACK), WAY_NONE);
	expect_verdict(mesh, SKEP_PASS_NO_FLOW);
}

/*
 * Two CPUs, a table of very few buckets: each connection of one service is looked up while others
 * of another service are written over the same ways. A torn entry would send it to the other
 * service's task.
 */
struct churn {
	struct mesh *mesh;
	unsigned int seed;
	const char *frontend;
	size_t runs, wrong;
	__be32 tasks[2];
};

static void *churn(void *argument)
{
	struct churn *churn = argument;
	int program = bpf_program__fd(churn->mesh->programs->progs.from_wire);
	struct __sk_buff context = {.ifindex = (uint32_t)churn->mesh->wire};

	for (size_t i = 0; i < churn->runs; i++) {
		unsigned int number = rand_r(&churn->seed) % 64;
		char client[32];
		struct frame frame;
		unsigned char out[FRAME_SIZE];
		LIBBPF_OPTS(bpf_test_run_opts, run, .data_out = out, .data_size_out = sizeof(out),
			    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = 1);

		snprintf(client, sizeof(client), "198.51.100.%u:%u", 1 + number, 5000 + number);
		frame = tcp4(client, churn->frontend, i % 2 ? ACK : SYN);
		run.data_in = frame.data;
		run.data_size_in = frame.length;
		if (bpf_prog_test_run_opts(program, &run)) {
			churn->wrong++;
			continue;
		}
		/* Redirected to a tunnel: the inner destination MAC, 02:42 + address, is the task.
		 */
		if (run.retval == 7 && memcmp(out + 2, &churn->tasks[0], 4) != 0 &&
		    memcmp(out + 2, &churn->tasks[1], 4) != 0)
			churn->wrong++;
	}
	return NULL;
}

static void nobody_reads_half_of_one_entry_and_half_of_another(void **state)
{
	struct mesh *mesh = *state;
	struct churn churns[] = {
		{mesh, 1, WEB_AT, 100000, 0, {htonl(0x0a000015), htonl(0x0a000016)}},
		{mesh, 2, "10.1.0.1:9090", 100000, 0, {htonl(0x0a00001f), htonl(0x0a000020)}},
	};
	pthread_t threads[2];

	give_remote_tasks(mesh);
	mesh_frontend(mesh, "10.1.0.1:9090", IPPROTO_TCP, 3, 80);
	mesh_task(mesh, 3, "10.0.0.31", NODE_2, 0);
	mesh_task(mesh, 3, "10.0.0.32", NODE_2, 0);
	mesh_ring(mesh, 3, 0, RING("10.0.0.31", "10.0.0.32"));
	/* Fill the table, so that everything new goes over something that lives. */
	establish(mesh, 50000, ways(mesh));

	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, churn, &churns[i]), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(churns[0].wrong, 0);
	assert_int_equal(churns[1].wrong, 0);
	assert_int_equal(mesh_verdict(mesh, SKEP_ANSWER_TASK_GONE_RST), 0);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_half_full_of_connections_loses_none),
		cmocka_unit_test(a_table_two_thirds_full_of_half_open_connections_loses_none),
		cmocka_unit_test(a_syn_flood_washes_out_no_established_connection),
		cmocka_unit_test(
			a_full_table_still_takes_new_connections_and_counts_what_it_evicts),
		cmocka_unit_test(connections_that_were_closed_make_room_first),
		cmocka_unit_test(a_value_that_was_not_written_for_its_key_is_not_believed),
		cmocka_unit_test(nobody_reads_half_of_one_entry_and_half_of_another),
	};

	return mesh_run_tests("table", tests, sizeof(tests) / sizeof(tests[0]));
}
