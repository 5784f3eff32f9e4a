/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Answers that skep gives in a service's place, or as a router: the packet is turned round into a
 * TCP RST or an ICMP destination unreachable. Slow paths, taken for single packets.
 *
 * What is hard here is a checksum that is only to be computed on the way out (CHECKSUM_PARTIAL, as
 * packets from local and virtual machines come): BPF can neither see nor end that state, so it is
 * found out by what a helper does, and used.
 */
#ifndef SKEP_BPF_ANSWER_H
#define SKEP_BPF_ANSWER_H

#include "nat.h"
#include "parse.h"

/* linux/icmp.h needs a C library. */
#define ICMP_DEST_UNREACH 3
#define ICMP_PORT_UNREACH 3
#define ICMP_FRAG_NEEDED  4

struct icmphdr {
	__u8 type;
	__u8 code;
	__sum16 checksum;
	__be16 unused;
	__be16 mtu; /* of the next hop, with ICMP_FRAG_NEEDED (RFC 1191 section 4) */
};

/* Of layer 4, quoted: to the end of the checksum, which the stack or the NIC may still have to fill
 * in. */
#define QUOTED_TCP ((int)sizeof(struct tcphdr))
#define QUOTED_UDP ((int)sizeof(struct udphdr))

static __always_inline __u32 checksum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/*
 * Will the stack or the NIC fill in the layer 4 checksum at offset `check` later? For such a packet
 * bpf_l4_csum_replace() leaves the field alone when told of a change outside of the pseudo header
 * (inet_proto_csum_replace4() in net/core/utils.c). Returns 0, 1, or a negative error.
 */
static __always_inline int checksum_is_partial(struct __sk_buff *skb, int check)
{
	__sum16 before, after,
		probe = 0x5aa5; /* neither of the two zeros, under which a change could hide */

	if (bpf_skb_store_bytes(skb, check, &probe, sizeof(probe), 0) ||
	    bpf_l4_csum_replace(skb, check, 0, 1, sizeof(__u16)) ||
	    bpf_skb_load_bytes(skb, check, &after, sizeof(after)))
		return -1;
	before = probe;
	return before == after;
}

static __always_inline __u32 checksum_pseudo(__be32 source, __be32 destination, __u8 protocol,
					     __u16 length)
{
	__be32 words[3] = {source, destination, bpf_htonl(((__u32)protocol << 16) | length)};

	return bpf_csum_diff(0, 0, words, sizeof(words), 0);
}

static __always_inline void ip_answer(struct iphdr *ip, __be32 source, __be32 destination,
				      __u8 protocol, __u16 length)
{
	__builtin_memset(ip, 0, sizeof(*ip));
	ip->version = 4;
	ip->ihl = 5;
	ip->tot_len = bpf_htons(length);
	ip->frag_off = bpf_htons(0x4000); /* DF; so no ID is needed (RFC 6864 section 4.1) */
	ip->ttl = 64;
	ip->protocol = protocol;
	ip->saddr = source;
	ip->daddr = destination;
	ip->check = (__sum16)~checksum_fold(bpf_csum_diff(0, 0, (__be32 *)ip, sizeof(*ip), 0));
}

/* The frame goes back to the neighbour it came from. */
static __always_inline int mac_swap(struct __sk_buff *skb)
{
	struct ethhdr *eth = (void *)(long)skb->data;
	__u8 mac[ETH_ALEN];

	if ((void *)(eth + 1) > (void *)(long)skb->data_end)
		return -1;
	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
	return 0;
}

/*
 * Turns a TCP packet into the RST that a host without that connection sends (RFC 9293
 * section 3.10.7.1). Returns 0, or -1: no answer is due (a RST is never answered) or possible.
 * Length of the original's payload comes from its IP header, so a GSO packet's counts whole only
 * when linear; its ACK bit is set then, and the length is not used.
 */
