// SPDX-License-Identifier: GPL-2.0-only
/*
 * The four tc programs: everything that skep does to packets, on any interface.
 *
 *	from_wire  ingress of the interfaces that clients come in by
 *	from_mesh  ingress of skep0
 *	to_mesh    egress of skep0
 *	from_task  ingress of the host end of a task's veth, or another container's
 *
 * and a fifth one that only forbids:
 *
 *	from_bridge  ingress of the bridges that containers reach the host by
 *
 * Each reads like the way of a packet: parse, decide, act. A packet that is not skep's goes on to
 * the stack untouched. A sixth, sweep, sees no packets: the agent runs it.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "admit.h"
#include "answer.h"
#include "balance.h"
#include "container.h"
#include "count.h"
#include "deliver.h"
#include "fragment.h"
#include "hint.h"
#include "icmp.h"
#include "learn.h"
#include "maps.h"
#include "nat.h"
#include "outside.h"
#include "parse.h"
#include "scratch.h"
#include "sweep.h"
#include "table.h"
#include "tunnel.h"

/* What skep does not balance goes on to the stack; what could not even be read (memory is short)
 * ends here. */
static __always_inline int give_up(int verdict)
{
	return verdict == SKEP_DROP_ERROR ? drop(verdict) : pass(verdict);
}

/* Answers a client that came in by the wire: back out where it came in. What cannot be answered,
 * where nobody listens, just ends. */
static __always_inline int reject(struct __sk_buff *skb, const struct packet *packet,
				  enum skep_verdict verdict)
{
	int failed = packet->flow.protocol == IPPROTO_TCP
			     ? answer_rst(skb, packet)
			     : answer_unreachable(skb, packet, ICMP_PORT_UNREACH, 0);

	if (failed)
		return drop(verdict == SKEP_ANSWER_NOT_BOUND ? verdict : SKEP_DROP_NO_TASK);
	count_verdict(verdict);
	return bpf_redirect(skb->ifindex, 0);
}

/* As a router does whose next hop, the tunnel, takes no such packet: tells its sender, by the way
 * it came. */
static __always_inline int answer_too_big(struct __sk_buff *skb, const struct packet *packet,
					  const struct skep_config *config)
{
	if (answer_unreachable(skb, packet, ICMP_FRAG_NEEDED, config->tunnel_mtu))
		return drop(SKEP_DROP_ERROR);
	count_verdict(SKEP_ANSWER_TOO_BIG);
	return bpf_redirect(skb->ifindex, 0);
}

/* Also takes fragments, whose ports are remembered from their first one, and ICMP errors about a
 * packet. Returns PARSED or a verdict. */
static __always_inline int parse_with_memory(struct __sk_buff *skb, struct packet *packet)
{
	int verdict = parse_skb(skb, packet);

	if (verdict == SKEP_PASS_PROTOCOL)
		return icmp_parse(skb, packet);
	return verdict == SKEP_PASS_FRAGMENT ? fragment_follow(packet) : verdict;
}

/* The same where frames tell what a later fragment's ports are, or nobody needs to know: it has
 * none. */
static __always_inline int parse_without_memory(struct __sk_buff *skb, struct packet *packet)
{
	int verdict = parse_skb(skb, packet);

	if (verdict == SKEP_PASS_PROTOCOL)
		return icmp_parse(skb, packet);
	return verdict == SKEP_PASS_FRAGMENT ? PARSED : verdict;
}

#define CHOSEN -1

/* Chooses the packet's task, which the XDP program has not done. Returns CHOSEN with work->choice
 * filled, or the program's result. */
