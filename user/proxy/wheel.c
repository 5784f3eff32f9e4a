/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/wheel.h"

void wheel_init(struct wheel *wheel, uint64_t now_ms)
{
	*wheel = (struct wheel){.tick = now_ms / WHEEL_TICK_MS};
}

/* The first tick that begins at or after the deadline. */
static uint64_t due_tick(const struct wheel_timer *timer)
{
	return (timer->deadline_ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
}

static void hang(struct wheel *wheel, struct wheel_timer *timer)
{
	struct wheel_timer **place;

	timer->slot_tick = due_tick(timer);
	if (timer->slot_tick < wheel->tick)
		timer->slot_tick = wheel->tick;
	if (timer->slot_tick - wheel->tick >= WHEEL_SLOTS)
		timer->slot_tick = wheel->tick + WHEEL_SLOTS - 1;
	place = &wheel->slots[timer->slot_tick % WHEEL_SLOTS];
	timer->next = *place;
	timer->place = place;
	if (timer->next)
		timer->next->place = &timer->next;
	*place = timer;
	wheel->count++;
	if (timer->slot_tick < wheel->none_before)
		wheel->none_before = timer->slot_tick;
}

static void unhang(struct wheel *wheel, struct wheel_timer *timer)
{
	*timer->place = timer->next;
	if (timer->next)
		timer->next->place = timer->place;
	timer->place = NULL;
	wheel->count--;
}

void wheel_set(struct wheel *wheel, struct wheel_timer *timer, uint64_t deadline_ms)
{
	timer->deadline_ms = deadline_ms ? deadline_ms : 1;
	if (timer->place && timer->slot_tick <= due_tick(timer))
		return;
	if (timer->place)
		unhang(wheel, timer);
	hang(wheel, timer);
}

void wheel_unset(struct wheel *wheel, struct wheel_timer *timer)
{
	timer->deadline_ms = 0;
	if (timer->place)
		unhang(wheel, timer);
}

void wheel_run(struct wheel *wheel, uint64_t now_ms)
{
	uint64_t last = now_ms / WHEEL_TICK_MS;

	/* After a long sleep each slot is looked at once. */
	if (last > wheel->tick + WHEEL_SLOTS)
		wheel->tick = last - WHEEL_SLOTS;
	while (wheel->tick <= last) {
		struct wheel_timer **slot = &wheel->slots[wheel->tick % WHEEL_SLOTS];
		struct wheel_timer *due = *slot;

		/* A list of its own, from which a handler may take any. */
		*slot = NULL;
		if (due)
			due->place = &due;
		wheel->tick++;
		while (due) {
			struct wheel_timer *timer = due;

			unhang(wheel, timer);
			if (timer->deadline_ms > now_ms) {
				hang(wheel, timer);
				continue;
			}
			timer->deadline_ms = 0;
			timer->expired(timer);
		}
	}
}

int wheel_wait_ms(struct wheel *wheel, uint64_t now_ms)
{
	uint64_t at;

	if (!wheel->count)
		return -1;
	if (wheel->none_before < wheel->tick)
		wheel->none_before = wheel->tick;
	/* What was found empty is not looked at again. */
	while (!wheel->slots[wheel->none_before % WHEEL_SLOTS])
		wheel->none_before++;
	at = wheel->none_before * WHEEL_TICK_MS;
	return at > now_ms ? (int)(at - now_ms) : 0;
}
