/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "proxy/buffer.h"

static struct buffers buffers;

static void put(struct buffer *buffer, const char *text)
{
	memcpy(buffer->data + buffer->end, text, strlen(text));
	buffer->end += strlen(text);
}

static void one_that_is_held_is_not_taken_again(void **state)
{
	struct buffer buffer = {0};
	char *data;

	(void)state;
	assert_int_equal(buffer_take(&buffers, &buffer), 0);
	data = buffer.data;
	put(&buffer, "abc");
	assert_int_equal(buffer_take(&buffers, &buffer), 0);
	assert_ptr_equal(buffer.data, data);
	assert_int_equal(buffer_length(&buffer), 3);
	buffer_give(&buffers, &buffer);
	assert_null(buffer.data);
	buffer_give(&buffers, &buffer); /* also one that is not held */
	buffers_free(&buffers);
}

static void one_given_back_is_lent_again(void **state)
{
	struct buffer buffer = {0};
	char *data;

	(void)state;
	buffer_take(&buffers, &buffer);
	data = buffer.data;
	buffer_give(&buffers, &buffer);
	assert_int_equal(buffers.usual.n, 1);
	buffer_take(&buffers, &buffer);
	assert_ptr_equal(buffer.data, data);
	assert_int_equal(buffer_length(&buffer), 0);
	assert_int_equal(buffers.usual.n, 0);
	buffer_give(&buffers, &buffer);
	buffers_free(&buffers);
}

static void no_more_are_kept_than_the_bound(void **state)
{
	struct buffer many[BUFFERS_KEPT + 10] = {0};

	(void)state;
	for (size_t i = 0; i < BUFFERS_KEPT + 10; i++)
		buffer_take(&buffers, &many[i]);
	for (size_t i = 0; i < BUFFERS_KEPT + 10; i++)
		buffer_give(&buffers, &many[i]);
	assert_int_equal(buffers.usual.n, BUFFERS_KEPT);
	buffers_free(&buffers);
	assert_int_equal(buffers.usual.n, 0);
}

static void growing_keeps_what_is_in_it(void **state)
{
	struct buffer buffer = {0};

	(void)state;
	buffer_take(&buffers, &buffer);
	put(&buffer, "xxhello");
	buffer.start = 2;
	assert_int_equal(buffer_grow(&buffers, &buffer, 100000), 0);
	assert_int_equal(buffer.start, 0);
	assert_int_equal(buffer.size, 100000);
	assert_memory_equal(buffer.data, "hello", 5);
	assert_int_equal(buffer_length(&buffer), 5);
	assert_int_equal(buffer_room(&buffer), 99995);
	/* A grown one is not among those that are lent. */
	assert_int_equal(buffers.usual.n, 1);
	buffer_give(&buffers, &buffer);
	assert_int_equal(buffers.usual.n, 1);
	buffers_free(&buffers);
}

static void large_ones_are_lent_again_up_to_a_bound(void **state)
{
	struct buffer many[BUFFERS_LARGE_KEPT + 2] = {0};
	char *last;

	(void)state;
	for (size_t i = 0; i < BUFFERS_LARGE_KEPT + 2; i++) {
		buffer_take(&buffers, &many[i]);
		put(&many[i], "hello");
		assert_int_equal(buffer_grow(&buffers, &many[i], BUFFER_LARGE), 0);
	}
	last = many[BUFFERS_LARGE_KEPT - 1].data;
	for (size_t i = 0; i < BUFFERS_LARGE_KEPT + 2; i++)
		buffer_give(&buffers, &many[i]);
	assert_int_equal(buffers.large.n, BUFFERS_LARGE_KEPT);
	buffer_take(&buffers, &many[0]);
	put(&many[0], "hello");
	assert_int_equal(buffer_grow(&buffers, &many[0], BUFFER_LARGE), 0);
	assert_ptr_equal(many[0].data, last);
	assert_int_equal(many[0].size, BUFFER_LARGE);
	assert_int_equal(buffer_length(&many[0]), 5);
	assert_memory_equal(many[0].data, "hello", 5);
	buffer_give(&buffers, &many[0]);
	buffers_free(&buffers);
	assert_int_equal(buffers.large.n, 0);
}

static void growing_to_less_packs_it(void **state)
{
	struct buffer buffer = {0};

	(void)state;
	buffer_take(&buffers, &buffer);
	put(&buffer, "xxhello");
	buffer.start = 2;
	assert_int_equal(buffer_grow(&buffers, &buffer, 100), 0);
	assert_int_equal(buffer.size, BUFFER_SIZE);
	assert_int_equal(buffer.start, 0);
	assert_memory_equal(buffer.data, "hello", 5);
	buffer_give(&buffers, &buffer);
	buffers_free(&buffers);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_is_held_is_not_taken_again),
		cmocka_unit_test(one_given_back_is_lent_again),
		cmocka_unit_test(no_more_are_kept_than_the_bound),
		cmocka_unit_test(growing_keeps_what_is_in_it),
		cmocka_unit_test(large_ones_are_lent_again_up_to_a_bound),
		cmocka_unit_test(growing_to_less_packs_it),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