static __always_inline int choose(struct __sk_buff *skb, struct scratch *work,
				  const struct skep_config *config)
{
	const struct packet *packet = &work->packet;
	struct skep_service *service = service_find(packet);
	int verdict;

	if (!service && config->outside) {
		/* One after another, not one in another: the stack is small. */
		verdict = outside_return(skb);
		if (verdict != OUTSIDE_NOT)
			return verdict ? drop(verdict) : send_to_client(skb, packet);
	}
	if (!service)
		return pass(SKEP_PASS_NO_FRONTEND);
	verdict = packet->is_error ? 0 : admit(packet, service);
	/* What is refused where a connection was open makes its client send a RST: the task is
	 * told, too. */
	if (verdict == SKEP_ANSWER_NOT_BOUND && !(packet->tcp_flags & TCP_RST))
		return reject(skb, packet, verdict);
	if (verdict && verdict != SKEP_ANSWER_NOT_BOUND)
		return drop(verdict);
	if (packet->fragment == FRAGMENT_FIRST)
		fragment_remember(packet);
	switch (packet->is_error ? icmp_follow(service) : balance(work, service, config)) {
	case BALANCE_TASK:
		return CHOSEN;
	case BALANCE_NO_FLOW:
		return verdict ? drop(verdict) : pass(SKEP_PASS_NO_FLOW);
	case BALANCE_NO_TASK:
		return reject(skb, packet,
			      packet->flow.protocol == IPPROTO_TCP ? SKEP_ANSWER_NO_TASK_RST
								   : SKEP_ANSWER_NO_TASK_ICMP);
	case BALANCE_GONE:
		return reject(skb, packet, SKEP_ANSWER_TASK_GONE_RST);
	case BALANCE_IDLE:
		return reject(skb, packet, SKEP_ANSWER_IDLE_RST);
	default:
		return drop(SKEP_DROP_ERROR);
	}
}

/*
 * A client's packet to its task, in work->choice, here or on another node. ingress and mode say
 * where the task's replies go, if it is here.
 */
static __always_inline int send_to_task(struct __sk_buff *skb, struct scratch *work,
					const struct skep_config *config,
					const struct skep_addr *ingress, enum skep_return_mode mode)
{
	struct packet *packet = &work->packet;
	struct choice *choice = &work->choice;
	int verdict;

	/* What came in a frame was counted where the client came in. */
	if (mode == SKEP_RETURN_LOCAL && packet->is_error)
		count_verdict(SKEP_ICMP_ERROR);
	else if (mode == SKEP_RETURN_LOCAL)
		count_packet(choice->service_id, choice->counter, packet_bytes(skb),
			     choice->new_flow);
	if (choice->ifindex)
		return deliver(skb, work, config, &choice->task, choice->ifindex,
			       choice->target_port, ingress, mode);
	if (skep_addr_is_outside(&choice->task)) {
		/* One after another, not one in another: the stack is small. */
		verdict = outside_remember();
		return verdict ? drop(verdict) : outside_send(skb);
	}

	if (packet_too_big(skb, packet, config->tunnel_mtu))
		return answer_too_big(skb, packet, config);
	verdict = 0;
	if (!choice->dsr) /* else the task's packets do not come by the tunnel */
		verdict = packet->is_error ? icmp_limit_mtu(skb, config->tunnel_mtu)
					   : mss_clamp(skb, packet, config->tunnel_mtu);
	if (!verdict)
		verdict = ttl_decrement(skb);
	if (verdict)
		return drop(verdict);
	return tunnel_send(skb, config, &choice->node, vni_forward(choice), choice->task.word[3],
			   config->underlay.word[3]);
}

SEC("tc")
int from_wire(struct __sk_buff *skb)
{
	const struct skep_config *config = config_get();
	struct scratch *work = scratch_get();
	enum skep_return_mode mode = SKEP_RETURN_LOCAL;
	const struct skep_addr *ingress;
	struct packet *packet;
	struct choice *choice;
	enum hint hint;
	int verdict;

	if (!config || !work || skb->pkt_type != PACKET_HOST)
		return TC_ACT_OK;
	packet = &work->packet;
	choice = &work->choice;
	ingress = &config->underlay;
	hint = hint_take(skb, choice);
	verdict = parse_with_memory(skb, packet);
	if (verdict != PARSED) /* without its frame the packet makes no sense to the stack */
		return hint == HINT_STRIPPED ? drop(SKEP_DROP_BAD_FRAME) : give_up(verdict);
	if (hint == HINT_NONE) {
		verdict = choose(skb, work, config);
		if (verdict != CHOSEN)
			return verdict;
	}
	if (hint == HINT_STRIPPED) {
		ingress = &choice->node;
		mode = forward_mode(choice->dsr);
		/* Of what a NIC vouches for, the outermost was the frame's. */
		bpf_csum_level(skb, BPF_CSUM_LEVEL_DEC);
	}
	return send_to_task(skb, work, config, ingress, mode);
}

