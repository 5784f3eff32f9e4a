/* SPDX-License-Identifier: GPL-2.0-only */
/* Rings written to real maps and read back. Needs root; without it the tests are skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "datapath/rings.h"
#include "skep/maps.h"

static int rings;

static int setup(void **state)
{
	LIBBPF_OPTS(bpf_map_create_opts, inner, .map_flags = BPF_F_INNER_MAP);
	LIBBPF_OPTS(bpf_map_create_opts, outer);
	int ring = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ring", 4, sizeof(union skep_ring_slot), 1,
				  &inner);

	(void)state;
	rings = ring;
	if (ring < 0)
		return 0;
	outer.inner_map_fd = (__u32)ring;
	rings = bpf_map_create(BPF_MAP_TYPE_HASH_OF_MAPS, "rings", 4, 4, 64, &outer);
	close(ring);
	return rings < 0;
}

static int teardown(void **state)
{
	(void)state;
	if (rings >= 0)
		close(rings);
	return 0;
}

#define NEEDS_BPF                                                                                  \
	do {                                                                                       \
		if (rings == -EPERM)                                                               \
			skip();                                                                    \
		assert_true(rings >= 0);                                                           \
	} while (0)

static void add(struct ring_set *set, const struct ring_set *known, uint32_t id,
		enum skep_policy policy, uint32_t first, uint32_t n)
{
	struct ring_task tasks[100] = {0};

	for (uint32_t i = 0; i < n; i++) {
		tasks[i].addr = skep_addr_v4(htonl(0x0a000000 + first + i));
		tasks[i].weight = (uint16_t)(1 + i % 3);
	}
	assert_int_equal(ring_set_add(set, known, id, policy, tasks, n), 0);
}

static int ring_open(uint32_t id)
{
	__u32 inner;
	int fd;

	assert_int_equal(bpf_map_lookup_elem(rings, &id, &inner), 0);
	fd = bpf_map_get_fd_by_id(inner);
	assert_true(fd >= 0);
	return fd;
}

static size_t differences;

static void count(void *context, const struct ring *actual, const struct ring *desired)
{
	(void)context;
	(void)actual;
	(void)desired;
	differences++;
}

static size_t differ(const struct ring_set *actual, const struct ring_set *desired)
{
	differences = 0;
	rings_compare(actual, desired, count, NULL);
	return differences;
}

static void write_rings(const struct ring_set *actual, struct ring_set *desired,
			struct datapath_changes *changes)
{
	struct skep_error error;

	*changes = (struct datapath_changes){0};
	if (rings_write(rings, actual, desired, changes, &error) ||
	    rings_delete(rings, actual, desired, changes, &error))
		fail_msg("%s", error.text);
}

static void read_back(struct ring_set *set)
{
	struct skep_error error;

	*set = (struct ring_set){0};
	if (rings_read(rings, set, &error))
		fail_msg("%s", error.text);
}

static void rings_of_every_size_are_read_as_they_were_written(void **state)
{
	struct ring_set none = {0}, desired = {0}, actual;
	struct datapath_changes changes;

	(void)state;
	NEEDS_BPF;
	add(&desired, NULL, 1, SKEP_POLICY_ROUND_ROBIN, 1, 1);
	add(&desired, NULL, 2, SKEP_POLICY_LEAST_FLOWS, 10, 50);
	add(&desired, NULL, 3, SKEP_POLICY_MAGLEV, 100, 20);
	add(&desired, NULL, 9, SKEP_POLICY_SOURCE, 100, 2);
	write_rings(&none, &desired, &changes);
	assert_int_equal(changes.inserted, 4);
	read_back(&actual);
	assert_int_equal(actual.n_rings, 4);
	assert_int_equal(actual.rings[2].length, SKEP_RING_MAX);
	assert_int_equal(differ(&actual, &desired), 0);
	write_rings(&actual, &desired, &changes);
	assert_int_equal(changes.inserted + changes.replaced + changes.deleted, 0);
	ring_set_free(&desired);
	ring_set_free(&actual);
}

static void one_slot_that_somebody_changed_is_seen_and_mended(void **state)
{
	static const __u32 places[] = {1, 1000, SKEP_RING_MAX};
	struct ring_set none = {0}, desired = {0}, actual;
	struct datapath_changes changes;

	(void)state;
	NEEDS_BPF;
	add(&desired, NULL, 1, SKEP_POLICY_ROUND_ROBIN, 1, 10);
	add(&desired, NULL, 2, SKEP_POLICY_MAGLEV, 100, 20);
	write_rings(&none, &desired, &changes);
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		struct skep_addr addr = skep_addr_v4(htonl(0x0a00ffff));
		int ring = ring_open(2);

		assert_int_equal(bpf_map_update_elem(ring, &places[i], &addr, BPF_ANY), 0);
		close(ring);
		read_back(&actual);
		assert_int_equal(differ(&actual, &desired), 1);
		write_rings(&actual, &desired, &changes);
		assert_int_equal(changes.replaced, 1);
		ring_set_free(&actual);
		read_back(&actual);
		assert_int_equal(differ(&actual, &desired), 0);
		ring_set_free(&actual);
	}
	ring_set_free(&desired);
}

static void a_ring_that_is_replaced_keeps_its_cursor_and_one_not_wanted_goes(void **state)
{
	struct ring_set none = {0}, before = {0}, after = {0};
	union skep_ring_slot header;
	struct datapath_changes changes;
	__u32 zero = 0;
	int ring;

	(void)state;
	NEEDS_BPF;
	add(&before, NULL, 1, SKEP_POLICY_ROUND_ROBIN, 1, 10);
	add(&before, NULL, 2, SKEP_POLICY_ROUND_ROBIN, 20, 10);
	write_rings(&none, &before, &changes);
	ring = ring_open(1);
	assert_int_equal(bpf_map_lookup_elem(ring, &zero, &header), 0);
	header.header.cursor = 77;
	assert_int_equal(bpf_map_update_elem(ring, &zero, &header, BPF_ANY), 0);
	close(ring);

	add(&after, &before, 1, SKEP_POLICY_ROUND_ROBIN, 1, 11);
	write_rings(&before, &after, &changes);
	assert_int_equal(changes.replaced, 1);
	assert_int_equal(changes.deleted, 1);
	ring = ring_open(1);
	assert_int_equal(bpf_map_lookup_elem(ring, &zero, &header), 0);
	assert_int_equal(header.header.cursor, 77);
	close(ring);
	ring_set_free(&before);
	ring_set_free(&after);
}

static void a_ring_that_claims_more_slots_than_it_has_is_an_error(void **state)
{
	struct ring_set none = {0}, desired = {0}, actual = {0};
	struct datapath_changes changes;
	struct skep_error error;
	union skep_ring_slot header = {.header = {.length = 11}};
	__u32 zero = 0;
	int ring;

	(void)state;
	NEEDS_BPF;
	add(&desired, NULL, 1, SKEP_POLICY_ROUND_ROBIN, 1, 2);
	write_rings(&none, &desired, &changes);
	ring = ring_open(1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(bpf_map_update_elem(ring, &zero, &header, BPF_ANY), 0);
		assert_int_equal(rings_read(rings, &actual, &error), -EINVAL);
		ring_set_free(&actual);
		header.header.length = UINT32_MAX;
	}
	close(ring);
	ring_set_free(&desired);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rings_of_every_size_are_read_as_they_were_written,
						setup, teardown),
		cmocka_unit_test_setup_teardown(one_slot_that_somebody_changed_is_seen_and_mended,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_ring_that_is_replaced_keeps_its_cursor_and_one_not_wanted_goes, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			a_ring_that_claims_more_slots_than_it_has_is_an_error, setup, teardown),
	};

	return cmocka_run_group_tests_name("rings in maps", tests, NULL, NULL);
}
