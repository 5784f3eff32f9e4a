/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ICMP errors about a flow's packets (RFC 792, RFC 1191): from the path to the task, from the
 * task's host to the client. Such an error travels as a packet of the flow in its own direction
 * would, so it is given that packet's tuple, which is the quoted one turned round. Only to rewrite
 * it is different: outer header and quotation are rewritten alike (RFC 5508 section 4.2).
 */
#ifndef SKEP_BPF_ICMP_H
#define SKEP_BPF_ICMP_H

#include "answer.h"
#include "balance.h"
#include "maps.h"
#include "nat.h"
#include "parse.h"
#include "returns.h"
#include "scratch.h"
#include "table.h"

#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12

/* An IPv4 packet with the part of its quotation that every error has. */
struct icmp_error {
	struct iphdr ip;
	struct icmphdr icmp;
	struct iphdr quoted_ip;
	struct {
		__be16 source;
		__be16 destination;
		__be32 rest; /* of the 64 bits of layer 4 that every error quotes */
	} quoted;
};
_Static_assert(sizeof(struct icmp_error) == 56, "icmp_error");

/* The quoted packet's checksum. TCP's is quoted by most hosts, not all. */
#define QUOTED_L4	 (offsetof(struct icmp_error, quoted))
#define QUOTED_UDP_CHECK (QUOTED_L4 + offsetof(struct udphdr, check))
#define QUOTED_TCP_CHECK (QUOTED_L4 + offsetof(struct tcphdr, check))

/* Gives an ICMP error the tuple that it travels by. Returns PARSED, or the verdict that parse_skb()
 * gave. */
__noinline int icmp_parse(struct __sk_buff *skb, struct packet *packet)
{
	struct icmp_error error;

	if (!packet || packet->flow.protocol != IPPROTO_ICMP || packet->fragment ||
	    bpf_skb_load_bytes(skb, OFFSET_IP, &error, sizeof(error)))
		return SKEP_PASS_PROTOCOL;
	if (error.icmp.type != ICMP_DEST_UNREACH && error.icmp.type != ICMP_TIME_EXCEEDED &&
	    error.icmp.type != ICMP_PARAMETERPROB)
		return SKEP_PASS_PROTOCOL;
	if (bpf_ntohs(error.ip.tot_len) < sizeof(error) || error.quoted_ip.version != 4 ||
	    error.quoted_ip.ihl != 5 || error.quoted_ip.frag_off & bpf_htons(IPV4_OFFSET) ||
	    (error.quoted_ip.protocol != IPPROTO_TCP && error.quoted_ip.protocol != IPPROTO_UDP))
		return SKEP_PASS_PROTOCOL;
	/* An error goes to whom the quoted packet came from. */
	if (error.quoted_ip.saddr != error.ip.daddr)
		return SKEP_PASS_PROTOCOL;
	packet->is_error = 1;
	packet->flow.client = skep_addr_v4(error.quoted_ip.daddr);
	packet->flow.frontend = skep_addr_v4(error.quoted_ip.saddr);
	packet->flow.client_port = error.quoted.destination;
	packet->flow.frontend_port = error.quoted.source;
	packet->flow.protocol = error.quoted_ip.protocol;
	return PARSED;
}

/* The checksums that cover the quotation: of the ICMP message, of the quoted packet. */
struct icmp_checks {
	__sum16 message;
	__sum16 quoted; /* void if there was none */
};

static __always_inline void icmp_set_port(struct icmp_checks *checks, __be16 *port, __be16 value)
{
	checks->message = checksum_replace(checks->message, *port, value);
	checks->quoted = checksum_replace(checks->quoted, *port, value);
	*port = value;
}

/* With the IP header's own checksum: so the sum of that header is what it was, and the message's
 * checksum stays. */
static __always_inline void icmp_set_addr(struct icmp_checks *checks, struct iphdr *ip,
					  __be32 *addr, __be32 value)
{
	ip->check = checksum_replace32(ip->check, *addr, value);
	checks->quoted = checksum_replace32(checks->quoted, *addr, value);
	*addr = value;
}

/*
 * nat_rewrite() for an ICMP error. The quotation runs the other way, so the message's source is the
 * quoted destination. Returns 0 or a verdict.
 */
