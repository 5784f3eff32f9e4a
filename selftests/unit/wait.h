/* SPDX-License-Identifier: GPL-2.0-only */
/* Runs a loop until something is so: for tests of what happens in its own time. */
#ifndef SELFTESTS_UNIT_WAIT_H
#define SELFTESTS_UNIT_WAIT_H

#include <stdbool.h>

#include "lib/loop.h"

struct wait {
	struct loop *loop;
	struct loop_timer tick;
	uint64_t deadline_ns;
	bool (*is_so)(void *context);
	void *context;
	bool was_so;
};

static inline void wait_tick(struct loop_timer *timer)
{
	struct wait *wait = container_of(timer, struct wait, tick);

	wait->was_so = wait->is_so && wait->is_so(wait->context);
	if (wait->was_so || loop_now_ns() >= wait->deadline_ns)
		loop_stop(wait->loop);
	else
		loop_arm(wait->loop, timer, 2);
}

/* false: it was not within limit_ms. */
static inline bool wait_until(struct loop *loop, bool (*is_so)(void *), void *context,
			      uint64_t limit_ms)
{
	struct wait wait = {.loop = loop,
			    .tick.expired = wait_tick,
			    .deadline_ns = loop_now_ns() + limit_ms * 1000000,
			    .is_so = is_so,
			    .context = context};

	loop_arm(loop, &wait.tick, 0);
	loop_run(loop);
	loop_disarm(loop, &wait.tick);
	return wait.was_so;
}

/* Lets the loop go on for a while: for what must not happen. */
static inline void wait_for(struct loop *loop, uint64_t ms)
{
	wait_until(loop, NULL, NULL, ms);
}

#endif
