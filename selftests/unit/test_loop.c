/* SPDX-License-Identifier: GPL-2.0-only */
/* The event loop, above all what handlers may do to other watches and timers, and to themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/loop.h"

static struct loop *loop;

static int make_loop(void **state)
{
	(void)state;
	loop = loop_new();
	return loop ? 0 : -1;
}

static int free_loop(void **state)
{
	(void)state;
	loop_free(loop);
	return 0;
}

/* A pipe with something to read in it, watched. What its handler does is the test's. */
struct reader {
	struct loop_watch watch;
	int writer;
	int calls;
	struct reader *other;
};

static struct reader *new_reader(void (*ready)(struct loop_watch *, uint32_t))
{
	struct reader *reader = calloc(1, sizeof(*reader));
	int ends[2];

	assert_non_null(reader);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	reader->watch.fd = ends[0];
	reader->watch.ready = ready;
	reader->writer = ends[1];
	assert_int_equal(loop_add(loop, &reader->watch, EPOLLIN), 0);
	return reader;
}

static void free_reader(struct reader *reader)
{
	loop_remove(loop, &reader->watch);
	close(reader->watch.fd);
	close(reader->writer);
	free(reader);
}

struct timer {
	struct loop_timer timer;
	int calls;
	struct timer *other;
};

static int expired_order[8];
static int n_expired;

static void stop(struct loop_timer *timer)
{
	(void)timer;
	loop_stop(loop);
}

/* Runs until nothing that is due now is left. */
static void run_for(uint64_t ms)
{
	struct loop_timer timer = {.expired = stop};

	loop_arm(loop, &timer, ms);
	assert_int_equal(loop_run(loop), 0);
}

static void read_one(struct loop_watch *watch, uint32_t events)
{
	struct reader *reader = container_of(watch, struct reader, watch);
	char byte;

	assert_true(events & EPOLLIN);
	assert_int_equal(read(watch->fd, &byte, 1), 1);
	reader->calls++;
}

static void test_handler_is_called_when_readable(void **state)
{
	struct reader *reader = new_reader(read_one);

	(void)state;
	run_for(5);
	assert_int_equal(reader->calls, 1);
	assert_int_equal(write(reader->writer, "y", 1), 1);
	run_for(5);
	assert_int_equal(reader->calls, 2);
	free_reader(reader);
}

static void count_and_write(struct loop_watch *watch, uint32_t events)
{
	struct reader *reader = container_of(watch, struct reader, watch);

	assert_true(events & EPOLLOUT);
	if (++reader->calls == 3)
		assert_int_equal(loop_modify(loop, watch, 0), 0);
}

static void test_events_can_be_changed(void **state)
{
	struct reader reader = {.watch = {.ready = count_and_write}};
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	reader.watch.fd = ends[1];
	assert_int_equal(loop_modify(loop, &reader.watch, EPOLLOUT), -ENOENT);
	assert_int_equal(loop_add(loop, &reader.watch, 0), 0);
	run_for(2);
	assert_int_equal(reader.calls, 0);
	assert_int_equal(loop_modify(loop, &reader.watch, EPOLLOUT), 0);
	run_for(5);
	assert_int_equal(reader.calls, 3);
	loop_remove(loop, &reader.watch);
	close(ends[0]);
	close(ends[1]);
}

static void test_what_cannot_be_watched_is_told(void **state)
{
	struct loop_watch closed = {.fd = -1, .ready = read_one};
	struct reader *reader = new_reader(read_one);

	(void)state;
	assert_int_equal(loop_add(loop, &closed, EPOLLIN), -EBADF);
	closed.fd = 1000000;
	assert_int_equal(loop_add(loop, &closed, EPOLLIN), -EBADF);
	assert_int_equal(loop_add(loop, &reader->watch, EPOLLIN), -EEXIST);
	run_for(5);
	assert_int_equal(reader->calls, 1);
	free_reader(reader);
}

static void test_removing_what_was_not_added_does_nothing(void **state)
{
	struct reader *reader = new_reader(read_one);
	struct loop_watch zero = {0}, none = {.fd = -1}, same = {.fd = reader->watch.fd};

	(void)state;
	loop_remove(loop, &zero);
	loop_remove(loop, &none);
	loop_remove(loop, &same);
	run_for(5);
	assert_int_equal(reader->calls, 1);
	loop_remove(loop, &reader->watch);
	loop_remove(loop, &reader->watch);
	free_reader(reader);
}

