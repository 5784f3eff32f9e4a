/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rewriting a packet where it lies, before there is an skb. Here every checksum is a number in the
 * packet: there is neither CHECKSUM_PARTIAL nor an offload yet.
 */
#ifndef SKEP_BPF_XDP_PACKET_H
#define SKEP_BPF_XDP_PACKET_H

#include "parse.h"
#include "rewrite.h"
#include "skep/tunnel.h"
#include "tunnel.h"

/* RFC 7348 section 5. */
struct vxlanhdr {
	__be32 flags;
	__be32 vni; /* in the upper 24 bits */
};
#define VXLAN_HAS_VNI 0x08000000

/* Where the headers around a frame lie, from its outer Ethernet header. */
#define OUTER_UDP   OFFSET_L4
#define OUTER_VXLAN (OUTER_UDP + (int)sizeof(struct udphdr))
#define INNER_FRAME (OUTER_VXLAN + (int)sizeof(struct vxlanhdr))
_Static_assert(INNER_FRAME == SKEP_TUNNEL_OVERHEAD, "what the agent subtracts from the MTU");

#define IPV4_ECN     0x03 /* RFC 3168 */
#define IPV4_ECN_CE  0x03
#define IPV4_ECN_ECT 0x02

#define OUTER_TTL 64

/* RFC 6335: ports that are nobody's. */
#define SOURCE_PORT_LOW	 49152
#define SOURCE_PORT_BITS 14

struct outer { /* what is to be written around a frame */
	struct mac_pair macs;
	__be32 from, to;
	__be16 source_port, port;
	__u32 vni;
	__be16 id; /* of IPv4: it may be fragmented on the way */
};

/* One for all packets of a flow, so that none overtakes another on a path of several links (RFC
 * 7348 section 5). */
static __always_inline __be16 outer_source_port(__u64 flow_hash)
{
	return bpf_htons(SOURCE_PORT_LOW + (flow_hash >> (64 - SOURCE_PORT_BITS)));
}

/* Of an IPv4 header that has besides these nothing but zeros. Not summed up from the packet: what
 * was just written there would have to be waited for. */
static __always_inline __sum16 ip_checksum(__be16 version_tos, __be16 length, __be16 id,
					   __be16 ttl_protocol, __be32 from, __be32 to)
{
	__u32 sum = (__u32)version_tos + length + id + ttl_protocol;

	sum += (from & 0xffff) + (from >> 16) + (to & 0xffff) + (to >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__sum16)~sum;
}

/* mss_clamp() of nat.h for the packet in the frame at eth. */
static __always_inline void mss_clamp_direct(void *eth, void *data_end, const struct packet *packet,
					     __u32 tunnel_mtu)
{
	struct tcp_options options = {};
	__u32 *words = (__u32 *)options.byte;
	__be16 old_mss, new_mss = bpf_htons(mss_limit(tunnel_mtu)), *mss;
	struct tcphdr *tcp = eth + OFFSET_L4;
	__u32 *word = eth + LENGTH_TCP;
	__u32 at;

	if (packet->flow.protocol != IPPROTO_TCP || !(packet->tcp_flags & TCP_SYN))
		return;
#pragma clang loop unroll(full)
	for (int i = 0; i < TCP_OPTIONS_MAX / (int)sizeof(*words); i++) {
		if ((i + 1) * sizeof(*words) > packet->tcp_length - sizeof(*tcp) ||
		    (void *)(word + i + 1) > data_end)
			break;
		words[i] = word[i];
	}
	at = mss_find(&options, mss_limit(tunnel_mtu));
	if (!at)
		return;
	barrier_var(at); /* or both tests become one, from which the verifier learns nothing */
	if (at > TCP_OPTIONS_MAX - sizeof(__be16))
		return;
	mss = eth + LENGTH_TCP + at;
	if ((void *)(mss + 1) > data_end || (void *)(tcp + 1) > data_end)
		return;
	__builtin_memcpy(&old_mss, &options.byte[at], sizeof(old_mss));
	tcp->check = checksum_replace(tcp->check, mss_word(old_mss, at), mss_word(new_mss, at));
	*mss = new_mss;
}

/*
 * Writes the headers around the frame, for which room was made, as the kernel's vxlan device writes
 * them: no checksum, may be fragmented on the way and so has an ID, congestion marks as of the
 * inner packet (RFC 6040 section 4.1, with CE told as ECT). Returns 0, or a negative error: there
 * is no room.
 */
static __always_inline int outer_write(struct xdp_md *xdp, const struct outer *outer)
{
	void *data = (void *)(long)xdp->data;
	void *data_end = (void *)(long)xdp->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = data + OFFSET_IP;
	struct udphdr *udp = data + OUTER_UDP;
	struct vxlanhdr *vxlan = data + OUTER_VXLAN;
	const struct iphdr *inner = data + INNER_FRAME + OFFSET_IP;
	__be16 version_tos, ttl_protocol = bpf_htons(OUTER_TTL << 8 | IPPROTO_UDP);
	__u16 length = data_end - data;
	__u8 ecn;

	if ((void *)(inner + 1) > data_end)
		return -1;
	ecn = inner->tos & IPV4_ECN;
	*(struct mac_pair *)eth = outer->macs;
	eth->h_proto = bpf_htons(ETH_P_IP);

	version_tos = bpf_htons(0x4500 | (ecn == IPV4_ECN_CE ? IPV4_ECN_ECT : ecn));
	*(__be16 *)ip = version_tos;
	ip->tot_len = bpf_htons(length - OFFSET_IP);
	ip->id = outer->id;
	ip->frag_off = 0;
	*(__be16 *)&ip->ttl = ttl_protocol;
	ip->saddr = outer->from;
	ip->daddr = outer->to;
	ip->check = ip_checksum(version_tos, ip->tot_len, outer->id, ttl_protocol, outer->from,
				outer->to);

	udp->source = outer->source_port;
	udp->dest = outer->port;
	udp->len = bpf_htons(length - OUTER_UDP);
	udp->check = 0;

	vxlan->flags = bpf_htonl(VXLAN_HAS_VNI);
	vxlan->vni = bpf_htonl(outer->vni << 8);
	return 0;
}

/*
 * The VNI of a tunnel frame that has just the form that skep sends, or 0: the kernel's vxlan device
 * shall judge it. That is also who verifies an outer checksum and carries congestion marks of the
 * path inward.
 */
static __always_inline __u32 outer_read(void *data, void *data_end)
{
	const struct iphdr *ip = data + OFFSET_IP;
	const struct udphdr *udp = data + OUTER_UDP;
	const struct vxlanhdr *vxlan = data + OUTER_VXLAN;
	__u32 length = data_end - data;

	if (data + INNER_FRAME > data_end)
		return 0;
	if (ip->tot_len != bpf_htons(length - OFFSET_IP) ||
	    udp->len != bpf_htons(length - OUTER_UDP))
		return 0;
	if (udp->check || (ip->tos & IPV4_ECN) == IPV4_ECN_CE)
		return 0;
	if (vxlan->flags != bpf_htonl(VXLAN_HAS_VNI) || bpf_ntohl(vxlan->vni) & 0xff)
		return 0;
	return bpf_ntohl(vxlan->vni) >> 8;
}

#endif
