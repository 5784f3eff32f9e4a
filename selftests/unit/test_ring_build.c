/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every ring must be, whatever the tasks and weights: exact shares, nothing bunched, few
 * slots changed when a task comes or goes, one table on all nodes. Tasks are random; the seed is
 * printed, and SEED= sets it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "datapath/ring_build.h"
#include "lib/addr.h"

#define ROUNDS	  30
#define TASKS_MAX 300

static struct ring_task tasks[TASKS_MAX];
static struct skep_addr slots[SKEP_RING_MAX], others[SKEP_RING_MAX];

static uint32_t random_below(uint32_t limit)
{
	return (uint32_t)random() % limit;
}

/* Of one subnet, as Docker gives them, and none twice. */
static void make_tasks(size_t n, uint32_t heaviest)
{
	uint32_t net = 0x0a000000 + (random_below(256) << 16);
	uint32_t step = 1 + random_below(100), first = random_below(1000);

	memset(tasks, 0, sizeof(tasks));
	for (size_t i = 0; i < n; i++) {
		tasks[i].addr = skep_addr_v4(htonl(net + first + (uint32_t)i * step));
		tasks[i].weight = (uint16_t)(1 + random_below(heaviest));
	}
}

static void shuffle(struct ring_task *list, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t k = random_below((uint32_t)i);
		struct ring_task swap = list[i - 1];

		list[i - 1] = list[k];
		list[k] = swap;
	}
}

static uint32_t build(enum skep_policy policy, const struct ring_task *list, size_t n,
		      struct skep_addr *ring)
{
	struct ring_task copy[TASKS_MAX];

	memcpy(copy, list, n * sizeof(*list));
	n = ring_normalise(copy, n, false);
	assert_int_equal(ring_build(policy, copy, n, ring), 0);
	return ring_length(policy, copy, n);
}

static uint32_t count(const struct skep_addr *ring, uint32_t length, const struct skep_addr *addr)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < length; i++)
		found += skep_addr_equal(&ring[i], addr);
	return found;
}

static uint64_t weights(const struct ring_task *list, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += list[i].weight;
	return sum;
}

static void round_robin_gives_each_task_exactly_its_weight(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		size_t n = 1 + random_below(40);
		uint64_t sum;
		uint32_t length;

		make_tasks(n, 50);
		sum = weights(tasks, n);
		length = build(SKEP_POLICY_ROUND_ROBIN, tasks, n, slots);
		assert_true(length && sum % length == 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(count(slots, length, &tasks[i].addr) * (sum / length),
					 tasks[i].weight);
	}
}

/* After any number of slots each has had its share, to less than one slot. */
static void round_robin_bunches_nothing(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		size_t n = 2 + random_below(20);
		uint32_t length;
		double sum;

		make_tasks(n, 1 + random_below(100));
		sum = (double)weights(tasks, n);
		length = build(SKEP_POLICY_LEAST_FLOWS, tasks, n, slots);
		for (size_t i = 0; i < n; i++) {
			double had = 0;

			for (uint32_t at = 0; at < length; at++) {
				had += skep_addr_equal(&slots[at], &tasks[i].addr);
				assert_true(fabs(had - (at + 1) * tasks[i].weight / sum) < 1);
			}
		}
	}
}

static void equal_weights_make_a_ring_of_each_task_once_by_address(void **state)
{
	(void)state;
	make_tasks(50, 1);
	for (size_t i = 0; i < 50; i++)
		tasks[i].weight = 700;
	assert_int_equal(build(SKEP_POLICY_ROUND_ROBIN, tasks, 50, slots), 50);
	for (size_t i = 0; i < 50; i++)
		assert_true(skep_addr_equal(&slots[i], &tasks[i].addr));
}