static int frees;

static void free_itself(struct loop_watch *watch, uint32_t events)
{
	(void)events;
	frees++;
	free_reader(container_of(watch, struct reader, watch));
}

static void test_handler_may_free_its_own_watch(void **state)
{
	(void)state;
	frees = 0;
	new_reader(free_itself);
	run_for(5);
	assert_int_equal(frees, 1);
}

static void free_the_other(struct loop_watch *watch, uint32_t events)
{
	struct reader *reader = container_of(watch, struct reader, watch);

	read_one(watch, events);
	if (reader->other) {
		reader->other->other = NULL;
		free_reader(reader->other);
		reader->other = NULL;
		frees++;
	}
}

static struct reader *survivor;

static void free_the_other_and_survive(struct loop_watch *watch, uint32_t events)
{
	struct reader *reader = container_of(watch, struct reader, watch);

	free_the_other(watch, events);
	survivor = reader;
}

/* Both are in one batch, in whichever order; under ASan or valgrind a touch of the freed one is
 * seen. */
static void test_handler_may_free_another_watch_of_the_batch(void **state)
{
	struct reader *first = new_reader(free_the_other_and_survive);
	struct reader *second = new_reader(free_the_other_and_survive);

	(void)state;
	frees = 0;
	first->other = second;
	second->other = first;
	run_for(5);
	assert_int_equal(frees, 1);
	assert_int_equal(survivor->calls, 1);
	free_reader(survivor);
}

static struct reader *successor;

static void replace_the_other(struct loop_watch *watch, uint32_t events)
{
	struct reader *reader = container_of(watch, struct reader, watch);
	int fd, ends[2];

	read_one(watch, events);
	/* The same number again, with nothing to read: the old event must not reach the new watch.
	 */
	fd = reader->other->watch.fd;
	free_reader(reader->other);
	successor = calloc(1, sizeof(*successor));
	assert_non_null(successor);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	/* The lowest free number is given out first. */
	assert_int_equal(ends[0], fd);
	successor->watch.fd = ends[0];
	successor->watch.ready = read_one;
	successor->writer = ends[1];
	assert_int_equal(loop_add(loop, &successor->watch, EPOLLIN), 0);
}

static void test_event_of_a_closed_descriptor_does_not_reach_its_successor(void **state)
{
	struct reader *first = new_reader(replace_the_other), *second = new_reader(read_one);

	(void)state;
	first->other = second;
	run_for(5);
	assert_int_equal(first->calls, 1);
	assert_int_equal(successor->calls, 0);
	assert_int_equal(write(successor->writer, "z", 1), 1);
	run_for(5);
	assert_int_equal(successor->calls, 1);
	free_reader(successor);
	free_reader(first);
}

static void test_many_watches_all_get_their_turn(void **state)
{
	struct reader *readers[300];

	(void)state;
	for (size_t i = 0; i < 300; i++)
		readers[i] = new_reader(read_one);
	run_for(20);
	for (size_t i = 0; i < 300; i++) {
		assert_int_equal(readers[i]->calls, 1);
		free_reader(readers[i]);
	}
}

static void note(struct loop_timer *timer)
{
	struct timer *own = container_of(timer, struct timer, timer);

	assert_int_equal(timer->deadline_ns, 0);
	expired_order[n_expired++] = own->calls;
}

