/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Look-up and insert in the tables of connections (skep/table.h).
 *
 * Readers take no lock. A writer takes the bucket's, frees the way (tag := 0), writes key, value
 * and guard, and gives it its new tag. A reader that meets it half-way cannot take one entry's
 * value for another's, on any machine and in whatever order the stores become visible: it copies
 * the value, and believes the copy only if key and guard both fit its own hash, and the guard is a
 * sum over hash and value. What else is in a way (time, state, source port) are single words, each
 * whole by itself.
 *
 * A way that is being written reads as a miss. Where a connection would be lost by it,
 * table_settle() waits for the writer, and the look-up is done again.
 */
#ifndef SKEP_BPF_TABLE_H
#define SKEP_BPF_TABLE_H

#include <stddef.h>

#include "maps.h"

/* Both kinds of bucket, as words. */
struct table_way {
	__u64 key[SKEP_KEY_WORDS];
	__u64 value[SKEP_VALUE_WORDS];
	__u64 guard;
	__be16 source_port;
	__u8 pad[6];
};
struct table_bucket SKEP_BUCKET(struct table_way);
_Static_assert(sizeof(struct table_bucket) == sizeof(struct skep_flow_bucket), "flows' buckets");
_Static_assert(offsetof(struct table_bucket, way[1].value) ==
		       offsetof(struct skep_flow_bucket, way[1].value),
	       "flows' ways");
_Static_assert(offsetof(struct table_bucket, way[1].guard) ==
		       offsetof(struct skep_return_bucket, way[1].guard),
	       "returns' ways");

/* Where an entry is. */
struct table_place {
	struct table_bucket *bucket;
	__u32 number; /* of the bucket, from 1 on; 0: nowhere */
	__u32 way;
};

static __always_inline int key_equal(const __u64 a[SKEP_KEY_WORDS], const __u64 b[SKEP_KEY_WORDS])
{
	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]));
}

/* By words, whatever the compiler may think of where they lie: it copies by bytes, and a word that
 * was written in pieces is late when it is read whole. */
static __always_inline void words_copy(void *to, const void *from, int words)
{
#pragma clang loop unroll(full)
	for (int i = 0; i < words; i++)
		((__u64 *)to)[i] = ((const __u64 *)from)[i];
}

/* Copies the value of the entry in that way. Returns 0 if it is another's. */
static __always_inline int way_read(const struct table_bucket *bucket, __u32 way, const void *key,
				    __u64 hash, __u64 *value)
{
	if (bucket->tag[way] != table_tag(hash) || !key_equal(bucket->way[way].key, key))
		return 0;
	words_copy(value, bucket->way[way].value, SKEP_VALUE_WORDS);
	return bucket->way[way].guard == table_guard(hash, value);
}

/*
 * Copies the entry's value and tells its place. Returns 0 if there is none. Most entries are in the
 * way that is theirs by right: where that is does not depend on what the bucket's first cache line
 * says, so that the wait for both is one.
 */
static __always_inline int table_get(void *map, const void *key, __u64 hash, __u64 *value,
				     struct table_place *place)
{
	__u32 index = table_first(hash, bucket_mask), way = table_way(hash);
	struct table_bucket *bucket = bpf_map_lookup_elem(map, &index);

	if (!bucket)
		return 0;
	if (way_read(bucket, way, key, hash, value))
		goto found;
	for (__u32 i = 1; i < 2 * SKEP_WAYS; i++) {
		if (i == SKEP_WAYS) {
			index = table_second(hash, bucket_mask);
			bucket = bpf_map_lookup_elem(map, &index);
			if (!bucket)
				return 0;
		}
		way = (way + 1) & (SKEP_WAYS - 1);
		if (way_read(bucket, way, key, hash, value))
			goto found;
	}
	return 0;
found:
	place->bucket = bucket;
	place->number = index + 1;
	place->way = way;
	return 1;
}

/* Waits until nobody writes the entry, wherever it may lie. */
static __always_inline void table_settle(void *map, __u64 hash)
{
	__u32 index = table_first(hash, bucket_mask);

	for (int i = 0; i < 2; i++) {
		struct table_bucket *bucket = bpf_map_lookup_elem(map, &index);

		if (!bucket)
			return;
		bpf_spin_lock(&bucket->lock);
		bpf_spin_unlock(&bucket->lock);
		index = table_second(hash, bucket_mask);
	}
}

/* The arithmetic of costs takes no branch: neither the processor nor the verifier has to follow
 * any. */

/* 1 if the way is taken. */
static __always_inline __u64 way_taken(const struct table_bucket *bucket, __u32 way)
{
	__u32 tag = bucket->tag[way], negative = -tag;

	barrier_var(negative); /* or the compiler sees through it */
	return (tag | negative) >> 31;
}

/* What a way is worth: the lower, the sooner it is replaced. Free ones first, then unanswered SYNs;
 * of what is alike, the oldest. */
static __always_inline __u64 way_worth(const struct table_bucket *bucket, __u32 way, __u32 now)
{
	/* The clock of another CPU may be ahead by a tick. */
	return way_taken(bucket, way) *
	       (((__u64)bucket->state[way] << 36) | (__u32) ~(now + 1 - bucket->last_seen[way]));
}

static __always_inline __u64 lesser(__u64 a, __u64 b) /* both below 2^63 */
{
	__u64 difference = a - b;

	return b + (difference & ((__s64)difference >> 63));
}

