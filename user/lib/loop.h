/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The event loop: one thread, one epoll set. Handlers never block. A watch or timer is embedded in
 * what owns it (container_of gets that back), is removed before its owner is freed, and may be
 * removed or freed from within any handler, its own included.
 */
#ifndef SKEP_LIB_LOOP_H
#define SKEP_LIB_LOOP_H

#include <stddef.h>
#include <stdint.h>

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

struct loop;

struct loop_watch {
	int fd; /* owned by the caller, never closed here */
	void (*ready)(struct loop_watch *, uint32_t events); /* EPOLLIN, … */
};

struct loop_timer {
	void (*expired)(struct loop_timer *);
	uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0: not armed; the loop's business */
	struct loop_timer *next;
};

struct loop *loop_new(void); /* NULL: errno says why */
void loop_free(struct loop *);

int loop_add(struct loop *, struct loop_watch *, uint32_t events); /* negative errno on failure */
int loop_modify(struct loop *, struct loop_watch *,
		uint32_t events);		      /* negative errno on failure */
void loop_remove(struct loop *, struct loop_watch *); /* no-op if not added */

/* (Re-)arms: expires once, after delay_ms. */
void loop_arm(struct loop *, struct loop_timer *, uint64_t delay_ms);
void loop_disarm(struct loop *, struct loop_timer *); /* no-op if not armed */

/* Runs until loop_stop(); negative errno if epoll itself fails. */
int loop_run(struct loop *);
void loop_stop(struct loop *);

uint64_t loop_now_ns(void); /* CLOCK_MONOTONIC */

#endif