static void test_timers_expire_in_order_of_their_deadlines(void **state)
{
	/* calls is used as a name here. */
	struct timer a = {{.expired = note}, 1, NULL}, b = {{.expired = note}, 2, NULL},
		     c = {{.expired = note}, 3, NULL}, never = {{.expired = note}, 4, NULL};
	uint64_t start = loop_now_ns();

	(void)state;
	n_expired = 0;
	loop_arm(loop, &c.timer, 12);
	loop_arm(loop, &a.timer, 4);
	loop_arm(loop, &never.timer, UINT64_MAX);
	loop_arm(loop, &b.timer, 8);
	run_for(20);
	assert_int_equal(n_expired, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(expired_order[i], i + 1);
	assert_true(loop_now_ns() - start >= 20000000);
	loop_disarm(loop, &never.timer);
}

static void test_timer_armed_again_counts_from_then(void **state)
{
	struct timer timer = {{.expired = note}, 1, NULL};

	(void)state;
	n_expired = 0;
	loop_arm(loop, &timer.timer, 1);
	loop_arm(loop, &timer.timer, 600000);
	run_for(5);
	assert_int_equal(n_expired, 0);
	loop_arm(loop, &timer.timer, 1);
	run_for(5);
	assert_int_equal(n_expired, 1);
}

static void test_disarmed_timer_does_not_expire(void **state)
{
	struct timer first = {{.expired = note}, 1, NULL}, second = {{.expired = note}, 2, NULL};
	struct loop_timer never_armed = {0};

	(void)state;
	n_expired = 0;
	loop_disarm(loop, &never_armed);
	loop_arm(loop, &first.timer, 1);
	loop_arm(loop, &second.timer, 1);
	loop_disarm(loop, &first.timer);
	loop_disarm(loop, &first.timer);
	run_for(5);
	assert_int_equal(n_expired, 1);
	assert_int_equal(expired_order[0], 2);
}

static void free_both(struct loop_timer *timer)
{
	struct timer *own = container_of(timer, struct timer, timer);

	frees++;
	loop_disarm(loop, &own->other->timer);
	free(own->other);
	free(own);
}

static void test_handler_may_free_its_own_and_another_due_timer(void **state)
{
	struct timer *first = calloc(1, sizeof(*first)), *second = calloc(1, sizeof(*second));

	(void)state;
	assert_non_null(first);
	assert_non_null(second);
	frees = 0;
	first->timer.expired = second->timer.expired = free_both;
	first->other = second;
	second->other = first;
	loop_arm(loop, &first->timer, 1);
	loop_arm(loop, &second->timer, 1);
	run_for(5);
	assert_int_equal(frees, 1);
}

static void arm_again_at_once(struct loop_timer *timer)
{
	container_of(timer, struct timer, timer)->calls++;
	loop_arm(loop, timer, 0);
}

static void test_timer_without_delay_does_not_starve_watches(void **state)
{
	struct timer timer = {{.expired = arm_again_at_once}, 0, NULL};
	struct reader *reader = new_reader(read_one);

	(void)state;
	loop_arm(loop, &timer.timer, 0);
	run_for(5);
	assert_true(timer.calls > 1);
	assert_int_equal(reader->calls, 1);
	loop_disarm(loop, &timer.timer);
	free_reader(reader);
}

static void stop_here(struct loop_watch *watch, uint32_t events)
{
	read_one(watch, events);
	loop_stop(loop);
}

static void test_nothing_is_called_after_stop_until_run_again(void **state)
{
	struct reader *first = new_reader(stop_here), *second = new_reader(stop_here);

	(void)state;
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(first->calls + second->calls, 1);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(first->calls + second->calls, 2);
	free_reader(first);
	free_reader(second);
}

static void test_stop_before_run_returns_at_once(void **state)
{
	struct reader *reader = new_reader(stop_here);

	(void)state;
	loop_stop(loop);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(reader->calls, 0);
	free_reader(reader);
}

static void test_free_of_no_loop_is_fine(void **state)
{
	(void)state;
	loop_free(NULL);
}

#define loop_test(function) cmocka_unit_test_setup_teardown(function, make_loop, free_loop)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		loop_test(test_handler_is_called_when_readable),
		loop_test(test_events_can_be_changed),
		loop_test(test_what_cannot_be_watched_is_told),
		loop_test(test_removing_what_was_not_added_does_nothing),
		loop_test(test_handler_may_free_its_own_watch),
		loop_test(test_handler_may_free_another_watch_of_the_batch),
		loop_test(test_event_of_a_closed_descriptor_does_not_reach_its_successor),
		loop_test(test_many_watches_all_get_their_turn),
		loop_test(test_timers_expire_in_order_of_their_deadlines),
		loop_test(test_timer_armed_again_counts_from_then),
		loop_test(test_disarmed_timer_does_not_expire),
		loop_test(test_handler_may_free_its_own_and_another_due_timer),
		loop_test(test_timer_without_delay_does_not_starve_watches),
		loop_test(test_nothing_is_called_after_stop_until_run_again),
		loop_test(test_stop_before_run_returns_at_once),
		cmocka_unit_test(test_free_of_no_loop_is_fine),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