__noinline int answer_rst(struct __sk_buff *skb, const struct packet *packet)
{
	struct {
		struct iphdr ip;
		struct tcphdr tcp;
	} reply = {};
	__u32 sum, syn_fin, payload;
	int partial;

	if (!packet)
		return -1;
	syn_fin = !!(packet->tcp_flags & TCP_SYN) + !!(packet->tcp_flags & TCP_FIN);
	payload = packet->length - sizeof(struct iphdr) - packet->tcp_length;
	if (!packet_has_header(packet) || packet->tcp_flags & TCP_RST || payload > 0xffff)
		return -1;
	if (bpf_skb_change_tail(skb, LENGTH_TCP, 0))
		return -1;
	partial = checksum_is_partial(skb, OFFSET_TCP_CHECK);
	if (partial < 0)
		return -1;

	ip_answer(&reply.ip, packet->flow.frontend.word[3], packet->flow.client.word[3],
		  IPPROTO_TCP, sizeof(reply));
	reply.tcp.source = packet->flow.frontend_port;
	reply.tcp.dest = packet->flow.client_port;
	reply.tcp.doff = 5;
	reply.tcp.rst = 1;
	if (packet->tcp_flags & TCP_ACK) {
		reply.tcp.seq = packet->ack_seq;
	} else {
		reply.tcp.ack = 1;
		reply.tcp.ack_seq = bpf_htonl(bpf_ntohl(packet->seq) + payload + syn_fin);
	}
	sum = checksum_pseudo(reply.ip.saddr, reply.ip.daddr, IPPROTO_TCP, sizeof(reply.tcp));
	if (partial) {
		reply.tcp.check = (__sum16)checksum_fold(sum);
	} else {
		sum = bpf_csum_diff(0, 0, (__be32 *)&reply.tcp, sizeof(reply.tcp), sum);
		reply.tcp.check = (__sum16)~checksum_fold(sum);
	}
	if (bpf_skb_store_bytes(skb, OFFSET_IP, &reply, sizeof(reply), 0) || mac_swap(skb))
		return -1;
	return 0;
}

static __always_inline int answer_quoting(struct __sk_buff *skb, const struct packet *packet,
					  __u8 code, __u32 mtu, int quoted, int check_at)
{
	struct {
		struct iphdr ip;
		struct icmphdr icmp;
		struct iphdr quoted_ip;
		__u8 quoted_l4[QUOTED_TCP];
	} reply = {};
	__be16 *quoted_check = (__be16 *)&reply.quoted_l4[check_at];
	int length = offsetof(typeof(reply), quoted_l4) + quoted;
	__u32 sum;
	int partial;

	if (bpf_skb_change_tail(skb, OFFSET_L4 + quoted, 0) ||
	    bpf_skb_load_bytes(skb, OFFSET_IP, &reply.quoted_ip, sizeof(reply.quoted_ip) + quoted))
		return -1;
	partial = checksum_is_partial(skb, OFFSET_L4 + check_at);
	if (partial < 0 ||
	    bpf_skb_adjust_room(skb, sizeof(reply.ip) + sizeof(reply.icmp), BPF_ADJ_ROOM_MAC, 0))
		return -1;

	ip_answer(&reply.ip, packet->flow.frontend.word[3], packet->flow.client.word[3],
		  IPPROTO_ICMP, length);
	reply.icmp.type = ICMP_DEST_UNREACH;
	reply.icmp.code = code;
	reply.icmp.mtu = bpf_htons(mtu);
	if (partial) {
		/*
		 * The place to fill in stays that of the quoted header: what will be written there
		 * is the complement of that header's sum. Take zero as the pseudo header's part,
		 * and count the outcome in.
		 */
		__sum16 check;

		*quoted_check = 0;
		sum = bpf_csum_diff(0, 0, (__be32 *)reply.quoted_l4, quoted, 0);
		check = (__sum16)~checksum_fold(sum);
		*quoted_check = check ? check : (__sum16)0xffff;
	}
	sum = bpf_csum_diff(0, 0, (__be32 *)&reply.icmp, length - sizeof(reply.ip), 0);
	reply.icmp.checksum = (__sum16)~checksum_fold(sum);
	if (partial)
		*quoted_check = 0;
	if (bpf_skb_store_bytes(skb, OFFSET_IP, &reply, length, 0) || mac_swap(skb))
		return -1;
	return 0;
}

/*
 * Turns a TCP or UDP packet into an ICMP destination unreachable of the given code (RFC 792, RFC
 * 1122 section 3.2.2.1) from where it was going to, quoting its IP and layer 4 headers. Returns 0,
 * or -1: no answer is due or possible.
 */
__noinline int answer_unreachable(struct __sk_buff *skb, const struct packet *packet, __u8 code,
				  __u32 mtu)
{
	if (!packet || !packet_has_header(packet))
		return -1;
	return packet->flow.protocol == IPPROTO_TCP
		       ? answer_quoting(skb, packet, code, mtu, QUOTED_TCP,
					offsetof(struct tcphdr, check))
		       : answer_quoting(skb, packet, code, mtu, QUOTED_UDP,
					offsetof(struct udphdr, check));
}

#endif