/* At the backend node: tells the client, through its ingress node, that its connection is no more.
 */
static __always_inline int reject_by_tunnel(struct __sk_buff *skb, const struct packet *packet,
					    const struct skep_config *config,
					    const struct skep_addr *task,
					    const struct skep_addr *ingress)
{
	if (packet->flow.protocol != IPPROTO_TCP || answer_rst(skb, packet))
		return drop(SKEP_DROP_NO_TASK);
	count_verdict(SKEP_ANSWER_TASK_GONE_RST);
	return tunnel_send(skb, config, ingress, SKEP_VNI(SKEP_FRAME_RETURN, 0), ingress->word[3],
			   task->word[3]);
}

/*
 * A client's packet for a task that is not here, or no more. What may start a flow is given to
 * another task, once; what belongs to a flow that was given away so follows it. The ingress node
 * hears of it by the SYN-ACK (see learn_task()). Returns the program's result, or DELIVER_HERE:
 * work->choice is a task of this node.
 */
#define DELIVER_HERE -1

__noinline int second_chance(struct __sk_buff *skb, int again)
{
	const struct skep_config *config = config_get();
	struct scratch *work = scratch_get();
	struct skep_frontend *frontend;
	struct skep_service *service;
	enum balance_result result;
	const struct choice *choice;
	struct packet *packet;
	int verdict;

	if (!work || !config)
		return TC_ACT_SHOT;
	packet = &work->packet;
	choice = &work->choice;
	/* Not on the stack, which is small; nothing is noted in returns yet. */
	frontend = (void *)work->path.key;
	if (packet->is_error || (again && packet_is_first(packet)))
		/* A SYN will come again, when the nodes agree on where the tasks are. */
		return drop(SKEP_DROP_NO_TASK);
	if (packet->fragment == FRAGMENT_FIRST)
		fragment_remember(packet);
	else if (fragment_follow(packet) != PARSED)
		return drop(SKEP_DROP_FRAGMENT);
	*frontend = (struct skep_frontend){
		.port = packet->flow.frontend_port,
		.protocol = packet->flow.protocol,
	};
	service = again ? NULL : bpf_map_lookup_elem(&services, frontend);
	result = service ? balance(work, service, config) : BALANCE_GONE;
	if (result == BALANCE_FULL)
		return drop(SKEP_DROP_ERROR);
	/* A back end outside would answer this node, which the client does not know. */
	if (result != BALANCE_TASK || skep_addr_is_outside(&choice->task))
		return reject_by_tunnel(skb, packet, config, &work->frame_task,
					&work->frame_ingress);

	count_verdict(SKEP_SECOND_CHANCE);
	/* The answer goes by the tunnel even if the frame says dsr, for the ingress node to learn
	 * from; so the SYN may not be clamped yet. */
	verdict = mss_clamp(skb, packet, config->tunnel_mtu);
	if (verdict)
		return drop(verdict);
	if (choice->ifindex)
		return DELIVER_HERE;
	return tunnel_send(skb, config, &choice->node,
			   SKEP_VNI(SKEP_FRAME_FORWARD_AGAIN, bpf_ntohs(choice->target_port)),
			   choice->task.word[3], work->frame_ingress.word[3]);
}

/* To the client: out by this node's routes, or into the container of this node that it is. */
static __always_inline int send_to_asker(struct __sk_buff *skb, struct scratch *work,
					 const struct skep_config *config)
{
	if (skep_addr_equal(&work->packet.reply.client, &config->underlay))
		return send_to_container(skb);
	return send_to_client(skb, &work->packet);
}

