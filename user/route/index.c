/* SPDX-License-Identifier: GPL-2.0-only */
#include "route/index.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/array.h"
#include "lib/hash.h"
#include "route/keys.h"

struct entry { /* a rule filed under a host and a path */
	struct key host;
	struct route_text path; /* size 0: any */
	uint32_t rank;
};

struct bucket { /* of one path, within a group */
	size_t group;
	struct route_text path;
	uint32_t *ranks; /* ascending */
	size_t n;
};

struct group { /* of one host */
	struct key host;
	const uint32_t *lengths; /* of the paths, each once, ascending */
	size_t n_lengths;
	uint32_t first; /* the lowest rank in it */
};

struct route_index {
	const struct group *groups;
	size_t n_groups;
	const struct bucket *buckets;
	size_t n_buckets;
	/* Open addressing; numbers from 1, 0: free. */
	const uint32_t *group_table, *bucket_table;
	size_t group_mask, bucket_mask;
	/* Lengths of what hosts begin and end with, each once, ascending. */
	const uint32_t *begin_lengths, *end_lengths;
	size_t n_begin_lengths, n_end_lengths;
};

/* ---- hashes: of a beginning, byte by byte, so that all lengths of one text cost one walk */

static uint64_t host_seed(enum key_kind kind)
{
	const unsigned char byte = (unsigned char)kind;

	return hash_bytes(HASH_START, &byte, 1);
}

static uint64_t add_host(uint64_t hash, struct route_text host, enum key_kind kind, size_t from,
			 size_t to)
{
	for (size_t i = from; i < to; i++) {
		size_t at = kind == KEY_ENDS ? host.size - 1 - i : i;
		const unsigned char byte = (unsigned char)tolower((unsigned char)host.data[at]);

		hash = hash_bytes(hash, &byte, 1);
	}
	return hash;
}

static uint64_t path_seed(size_t group)
{
	const uint32_t number = (uint32_t)group;

	return hash_bytes(HASH_START, &number, sizeof(number));
}

/* FNV's low bits depend on all bytes, but only on their low bits. */
static size_t place(uint64_t hash, size_t mask)
{
	return (hash ^ hash >> 32) & mask;
}

/* ---- building */

static int compare_text(struct route_text a, struct route_text b)
{
	size_t least = a.size < b.size ? a.size : b.size;
	int order = least ? memcmp(a.data, b.data, least) : 0;

	return order ? order : a.size == b.size ? 0 : a.size < b.size ? -1 : 1;
}

static int compare_hosts(const struct key *a, const struct key *b)
{
	return a->kind != b->kind ? (int)a->kind - (int)b->kind : compare_text(a->text, b->text);
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *first = a, *second = b;
	int order = compare_hosts(&first->host, &second->host);

	if (!order)
		order = compare_text(first->path, second->path);
	return order			     ? order
	       : first->rank == second->rank ? 0
	       : first->rank < second->rank  ? -1
					     : 1;
}

static bool file_rule(struct array *entries, const struct route_rule *rule)
{
	struct keys hosts, paths;

	keys_of_host(rule->match, &hosts);
	keys_of_path(rule->match, &paths);
	for (size_t i = 0; i < hosts.n; i++)
		for (size_t j = 0; j < paths.n; j++) {
			struct entry *entry = array_add(entries, sizeof(*entry));

			if (!entry)
				return false;
			*entry = (struct entry){hosts.items[i], paths.items[j].text, rule->rank};
		}
	return true;
}

struct building {
	struct arena *arena;
	struct route_index *index;
	struct group *groups;
	struct bucket *buckets;
	uint32_t *ranks;
	uint32_t *lengths; /* of all groups, each group's together */
};

static void add_length(uint32_t *lengths, size_t *n, size_t length)
{
	size_t at = 0;

	while (at < *n && lengths[at] < length)
		at++;
	if (at < *n && lengths[at] == length)
		return;
	memmove(lengths + at + 1, lengths + at, (*n - at) * sizeof(*lengths));
	lengths[at] = (uint32_t)length;
	(*n)++;
}

