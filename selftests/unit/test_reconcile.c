/* SPDX-License-Identifier: GPL-2.0-only */
/* Bringing real maps to tables. Needs root; without it the tests are skipped. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "datapath/reconcile.h"
#include "skep/maps.h"

#define NEEDS_BPF                                                                                  \
	do {                                                                                       \
		if (geteuid())                                                                     \
			skip();                                                                    \
	} while (0)

/* More than one batch reads. */
#define MANY 10000

static struct reconcile_map trie(uint32_t room)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
	struct reconcile_map map = {.name = "allow", .flag = "max-services"};

	map.fd = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "allow", sizeof(struct skep_allow_key),
				sizeof(struct skep_allow), room, &options);
	assert_true(map.fd >= 0);
	table_init(&map.actual, sizeof(struct skep_allow_key), sizeof(struct skep_allow));
	return map;
}

static void trie_close(struct reconcile_map *map)
{
	table_free(&map->actual);
	close(map->fd);
}

/* n addresses from 10.0.0.0 + first on. */
static struct table addresses(uint32_t first, uint32_t n)
{
	struct table table;

	table_init(&table, sizeof(struct skep_allow_key), sizeof(struct skep_allow));
	for (uint32_t i = 0; i < n; i++) {
		struct skep_allow_key key = {160, 1 + i % 7,
					     skep_addr_v4(htonl(0x0a000000 + first + i))};
		struct skep_allow value = {1};

		assert_int_equal(table_add(&table, &key, &value), 0);
	}
	table_sort(&table);
	return table;
}

static void holds(struct reconcile_map *map, const struct table *expected)
{
	struct skep_error error = {""};

	assert_int_equal(reconcile_read(map, &error), 0);
	assert_int_equal(map->actual.count, expected->count);
	assert_memory_equal(map->actual.rows, expected->rows,
			    expected->count * (expected->key_size + expected->value_size));
}

static void a_trie_is_brought_to_a_table_and_read_back_whole(void **state)
{
	struct datapath_changes changes = {0};
	struct skep_error error = {""};
	struct table before, after;
	struct reconcile_map map;

	(void)state;
	NEEDS_BPF;
	map = trie(2 * MANY);
	before = addresses(0, MANY);
	after = addresses(MANY / 4 * 7, MANY);
	assert_int_equal(reconcile_write(&map, &before, &changes, &error), 0);
	holds(&map, &before);
	assert_int_equal(reconcile_write(&map, &after, &changes, &error), 0);
	assert_int_equal(reconcile_delete(&map, &after, &changes, &error), 0);
	holds(&map, &after);
	assert_int_equal(changes.inserted, 2 * MANY);
	assert_int_equal(changes.deleted, MANY);
	table_free(&before);
	table_free(&after);
	trie_close(&map);
}

static void that_a_trie_is_full_is_told_with_what_to_do(void **state)
{
	struct datapath_changes changes = {0};
	struct skep_error error = {""};
	struct reconcile_map map;
	struct table more;

	(void)state;
	NEEDS_BPF;
	map = trie(10);
	more = addresses(0, 11);
	assert_true(reconcile_write(&map, &more, &changes, &error) < 0);
	assert_string_equal(error.text, "map allow is full; run `skep unload` and start the agent "
					"with a larger --max-services");
	table_free(&more);
	trie_close(&map);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trie_is_brought_to_a_table_and_read_back_whole),
		cmocka_unit_test(that_a_trie_is_full_is_told_with_what_to_do),
	};

	return cmocka_run_group_tests_name("reconcile", tests, NULL, NULL);
}
