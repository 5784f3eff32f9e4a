/* SPDX-License-Identifier: GPL-2.0-only */
#include "lib/loop.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define BATCH	  64
#define NS_PER_MS 1000000ULL

/*
 * Who watches a file descriptor. Events carry descriptor and generation, never a pointer: a watch
 * that was removed and freed by an earlier handler of the same batch, or whose descriptor is
 * another's by now, is then simply not found.
 */
struct slot {
	struct loop_watch *watch;
	uint32_t generation;
};

struct loop {
	int epoll_fd;
	bool stopped;
	struct slot *slots; /* by file descriptor */
	size_t n_slots;
	struct loop_timer *timers; /* sorted by deadline */
};

uint64_t loop_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

struct loop *loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		int saved_errno = errno;
		free(loop);
		errno = saved_errno;
		return NULL;
	}
	return loop;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	close(loop->epoll_fd);
	free(loop->slots);
	free(loop);
}

static struct slot *find_slot(struct loop *loop, const struct loop_watch *watch)
{
	if (watch->fd < 0 || (size_t)watch->fd >= loop->n_slots)
		return NULL;
	struct slot *slot = &loop->slots[watch->fd];
	return slot->watch == watch ? slot : NULL;
}

static int reserve_slot(struct loop *loop, int fd)
{
	size_t wanted = loop->n_slots ? loop->n_slots : 64;

	if ((size_t)fd < loop->n_slots)
		return 0;
	while (wanted <= (size_t)fd)
		wanted *= 2;
	struct slot *slots = realloc(loop->slots, wanted * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	memset(slots + loop->n_slots, 0, (wanted - loop->n_slots) * sizeof(*slots));
	loop->slots = slots;
	loop->n_slots = wanted;
	return 0;
}

static int control(struct loop *loop, int operation, int fd, uint32_t generation, uint32_t events)
{
	struct epoll_event event = {
		.events = events,
		.data.u64 = (uint64_t)generation << 32 | (uint32_t)fd,
	};

	return epoll_ctl(loop->epoll_fd, operation, fd, &event) < 0 ? -errno : 0;
}

int loop_add(struct loop *loop, struct loop_watch *watch, uint32_t events)
{
	int err;

	if (watch->fd < 0)
		return -EBADF;
	err = reserve_slot(loop, watch->fd);
	if (err)
		return err;
	struct slot *slot = &loop->slots[watch->fd];
	err = control(loop, EPOLL_CTL_ADD, watch->fd, slot->generation + 1, events);
	if (err)
		return err;
	slot->generation++;
	slot->watch = watch;
	return 0;
}

int loop_modify(struct loop *loop, struct loop_watch *watch, uint32_t events)
{
	struct slot *slot = find_slot(loop, watch);

	if (!slot)
		return -ENOENT;
	return control(loop, EPOLL_CTL_MOD, watch->fd, slot->generation, events);
}

void loop_remove(struct loop *loop, struct loop_watch *watch)
{
	struct slot *slot = find_slot(loop, watch);

	if (!slot)
		return;
	slot->watch = NULL;
	/* Fails if the descriptor was closed already, which took it out of the set. */
	(void)control(loop, EPOLL_CTL_DEL, watch->fd, 0, 0);
}

void loop_arm(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms)
{
	uint64_t now = loop_now_ns();
	struct loop_timer **place = &loop->timers;

	loop_disarm(loop, timer);
	timer->deadline_ns =
		delay_ms > (UINT64_MAX - now) / NS_PER_MS ? UINT64_MAX : now + delay_ms * NS_PER_MS;
	while (*place && (*place)->deadline_ns <= timer->deadline_ns)
		place = &(*place)->next;
	timer->next = *place;
	*place = timer;
}

void loop_disarm(struct loop *loop, struct loop_timer *timer)
{
	struct loop_timer **place = &loop->timers;

	if (!timer->deadline_ns)
		return;
	while (*place && *place != timer)
		place = &(*place)->next;
	if (*place)
		*place = timer->next;
	timer->next = NULL;
	timer->deadline_ns = 0;
}

/* Until the first deadline, rounded up: to wake before it would mean to spin. */
static int wait_ms(const struct loop *loop)
{
	uint64_t now, left;

	if (!loop->timers)
		return -1;
	now = loop_now_ns();
	if (loop->timers->deadline_ns <= now)
		return 0;
	left = (loop->timers->deadline_ns - now - 1) / NS_PER_MS + 1;
	return left > INT_MAX ? INT_MAX : (int)left;
}

/* Those due now; one that its handler arms again, with no delay even, waits for the next round. */
static void expire_timers(struct loop *loop)
{
	uint64_t now = loop_now_ns();

	while (!loop->stopped && loop->timers && loop->timers->deadline_ns < now) {
		struct loop_timer *timer = loop->timers;
		loop->timers = timer->next;
		timer->next = NULL;
		timer->deadline_ns = 0;
		timer->expired(timer);
	}
}

static void dispatch(struct loop *loop, const struct epoll_event *event)
{
	uint32_t fd = (uint32_t)event->data.u64;
	uint32_t generation = (uint32_t)(event->data.u64 >> 32);
	const struct slot *slot = &loop->slots[fd];

	if (slot->watch && slot->generation == generation)
		slot->watch->ready(slot->watch, event->events);
}

int loop_run(struct loop *loop)
{
	struct epoll_event events[BATCH];
	int err = 0;

	while (!loop->stopped) {
		int n = epoll_wait(loop->epoll_fd, events, BATCH, wait_ms(loop));
		if (n < 0 && errno != EINTR) {
			err = -errno;
			break;
		}
		for (int i = 0; i < n && !loop->stopped; i++)
			dispatch(loop, &events[i]);
		expire_timers(loop);
	}
	loop->stopped = false;
	return err;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}
