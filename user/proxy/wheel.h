/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Deadlines of many connections, for one thread. To put a deadline off, which happens with every
 * request, is one store: the timer stays where it hangs, and is hung anew when its old time comes.
 * Exact to WHEEL_TICK_MS, never early.
 */
#ifndef SKEP_PROXY_WHEEL_H
#define SKEP_PROXY_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHEEL_TICK_MS 64
#define WHEEL_SLOTS   1024 /* 65 s; what is later comes by several times */

struct wheel_timer { /* zeroed: not set */
	struct wheel_timer *next, **place;
	uint64_t deadline_ms; /* 0: not set */
	uint64_t slot_tick;   /* where it hangs */
	void (*expired)(struct wheel_timer *timer);
};

struct wheel {
	struct wheel_timer *slots[WHEEL_SLOTS];
	uint64_t tick;	      /* the next to be looked at */
	uint64_t none_before; /* a tick: no timer hangs at one before it */
	size_t count;	      /* timers that hang */
};

void wheel_init(struct wheel *wheel, uint64_t now_ms);
/* Sets, or sets anew. Times are CLOCK_MONOTONIC, ms. */
void wheel_set(struct wheel *wheel, struct wheel_timer *timer, uint64_t deadline_ms);
void wheel_unset(struct wheel *wheel, struct wheel_timer *timer); /* also of one that is not set */
/* Calls expired() of what is due: each is unset before. It may set, unset and (unset) free any
 * timer. */
void wheel_run(struct wheel *wheel, uint64_t now_ms);
/* For epoll_wait(): until the next tick that has timers (or may have); -1: there are none. */
int wheel_wait_ms(struct wheel *wheel, uint64_t now_ms);

#endif
