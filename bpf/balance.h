/* SPDX-License-Identifier: GPL-2.0-only */
/* Which task a packet goes to. Knows tuples and maps; not who called it, nor how the packet is
 * carried. */
#ifndef SKEP_BPF_BALANCE_H
#define SKEP_BPF_BALANCE_H

#include "count.h"
#include "live.h"
#include "maps.h"
#include "parse.h"
#include "pick.h"
#include "scratch.h"
#include "table.h"

enum balance_result {
	BALANCE_TASK = 1, /* *choice says where to */
	BALANCE_NO_FLOW,  /* the middle of a TCP connection that skep does not know */
	BALANCE_NO_TASK,  /* the service has no serving task */
	BALANCE_GONE,	  /* the flow's task is gone, and TCP cannot move to another */
	BALANCE_IDLE,	  /* likewise: the flow was silent for longer than the service lets it */
	BALANCE_FULL,	  /* the flow could not be kept: without it the next packet would be lost */
};

/* The service that the packet is addressed to; NULL: none. */
static __always_inline struct skep_service *service_find(const struct packet *packet)
{
	union {
		struct skep_frontend frontend;
		__u32 word[5];
	} key = {.frontend.addr = packet->flow.frontend};
	/* Port, protocol and padding lie side by side in both keys, and are read whole. */
	key.word[4] = *(const __u64 *)&packet->flow.client_port >> 16;
	return bpf_map_lookup_elem(&services, &key);
}
_Static_assert(offsetof(struct skep_flow_key, frontend_port) == 34 &&
		       offsetof(struct skep_flow_key, protocol) == 36 &&
		       offsetof(struct skep_frontend, protocol) ==
			       offsetof(struct skep_frontend, port) + 2,
	       "side by side");

/* State after one more packet from the client. */
static __always_inline __u8 flow_advance(__u8 state, const struct packet *packet)
{
	if (packet->flow.protocol == IPPROTO_UDP)
		return SKEP_FLOW_DATAGRAM;
	if (packet->tcp_flags & (TCP_FIN | TCP_RST))
		return SKEP_FLOW_CLOSING;
	if (packet_is_syn(packet))
		return state == SKEP_FLOW_CLOSING ? SKEP_FLOW_SYN : state;
	return state == SKEP_FLOW_SYN ? SKEP_FLOW_ESTABLISHED : state;
}

/*
 * May the packet stay with the task that its flow has? A SYN that is no repetition opens a new
 * connection, balanced anew when the old one was closed. While the old one may live the SYN goes to
 * its task, which knows what to answer (RFC 9293 section 3.10.7.4, RFC 5961 section 4): else anyone
 * could cut a connection with a forged SYN. One that was never established leaves a task that
 * drains.
 */
static __always_inline int flow_stays(const struct packet *packet, __u8 state,
				      const struct skep_task *task)
{
	if (packet_is_syn(packet))
		return state == SKEP_FLOW_ESTABLISHED ||
		       (state == SKEP_FLOW_SYN && task->state == SKEP_TASK_SERVING);
	return 1;
}

/*
 * The middle of a connection that began elsewhere, of a service whose flows have the same task on
 * every node: it came here by a VIP or a route that moved, and goes on. Its entry begins as a SYN's
 * does, established by the next packet: else a flood of forged ACKs could wash out connections that
 * live. What is lost by that is no more than an entry, which is made again.
 */
static __always_inline int may_take_up(const struct packet *packet,
				       const struct skep_service *service)
{
	return service->policy == SKEP_POLICY_MAGLEV && packet->flow.protocol == IPPROTO_TCP &&
	       packet_has_header(packet);
}

/*
 * Was the client silent for too long? A RST may still pass: it tells the task that the connection
 * is no more. The clock of another CPU may be ahead by a tick.
 */
static __always_inline int flow_is_idle(const struct packet *packet, __u32 last_seen, __u32 now,
					const struct skep_service *service)
{
	__s32 silent = (__s32)(now - last_seen);

	return service->idle_ticks && silent > (__s32)service->idle_ticks &&
	       !(packet->tcp_flags & TCP_RST);
}

static __always_inline __u8 flow_first_state(const struct packet *packet)
{
	if (packet->flow.protocol == IPPROTO_UDP)
		return SKEP_FLOW_DATAGRAM;
	return packet->tcp_flags & (TCP_FIN | TCP_RST) ? SKEP_FLOW_CLOSING : SKEP_FLOW_SYN;
}

/* The clock that needs no counter to be read: it lags by up to a jiffy, and ticks are longer. */
static __always_inline __u32 ticks_now(void)
{
	return SKEP_TICKS(bpf_ktime_get_coarse_ns());
}

/* Notes one more packet from the client, in returns. Shared cache lines are written only when
 * something changes. */
