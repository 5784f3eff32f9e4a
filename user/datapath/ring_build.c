/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/ring_build.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/addr.h"

static int compare_task(const void *a, const void *b)
{
	const struct ring_task *x = a, *y = b;
	int order = addr_compare(&x->addr, &y->addr);

	return order ? order : (x->weight > y->weight) - (x->weight < y->weight);
}

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

size_t ring_normalise(struct ring_task *tasks, size_t n, bool prefer_local)
{
	bool local_only = false;
	uint32_t divisor = 0;
	size_t kept = 0;

	for (size_t i = 0; i < n && prefer_local && !local_only; i++)
		local_only = tasks[i].local && tasks[i].weight;
	for (size_t i = 0; i < n; i++) {
		if (!tasks[i].weight || (local_only && !tasks[i].local))
			continue;
		tasks[kept] = tasks[i];
		tasks[kept].local = 0;
		divisor = common_divisor(tasks[kept++].weight, divisor);
	}
	for (size_t i = 0; i < kept; i++)
		tasks[i].weight = (uint16_t)(tasks[i].weight / divisor);
	if (kept > 1)
		qsort(tasks, kept, sizeof(*tasks), compare_task);
	return kept;
}

static bool hashes(enum skep_policy policy)
{
	return policy == SKEP_POLICY_SOURCE || policy == SKEP_POLICY_MAGLEV;
}

static uint64_t weight_sum(const struct ring_task *tasks, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += tasks[i].weight;
	return sum;
}

/* Slots of one task of round robin's ring: its weight, or that scaled down, but never none. */
static uint32_t repeats(const struct ring_task *task, size_t n, uint64_t sum)
{
	if (sum <= SKEP_RING_MAX)
		return task->weight;
	return 1 + (uint32_t)(task->weight * (SKEP_RING_MAX - n) / sum);
}

/* More tasks than slots: those with the highest addresses have none. */
static size_t at_most(size_t n)
{
	return n < SKEP_RING_MAX ? n : SKEP_RING_MAX;
}

uint32_t ring_length(enum skep_policy policy, const struct ring_task *tasks, size_t n)
{
	uint64_t sum;
	uint32_t length = 0;

	n = at_most(n);
	if (hashes(policy) && n > 1)
		return SKEP_RING_MAX;
	sum = weight_sum(tasks, n);
	for (size_t i = 0; i < n; i++)
		length += repeats(&tasks[i], n, sum);
	return length;
}

/* ---- round robin */

/* One slot that a task is due: not before release, at the latest at deadline, counted from 1. */
struct turn {
	uint32_t release, deadline;
	uint32_t task;
	uint32_t next; /* of those released at the same time, plus 1 */
};

struct heap {
	const struct turn *turns;
	uint32_t *at;
	uint32_t n;
};

static bool earlier(const struct heap *heap, uint32_t a, uint32_t b)
{
	const struct turn *x = &heap->turns[a], *y = &heap->turns[b];

	return x->deadline < y->deadline || (x->deadline == y->deadline && x->task < y->task);
}

static void heap_push(struct heap *heap, uint32_t turn)
{
	uint32_t hole = heap->n++;

	while (hole && earlier(heap, turn, heap->at[(hole - 1) / 2])) {
		heap->at[hole] = heap->at[(hole - 1) / 2];
		hole = (hole - 1) / 2;
	}
	heap->at[hole] = turn;
}

static uint32_t heap_pop(struct heap *heap)
{
	uint32_t first = heap->at[0], last = heap->at[--heap->n], hole = 0;

	for (;;) {
		uint32_t child = 2 * hole + 1;

		if (child >= heap->n)
			break;
		if (child + 1 < heap->n && earlier(heap, heap->at[child + 1], heap->at[child]))
			child++;
		if (!earlier(heap, heap->at[child], last))
			break;
		heap->at[hole] = heap->at[child];
		hole = child;
	}
	heap->at[hole] = last;
	return first;
}

/*
 * The chairman assignment (R. Tijdeman, Discrete Mathematics 32, 1980): a task is due its next slot
 * once its share is ahead of its slots by 1 / (2n - 2), and must have it before that grows to 1 - 1
 * / (2n - 2); of those due, the most urgent one's turn it is. Then some task is always due, and
 * none ever lags or leads by a whole slot, which is the best that can be had.
 */