/* At the ingress node: a reply, ready for the client. */
static __always_inline int frame_return(struct __sk_buff *skb, struct scratch *work,
					const struct skep_config *config, __be32 task)
{
	if (!reply_accept(work, task))
		return drop(SKEP_DROP_BAD_FRAME);
	return send_to_asker(skb, work, config);
}

/* Up to a socket of this host; never beyond, as this host's forwarding is no business of the
 * tunnel. */
static __always_inline int frame_to_host(struct __sk_buff *skb, const struct packet *packet,
					 const struct skep_config *config)
{
	if (!skep_addr_equal(&packet->flow.frontend, &config->underlay))
		return drop(SKEP_DROP_BAD_FRAME);
	if (bpf_skb_change_type(skb, PACKET_HOST))
		return drop(SKEP_DROP_ERROR);
	return TC_ACT_OK;
}

SEC("tc")
int from_mesh(struct __sk_buff *skb)
{
	const struct skep_config *config = config_get();
	struct scratch *work = scratch_get();
	struct skep_addr *addr, *ingress;
	struct bpf_tunnel_key *key;
	int framed, to_addr, from_addr, forwarded = 0;
	__be32 destination, source;
	enum skep_return_mode mode;
	struct packet *packet;
	struct skep_task *task;
	__be16 target_port;
	__u32 ifindex, kind = 0;
	struct ethhdr *eth;
	int verdict;

	if (!config || !work)
		return TC_ACT_SHOT;
	packet = &work->packet;
	key = &work->tunnel;
	key->remote_ipv4 = 0;
	key->tunnel_id = 0;
	addr = &work->frame_task;
	ingress = &work->frame_ingress;

	framed = !bpf_skb_get_tunnel_key(skb, key, TUNNEL_KEY_SIZE, 0);
	/* The device takes frames by IPv6 too; nodes send none. */
	if (!framed && !bpf_skb_get_tunnel_key(skb, key, TUNNEL_KEY_SIZE, BPF_F_TUNINFO_IPV6))
		return drop(SKEP_DROP_NOT_A_NODE);
	*ingress = skep_addr_v4(bpf_htonl(key->remote_ipv4));
	if (framed && !bpf_map_lookup_elem(&nodes, ingress))
		return drop(SKEP_DROP_NOT_A_NODE);
	verdict = parse_without_memory(skb, packet);
	if (verdict != PARSED)
		return drop(verdict == SKEP_DROP_ERROR ? verdict : SKEP_DROP_BAD_FRAME);
	eth = (void *)(long)skb->data;
	if ((void *)(eth + 1) > (void *)(long)skb->data_end)
		return drop(SKEP_DROP_ERROR);
	to_addr = addr_of_mac(eth->h_dest, &destination);
	from_addr = addr_of_mac(eth->h_source, &source);

	*addr = skep_addr_v4(destination);
	target_port = packet->flow.frontend_port;
	if (!framed) {
		/* What to_mesh and from_task turned round, for or from a socket of this host. */
		if (!to_addr)
			return frame_to_host(skb, packet, config);
		*ingress = config->underlay;
		mode = SKEP_RETURN_HOST;
	} else {
		if (!to_addr || !from_addr)
			return drop(SKEP_DROP_BAD_FRAME);
		kind = SKEP_VNI_KIND(key->tunnel_id);
		switch (kind) {
		case SKEP_FRAME_RETURN:
			if (packet->fragment == FRAGMENT_LATER)
				packet->reply.task_port = bpf_htons(SKEP_VNI_PORT(key->tunnel_id));
			return frame_return(skb, work, config, source);
		case SKEP_FRAME_DIRECT_RETURN:
			return frame_to_host(skb, packet, config);
		case SKEP_FRAME_FORWARD | SKEP_FRAME_DSR:
		case SKEP_FRAME_FORWARD:
		case SKEP_FRAME_FORWARD_AGAIN:
			target_port = bpf_htons(SKEP_VNI_PORT(key->tunnel_id));
			mode = forward_mode(kind & SKEP_FRAME_DSR);
			forwarded = 1;
			break;
		case SKEP_FRAME_DIRECT:
			mode = SKEP_RETURN_HOST_TUNNEL;
			break;
		default:
			return drop(SKEP_DROP_BAD_FRAME);
		}
		/* A frame that was handed on names another node than the one it comes from. */
		*ingress = skep_addr_v4(source);
		if (kind == SKEP_FRAME_FORWARD_AGAIN && !bpf_map_lookup_elem(&nodes, ingress))
			return drop(SKEP_DROP_BAD_FRAME);
		if (kind != SKEP_FRAME_FORWARD_AGAIN &&
		    ingress->word[3] != bpf_htonl(key->remote_ipv4))
			return drop(SKEP_DROP_BAD_FRAME);
	}

	if (bpf_skb_change_type(skb, PACKET_HOST))
		return drop(SKEP_DROP_ERROR);
	task = bpf_map_lookup_elem(&tasks, addr);
	if (task_is_here(task, config)) {
		ifindex = task->ifindex;
		if (!forwarded && !skep_addr_equal(&packet->flow.frontend, addr))
			return drop(SKEP_DROP_NO_TASK);
	} else if (forwarded) {
		mode = SKEP_RETURN_TUNNEL;
		verdict = second_chance(skb, kind == SKEP_FRAME_FORWARD_AGAIN);
		if (verdict != DELIVER_HERE)
			return verdict;
		addr = &work->choice.task;
		ifindex = work->choice.ifindex;
		target_port = work->choice.target_port;
	} else {
		return drop(SKEP_DROP_NO_TASK);
	}
	return deliver(skb, work, config, addr, ifindex, target_port, ingress, mode);
}