__noinline int icmp_rewrite(struct __sk_buff *skb, enum nat_end end, __be32 addr, __be16 port,
			    __be16 other_port)
{
	struct icmp_error error;
	struct icmp_checks checks;
	__sum16 before = 0; /* zero: not quoted, or UDP without one (RFC 768) */
	__u32 at;
	int verdict;

	verdict = ttl_decrement(skb);
	if (verdict)
		return verdict;
	if (bpf_skb_load_bytes(skb, OFFSET_IP, &error, sizeof(error)))
		return SKEP_DROP_ERROR;
	checks.message = error.icmp.checksum;
	at = OFFSET_IP +
	     (error.quoted_ip.protocol == IPPROTO_UDP ? QUOTED_UDP_CHECK : QUOTED_TCP_CHECK);
	if (bpf_ntohs(error.ip.tot_len) >= at - OFFSET_IP + sizeof(before) &&
	    bpf_skb_load_bytes(skb, at, &before, sizeof(before)))
		return SKEP_DROP_ERROR;
	checks.quoted = before;

	if (end == NAT_SOURCE) {
		error.ip.check = checksum_replace32(error.ip.check, error.ip.saddr, addr);
		error.ip.saddr = addr;
		icmp_set_addr(&checks, &error.quoted_ip, &error.quoted_ip.daddr, addr);
		icmp_set_port(&checks, &error.quoted.destination, port);
		icmp_set_port(&checks, &error.quoted.source, other_port);
	} else {
		error.ip.check = checksum_replace32(error.ip.check, error.ip.daddr, addr);
		error.ip.daddr = addr;
		icmp_set_addr(&checks, &error.quoted_ip, &error.quoted_ip.saddr, addr);
		icmp_set_port(&checks, &error.quoted.source, port);
		icmp_set_port(&checks, &error.quoted.destination, other_port);
	}
	if (!before)
		checks.quoted = 0;
	else if (!checks.quoted && error.quoted_ip.protocol == IPPROTO_UDP)
		checks.quoted = 0xffff;
	error.icmp.checksum = checksum_replace(checks.message, before, checks.quoted);

	if (bpf_skb_store_bytes(skb, OFFSET_IP, &error, sizeof(error), BPF_F_RECOMPUTE_CSUM))
		return SKEP_DROP_ERROR;
	if (before && bpf_skb_store_bytes(skb, at, &checks.quoted, sizeof(checks.quoted),
					  BPF_F_RECOMPUTE_CSUM))
		return SKEP_DROP_ERROR;
	return 0;
}

/* The port that the task knows the client by, if that is not the client's own. */
static __always_inline __be16 icmp_source_port(struct scratch *work,
					       const struct skep_config *config)
{
	const struct skep_flow_key *key = &work->packet.flow;
	__u32 given = flow_source_port(table_hash((const __u64 *)key, config->seed));

	return given ? (__be16)given : key->client_port;
}

/* Where the flow goes to that the error in work->packet is about, into work->choice. An error
 * neither makes a flow nor renews one. */
__noinline enum balance_result icmp_follow(const struct skep_service *service)
{
	const struct skep_config *config = config_get();
	struct scratch *work = scratch_get();
	const struct skep_flow_choice *flow;
	const struct skep_flow_key *key;
	struct table_place place = {};
	struct skep_task *task;
	__u64 hash;

	if (!work || !service || !config)
		return BALANCE_FULL;
	flow = (const void *)work->value;
	key = &work->packet.flow;
	hash = table_hash((const __u64 *)key, config->seed);
	if (!table_get(&flows, key, hash, work->value, &place))
		return BALANCE_NO_FLOW;
	task = bpf_map_lookup_elem(&tasks, &flow->task);
	if (!task || task->service_id != service->service_id || !task_reachable(task, config))
		return BALANCE_NO_FLOW;
	choice_take(&work->choice, &flow->task, task);
	work->choice.service_id = service->service_id;
	work->choice.target_port = flow->target_port;
	work->choice.new_flow = 0;
	work->choice.dsr = !!(service->flags & SKEP_SERVICE_DSR);
	return BALANCE_TASK;
}

/* A task behind the tunnel must never send more than that takes, whatever the rest of the path
 * does. Returns 0 or a verdict. */
static __always_inline int icmp_limit_mtu(struct __sk_buff *skb, __u32 tunnel_mtu)
{
	struct icmphdr icmp;
	__be16 limit = bpf_htons(tunnel_mtu);

	if (bpf_skb_load_bytes(skb, OFFSET_L4, &icmp, sizeof(icmp)))
		return SKEP_DROP_ERROR;
	if (icmp.type != ICMP_DEST_UNREACH || icmp.code != ICMP_FRAG_NEEDED ||
	    bpf_ntohs(icmp.mtu) <= tunnel_mtu)
		return 0;
	icmp.checksum = checksum_replace(icmp.checksum, icmp.mtu, limit);
	icmp.mtu = limit;
	return bpf_skb_store_bytes(skb, OFFSET_L4, &icmp, sizeof(icmp), BPF_F_RECOMPUTE_CSUM)
		       ? SKEP_DROP_ERROR
		       : 0;
}

#endif
