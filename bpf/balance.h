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
static __always_inline int flow_is_idle(const struct scratch *work, const struct table_place *place,
					const struct skep_service *service)
{
	__u32 way = place->way & (SKEP_WAYS - 1);
	__s32 silent = (__s32)(work->now - place->bucket->last_seen[way]);

	return service->idle_ticks && silent > (__s32)service->idle_ticks &&
	       !(work->packet.tcp_flags & TCP_RST);
}

static __always_inline __u8 flow_first_state(const struct packet *packet)
{
	if (packet->flow.protocol == IPPROTO_UDP)
		return SKEP_FLOW_DATAGRAM;
	return packet->tcp_flags & (TCP_FIN | TCP_RST) ? SKEP_FLOW_CLOSING : SKEP_FLOW_SYN;
}

/* The clock that needs no counter to be read: it lags by up to a jiffy, and ticks are longer. */
static __always_inline __u32 ticks_read(void)
{
	return SKEP_TICKS(bpf_ktime_get_coarse_ns());
}

/* The same, asked for once in a jiffy; those are read without a call. */
static __always_inline __u32 ticks_now(struct scratch *work)
{
	__u64 jiffies = bpf_jiffies64();

	if (jiffies != work->jiffies) {
		work->jiffies = jiffies;
		work->ticks = ticks_read();
	}
	return work->ticks;
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
	struct skep_flow_choice *flow = (struct skep_flow_choice *)work->flow.value;
	const union {
		struct skep_flow_choice flow;
		__u64 word[SKEP_VALUE_WORDS];
	} value = {{.service_id = choice->service_id,
		    .counter = choice->counter,
		    .target_port = choice->target_port}};

	/* By whole words, as it is read in a moment. */
	words_copy(work->flow.value, value.word, SKEP_VALUE_WORDS);
	addr_copy(&flow->task, &choice->task);
	words_copy(work->flow.key, &packet->flow, SKEP_KEY_WORDS);
	work->flow.hash = hash;
	work->flow.now = now;
	work->flow.source_port = source_port;
	work->flow.state = flow_first_state(packet);
	return flow_put(known, &work->flow);
}

/* The flow of work->packet, whose hash is in work: into work->value. Returns 0 if there is none. */
static __always_inline int flow_get(struct scratch *work, struct table_place *place)
{
	return table_get(&flows, &work->packet.flow, work->flow_hash, work->value, place);
}

/* May the packet go on with the flow that was found for it? Then its task is in work->choice. */
static __always_inline int flow_follow(struct scratch *work, const struct table_place *place,
				       const struct skep_service *service,
				       const struct skep_config *config)
{
	const struct skep_flow_choice *flow = (const void *)work->value;
	const struct packet *packet = &work->packet;
	struct skep_task *task = bpf_map_lookup_elem(&tasks, &flow->task);

	if (!task || task->service_id != service->service_id || !task_reachable(task, config) ||
	    !flow_stays(packet, place->bucket->state[place->way & (SKEP_WAYS - 1)], task))
		return 0;
	flow_renew(place, packet, work->now);
	choice_take(&work->choice, &flow->task, task);
	work->choice.target_port = flow->target_port;
	return 1;
}

/* What is left of balance(), for a packet that is not simply one more of its flow's. fresh: it is a
 * flow's first, and there is none yet. */
__noinline enum balance_result balance_rest(const struct skep_service *service, int fresh)
{
	const struct skep_config *config = config_get();
	struct scratch *work = scratch_get();
	struct table_place place = {};
	int first;

	if (!work || !service || !config)
		return BALANCE_FULL;
	first = packet_is_first(&work->packet);
	if (!fresh) {
		/* Nobody is writing it by now; without it a connection would be lost. */
		table_settle(&flows, work->flow_hash);
		if (flow_get(work, &place)) {
			int idle = flow_is_idle(work, &place, service);

			if (!idle && flow_follow(work, &place, service, config))
				return BALANCE_TASK;
			if (!first)
				return idle ? BALANCE_IDLE : BALANCE_GONE;
		}
	}
	if (!first && !may_take_up(&work->packet, service))
		return BALANCE_NO_FLOW;
	if (!pick(service, work->now))
		return BALANCE_NO_TASK;
	if (flow_make(work, place.number, work->flow_hash, 0, work->now))
		return BALANCE_FULL;
	work->choice.new_flow = 1;
	return BALANCE_TASK;
}

/* The task for work->packet, to a frontend of the given service, into work->choice; makes or renews
 * its flow. */
static __always_inline enum balance_result
balance(struct scratch *work, const struct skep_service *service, const struct skep_config *config)
{
	struct choice *choice = &work->choice;
	struct table_place place = {};
	int found;

	work->now = ticks_now(work);
	work->flow_hash = table_hash((const __u64 *)&work->packet.flow, config->seed);
	choice->service_id = service->service_id;
	choice->target_port = service->target_port;
	choice->new_flow = 0;
	choice->dsr = !!(service->flags & SKEP_SERVICE_DSR);

	found = flow_get(work, &place);
	if (found && !flow_is_idle(work, &place, service) &&
	    flow_follow(work, &place, service, config))
		return BALANCE_TASK;
	return balance_rest(service, !found && packet_is_first(&work->packet));
}

#endif
