/* SPDX-License-Identifier: GPL-2.0-only */
/* Which of a service's tasks a new flow goes to: by the service's policy, from its ring. */
#ifndef SKEP_BPF_PICK_H
#define SKEP_BPF_PICK_H

#include "maps.h"
#include "parse.h"
#include "scratch.h"
#include "table.h"

/* Slots tried before a ring counts as empty: it may name tasks that left a moment ago. */
#define RING_TRIES 8

/*
 * Hashes that choose a slot have this seed, not config's: every node, and every version of skep,
 * must come to the same slot for the same client. (Words are hashed as the machine has them, so
 * nodes of the two byte orders would differ: they share no Swarm.)
 */
#define PICK_SEED 0x736b65702d706963ULL

static __always_inline void choice_take(struct choice *choice, const struct skep_addr *addr,
					const struct skep_task *task)
{
	addr_copy(&choice->task, addr);
	addr_copy(&choice->node, &task->node);
	choice->ifindex = task->ifindex;
	choice->counter = task->counter;
	if (skep_addr_is_outside(addr))
		choice->target_port = (__be16)addr->word[2];
}

/* A task that lives on this node, but whose veth the agent has not hooked (yet), can get nothing.
 */
static __always_inline int task_reachable(const struct skep_task *task,
					  const struct skep_config *config)
{
	return task->ifindex || !skep_addr_equal(&task->node, &config->underlay);
}

/* A frame for it can be delivered. task may be NULL. */
static __always_inline int task_is_here(const struct skep_task *task,
					const struct skep_config *config)
{
	return task && task->ifindex && skep_addr_equal(&task->node, &config->underlay);
}

/* The task, if new flows may go to it. */
static __always_inline struct skep_task *task_serving(const struct skep_addr *addr,
						      const struct skep_config *config)
{
	struct skep_task *task = bpf_map_lookup_elem(&tasks, addr);

	return task && task->state == SKEP_TASK_SERVING && task_reachable(task, config) ? task
											: NULL;
}

static __always_inline __u32 flow_slot_hash(const struct packet *packet)
{
	return (__u32)(table_hash((const __u64 *)&packet->flow, PICK_SEED) >> 32);
}

static __always_inline __u32 client_slot_hash(const struct packet *packet)
{
	struct skep_flow_key key = {.client = packet->flow.client};

	return (__u32)(table_hash((const __u64 *)&key, PICK_SEED) >> 32);
}

/*
 * From the slot that `from` leads to on, the first whose task serves: round robin's next ones are
 * the cursor's, those of a hash the ones after it, so that all nodes come to the same. Returns 0 if
 * there is none.
 */
static __always_inline int pick_first(void *ring, struct skep_ring_header *header, int by_cursor,
				      __u32 from, const struct skep_config *config,
				      struct choice *choice)
{
#pragma clang loop unroll(disable)
	for (__u32 try = 0; try < RING_TRIES; try++) {
		__u32 length = header->length, index;
		union skep_ring_slot *slot;
		struct skep_task *task;

		if (!length)
			return 0;
		if (by_cursor)
			from = __sync_fetch_and_add(&header->cursor, 1);
		index = 1 + (by_cursor ? from : from + try) % length;
		slot = bpf_map_lookup_elem(ring, &index);
		if (!slot)
			return 0;
		task = task_serving(&slot->task, config);
		if (task) {
			choice_take(choice, &slot->task, task);
			return 1;
		}
	}
	return 0;
}

static __always_inline __u64 flows_of(const struct skep_task *task)
{
	__u32 index = task->counter;
	__s32 *live = bpf_map_lookup_elem(&task_flows, &index);

	return live && *live > 0 ? *live : 0;
}

/*
 * Of two tasks drawn from the ring, the one that will have fewer flows for its weight once it has
 * this one. The ring's repetition alone would not do for weights: if flows were compared plainly,
 * the lighter of two tasks would get every flow until it had as many as the heavier. A task drawn
 * twice is no choice, so draws go on until there are two, as long as tries last. Returns 0 if no
 * drawn task serves.
 */