/*
 * What it costs to put an entry into the bucket: the worth of its cheapest way, and in the lowest
 * five bits how many of its ways are taken, and how many steps that way is from the entry's own. Of
 * two buckets with a way of the same kind to give, the one with fewer established connections is
 * cheaper; then the one with fewer others: so they spread, and all eight ways of an entry are
 * hardly ever taken (the power of two choices).
 */
static __always_inline __u64 bucket_cost(const struct table_bucket *bucket, __u64 hash, __u32 now)
{
	__u64 lowest = 1ULL << 62, established = 0, taken = 0;

#pragma clang loop unroll(disable)
	for (__u32 step = 0; step < SKEP_WAYS; step++) {
		__u32 way = (table_way(hash) + step) & (SKEP_WAYS - 1);
		__u64 worth = way_worth(bucket, way, now);

		lowest = lesser(worth << 5 | step, lowest);
		established += worth >> 38;
		taken += way_taken(bucket, way);
	}
	return lowest + (established << 37) + (taken << 2);
}
_Static_assert(SKEP_WAYS == 4, "two bits for steps, three for ways taken");
_Static_assert(SKEP_FLOW_ESTABLISHED >> 2 == 1 && SKEP_FLOW_DATAGRAM >> 2 == 0, "a bit alone");

static __always_inline __u32 cost_taken(__u64 cost)
{
	return cost >> 2 & 7;
}

static __always_inline __u32 cost_way(__u64 cost, __u64 hash)
{
	return (table_way(hash) + cost) & (SKEP_WAYS - 1);
}

/* An entry to be written. */
struct table_entry {
	__u64 key[SKEP_KEY_WORDS];
	__u64 value[SKEP_VALUE_WORDS];
	__u64 hash;
	__u32 now; /* ticks */
	__be16 source_port;
	__u8 state;
	__u8 pad;
};

/* What an entry took the place of. */
struct table_replaced {
	__u32 state;   /* 0: nothing was there */
	__u32 counter; /* of a flow */
};

/* To be called with the bucket's lock held. */
static __always_inline struct table_replaced table_entry_of(const struct table_bucket *bucket,
							    __u32 way)
{
	const struct skep_flow_choice *flow = (const void *)bucket->way[way].value;

	return (struct table_replaced){
		.state = bucket->tag[way] ? bucket->state[way] : 0,
		.counter = flow->counter,
	};
}

/*
 * Gives an entry that lives another state; 0 frees it. One that is closing stays so, since whoever
 * asks may have seen it before another CPU closed it. Returns what it was. With the lock held, too.
 */
static __always_inline struct table_replaced table_entry_set(struct table_bucket *bucket, __u32 way,
							     __u32 state)
{
	struct table_replaced old = table_entry_of(bucket, way);

	if (old.state && old.state != SKEP_FLOW_CLOSING) {
		bucket->state[way] = state;
		if (!state)
			bucket->tag[way] = 0;
	}
	return old;
}

/*
 * Writes an entry: over the one of the same key, if table_get() found one in the bucket of the
 * number `known`, else over the cheapest of its two buckets' ways. Returns -1 on a failure (no such
 * bucket), 1 if an established entry had to go for it, else 0. *replaced: what it was put over,
 * whosever that was.
 */
static __always_inline int table_put(void *map, __u32 known, const struct table_entry *entry,
				     struct table_replaced *replaced)
{
	__u64 guard = table_guard(entry->hash, entry->value);
	__u32 tag = table_tag(entry->hash), now = entry->now;
	__u32 index = known ? known - 1 : table_first(entry->hash, bucket_mask);
	struct table_bucket *bucket = bpf_map_lookup_elem(map, &index);
	__u32 chosen, mine = SKEP_WAYS;
	__u64 cost;
	int evicted;

	if (!bucket)
		return -1;
	cost = bucket_cost(bucket, entry->hash, now);
	/* An empty one is the cheapest there is. */
	if (!known && cost_taken(cost)) {
		struct table_bucket *second;

		index = table_second(entry->hash, bucket_mask);
		second = bpf_map_lookup_elem(map, &index);
		if (!second)
			return -1;
		if (bucket_cost(second, entry->hash, now) >> 2 < cost >> 2)
			bucket = second;
	}

	bpf_spin_lock(&bucket->lock);
#pragma clang loop unroll(full)
	for (__u32 way = 0; way < SKEP_WAYS; way++)
		if (bucket->tag[way] == tag && key_equal(bucket->way[way].key, entry->key))
			mine = way;
	chosen = cost_way(bucket_cost(bucket, entry->hash, now), entry->hash);
	evicted = mine == SKEP_WAYS && bucket->tag[chosen] &&
		  bucket->state[chosen] == SKEP_FLOW_ESTABLISHED;
	if (mine < SKEP_WAYS)
		chosen = mine;
	chosen &= SKEP_WAYS - 1;
	*replaced = table_entry_of(bucket, chosen);
	bucket->tag[chosen] = 0;
	barrier();
	words_copy(bucket->way[chosen].key, entry->key, SKEP_KEY_WORDS);
	words_copy(bucket->way[chosen].value, entry->value, SKEP_VALUE_WORDS);
	bucket->way[chosen].guard = guard;
	bucket->way[chosen].source_port = entry->source_port;
	bucket->last_seen[chosen] = now;
	bucket->state[chosen] = entry->state;
	barrier();
	bucket->tag[chosen] = tag;
	bpf_spin_unlock(&bucket->lock);
	return evicted;
}

#endif
