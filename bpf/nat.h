/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rewriting an skb's addresses, ports and TTL, with checksums that stay right whether the stack,
 * the NIC or nobody has computed them yet (ip_summed PARTIAL, COMPLETE, UNNECESSARY, NONE).
 */
#ifndef SKEP_BPF_NAT_H
#define SKEP_BPF_NAT_H

#include "parse.h"
#include "rewrite.h"

enum nat_end {
	NAT_SOURCE,
	NAT_DESTINATION
};

/* The IP header's part of nat_rewrite(). */
static __always_inline int ip_rewrite(struct __sk_buff *skb, enum nat_end end, __be32 from,
				      __be32 to)
{
	void *data = (void *)(long)skb->data;
	void *data_end = (void *)(long)skb->data_end;
	struct iphdr *ip = data + OFFSET_IP;

	if ((void *)(ip + 1) > data_end)
		return SKEP_DROP_ERROR;
	ip_hop(ip);
	ip->check = checksum_replace32(ip->check, from, to);
	if (end == NAT_SOURCE)
		ip->saddr = to;
	else
		ip->daddr = to;
	return 0;
}

/*
 * Gives the packet a new address and port at one end, a new port at the other, and one hop less to
 * live. Pointers into the packet are stale after. Returns 0, or the verdict to count: the packet is
 * then unusable.
 */
static __always_inline int nat_rewrite(struct __sk_buff *skb, const struct packet *packet,
				       enum nat_end end, __be32 addr, __be16 port,
				       __be16 other_port)
{
	int udp = packet->flow.protocol == IPPROTO_UDP;
	int check = udp ? OFFSET_UDP_CHECK : OFFSET_TCP_CHECK;
	/* UDP without a checksum keeps having none (RFC 768). */
	__u64 mangled = udp ? BPF_F_MARK_MANGLED_0 : 0;
	__be32 old_addr =
		end == NAT_SOURCE ? packet->flow.client.word[3] : packet->flow.frontend.word[3];
	__be16 source_port = end == NAT_SOURCE ? port : other_port;
	__be16 destination_port = end == NAT_SOURCE ? other_port : port;
	void *data, *data_end;
	__be16 *ports;

	if (packet->ttl <= 1)
		return SKEP_DROP_TTL;
	/* The checksum is in the first fragment, and covers all of them. */
	if (packet->fragment == FRAGMENT_LATER)
		return ip_rewrite(skb, end, old_addr, addr);
	if (bpf_l4_csum_replace(skb, check, old_addr, addr,
				BPF_F_PSEUDO_HDR | mangled | sizeof(addr)))
		return SKEP_DROP_ERROR;
	if (source_port != packet->flow.client_port &&
	    bpf_l4_csum_replace(skb, check, packet->flow.client_port, source_port,
				mangled | sizeof(source_port)))
		return SKEP_DROP_ERROR;
	if (destination_port != packet->flow.frontend_port &&
	    bpf_l4_csum_replace(skb, check, packet->flow.frontend_port, destination_port,
				mangled | sizeof(destination_port)))
		return SKEP_DROP_ERROR;

	data = (void *)(long)skb->data;
	data_end = (void *)(long)skb->data_end;
	if (data + OFFSET_L4 + 4 > data_end)
		return SKEP_DROP_ERROR;
	ports = data + OFFSET_L4;
	ports[0] = source_port;
	ports[1] = destination_port;
	return ip_rewrite(skb, end, old_addr, addr);
}

/* Changes the address of the other end, after nat_rewrite(). Returns 0 or a verdict. */
static __always_inline int nat_address(struct __sk_buff *skb, const struct packet *packet,
				       enum nat_end end, __be32 from, __be32 to)
{
	int udp = packet->flow.protocol == IPPROTO_UDP;
	void *data, *data_end;
	struct iphdr *ip;

	if (packet->fragment != FRAGMENT_LATER &&
	    bpf_l4_csum_replace(skb, udp ? OFFSET_UDP_CHECK : OFFSET_TCP_CHECK, from, to,
				BPF_F_PSEUDO_HDR | (udp ? BPF_F_MARK_MANGLED_0 : 0) | sizeof(to)))
		return SKEP_DROP_ERROR;
	data = (void *)(long)skb->data;
	data_end = (void *)(long)skb->data_end;
	ip = data + OFFSET_IP;
	if ((void *)(ip + 1) > data_end)
		return SKEP_DROP_ERROR;
	ip->check = checksum_replace32(ip->check, from, to);
	if (end == NAT_SOURCE)
		ip->saddr = to;
	else
		ip->daddr = to;
	return 0;
}

/* ip_hop() for an skb. Returns 0 or a verdict. */
static __always_inline int ttl_decrement(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data;
	void *data_end = (void *)(long)skb->data_end;
	struct iphdr *ip = data + OFFSET_IP;

	if ((void *)(ip + 1) > data_end)
		return SKEP_DROP_ERROR;
	if (ip->ttl <= 1)
		return SKEP_DROP_TTL;
	ip_hop(ip);
	return 0;
}

/* Lowers the MSS option of a SYN or SYN-ACK that goes through the tunnel, so that neither end sends
 * segments that would have to be cut. */
__noinline int mss_clamp(struct __sk_buff *skb, const struct packet *packet, __u32 tunnel_mtu)
{
	struct tcp_options options = {};
	__be16 old_mss, new_mss = bpf_htons(mss_limit(tunnel_mtu));
	__u32 last, at;

	if (!packet || packet->flow.protocol != IPPROTO_TCP || !(packet->tcp_flags & TCP_SYN))
		return 0;
	last = packet->tcp_length - sizeof(struct tcphdr) - 1; /* byte of the options */
	/* Before Linux 6.8 the verifier learns nothing from a comparison with 0: this way it knows
	 * that last + 1 is more. */
	barrier_var(last);
	if (last >= TCP_OPTIONS_MAX)
		return 0;
	if (bpf_skb_load_bytes(skb, LENGTH_TCP, options.byte, last + 1))
		return SKEP_DROP_ERROR;
	at = mss_find(&options, mss_limit(tunnel_mtu));
	if (!at)
		return 0;
	barrier_var(at); /* or both tests become one, from which the verifier learns nothing */
	if (at > TCP_OPTIONS_MAX - sizeof(__be16))
		return 0;
	__builtin_memcpy(&old_mss, &options.byte[at], sizeof(old_mss));
	if (bpf_l4_csum_replace(skb, OFFSET_TCP_CHECK, mss_word(old_mss, at), mss_word(new_mss, at),
				sizeof(new_mss)) ||
	    bpf_skb_store_bytes(skb, LENGTH_TCP + at, &new_mss, sizeof(new_mss), 0))
		return SKEP_DROP_ERROR;
	return 0;
}

#endif
