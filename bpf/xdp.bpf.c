// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fast path: what needs no local delivery, at the driver of the interfaces that clients come in
 * by. It does what from_wire and from_mesh of tc.bpf.c would do, by the same steps, and finishes
 * what it can: a client's packet to another node's task, and a reply from there back to the client.
 * From what is for a task of this node it strips the frame. What is known by then goes along to tc
 * (skep/hint.h); everything else it passes on as it came, and tc decides.
 *
 * Nothing is counted here but what ends here, so each packet is counted once.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "admit.h"
#include "balance.h"
#include "count.h"
#include "hint.h"
#include "learn.h"
#include "maps.h"
#include "next_hop.h"
#include "parse.h"
#include "scratch.h"
#include "tunnel.h"
#include "wire.h"
#include "xdp_packet.h"

const volatile __be16 tunnel_port = __builtin_bswap16(SKEP_TUNNEL_PORT); /* set by the agent */

static __always_inline int give_up_broken(void)
{
	count_verdict(SKEP_DROP_ERROR);
	return XDP_DROP;
}

/* The interface, if the packet was sent to this host: who bridges or listens to all sees others'
 * packets, too. */
static __always_inline const struct skep_wire *wire_find(struct xdp_md *xdp, struct scratch *work)
{
	const struct ethhdr *eth = (void *)(long)xdp->data;
	const struct skep_wire *wire = wire_get(work, xdp->ingress_ifindex);

	if (!wire || (void *)(eth + 1) > (void *)(long)xdp->data_end)
		return 0;
	return mac_equal(eth->h_dest, wire->mac) ? wire : 0;
}

static __always_inline int send(struct xdp_md *xdp, __u32 ifindex)
{
	return ifindex == xdp->ingress_ifindex ? XDP_TX : bpf_redirect(ifindex, 0);
}

/* A client's packet to another node's task. XDP_PASS: the packet is as it was. */
static __always_inline int forward(struct xdp_md *xdp, const struct scratch *work,
				   const struct skep_config *config)
{
	const struct packet *packet = &work->packet;
	const struct choice *choice = &work->choice;
	struct outer outer = {
		.from = config->underlay.word[3],
		.to = choice->node.word[3],
		.source_port = outer_source_port(work->flow_hash),
		.port = tunnel_port,
		.vni = vni_forward(choice),
	};
	long bytes = (long)xdp->data_end - (long)xdp->data - OFFSET_IP;
	const struct next_hop_key key = {
		.from = outer.from,
		.to = outer.to,
		.port = outer.port,
		.protocol = IPPROTO_UDP,
	};
	struct next_hop *next;
	struct ethhdr *inner;
	void *data, *data_end;

	barrier_var(bytes); /* or packet pointers are kept in halves, which the verifier forbids */
	if (packet->ttl <= 1)
		return XDP_PASS;
	next = next_hop_find(xdp, config, &key, outer.source_port, outer.port,
			     bytes + SKEP_TUNNEL_OVERHEAD, work->now);
	if (!next || bpf_xdp_adjust_head(xdp, -SKEP_TUNNEL_OVERHEAD))
		return XDP_PASS;

	data = (void *)(long)xdp->data;
	data_end = (void *)(long)xdp->data_end;
	inner = data + INNER_FRAME;
	if ((void *)inner + OFFSET_L4 > data_end)
		return give_up_broken();
	mac_of_addr(inner->h_dest, choice->task.word[3]);
	mac_of_addr(inner->h_source, config->underlay.word[3]);
	ip_hop((void *)inner + OFFSET_IP);
	if (!choice->dsr)
		mss_clamp_direct(inner, data_end, packet, config->tunnel_mtu);

	outer.macs = next->macs;
	outer.id = next->id++;
	if (outer_write(xdp, &outer))
		return give_up_broken();
	count_packet(choice->service_id, choice->counter, bytes, choice->new_flow);
	count_xdp(SKEP_XDP_FORWARDED);
	return send(xdp, next->ifindex);
}

static __always_inline int from_client(struct xdp_md *xdp, struct scratch *work,
				       const struct skep_config *config)
{
	struct skep_service *service = service_find(&work->packet);
	const struct choice *choice = &work->choice;
	const struct skep_wire *wire;
	int verdict, result;

	if (!service)
		return XDP_PASS;
	wire = wire_find(xdp, work);
	if (!wire)
		return XDP_PASS;
	verdict = admit(&work->packet, service);
	if (verdict == SKEP_DROP_NOT_ALLOWED) {
		count_verdict(verdict);
		return XDP_DROP;
	}
	if (verdict || balance(work, service, config) != BALANCE_TASK)
		return XDP_PASS;
	if (skep_addr_is_outside(&choice->task)) {
		/* tc finds the flow, and takes it for an old one. */
		if (choice->new_flow)
			count_new_flow(choice->service_id, choice->counter);
		return XDP_PASS;
	}
	if (!choice->ifindex) {
		result = forward(xdp, work, config);
		if (result != XDP_PASS)
			return result;
	}
	if (!hint_leave(xdp, wire, choice, 0))
		count_xdp(SKEP_XDP_HINTED);
	else if (choice->new_flow) /* from_wire will take it for an old one */
		count_new_flow(choice->service_id, choice->counter);
	return XDP_PASS;
}