/* Turns a frame that is leaving skep0 round, to come in at skep0. */
static __always_inline int turn_round(struct __sk_buff *skb, const struct skep_config *config,
				      const __u8 destination[ETH_ALEN], __be32 source)
{
	struct ethhdr *eth = (void *)(long)skb->data;

	if ((void *)(eth + 1) > (void *)(long)skb->data_end)
		return drop(SKEP_DROP_ERROR);
	__builtin_memcpy(eth->h_dest, destination, ETH_ALEN);
	mac_of_addr(eth->h_source, source);
	return bpf_redirect(config->mesh_ifindex, BPF_F_INGRESS);
}

SEC("tc")
int to_mesh(struct __sk_buff *skb)
{
	const struct skep_config *config = config_get();
	struct scratch *work = scratch_get();
	__u8 mac[ETH_ALEN];
	struct skep_addr addr;
	struct skep_task *task;
	struct packet *packet;
	struct ethhdr *eth;
	int verdict;

	if (!config || !work)
		return TC_ACT_SHOT;
	packet = &work->packet;
	/* What skep itself sends out here has a MAC made of an address as source; the host's own
	 * sockets have skep0's. */
	eth = (void *)(long)skb->data;
	if ((void *)(eth + 1) > (void *)(long)skb->data_end)
		return drop(SKEP_DROP_ERROR);
	for (int i = 0; i < ETH_ALEN; i++)
		if (eth->h_source[i] != config->mesh_mac[i])
			return TC_ACT_OK;

	verdict = parse_without_memory(skb, packet);
	if (verdict != PARSED)
		return give_up(verdict);
	if (!skep_addr_equal(&packet->flow.client, &config->underlay))
		return drop(SKEP_DROP_BAD_FRAME);
	addr = packet->flow.frontend;
	task = bpf_map_lookup_elem(&tasks, &addr);
	if (!task || !task_reachable(task, config)) {
		if (packet->flow.protocol != IPPROTO_TCP || answer_rst(skb, packet))
			return drop(SKEP_DROP_NO_TASK);
		count_verdict(SKEP_ANSWER_TASK_GONE_RST);
		return turn_round(skb, config, config->mesh_mac, addr.word[3]);
	}
	if (task->ifindex) {
		mac_of_addr(mac, addr.word[3]);
		return turn_round(skb, config, mac, config->underlay.word[3]);
	}
	return tunnel_send(skb, config, &task->node, SKEP_VNI(SKEP_FRAME_DIRECT, 0), addr.word[3],
			   config->underlay.word[3]);
}

