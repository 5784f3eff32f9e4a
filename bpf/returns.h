/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a task's replies must leave: noted at the backend node with the client's packets.
 *
 * Since the task sees the client's own address and port, a client that uses one port towards two
 * frontends of a task has one reply tuple for both. So a tuple belongs to one frontend at a time,
 * and a flow that finds it taken gets another source port. It stays taken while the connection is
 * established, however silent, and then for longer than the task's TCP remembers it (TIME-WAIT, 60
 * s on Linux): within that, the SYN of another frontend's connection could look old to the task, as
 * clients number each destination's connections apart.
 */
#ifndef SKEP_BPF_RETURNS_H
#define SKEP_BPF_RETURNS_H

#include "balance.h"
#include "count.h"
#include "maps.h"
#include "parse.h"

#define RETURN_TAKEN_TICKS SKEP_TICKS(90000000000ULL)
#define SOURCE_PORT_FIRST  1024
#define SOURCE_PORT_TRIES  8

/* Of a packet that another node sent here. */
static __always_inline enum skep_return_mode forward_mode(int dsr)
{
	return dsr ? SKEP_RETURN_DIRECT : SKEP_RETURN_TUNNEL;
}

static __always_inline int return_is_for(const struct skep_return_path *path,
					 const struct packet *packet)
{
	return path->frontend_port == packet->flow.frontend_port &&
	       path->client_port == packet->flow.client_port &&
	       skep_addr_equal(&path->frontend, &packet->flow.frontend);
}

/* May the tuple become another frontend's? The clock of another CPU may be ahead by a tick. */
static __always_inline int return_is_free(const struct table_place *place, __u32 now)
{
	__u32 way = place->way & (SKEP_WAYS - 1);

	return place->bucket->state[way] != SKEP_FLOW_ESTABLISHED &&
	       (__s32)(now - place->bucket->last_seen[way]) > (__s32)RETURN_TAKEN_TICKS;
}

static __always_inline __u64 return_hash(const void *key, __u64 seed)
{
	return table_hash(key, seed);
}

/* As flow_put(). Returns 0 or a verdict. */
__noinline int return_put(__u32 known, const struct table_entry *entry)
{
	struct table_replaced replaced; /* returns are not counted */
	int evicted;

	if (!entry)
		return SKEP_DROP_ERROR;
	evicted = table_put(&returns, known, entry, &replaced);
	if (evicted > 0)
		count_verdict(SKEP_FLOW_EVICTED);
	return evicted < 0 ? SKEP_DROP_ERROR : 0;
}

/* May work->path be noted under its key? Returns the number of the bucket where that is already,
 * for return_put(); 0: it is nowhere; -1: it is another's. Sets the path's hash. */
__noinline int return_free_at(__u64 seed)
{
	struct scratch *work = scratch_get();
	struct table_place place = {};

	if (!work)
		return -1;
	work->path.hash = return_hash(work->path.key, seed);
	if (!table_get(&returns, work->path.key, work->path.hash, work->value, &place))
		return 0;
	return return_is_free(&place, work->path.now) ? (int)place.number : -1;
}

/* The source port that the flow was given before, if it was. */
__noinline __u32 flow_source_port(__u64 flow_hash)
{
	struct scratch *work = scratch_get();
	struct table_place place = {};

	if (!work || !table_get(&flows, &work->packet.flow, flow_hash, work->value, &place))
		return 0;
	return place.bucket->way[place.way & (SKEP_WAYS - 1)].source_port;
}

/* Gives the flow a source port of its own: writes it where the flow's next packets will look.
 * Returns 0 or a negative error. */
__noinline int flow_set_source_port(__u64 flow_hash, __u32 source_port)
{
	struct scratch *work = scratch_get();
	const struct skep_return_key *key;
	struct table_place place = {};
	struct skep_task *task;

	if (!work)
		return -1;
	key = (const void *)work->path.key;
	if (table_get(&flows, &work->packet.flow, flow_hash, work->value, &place)) {
		place.bucket->way[place.way & (SKEP_WAYS - 1)].source_port = (__be16)source_port;
		return 0;
	}
	task = bpf_map_lookup_elem(&tasks, &key->task);
	work->choice.task = key->task;
	work->choice.service_id = task ? task->service_id : 0;
	work->choice.counter = task ? task->counter : COUNTER_NONE;
	work->choice.target_port = key->task_port;
	return flow_make(work, 0, flow_hash, (__be16)source_port, work->path.now);
}

