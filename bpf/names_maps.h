/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps of the cgroup programs alone: see skep/names.h. Sizes of 1 are placeholders. */
#ifndef SKEP_BPF_NAMES_MAPS_H
#define SKEP_BPF_NAMES_MAPS_H

#include "maps.h"
#include "skep/names.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct skep_namespace);
} namespaces SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct skep_scope_key);
	__type(value, __u64);
} scopes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct skep_vip_key);
	__type(value, struct skep_vip);
} vips SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct ring);
} vip_rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SKEP_LISTENERS_MAX);
	__type(key, struct skep_frontend);
	__type(value, struct skep_listener);
} listeners SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct skep_socket);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SKEP_DATAGRAMS_MAX);
	__type(key, struct skep_datagram);
	__type(value, struct skep_peer);
} datagrams SEC(".maps");

#endif