/*
 * A container's own packet. To a frontend it is a client's; anything else it sends is Docker's.
 * Frontends are there for everybody, so this leads to nothing that the container could not reach
 * anyway. Returns CHOSEN, or the program's result.
 */
__noinline int choose_for_container(struct __sk_buff *skb)
{
	const struct skep_config *config = config_get();
	struct scratch *work = scratch_get();
	int verdict;

	if (!work || !config)
		return TC_ACT_SHOT;
	if (!service_find(&work->packet))
		return pass(SKEP_PASS_NOT_FROM_TASK);
	verdict = choose(skb, work, config);
	/* While the packet still says whom to tell. */
	if (verdict == CHOSEN && !work->choice.ifindex &&
	    !skep_addr_is_outside(&work->choice.task) &&
	    packet_too_big(skb, &work->packet, config->tunnel_mtu))
		return answer_too_big(skb, &work->packet, config);
	return verdict;
}

#define TO_CONTAINER -1

/*
 * A task's packet that answers a client: back the way that was noted, which is in work->value.
 * Returns the program's result, or TO_CONTAINER: the packet is ready for a container of this node.
 */
__noinline int send_reply(struct __sk_buff *skb)
{
	const struct skep_config *config = config_get();
	struct scratch *work = scratch_get();
	const struct skep_return_path *reply;
	int verdict, to_container;
	struct way_out way = {};
	struct packet *packet;
	__u8 mode;

	if (!work || !config)
		return TC_ACT_SHOT;
	reply = (const void *)work->value;
	packet = &work->packet;
	mode = reply->mode;
	if (packet->is_error)
		count_verdict(SKEP_ICMP_ERROR);
	if (packet->fragment == FRAGMENT_FIRST)
		fragment_remember(packet);

	/* That a client has this node's address means that it is a container here. */
	to_container = mode == SKEP_RETURN_LOCAL &&
		       skep_addr_equal(&packet->reply.client, &config->underlay);
	if ((mode == SKEP_RETURN_LOCAL && !to_container) || mode == SKEP_RETURN_DIRECT) {
		/* Not on the stack, which is small; nothing is to be written to flows here. */
		struct skep_return_key *to_client = (void *)work->flow.key;

		*to_client = packet->reply;
		to_client->task = reply->frontend;
		to_client->task_port = reply->frontend_port;
		to_client->client_port = reply->client_port;
		way_out_find(skb, to_client, &way);
	}
	if (mode == SKEP_RETURN_DIRECT && !way.ifindex) {
		/* A client on this very host, or one that only the ingress node reaches. */
		count_verdict(SKEP_RETURN_NOT_DIRECT);
		mode = SKEP_RETURN_TUNNEL;
	}

	if ((mode == SKEP_RETURN_TUNNEL || mode == SKEP_RETURN_HOST_TUNNEL) &&
	    packet_too_big(skb, packet, config->tunnel_mtu))
		return answer_too_big(skb, packet, config);
	/* The client's packets come by the tunnel, whichever way the task's go. */
	if (mode == SKEP_RETURN_TUNNEL || mode == SKEP_RETURN_DIRECT) {
		verdict = mss_clamp(skb, packet, config->tunnel_mtu);
		if (verdict)
			return drop(verdict);
	}
	verdict = packet->is_error ? icmp_rewrite(skb, NAT_SOURCE, reply->frontend.word[3],
						  reply->frontend_port, reply->client_port)
				   : nat_rewrite(skb, packet, NAT_SOURCE, reply->frontend.word[3],
						 reply->frontend_port, reply->client_port);
	if (verdict)
		return drop(verdict);

	switch (mode) {
	case SKEP_RETURN_LOCAL:
	case SKEP_RETURN_DIRECT:
		if (!to_container)
			return way_out_take(&way);
		packet->reply.task = reply->frontend;
		packet->reply.task_port = reply->frontend_port;
		packet->reply.client_port = reply->client_port;
		return TO_CONTAINER;
	case SKEP_RETURN_TUNNEL:
		return tunnel_send(
			skb, config, &reply->ingress,
			SKEP_VNI(SKEP_FRAME_RETURN, packet->fragment == FRAGMENT_LATER
							    ? bpf_ntohs(reply->frontend_port)
							    : 0),
			reply->ingress.word[3], packet->reply.task.word[3]);
	case SKEP_RETURN_HOST:
		return turn_round(skb, config, config->mesh_mac, packet->reply.task.word[3]);
	case SKEP_RETURN_HOST_TUNNEL:
		return tunnel_send(skb, config, &reply->ingress,
				   SKEP_VNI(SKEP_FRAME_DIRECT_RETURN, 0), reply->ingress.word[3],
				   packet->reply.task.word[3]);
	default:
		return drop(SKEP_DROP_ERROR);
	}
}