/*
 * The tuple is another frontend's: finds the flow a source port, and notes the return under it. In
 * the middle of a connection that is too late. Returns 0 or a verdict.
 */
static __always_inline int return_elsewhere(struct scratch *work, __u64 flow_hash, __u64 seed)
{
	struct skep_return_key *key = (void *)work->path.key;

	if (!packet_is_first(&work->packet))
		return SKEP_DROP_COLLISION;
#pragma clang loop unroll(disable)
	for (int try = 0; try < SOURCE_PORT_TRIES; try++) {
		__u32 port =
			SOURCE_PORT_FIRST + bpf_get_prandom_u32() % (65536 - SOURCE_PORT_FIRST);
		int number;

		key->client_port = bpf_htons(port);
		number = return_free_at(seed);
		if (number < 0)
			continue;
		if (flow_set_source_port(flow_hash, key->client_port))
			return SKEP_DROP_ERROR;
		count_verdict(SKEP_SOURCE_PORT_CHANGED);
		return return_put(number, &work->path);
	}
	return SKEP_DROP_COLLISION;
}

/*
 * Notes how the task's replies to this packet must leave: key and path are in work->path, the
 * packet in work->packet; work->path afterwards has the key under which it was noted; its client
 * port is the source port that the task shall see. Returns 0 or a verdict.
 */
__noinline int return_note(__u64 seed)
{
	struct scratch *work = scratch_get();
	const struct skep_return_path *path, *known;
	struct table_place place = {};
	const struct packet *packet;
	struct skep_return_key *key;
	__u64 flow_hash;
	__u32 now;
	int found;

	if (!work)
		return SKEP_DROP_ERROR;
	packet = &work->packet;
	path = (const void *)work->path.value;
	known = (const void *)work->value;
	key = (void *)work->path.key;
	now = work->path.now;
	work->path.hash = return_hash(key, seed);
	found = table_get(&returns, key, work->path.hash, work->value, &place);
	if (!found || !return_is_for(known, packet)) {
		/* New, or the tuple is another frontend's, or was. Perhaps this flow was given a
		 * port before. */
		__be16 given;

		flow_hash = table_hash((const __u64 *)&packet->flow, seed);
		given = (__be16)flow_source_port(flow_hash);
		if (given) {
			key->client_port = given;
			work->path.hash = return_hash(key, seed);
			place.number = 0;
		}
		if (given || found)
			found = table_get(&returns, key, work->path.hash, work->value, &place);
		if (found && !return_is_for(known, packet) && !return_is_free(&place, now))
			return return_elsewhere(work, flow_hash, seed);
	}
	if (found && return_is_for(known, packet) && known->mode == path->mode &&
	    skep_addr_equal(&known->ingress, &path->ingress)) {
		place_renew(&place, packet, now);
		return 0;
	}
	return return_put(place.number, &work->path);
}

/* Notes it for work->packet, which goes to this task. *source_port: what the task shall see.
 * Returns 0 or a verdict. */
static __always_inline int return_remember(struct scratch *work, const struct skep_config *config,
					   const struct skep_addr *task, __be16 target_port,
					   const struct skep_addr *ingress,
					   enum skep_return_mode mode, __be16 *source_port)
{
	struct skep_return_path *path = (void *)work->path.value;
	struct skep_return_key *key = (void *)work->path.key;
	const struct packet *packet = &work->packet;
	int verdict;

	*key = (struct skep_return_key){
		.task = *task,
		.client = packet->flow.client,
		.task_port = target_port,
		.client_port = packet->flow.client_port,
		.protocol = packet->flow.protocol,
	};
	*path = (struct skep_return_path){
		.frontend = packet->flow.frontend,
		.ingress = *ingress,
		.frontend_port = packet->flow.frontend_port,
		.client_port = packet->flow.client_port,
		.mode = mode,
	};
	work->path.now = ticks_now(work);
	work->path.source_port = 0;
	work->path.state = flow_advance(flow_first_state(packet), packet);
	verdict = return_note(config->seed);
	*source_port = key->client_port;
	return verdict;
}

#endif