static __always_inline void place_renew(const struct table_place *place,
					const struct packet *packet, __u32 now)
{
	struct table_bucket *bucket = place->bucket;
	__u32 way = place->way & (SKEP_WAYS - 1);
	__u8 state = flow_advance(bucket->state[way], packet);

	if (state != bucket->state[way])
		bucket->state[way] = state;
	if (now != bucket->last_seen[way])
		bucket->last_seen[way] = now;
}

/* The same in flows, where a state changes under the lock (see live.h). */
static __always_inline void flow_renew(const struct table_place *place, const struct packet *packet,
				       __u32 now)
{
	struct table_bucket *bucket = place->bucket;
	__u32 way = place->way & (SKEP_WAYS - 1);
	__u8 state = flow_advance(bucket->state[way], packet);

	if (state != bucket->state[way])
		flow_change(bucket, way, (const __u64 *)&packet->flow, state);
	if (now != bucket->last_seen[way])
		bucket->last_seen[way] = now;
}

static __always_inline int flow_get(const struct packet *packet, __u64 hash,
				    struct skep_flow_choice *flow, struct table_place *place)
{
	if (table_get(&flows, &packet->flow, hash, flow, place))
		return 1;
	if (packet_is_first(packet))
		return 0;
	table_settle(&flows, hash);
	return table_get(&flows, &packet->flow, hash, flow, place);
}

/* Writes a flow. known: the number of the bucket where it was found; 0: it is new. Returns 0 or a
 * negative error. */
__noinline int flow_put(__u32 known, const struct table_entry *entry)
{
	const struct skep_flow_choice *flow;
	struct table_replaced replaced = {};
	int evicted;

	if (!entry)
		return -1;
	flow = (const void *)entry->value;
	evicted = table_put(&flows, known, entry, &replaced);
	if (evicted < 0)
		return -1;
	live_moved(&replaced, entry->state, flow->counter);
	if (evicted)
		count_verdict(SKEP_FLOW_EVICTED);
	return 0;
}

/* The flow of work->packet to the task in work->choice. */
static __always_inline int flow_make(struct scratch *work, __u32 known, __u64 hash,
				     __be16 source_port, __u32 now)
{
	const struct packet *packet = &work->packet;
	const struct choice *choice = &work->choice;
	struct skep_flow_choice *flow;

	flow = (struct skep_flow_choice *)work->flow.value;
	*flow = (struct skep_flow_choice){
		.task = choice->task,
		.service_id = choice->service_id,
		.counter = choice->counter,
		.target_port = choice->target_port,
	};
	__builtin_memcpy(work->flow.key, &packet->flow, sizeof(work->flow.key));
	work->flow.hash = hash;
	work->flow.now = now;
	work->flow.source_port = source_port;
	work->flow.state = flow_first_state(packet);
	return flow_put(known, &work->flow);
}

/* The task for work->packet, to a frontend of the given service, into work->choice; makes or renews
 * its flow. */
__noinline enum balance_result balance(const struct skep_service *service)
{
	const struct skep_config *config = config_get();
	struct scratch *work = scratch_get();
	struct table_place place = {};
	struct skep_flow_choice *flow;
	const struct packet *packet;
	struct choice *choice;
	__u64 hash;
	__u32 now;

	if (!work || !service || !config)
		return BALANCE_FULL;
	packet = &work->packet;
	choice = &work->choice;
	flow = (struct skep_flow_choice *)work->value;
	hash = table_hash((const __u64 *)&packet->flow, config->seed);
	now = ticks_now();
	work->now = now;
	choice->service_id = service->service_id;
	choice->target_port = service->target_port;
	choice->new_flow = 0;
	choice->dsr = !!(service->flags & SKEP_SERVICE_DSR);

	if (flow_get(packet, hash, flow, &place)) {
		__u32 way = place.way & (SKEP_WAYS - 1);
		struct skep_task *task = bpf_map_lookup_elem(&tasks, &flow->task);
		int idle = flow_is_idle(packet, place.bucket->last_seen[way], now, service);

		if (task && task->service_id == service->service_id &&
		    task_reachable(task, config) && !idle &&
		    flow_stays(packet, place.bucket->state[way], task)) {
			flow_renew(&place, packet, now);
			choice_take(choice, &flow->task, task);
			choice->target_port = flow->target_port;
			return BALANCE_TASK;
		}
		if (!packet_is_first(packet))
			return idle ? BALANCE_IDLE : BALANCE_GONE;
	}
	if (!packet_is_first(packet) && !may_take_up(packet, service))
		return BALANCE_NO_FLOW;
	if (!pick(service, now))
		return BALANCE_NO_TASK;

	if (flow_make(work, place.number, hash, 0, now))
		return BALANCE_FULL;
	choice->new_flow = 1;
	return BALANCE_TASK;
}

#endif