SEC("tc")
int from_task(struct __sk_buff *skb)
{
	const struct skep_config *config = config_get();
	struct scratch *work = scratch_get();
	struct table_place place = {};
	struct packet *packet;
	int verdict;

	if (!config || !work)
		return TC_ACT_OK;
	packet = &work->packet;
	verdict = parse_with_memory(skb, packet);
	if (verdict != PARSED)
		return give_up(verdict);
	if (!table_get(&returns, &packet->reply, return_hash(&packet->reply, config->seed),
		       work->value, &place))
		goto container;
	if (packet->tcp_flags & (TCP_FIN | TCP_RST))
		place.bucket->state[place.way & (SKEP_WAYS - 1)] = SKEP_FLOW_CLOSING;
	/* One after another, not one in another: the stack is small. */
	verdict = send_reply(skb);
	return verdict == TO_CONTAINER ? send_to_container(skb) : verdict;

container:
	verdict = choose_for_container(skb);
	if (verdict != CHOSEN)
		return verdict;
	/* A back end outside sees this node as its client anyway; and only this node knows to which
	 * container a reply must go. */
	work->choice.dsr = 0;
	if (!skep_addr_is_outside(&work->choice.task)) {
		/* One after another, as above. */
		verdict = container_port(skb->ifindex);
		if (!verdict)
			verdict = container_masquerade(skb);
		if (verdict)
			return drop(verdict);
	}
	return send_to_task(skb, work, config, &config->underlay, SKEP_RETURN_LOCAL);
}

/*
 * A container's packet to any node's tunnel port would leave as this node's own, since Docker
 * masquerades it; or, with a forged source, come to this node's own tunnel as another's. So no
 * container gets to that port, on any address.
 */
SEC("tc")
int from_bridge(struct __sk_buff *skb)
{
	const struct skep_config *config = config_get();
	struct iphdr ip;
	__be16 port;

	if (!config || skb->protocol != bpf_htons(ETH_P_IP) ||
	    bpf_skb_load_bytes(skb, OFFSET_IP, &ip, sizeof(ip)) || ip.protocol != IPPROTO_UDP ||
	    ip.frag_off & bpf_htons(IPV4_OFFSET))
		return TC_ACT_OK;
	if (bpf_skb_load_bytes(skb, OFFSET_IP + ip.ihl * 4 + offsetof(struct udphdr, dest), &port,
			       sizeof(port)))
		return TC_ACT_OK;
	return port == config->tunnel_port ? drop(SKEP_DROP_FORGED) : TC_ACT_OK;
}

__u32 sweep_next; /* bucket; one run after another, so nobody else changes it */

/* One bucket a run. */
SEC("tc")
int sweep(struct __sk_buff *skb)
{
	(void)skb;
	sweep_bucket(sweep_next++ & bucket_mask);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
