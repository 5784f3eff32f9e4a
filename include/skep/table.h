/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The two tables of connections, `flows` and `returns`: set-associative, arrays of buckets with
 * four ways each.
 *
 * Why not the kernel's LRU hash: an insert there costs more than all the rest of a packet's way,
 * ten times so when the map is full, and what it evicts is chance, so that a SYN flood pushes out
 * connections that live. Here an entry may lie in either of two buckets, given by its hash; one
 * that finds all eight ways taken replaces the one that is worth least (bpf/table.h).
 *
 * What decides that, tag, state and time, lies in the bucket's first cache line. A bucket is 448
 * bytes.
 */
#ifndef SKEP_TABLE_H
#define SKEP_TABLE_H

#include <linux/bpf.h>
#include <linux/types.h>

#include "skep/maps.h"

#define SKEP_WAYS 4

/* Times in buckets are CLOCK_MONOTONIC in units of 2^26 ns (67 ms), 32 bits: good for nine years of
 * uptime. */
#define SKEP_TICK_SHIFT		26
#define SKEP_TICKS(nanoseconds) ((__u32)((__u64)(nanoseconds) >> SKEP_TICK_SHIFT))

/* What is looked up by, and what is found: words, to be compared and summed. */
#define SKEP_KEY_WORDS	 5
#define SKEP_VALUE_WORDS 5
_Static_assert(sizeof(struct skep_flow_key) == SKEP_KEY_WORDS * 8, "a flow's key");
_Static_assert(sizeof(struct skep_return_key) == SKEP_KEY_WORDS * 8, "a return's key");
_Static_assert(sizeof(struct skep_flow_choice) == SKEP_VALUE_WORDS * 8, "a flow's value");
_Static_assert(sizeof(struct skep_return_path) == SKEP_VALUE_WORDS * 8, "a return's value");

struct skep_flow_way {
	struct skep_flow_key key;
	struct skep_flow_choice value;
	__u64 guard;	    /* see table_guard() */
	__be16 source_port; /* what the task sees as the client's port; 0: the client's own */
	__u8 pad[6];
};

struct skep_return_way {
	struct skep_return_key key;
	struct skep_return_path value;
	__u64 guard;
	__u8 pad[8];
};

/* map `flows`, map `returns` */
#define SKEP_BUCKET(way_type)                                                                      \
	{                                                                                          \
		struct bpf_spin_lock lock;  /* taken to write key and value, never to read */      \
		__u32 tag[SKEP_WAYS];	    /* upper half of the hash, odd; 0: the way is free */  \
		__u32 last_seen[SKEP_WAYS]; /* ticks */                                            \
		__u8 state[SKEP_WAYS];	    /* enum skep_flow_state */                             \
		__u8 pad[24];                                                                      \
		way_type way[SKEP_WAYS];                                                           \
	}
struct skep_flow_bucket SKEP_BUCKET(struct skep_flow_way);
struct skep_return_bucket SKEP_BUCKET(struct skep_return_way);
_Static_assert(sizeof(struct skep_flow_way) == 96, "a flow's way");
_Static_assert(sizeof(struct skep_return_way) == 96, "a return's way");
_Static_assert(sizeof(struct skep_flow_bucket) == 448, "a flow's bucket: seven cache lines");
_Static_assert(sizeof(struct skep_return_bucket) == 448, "a return's bucket");

/*
 * Multiply and mix, with a random seed that is kept in config: nobody can aim at a bucket.
 * Addresses' upper and lower halves go in together, so that IPv4 takes three multiplications.
 */
static inline __u64 table_hash(const __u64 key[SKEP_KEY_WORDS], __u64 seed)
{
	__u64 hash = seed ^ key[1] ^ (key[0] << 29 | key[0] >> 35);

	hash *= 0x9e3779b97f4a7c15ULL;
	hash ^= hash >> 32;
	hash ^= key[3] ^ (key[2] << 29 | key[2] >> 35);
	hash *= 0xd6e8feb86659fd93ULL;
	hash ^= hash >> 32;
	hash ^= key[4];
	hash *= 0xa0761d6478bd642fULL;
	return hash ^ hash >> 29;
}

static inline __u32 table_tag(__u64 hash)
{
	return (__u32)(hash >> 32) | 1;
}

/* The two buckets of an entry. mask: number of buckets - 1, that being a power of two. */
static inline __u32 table_first(__u64 hash, __u32 mask)
{
	return (__u32)hash & mask;
}

static inline __u32 table_second(__u64 hash, __u32 mask)
{
	return ((__u32)hash ^ table_tag(hash) * 0x5bd1e995U) & mask;
}

/* The way that is an entry's own: it is there if it was free when the entry came. */
static inline __u32 table_way(__u64 hash)
{
	return (__u32)(hash >> 30) & (SKEP_WAYS - 1);
}

/* Binds a value to the key that it was written for. */
static inline __u64 table_guard(__u64 hash, const __u64 value[SKEP_VALUE_WORDS])
{
	return hash + value[0] * 0x9e3779b97f4a7c15ULL + value[1] * 0xc2b2ae3d27d4eb4fULL +
	       value[2] * 0x165667b19e3779f9ULL + value[3] * 0x27d4eb2f165667c5ULL +
	       value[4] * 0x85ebca77c2b2ae63ULL;
}

#endif
