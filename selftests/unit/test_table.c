/* SPDX-License-Identifier: GPL-2.0-only */
/* Tables are sorted by key whatever their size and order, and their difference is exactly what
 * turns the one into the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "datapath/table.h"

#define KEY 16

/* A sequence that is the same every time. */
static uint32_t next_number(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/* Keys as addresses are: a few bytes differ. The value is the row's place. */
static void fill(struct table *table, size_t n, uint32_t different, uint32_t seed)
{
	table_init(table, KEY, sizeof(uint32_t));
	for (uint32_t i = 0; i < n; i++) {
		unsigned char key[KEY] = {0xfe, [10] = 0xff, [11] = 0xff};
		uint32_t number = next_number(&seed) % different;

		key[0] ^= number % 3;
		memcpy(key + 12, &number, sizeof(number));
		assert_int_equal(table_add(table, key, &i), 0);
	}
}

static uint32_t value_at(const struct table *table, size_t row)
{
	uint32_t value;

	memcpy(&value, table_value(table, row), sizeof(value));
	return value;
}

static void test_any_number_of_rows_is_sorted_by_key_and_stays_in_order_within_one(void **state)
{
	static const size_t sizes[] = {0, 1, 2, 3, 255, 256, 257, 1000, 20000};

	(void)state;
	for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		struct table before, table;
		size_t n = sizes[s];
		unsigned char *seen = calloc(n + 1, 1);

		assert_non_null(seen);
		fill(&before, n, n < 1000 ? 50 : 5000, (uint32_t)n);
		fill(&table, n, n < 1000 ? 50 : 5000, (uint32_t)n);
		table_sort(&table);
		assert_int_equal(table.count, n);
		for (size_t i = 0; i < n; i++) {
			uint32_t place = value_at(&table, i);

			assert_true(place < n && !seen[place]);
			seen[place] = 1;
			assert_memory_equal(table_key(&table, i), table_key(&before, place), KEY);
			if (!i)
				continue;
			int order = memcmp(table_key(&table, i - 1), table_key(&table, i), KEY);
			assert_true(order < 0 || (order == 0 && value_at(&table, i - 1) < place));
		}
		free(seen);
		table_free(&before);
		table_free(&table);
	}
}

static void test_a_sorted_table_takes_more_rows(void **state)
{
	unsigned char key[KEY] = {0};
	struct table table;
	uint32_t value = 77;

	(void)state;
	fill(&table, 300, 1000, 1);
	table_sort(&table);
	assert_int_equal(table_add(&table, key, &value), 0);
	table_sort(&table);
	assert_int_equal(value_at(&table, 0), 77);
	assert_int_equal(table.count, 301);
	table_free(&table);
}

static void test_of_rows_with_one_key_the_first_or_none_is_kept(void **state)
{
	struct table one, none;

	(void)state;
	fill(&one, 2000, 700, 2);
	fill(&none, 2000, 700, 2);
	table_sort(&one);
	table_sort(&none);
	table_deduplicate(&one, TABLE_KEEP_ONE);
	table_deduplicate(&none, TABLE_KEEP_NONE);
	assert_true(one.count < 701 && none.count < one.count);
	for (size_t i = 1; i < one.count; i++)
		assert_true(memcmp(table_key(&one, i - 1), table_key(&one, i), KEY) < 0);
	for (size_t i = 0; i < none.count; i++)
		assert_non_null(table_find(&one, table_key(&none, i)));
	table_free(&one);
	table_free(&none);
}

struct changes {
	struct table result;
	size_t inserted, replaced, deleted;
};

static int on_insert(void *context, const void *key, const void *value)
{
	struct changes *changes = context;

	changes->inserted++;
	return table_add(&changes->result, key, value);
}

static int on_replace(void *context, const void *key, const void *value, const void *old_value)
{
	struct changes *changes = context;

	assert_memory_not_equal(value, old_value, sizeof(uint32_t));
	changes->replaced++;
	return table_add(&changes->result, key, value);
}

static int on_delete(void *context, const void *key, const void *old_value)
{
	(void)key;
	(void)old_value;
	((struct changes *)context)->deleted++;
	return 0;
}

static void test_the_difference_of_two_tables_turns_one_into_the_other(void **state)
{
	struct table actual, desired;
	struct changes changes = {};
	struct table_difference difference = {on_insert, on_replace, on_delete, &changes};
	size_t same = 0;

	(void)state;
	fill(&actual, 1000, 3000, 3);
	fill(&desired, 1000, 3000, 4);
	table_sort(&actual);
	table_sort(&desired);
	table_deduplicate(&actual, TABLE_KEEP_ONE);
	table_deduplicate(&desired, TABLE_KEEP_ONE);
	table_init(&changes.result, KEY, sizeof(uint32_t));
	assert_int_equal(table_compare(&actual, &desired, &difference), 0);
	for (size_t i = 0; i < desired.count; i++) {
		const void *now = table_find(&actual, table_key(&desired, i));
		const void *wrote = table_find(&changes.result, table_key(&desired, i));

		if (now && memcmp(now, table_value(&desired, i), sizeof(uint32_t)) == 0) {
			assert_null(wrote);
			same++;
		} else {
			assert_non_null(wrote);
			assert_memory_equal(wrote, table_value(&desired, i), sizeof(uint32_t));
		}
	}
	assert_true(changes.inserted && changes.replaced && changes.deleted);
	assert_int_equal(changes.inserted + changes.replaced + same, desired.count);
	assert_int_equal(changes.deleted + changes.replaced + same, actual.count);
	table_free(&actual);
	table_free(&desired);
	table_free(&changes.result);
}

static void test_equal_tables_differ_in_nothing(void **state)
{
	struct table table;
	struct changes changes = {};
	struct table_difference difference = {on_insert, on_replace, on_delete, &changes};

	(void)state;
	fill(&table, 500, 100000, 5);
	table_sort(&table);
	assert_int_equal(table_compare(&table, &table, &difference), 0);
	assert_int_equal(changes.inserted + changes.replaced + changes.deleted, 0);
	table_free(&table);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_any_number_of_rows_is_sorted_by_key_and_stays_in_order_within_one),
		cmocka_unit_test(test_a_sorted_table_takes_more_rows),
		cmocka_unit_test(test_of_rows_with_one_key_the_first_or_none_is_kept),
		cmocka_unit_test(test_the_difference_of_two_tables_turns_one_into_the_other),
		cmocka_unit_test(test_equal_tables_differ_in_nothing),
	};

	return cmocka_run_group_tests_name("tables", tests, NULL, NULL);
}