static __always_inline int pick_lighter(void *ring, const struct skep_ring_header *header,
					const struct skep_config *config, struct choice *choice)
{
	__u64 flows = 0, weight = 0;

#pragma clang loop unroll(disable)
	for (__u32 try = 0; try < RING_TRIES; try++) {
		__u32 length = header->length, index;
		union skep_ring_slot *slot;
		struct skep_task *task;
		__u64 other;

		if (!length || (weight && length == 1))
			break;
		index = 1 + bpf_get_prandom_u32() % length;
		slot = bpf_map_lookup_elem(ring, &index);
		if (!slot)
			break;
		if (weight && skep_addr_equal(&slot->task, &choice->task))
			continue;
		task = task_serving(&slot->task, config);
		if (!task)
			continue;
		other = flows_of(task) + 1;
		if (!weight || other * weight < flows * task->weight)
			choice_take(choice, &slot->task, task);
		if (weight)
			break;
		flows = other;
		weight = task->weight ? task->weight : 1;
	}
	return weight != 0;
}

/*
 * The task that the client was given before, if it was seen within the service's affinity time and
 * the task still takes new flows. Renews the entry, seldom enough to leave its cache line alone.
 */
static __always_inline int affinity_follow(const struct skep_affinity_key *key,
					   const struct skep_service *service,
					   const struct skep_config *config, __u32 now,
					   struct choice *choice)
{
	struct skep_affinity *known = bpf_map_lookup_elem(&affinity, key);
	struct skep_addr addr;
	struct skep_task *task;
	__u32 age;

	if (!known)
		return 0;
	age = now - known->last_seen;
	if ((__s32)age < 0) /* the clock of another CPU is ahead by a tick */
		age = 0;
	addr = known->task;
	if (age > service->affinity_ticks)
		return 0;
	task = task_serving(&addr, config);
	if (!task || task->service_id != service->service_id)
		return 0;
	if (age > service->affinity_ticks / 8)
		known->last_seen = now;
	choice_take(choice, &addr, task);
	return 1;
}

static __always_inline int pick_by_client(void *ring, struct skep_ring_header *header,
					  const struct packet *packet,
					  const struct skep_service *service,
					  const struct skep_config *config, __u32 now,
					  struct choice *choice)
{
	struct skep_affinity_key key = {
		.service_id = service->service_id,
		.client = packet->flow.client,
	};
	struct skep_affinity fresh = {};

	if (affinity_follow(&key, service, config, now, choice))
		return 1;
	if (!pick_first(ring, header, 0, client_slot_hash(packet), config, choice))
		return 0;
	fresh.task = choice->task;
	fresh.last_seen = now;
	/* If there is no memory for it, the client goes where the ring says. */
	bpf_map_update_elem(&affinity, &key, &fresh, BPF_ANY);
	return 1;
}

/* A task for work->packet, into work->choice. Returns 0 if no serving task was found. */
__noinline int pick(const struct skep_service *service, __u32 now)
{
	const struct skep_config *config = config_get();
	struct scratch *work = scratch_get();
	union skep_ring_slot *first;
	const struct packet *packet;
	__u32 ring_id, zero = 0;
	struct choice *choice;
	void *ring;

	if (!work || !service || !config)
		return 0;
	packet = &work->packet;
	choice = &work->choice;
	ring_id = service->ring ? service->ring : service->service_id;
	ring = bpf_map_lookup_elem(&rings, &ring_id);
	if (!ring)
		return 0;
	first = bpf_map_lookup_elem(ring, &zero);
	if (!first)
		return 0;
	switch (service->policy) {
	case SKEP_POLICY_SOURCE:
		return pick_by_client(ring, &first->header, packet, service, config, now, choice);
	case SKEP_POLICY_MAGLEV:
		return pick_first(ring, &first->header, 0, flow_slot_hash(packet), config, choice);
	case SKEP_POLICY_LEAST_FLOWS:
		return pick_lighter(ring, &first->header, config, choice);
	default:
		return pick_first(ring, &first->header, 1, 0, config, choice);
	}
}

#endif