static void weights_that_need_too_many_slots_are_scaled_down(void **state)
{
	const size_t n = TASKS_MAX;
	uint32_t length;
	uint64_t sum;

	(void)state;
	make_tasks(n, 1000);
	tasks[0].weight = 1;
	tasks[1].weight = 1000;
	sum = weights(tasks, n);
	assert_true(sum > SKEP_RING_MAX);
	length = build(SKEP_POLICY_ROUND_ROBIN, tasks, n, slots);
	assert_true(length <= SKEP_RING_MAX && length > SKEP_RING_MAX - n);
	for (size_t i = 0; i < n; i++) {
		double share = (double)tasks[i].weight / (double)sum;
		double got = count(slots, length, &tasks[i].addr);

		assert_true(got >= 1);
		assert_true(fabs(got - share * length) <= 1 + share * (double)n);
	}
}

static void maglev_shares_are_within_one_percent_of_the_weights(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		size_t n = 2 + random_below(100);
		uint32_t heaviest = round % 2 ? 1 : 4;
		double sum;

		make_tasks(n, heaviest);
		sum = (double)weights(tasks, n);
		assert_int_equal(build(SKEP_POLICY_MAGLEV, tasks, n, slots), SKEP_RING_MAX);
		for (size_t i = 0; i < n; i++) {
			double share = tasks[i].weight / sum * SKEP_RING_MAX;
			double got = count(slots, SKEP_RING_MAX, &tasks[i].addr);

			/* One slot is more than 1 % where a task has less than a hundred. */
			assert_true(fabs(got - share) <= (share > 100 ? share / 100 : 1));
		}
	}
}

static double changed(void)
{
	uint32_t differ = 0;

	for (uint32_t i = 0; i < SKEP_RING_MAX; i++)
		differ += !skep_addr_equal(&slots[i], &others[i]);
	return (double)differ / SKEP_RING_MAX;
}

/* Of the slots, how many change hands when one of the first n tasks goes: the mean over all of
 * them. */
static double changed_when_one_goes(size_t n)
{
	double sum = 0;

	build(SKEP_POLICY_SOURCE, tasks, n, slots);
	for (size_t i = 0; i < n; i++) {
		struct ring_task kept = tasks[i];
		double moved;

		tasks[i].weight = 0;
		build(SKEP_POLICY_SOURCE, tasks, n, others);
		tasks[i] = kept;
		moved = changed();
		assert_true(moved >= 0.99 / (double)n);
		sum += moved;
	}
	return sum / (double)n;
}

/*
 * Beside the slots of the one itself some of the others' change hands: hardly one in a hundred,
 * about as many however many tasks there are; so up to twenty tasks it is a fifth of the one's own.
 * Of one ring in a thousand two tasks have nearly the same permutation by chance, and some more
 * slots go: so what is asserted is the mean of rings, and of each ring less.
 */
static void when_one_of_n_goes_or_comes_little_more_than_its_slots_change_hands(void **state)
{
	double few = 0, many = 0; /* times a task's own, and beside them: sums */

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		size_t n = 3 + random_below(round % 2 ? 18 : 98);
		double moved;

		make_tasks(n, 1);
		shuffle(tasks, n);
		moved = changed_when_one_goes(n);
		assert_true(moved <= 1 / (double)n + 0.2);
		if (round % 2)
			few += moved * (double)n;
		else
			many += moved - 1 / (double)n;
	}
	assert_true(few <= 1.2 * (ROUNDS / 2));
	assert_true(many <= 0.01 * (ROUNDS / 2));
}

static void the_order_in_which_tasks_are_told_means_nothing(void **state)
{
	static const enum skep_policy policies[] = {SKEP_POLICY_ROUND_ROBIN, SKEP_POLICY_SOURCE,
						    SKEP_POLICY_MAGLEV, SKEP_POLICY_LEAST_FLOWS};

	(void)state;
	for (int round = 0; round < 8; round++) {
		size_t n = 2 + random_below(60);
		enum skep_policy policy = policies[round % 4];
		uint32_t length;

		make_tasks(n, 5);
		length = build(policy, tasks, n, slots);
		shuffle(tasks, n);
		assert_int_equal(build(policy, tasks, n, others), length);
		assert_memory_equal(slots, others, length * sizeof(*slots));
	}
}