/* place: where the ranks of the bucket's entries have room, if it is the first of them. */
static void add_to_bucket(struct bucket *bucket, uint32_t *place, uint32_t rank)
{
	/* A rule whose conditions name a thing twice is filed once. */
	if (bucket->n && bucket->ranks[bucket->n - 1] == rank)
		return;
	if (!bucket->n)
		bucket->ranks = place;
	bucket->ranks[bucket->n++] = rank;
}

static void group_entries(struct building *building, const struct entry *entries, size_t n)
{
	struct route_index *index = building->index;

	for (size_t i = 0; i < n; i++) {
		const struct entry *entry = &entries[i];
		bool new_group = i == 0 || compare_hosts(&entry->host, &entries[i - 1].host) != 0;
		bool new_bucket = new_group || compare_text(entry->path, entries[i - 1].path) != 0;
		struct group *group;

		if (new_group) {
			group = &building->groups[index->n_groups++];
			*group = (struct group){entry->host, building->lengths + i, 0, UINT32_MAX};
		}
		group = &building->groups[index->n_groups - 1];
		if (entry->rank < group->first)
			group->first = entry->rank;
		if (new_bucket) {
			building->buckets[index->n_buckets++] =
				(struct bucket){.group = index->n_groups - 1, .path = entry->path};
			add_length((uint32_t *)group->lengths, &group->n_lengths, entry->path.size);
		}
		add_to_bucket(&building->buckets[index->n_buckets - 1], building->ranks + i,
			      entry->rank);
	}
}

static uint32_t *make_table(struct arena *arena, size_t n, size_t *mask)
{
	size_t size = 8;

	while (size < 2 * n)
		size *= 2;
	*mask = size - 1;
	return arena_array(arena, size, sizeof(uint32_t));
}

static void put(uint32_t *table, size_t mask, uint64_t hash, size_t number)
{
	size_t at = place(hash, mask);

	while (table[at])
		at = (at + 1) & mask;
	table[at] = (uint32_t)number + 1;
}

static bool make_tables(struct building *building)
{
	struct route_index *index = building->index;
	uint32_t *groups = make_table(building->arena, index->n_groups, &index->group_mask);
	uint32_t *buckets = make_table(building->arena, index->n_buckets, &index->bucket_mask);
	uint32_t *begins = arena_array(building->arena, index->n_groups + 1, sizeof(*begins));
	uint32_t *ends = arena_array(building->arena, index->n_groups + 1, sizeof(*ends));

	if (!groups || !buckets || !begins || !ends)
		return false;
	for (size_t i = 0; i < index->n_groups; i++) {
		const struct key *host = &building->groups[i].host;

		put(groups, index->group_mask,
		    add_host(host_seed(host->kind), host->text, host->kind, 0, host->text.size), i);
		if (host->kind == KEY_BEGINS)
			add_length(begins, &index->n_begin_lengths, host->text.size);
		if (host->kind == KEY_ENDS)
			add_length(ends, &index->n_end_lengths, host->text.size);
	}
	for (size_t i = 0; i < index->n_buckets; i++) {
		const struct bucket *bucket = &building->buckets[i];

		put(buckets, index->bucket_mask,
		    hash_bytes(path_seed(bucket->group), bucket->path.data, bucket->path.size), i);
	}
	index->group_table = groups;
	index->bucket_table = buckets;
	index->begin_lengths = begins;
	index->end_lengths = ends;
	return true;
}

static bool make_index(struct building *building, const struct entry *entries, size_t n)
{
	building->groups = arena_array(building->arena, n + 1, sizeof(*building->groups));
	building->buckets = arena_array(building->arena, n + 1, sizeof(*building->buckets));
	building->ranks = arena_array(building->arena, n + 1, sizeof(*building->ranks));
	building->lengths = arena_array(building->arena, n + 1, sizeof(*building->lengths));
	if (!building->groups || !building->buckets || !building->ranks || !building->lengths)
		return false;
	building->index->groups = building->groups;
	building->index->buckets = building->buckets;
	group_entries(building, entries, n);
	return make_tables(building);
}