static int interleave(const struct ring_task *tasks, uint32_t n, uint32_t length,
		      struct skep_addr *slots)
{
	struct turn *turns = calloc(length, sizeof(*turns));
	uint32_t *released = calloc(length + 1, sizeof(*released)); /* the first at each time */
	struct heap heap = {turns, calloc(length, sizeof(*heap.at)), 0};
	uint64_t sum = weight_sum(tasks, n), part = 2 * (uint64_t)n - 2;
	uint32_t made = 0;
	int err = turns && released && heap.at ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < n && !err; i++) {
		uint32_t times = repeats(&tasks[i], n, sum);
		uint64_t scale = times * part;

		for (uint64_t k = 0; k < times; k++) {
			uint32_t release =
				(uint32_t)((length * (k * part + 1) + scale - 1) / scale);

			turns[made] = (struct turn){
				.release = release,
				.deadline = (uint32_t)(length * ((k + 1) * part - 1) / scale),
				.task = i,
				.next = released[release],
			};
			released[release] = ++made;
		}
	}
	for (uint32_t time = 1; time <= length && !err; time++) {
		for (uint32_t turn = released[time]; turn; turn = turns[turn - 1].next)
			heap_push(&heap, turn - 1);
		slots[time - 1] = tasks[turns[heap_pop(&heap)].task].addr;
	}
	free(turns);
	free(released);
	free(heap.at);
	return err;
}

/* ---- Maglev */

/* The finaliser of SplitMix64. */
static uint64_t mix(uint64_t value)
{
	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ULL;
	value = (value ^ value >> 27) * 0x94d049bb133111ebULL;
	return value ^ value >> 31;
}

/* By value, not by bytes: the same on either kind of machine. */
static uint64_t address_hash(const struct skep_addr *addr, uint64_t seed)
{
	uint64_t high = (uint64_t)ntohl(addr->word[0]) << 32 | ntohl(addr->word[1]);
	uint64_t low = (uint64_t)ntohl(addr->word[2]) << 32 | ntohl(addr->word[3]);

	return mix(mix(seed ^ high) ^ low);
}

struct preference { /* a task's own order of all slots: start, start + skip, … */
	uint32_t at;
	uint32_t skip;
	uint64_t turns_at; /* it takes a slot once rounds × weight has come so far */
};

static bool take(uint64_t *taken, uint32_t slot)
{
	uint64_t bit = 1ULL << slot % 64;

	if (taken[slot / 64] & bit)
		return false;
	taken[slot / 64] |= bit;
	return true;
}

/* Tasks take turns, each to the first free slot in its own order: the heaviest in each round. */
static int maglev(const struct ring_task *tasks, uint32_t n, struct skep_addr *slots)
{
	struct preference *preferences = calloc(n, sizeof(*preferences));
	uint64_t taken[SKEP_RING_MAX / 64 + 1] = {0}, heaviest = 0;
	uint32_t filled = 0;

	if (!preferences)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		preferences[i].at = (uint32_t)(address_hash(&tasks[i].addr, 0x736b65702d6f6666ULL) %
					       SKEP_RING_MAX);
		preferences[i].skip =
			1 + (uint32_t)(address_hash(&tasks[i].addr, 0x736b65702d736b69ULL) %
				       (SKEP_RING_MAX - 1));
		if (tasks[i].weight > heaviest)
			heaviest = tasks[i].weight;
	}
	for (uint64_t round = 0; filled < SKEP_RING_MAX; round++) {
		for (uint32_t i = 0; i < n && filled < SKEP_RING_MAX; i++) {
			struct preference *own = &preferences[i];
			uint32_t slot;

			if (round * tasks[i].weight < own->turns_at)
				continue;
			own->turns_at += heaviest;
			do {
				slot = own->at;
				own->at += own->skip;
				if (own->at >= SKEP_RING_MAX)
					own->at -= SKEP_RING_MAX;
			} while (!take(taken, slot));
			slots[slot] = tasks[i].addr;
			filled++;
		}
	}
	free(preferences);
	return 0;
}

int ring_build(enum skep_policy policy, const struct ring_task *tasks, size_t n,
	       struct skep_addr *slots)
{
	uint32_t length = ring_length(policy, tasks, n);

	n = at_most(n);
	if (length == n) {
		for (size_t i = 0; i < n; i++)
			slots[i] = tasks[i].addr;
		return 0;
	}
	return hashes(policy) ? maglev(tasks, (uint32_t)n, slots)
			      : interleave(tasks, (uint32_t)n, length, slots);
}