/* Nodes of different versions must agree, so the table is nailed down by what it came to. */
static void the_maglev_table_is_that_of_every_version(void **state)
{
	static const unsigned char expected[] = {13, 14, 11, 14, 14, 11, 14, 13, 11,
						 13, 12, 12, 11, 12, 13, 11, 13};

	(void)state;
	memset(tasks, 0, sizeof(tasks));
	for (uint32_t i = 0; i < 4; i++) {
		tasks[i].addr = skep_addr_v4(htonl(0x0a00000b + i));
		tasks[i].weight = (uint16_t)(1 + i % 2);
	}
	build(SKEP_POLICY_MAGLEV, tasks, 4, slots);
	for (size_t i = 0; i < sizeof(expected); i++)
		assert_int_equal(ntohl(slots[i * 4000].word[3]) & 0xff, expected[i]);
}

static void a_task_of_weight_zero_gets_nothing(void **state)
{
	(void)state;
	make_tasks(3, 1);
	tasks[1].weight = 0;
	assert_int_equal(build(SKEP_POLICY_ROUND_ROBIN, tasks, 3, slots), 2);
	assert_int_equal(count(slots, 2, &tasks[1].addr), 0);
	build(SKEP_POLICY_MAGLEV, tasks, 3, slots);
	assert_int_equal(count(slots, SKEP_RING_MAX, &tasks[1].addr), 0);
	tasks[0].weight = tasks[2].weight = 0;
	for (int policy = SKEP_POLICY_ROUND_ROBIN; policy <= SKEP_POLICY_LEAST_FLOWS; policy++)
		assert_int_equal(build((enum skep_policy)policy, tasks, 3, slots), 0);
}

static void one_task_is_a_ring_of_one_slot(void **state)
{
	(void)state;
	make_tasks(1, 9);
	for (int policy = SKEP_POLICY_ROUND_ROBIN; policy <= SKEP_POLICY_LEAST_FLOWS; policy++) {
		assert_int_equal(build((enum skep_policy)policy, tasks, 1, slots), 1);
		assert_true(skep_addr_equal(&slots[0], &tasks[0].addr));
	}
}

static void local_tasks_are_preferred_while_any_of_them_takes_flows(void **state)
{
	(void)state;
	make_tasks(5, 1);
	tasks[1].local = tasks[3].local = 1;
	tasks[3].weight = 0;
	assert_int_equal(ring_normalise(tasks, 5, true), 1);
	assert_int_equal(tasks[0].local, 0);

	make_tasks(5, 1);
	tasks[1].local = tasks[3].local = 1;
	tasks[1].weight = tasks[3].weight = 0;
	assert_int_equal(ring_normalise(tasks, 5, true), 3);

	make_tasks(5, 1);
	tasks[1].local = 1;
	assert_int_equal(ring_normalise(tasks, 5, false), 5);
}

int main(void)
{
	static const struct CMUnitTest tests_[] = {
		cmocka_unit_test(round_robin_gives_each_task_exactly_its_weight),
		cmocka_unit_test(round_robin_bunches_nothing),
		cmocka_unit_test(equal_weights_make_a_ring_of_each_task_once_by_address),
		cmocka_unit_test(weights_that_need_too_many_slots_are_scaled_down),
		cmocka_unit_test(maglev_shares_are_within_one_percent_of_the_weights),
		cmocka_unit_test(
			when_one_of_n_goes_or_comes_little_more_than_its_slots_change_hands),
		cmocka_unit_test(the_order_in_which_tasks_are_told_means_nothing),
		cmocka_unit_test(the_maglev_table_is_that_of_every_version),
		cmocka_unit_test(a_task_of_weight_zero_gets_nothing),
		cmocka_unit_test(one_task_is_a_ring_of_one_slot),
		cmocka_unit_test(local_tasks_are_preferred_while_any_of_them_takes_flows),
	};
	const char *given = getenv("SEED");
	unsigned int seed =
		given ? (unsigned int)strtoul(given, NULL, 10) : (unsigned int)time(NULL);

	printf("# SEED=%u\n", seed);
	srandom(seed);
	return cmocka_run_group_tests_name("rings", tests_, NULL, NULL);
}