/* Takes off the outer headers. Returns the inner frame's, or NULL: the packet is unusable. */
static __always_inline struct ethhdr *strip(struct xdp_md *xdp)
{
	struct ethhdr *eth;

	if (bpf_xdp_adjust_head(xdp, SKEP_TUNNEL_OVERHEAD))
		return NULL;
	eth = (void *)(long)xdp->data;
	return (void *)(eth + 1) > (void *)(long)xdp->data_end ? NULL : eth;
}

/* A reply, ready for the client: sent on to it. `task` is who answered. */
static __always_inline int from_task_away(struct xdp_md *xdp, struct scratch *work,
					  const struct skep_config *config, __be32 task)
{
	const struct packet *packet = &work->packet;
	struct next_hop_key key = {};
	struct next_hop *next;
	struct ethhdr *eth;

	if (!reply_accept(work, task))
		return XDP_PASS;
	key.from = packet->reply.task.word[3];
	key.to = packet->reply.client.word[3];
	key.port = packet->reply.task_port;
	key.protocol = packet->reply.protocol;
	next = next_hop_find(xdp, config, &key, packet->reply.task_port, packet->reply.client_port,
			     (long)xdp->data_end - (long)xdp->data - INNER_FRAME - OFFSET_IP,
			     ticks_now(work));
	if (!next)
		return XDP_PASS;
	eth = strip(xdp);
	if (!eth)
		return give_up_broken();
	*(struct mac_pair *)eth = next->macs;
	count_xdp(SKEP_XDP_RETURNED);
	return send(xdp, next->ifindex);
}

/* A client's packet, for a task of this node: goes up as if it had come here without a frame, with
 * a hint of what that said. What is for a task that is not here is from_mesh's to judge. */
static __always_inline int to_task_here(struct xdp_md *xdp, struct scratch *work,
					const struct skep_config *config,
					const struct skep_wire *wire, __u32 vni)
{
	struct choice *choice = &work->choice;
	struct skep_task *task = bpf_map_lookup_elem(&tasks, &work->frame_task);
	struct ethhdr *eth;

	if (!task_is_here(task, config))
		return XDP_PASS;
	choice_take(choice, &work->frame_task, task);
	choice->node = work->frame_ingress;
	choice->service_id = task->service_id;
	choice->target_port = bpf_htons(SKEP_VNI_PORT(vni));
	choice->new_flow = 0;
	choice->dsr = !!(SKEP_VNI_KIND(vni) & SKEP_FRAME_DSR);
	if (hint_leave(xdp, wire, choice, SKEP_HINT_STRIPPED))
		return XDP_PASS;
	eth = strip(xdp); /* the hint moves along */
	if (!eth)
		return give_up_broken();
	mac_copy(eth->h_dest, wire->mac);
	count_xdp(SKEP_XDP_STRIPPED);
	return XDP_PASS;
}

/* A frame of the tunnel. The same is asked of it as by from_mesh; what does not stand goes up to
 * that, through skep0. */
static __always_inline int from_node(struct xdp_md *xdp, struct scratch *work,
				     const struct skep_config *config)
{
	void *data = (void *)(long)xdp->data;
	void *data_end = (void *)(long)xdp->data_end;
	struct skep_addr remote = work->packet.flow.client;
	__u32 vni = outer_read(data, data_end);
	const struct ethhdr *eth = data + INNER_FRAME;
	const struct skep_wire *wire;
	__be32 to, from;

	if (!vni)
		return XDP_PASS;
	wire = wire_find(xdp, work);
	if (!wire || !bpf_map_lookup_elem(&nodes, &remote))
		return XDP_PASS;
	if (parse_frame(data + INNER_FRAME, data_end, &work->packet) != PARSED)
		return XDP_PASS;
	if ((void *)(eth + 1) > data_end || !addr_of_mac(eth->h_dest, &to) ||
	    !addr_of_mac(eth->h_source, &from))
		return XDP_PASS;
	work->frame_task = skep_addr_v4(to);
	work->frame_ingress = skep_addr_v4(from);

	switch (SKEP_VNI_KIND(vni)) {
	case SKEP_FRAME_RETURN:
		return from_task_away(xdp, work, config, from);
	case SKEP_FRAME_FORWARD:
	case SKEP_FRAME_FORWARD | SKEP_FRAME_DSR:
		if (!skep_addr_equal(&work->frame_ingress, &remote))
			return XDP_PASS;
		break;
	case SKEP_FRAME_FORWARD_AGAIN:
		if (!bpf_map_lookup_elem(&nodes, &work->frame_ingress))
			return XDP_PASS;
		break;
	default:
		return XDP_PASS;
	}
	return to_task_here(xdp, work, config, wire, vni);
}

SEC("xdp")
int fast_path(struct xdp_md *xdp)
{
	const struct skep_config *config = config_get();
	struct scratch *work = scratch_get();
	const struct packet *packet;

	if (hint_clear(xdp))
		return give_up_broken();
	if (!config || !work)
		return XDP_PASS;
	packet = &work->packet;
	if (parse_frame((void *)(long)xdp->data, (void *)(long)xdp->data_end, &work->packet) !=
	    PARSED)
		return XDP_PASS;
	if (packet->flow.protocol == IPPROTO_UDP && packet->flow.frontend_port == tunnel_port &&
	    skep_addr_equal(&packet->flow.frontend, &config->underlay))
		return from_node(xdp, work, config);
	return from_client(xdp, work, config);
}

char LICENSE[] SEC("license") = "GPL";
