/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "lib/loop.h"
#include "proxy/wheel.h"

struct alarm {
	struct wheel_timer timer;
	unsigned int rings;
	struct alarm *sets, *unsets; /* when it rings */
	uint64_t sets_to_ms;
};

static struct wheel wheel;

static void rings(struct wheel_timer *timer)
{
	struct alarm *alarm = container_of(timer, struct alarm, timer);

	alarm->rings++;
	if (alarm->sets)
		wheel_set(&wheel, &alarm->sets->timer, alarm->sets_to_ms);
	if (alarm->unsets)
		wheel_unset(&wheel, &alarm->unsets->timer);
}

static struct alarm new_alarm(void)
{
	return (struct alarm){.timer.expired = rings};
}

static void never_early_and_at_most_a_tick_late(void **state)
{
	(void)state;
	srand(1);
	for (int i = 0; i < 300; i++) {
		uint64_t start = 1 + (uint64_t)rand() % 1000000, now = start;
		uint64_t deadline = start + (uint64_t)rand() % 200000;
		struct alarm alarm = new_alarm();

		wheel_init(&wheel, start);
		wheel_set(&wheel, &alarm.timer, deadline);
		while (!alarm.rings) {
			int wait = wheel_wait_ms(&wheel, now);

			assert_true(wait >= 0);
			now += (uint64_t)wait + (uint64_t)(rand() % 3);
			wheel_run(&wheel, now);
			assert_true(!alarm.rings || now >= deadline);
			assert_true(alarm.rings || now < deadline + 2 * WHEEL_TICK_MS);
		}
		assert_int_equal(alarm.rings, 1);
		assert_int_equal(wheel_wait_ms(&wheel, now), -1);
	}
}

static void a_deadline_put_off_rings_once_at_the_later_time(void **state)
{
	struct alarm alarm = new_alarm();

	(void)state;
	wheel_init(&wheel, 1000);
	wheel_set(&wheel, &alarm.timer, 2000);
	wheel_set(&wheel, &alarm.timer, 5000);
	wheel_run(&wheel, 4999);
	assert_int_equal(alarm.rings, 0);
	wheel_run(&wheel, 5000 + WHEEL_TICK_MS);
	assert_int_equal(alarm.rings, 1);
}

static void a_deadline_brought_forward_rings_at_the_earlier_time(void **state)
{
	struct alarm alarm = new_alarm();

	(void)state;
	wheel_init(&wheel, 1000);
	wheel_set(&wheel, &alarm.timer, 50000);
	wheel_set(&wheel, &alarm.timer, 2000);
	wheel_run(&wheel, 2000 + WHEEL_TICK_MS);
	assert_int_equal(alarm.rings, 1);
	wheel_run(&wheel, 60000);
	assert_int_equal(alarm.rings, 1);
}

static void a_timer_that_was_unset_does_not_ring(void **state)
{
	struct alarm alarm = new_alarm();

	(void)state;
	wheel_init(&wheel, 1000);
	wheel_unset(&wheel, &alarm.timer); /* also one that was never set */
	wheel_set(&wheel, &alarm.timer, 2000);
	wheel_unset(&wheel, &alarm.timer);
	assert_int_equal(wheel_wait_ms(&wheel, 1000), -1);
	wheel_run(&wheel, 100000);
	assert_int_equal(alarm.rings, 0);
}

static void whoever_rings_may_unset_another_that_is_due(void **state)
{
	struct alarm one = new_alarm(), other = new_alarm();

	(void)state;
	one.unsets = &other;
	other.unsets = &one;
	wheel_init(&wheel, 1000);
	wheel_set(&wheel, &one.timer, 2000);
	wheel_set(&wheel, &other.timer, 2000);
	wheel_run(&wheel, 3000);
	assert_int_equal(one.rings + other.rings, 1);
	assert_int_equal(wheel.count, 0);
}

static void whoever_rings_may_set_itself_anew(void **state)
{
	struct alarm alarm = new_alarm();

	(void)state;
	alarm.sets = &alarm;
	alarm.sets_to_ms = 9000;
	wheel_init(&wheel, 1000);
	wheel_set(&wheel, &alarm.timer, 2000);
	wheel_run(&wheel, 3000);
	assert_int_equal(alarm.rings, 1);
	wheel_run(&wheel, 8999);
	assert_int_equal(alarm.rings, 1);
	alarm.sets = NULL;
	wheel_run(&wheel, 9100);
	assert_int_equal(alarm.rings, 2);
}

static void a_long_sleep_loses_no_timer(void **state)
{
	struct alarm alarms[200];

	(void)state;
	wheel_init(&wheel, 1000);
	for (size_t i = 0; i < 200; i++) {
		alarms[i] = new_alarm();
		wheel_set(&wheel, &alarms[i].timer, 1000 + i * 1000);
	}
	wheel_run(&wheel, 3600000);
	for (size_t i = 0; i < 200; i++)
		assert_int_equal(alarms[i].rings, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(never_early_and_at_most_a_tick_late),
		cmocka_unit_test(a_deadline_put_off_rings_once_at_the_later_time),
		cmocka_unit_test(a_deadline_brought_forward_rings_at_the_earlier_time),
		cmocka_unit_test(a_timer_that_was_unset_does_not_ring),
		cmocka_unit_test(whoever_rings_may_unset_another_that_is_due),
		cmocka_unit_test(whoever_rings_may_set_itself_anew),
		cmocka_unit_test(a_long_sleep_loses_no_timer),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
