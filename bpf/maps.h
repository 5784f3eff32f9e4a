/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maps, as `skep` pins them and `bpftool map dump pinned` prints them. What they mean and who
 * writes them: skep/maps.h. Sizes here are placeholders of 1: the agent sets them before it loads.
 */
#ifndef SKEP_BPF_MAPS_H
#define SKEP_BPF_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "skep/maps.h"
#include "skep/table.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct skep_config);
} config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct skep_frontend);
	__type(value, struct skep_service);
} services SEC(".maps");

/* Not read by any program: names for people, and the agent's memory of the ids that it gave. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct skep_service_name);
} service_names SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct skep_allow_key);
	__type(value, struct skep_allow);
} allow SEC(".maps");

/*
 * One service's ring. The map itself is never made (the agent switches it off); it stands here
 * because clang writes a type out in full only for a map, not for what `values` below points to,
 * and bpftool needs the names. It must come first among clang's variables, so it is defined here
 * and now, not tentatively.
 */
struct ring {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_INNER_MAP); /* inner arrays differ in length */
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, union skep_ring_slot);
} ring SEC(".maps") = {};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct ring);
} rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct skep_addr);
	__type(value, struct skep_task);
} tasks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct skep_addr);
	__type(value, struct skep_node);
} nodes SEC(".maps");

/* Nobody maps the tables, and nobody could; but what could be mapped begins at a page, so that
 * buckets are whole cache lines. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct skep_flow_bucket);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct skep_return_bucket);
} returns SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SKEP_FRAGMENTS_MAX);
	__type(key, struct skep_fragment_key);
	__type(value, struct skep_fragment);
} fragments SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct skep_affinity_key);
	__type(value, struct skep_affinity);
} affinity SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __s32);
} task_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct skep_counter);
} service_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct skep_counter);
} task_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SKEP_VERDICT_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} verdicts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SKEP_WIRES_MAX);
	__type(key, __u32);
	__type(value, struct skep_wire);
} wires SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SKEP_XDP_WAY_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} xdp_counters SEC(".maps");

/* Not read by any program: what skep attached where, for whoever has to take it off again. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct skep_hook);
} hooks SEC(".maps");

/* Number of buckets in each of flows and returns, less one; set before the programs are loaded. */
const volatile __u32 bucket_mask = 0;

static __always_inline const struct skep_config *config_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&config, &zero);
}

#endif