const struct route_index *route_index_build(struct arena *arena, struct route_rule *const *rules,
					    size_t n)
{
	struct building building = {.arena = arena};
	struct array entries = {0};
	bool made = true;

	building.index = arena_alloc(arena, sizeof(*building.index));
	for (size_t i = 0; made && i < n; i++)
		made = file_rule(&entries, rules[i]);
	if (entries.n)
		qsort(entries.items, entries.n, sizeof(struct entry), compare_entries);
	made = made && building.index && make_index(&building, entries.items, entries.n);
	free(entries.items);
	return made ? building.index : NULL;
}

/* ---- looking */

struct search {
	const struct route_index *index;
	const struct route_request *request;
	uint32_t limit;
	uint32_t (*visit)(void *context, uint32_t rank);
	void *context;
};

static const struct bucket *find_bucket(const struct route_index *index, uint64_t hash,
					size_t group, struct route_text path)
{
	for (size_t at = place(hash, index->bucket_mask); index->bucket_table[at];
	     at = (at + 1) & index->bucket_mask) {
		const struct bucket *bucket = &index->buckets[index->bucket_table[at] - 1];

		if (bucket->group == group && compare_text(bucket->path, path) == 0)
			return bucket;
	}
	return NULL;
}

static void search_group(struct search *search, size_t number)
{
	const struct route_index *index = search->index;
	const struct group *group = &index->groups[number];
	const struct route_text path = search->request->path;
	uint64_t hash = path_seed(number);
	size_t hashed = 0;

	for (size_t i = 0; i < group->n_lengths && group->first < search->limit; i++) {
		const struct bucket *bucket;
		size_t length = group->lengths[i];

		if (length > path.size)
			return;
		hash = hash_bytes(hash, path.data + hashed, length - hashed);
		hashed = length;
		bucket = find_bucket(index, hash, number, (struct route_text){path.data, length});
		for (size_t j = 0; bucket && j < bucket->n && bucket->ranks[j] < search->limit; j++)
			search->limit = search->visit(search->context, bucket->ranks[j]);
	}
}

static void search_host(struct search *search, uint64_t hash, enum key_kind kind,
			struct route_text host)
{
	const struct route_index *index = search->index;

	for (size_t at = place(hash, index->group_mask); index->group_table[at];
	     at = (at + 1) & index->group_mask) {
		const size_t number = index->group_table[at] - 1;
		const struct key *key = &index->groups[number].host;

		if (key->kind == kind && key->text.size == host.size &&
		    (host.size == 0 || strncasecmp(key->text.data, host.data, host.size) == 0)) {
			search_group(search, number);
			return;
		}
	}
}

static void search_lengths(struct search *search, enum key_kind kind, const uint32_t *lengths,
			   size_t n)
{
	const struct route_text host = search->request->host;
	uint64_t hash = host_seed(kind);
	size_t hashed = 0;

	for (size_t i = 0; i < n && lengths[i] <= host.size; i++) {
		const size_t length = lengths[i];
		const char *start = host.data + (kind == KEY_ENDS ? host.size - length : 0);

		hash = add_host(hash, host, kind, hashed, length);
		hashed = length;
		search_host(search, hash, kind, (struct route_text){start, length});
	}
}

void route_index_candidates(const struct route_index *index, const struct route_request *request,
			    uint32_t limit, uint32_t (*visit)(void *context, uint32_t rank),
			    void *context)
{
	struct search search = {index, request, limit, visit, context};
	const struct route_text host = request->host;

	search_host(&search, add_host(host_seed(KEY_IS), host, KEY_IS, 0, host.size), KEY_IS, host);
	search_lengths(&search, KEY_BEGINS, index->begin_lengths, index->n_begin_lengths);
	search_lengths(&search, KEY_ENDS, index->end_lengths, index->n_end_lengths);
	search_host(&search, host_seed(KEY_ANY), KEY_ANY, (struct route_text){"", 0});
}
