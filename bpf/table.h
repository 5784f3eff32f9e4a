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

/*
 * The way, by numbers that are alike, which the verifier does not know: or it would go through all
 * that follows once for each way.
 */
static __always_inline __u32 way_hidden(__u32 way, __u32 found, __u32 tag)
{
	barrier_var(found);
	return (way + (found ^ tag)) & (SKEP_WAYS - 1);
}

/* By words, whatever the compiler may think of where they lie. */
static __always_inline void words_copy(void *to, const void *from, int words)
{
#pragma clang loop unroll(full)
	for (int i = 0; i < words; i++)
		((__u64 *)to)[i] = ((const __u64 *)from)[i];
}

/* Copies the entry's value and tells its place. Returns 0 if there is none. */
static __always_inline int table_get(void *map, const void *key, __u64 hash, __u64 *value,
				     struct table_place *place)
{
	__u32 index = table_first(hash, bucket_mask);
	__u32 tag = table_tag(hash);

	for (int i = 0; i < 2; i++) {
		struct table_bucket *bucket = bpf_map_lookup_elem(map, &index);

		if (!bucket)
			return 0;
#pragma clang loop unroll(full)
		for (__u32 way = 0; way < SKEP_WAYS; way++) {
			__u32 found = *(volatile __u32 *)&bucket->tag[way];

			if (found != tag || !key_equal(bucket->way[way].key, key))
				continue;
			words_copy(value, bucket->way[way].value, SKEP_VALUE_WORDS);
			if (bucket->way[way].guard != table_guard(hash, value))
				continue;
			place->bucket = bucket;
			place->number = index + 1;
			place->way = way_hidden(way, found, tag);
			return 1;
		}
		index = table_second(hash, bucket_mask);
	}
	return 0;
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

/* What a way is worth: the lower, the sooner it is replaced. Free ones first, then unanswered SYNs;
 * of what is alike, the oldest. */
static __always_inline __u64 way_worth(const struct table_bucket *bucket, __u32 way, __u32 now)
{
	if (!bucket->tag[way])
		return 0;
	/* The clock of another CPU may be ahead by a tick. */
	return ((__u64)bucket->state[way] << 36) | (__u32) ~(now + 1 - bucket->last_seen[way]);
}

/*
 * What it costs to put an entry into the bucket; in the lowest two bits, the way that it costs. Of
 * two buckets with a way of the same kind to give, the one with fewer established connections is
 * cheaper; then, since ways are taken in turn, the one with fewer others: so they spread, and all
 * eight ways of an entry are hardly ever taken (the power of two choices).
 */
static __always_inline __u64 bucket_cost(const struct table_bucket *bucket, __u32 now)
{
	__u64 lowest = ~0ULL, established = 0;

#pragma clang loop unroll(full)
	for (__u32 way = 0; way < SKEP_WAYS; way++) {
		__u64 worth = way_worth(bucket, way, now);

		if ((worth << 2 | way) < lowest)
			lowest = worth << 2 | way;
		established += worth >> 36 == SKEP_FLOW_ESTABLISHED;
	}
	return lowest + (established << 34);
}
_Static_assert(SKEP_WAYS == 4, "two bits");

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
	int evicted;

	if (!bucket)
		return -1;
	if (!known) {
		struct table_bucket *second;

		index = table_second(entry->hash, bucket_mask);
		second = bpf_map_lookup_elem(map, &index);
		if (!second)
			return -1;
		if (bucket_cost(second, now) < bucket_cost(bucket, now))
			bucket = second;
	}

	bpf_spin_lock(&bucket->lock);
#pragma clang loop unroll(full)
	for (__u32 way = 0; way < SKEP_WAYS; way++)
		if (bucket->tag[way] == tag && key_equal(bucket->way[way].key, entry->key))
			mine = way;
	chosen = bucket_cost(bucket, now) & (SKEP_WAYS - 1);
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
