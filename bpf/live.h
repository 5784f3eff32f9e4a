/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How many live flows each task has: task_flows.
 *
 * The sum holds because of one rule: an entry of `flows` changes hands (is written, replaced,
 * closed, freed) under its bucket's lock alone, and whoever changed it counts what that came to
 * once the lock is open again. So each entry is counted up once and down once, by the counter that
 * is in it, whatever became of the task meanwhile; nothing ever needs to be set to zero.
 */
#ifndef SKEP_BPF_LIVE_H
#define SKEP_BPF_LIVE_H

#include "maps.h"
#include "table.h"

/* The counter of a flow whose task is not known: counted nowhere. */
#define COUNTER_NONE 0xffffffffU

static __always_inline int state_lives(__u32 state)
{
	return state && state != SKEP_FLOW_CLOSING;
}

static __always_inline void live_add(__u32 counter, __s32 flows)
{
	__s32 *live = bpf_map_lookup_elem(&task_flows, &counter);

	if (live)
		__sync_fetch_and_add(live, flows);
}

/* An entry came, in place of another or of none (state 0). */
static __always_inline void live_moved(const struct table_replaced *old, __u32 state, __u32 counter)
{
	int lived = state_lives(old->state), lives = state_lives(state);

	if (lived && lives && old->counter == counter)
		return;
	if (lived)
		live_add(old->counter, -1);
	if (lives)
		live_add(counter, 1);
}

/* An entry was given another state by table_entry_set(); of one that was gone nothing is to be
 * counted. */
static __always_inline void live_ended(const struct table_replaced *old, __u32 state)
{
	if (state_lives(old->state) && !state_lives(state))
		live_add(old->counter, -1);
}

/* Gives the flow another state, if it still is where it was found. */
static __noinline void flow_change(struct table_bucket *bucket, __u32 at, const __u64 *key,
				   __u32 state)
{
	struct table_replaced old = {};
	__u32 way = at & (SKEP_WAYS - 1);

	bpf_spin_lock(&bucket->lock);
	if (key_equal(bucket->way[way].key, key))
		old = table_entry_set(bucket, way, state);
	bpf_spin_unlock(&bucket->lock);
	live_ended(&old, state);
}

#endif
