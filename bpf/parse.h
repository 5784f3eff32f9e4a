/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From bytes to a tuple. Only what skep balances gets through: Ethernet, IPv4 without options (so
 * that every header is at a fixed place), TCP or UDP. The rest is named by a verdict; fragments
 * too, see fragment.h, and ICMP errors, see icmp.h.
 */
#ifndef SKEP_BPF_PARSE_H
#define SKEP_BPF_PARSE_H

#include <stddef.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "skep/maps.h"

#define OFFSET_IP	 ((int)sizeof(struct ethhdr))
#define OFFSET_L4	 (OFFSET_IP + (int)sizeof(struct iphdr))
#define OFFSET_TCP_CHECK (OFFSET_L4 + (int)offsetof(struct tcphdr, check))
#define OFFSET_UDP_CHECK (OFFSET_L4 + (int)offsetof(struct udphdr, check))
#define LENGTH_TCP	 (OFFSET_L4 + (int)sizeof(struct tcphdr))
#define LENGTH_UDP	 (OFFSET_L4 + (int)sizeof(struct udphdr))

#define IPV4_DONT_FRAGMENT  0x4000
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_OFFSET	    0x1fff

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

enum fragment {
	FRAGMENT_NONE,	/* a whole packet */
	FRAGMENT_FIRST, /* has the layer 4 header, but not all that its checksum covers */
	FRAGMENT_LATER, /* has no ports */
};

struct packet {
	/* The tuple: source first. One layout read both ways: client to frontend, or task to
	 * client. */
	union {
		struct skep_flow_key flow;
		struct skep_return_key reply;
	};
	__be32 seq; /* TCP */
	__be32 ack_seq;
	__u16 length; /* of the IP packet as its header says; less than it is for a GSO packet */
	__u8 ttl;
	__u8 tcp_flags;
	__u8 tcp_length; /* of the TCP header, options included, bytes */
	__u8 fragment;	 /* enum fragment */
	__u8 is_error;	 /* ICMP; the tuple is that of the packet that it quotes, turned round */
	__u8 dont_fragment;
	__be16 id; /* of IPv4; common to a packet's fragments */
	__u8 pad[6];
};

_Static_assert(offsetof(struct skep_flow_key, client) == offsetof(struct skep_return_key, task),
	       "source");
_Static_assert(offsetof(struct skep_flow_key, frontend) == offsetof(struct skep_return_key, client),
	       "destination");
_Static_assert(offsetof(struct skep_flow_key, client_port) ==
		       offsetof(struct skep_return_key, task_port),
	       "source port");
_Static_assert(offsetof(struct skep_flow_key, frontend_port) ==
		       offsetof(struct skep_return_key, client_port),
	       "destination port");
_Static_assert(offsetof(struct skep_flow_key, protocol) ==
		       offsetof(struct skep_return_key, protocol),
	       "protocol");

#define PARSED -1 /* no verdict: the packet is one that skep may balance */

/* A new TCP connection is asked for. */
static __always_inline int packet_is_syn(const struct packet *packet)
{
	return packet->flow.protocol == IPPROTO_TCP &&
	       (packet->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* May start a flow. */
static __always_inline int packet_is_first(const struct packet *packet)
{
	return packet->flow.protocol == IPPROTO_UDP || packet_is_syn(packet);
}

/* Has the layer 4 header of its flow: else there is nothing to learn from, nor to answer (RFC 1122
 * section 3.2.2). */
static __always_inline int packet_has_header(const struct packet *packet)
{
	return packet->fragment != FRAGMENT_LATER && !packet->is_error;
}

/*
 * Two words for each address and one for the rest of the tuple: so they are hashed and compared,
 * and a word that was written in pieces is late when it is read whole.
 */
static __always_inline void addr_write(struct skep_addr *to, __be32 ipv4)
{
	const union {
		struct skep_addr addr;
		__u64 word[2];
	} value = {.addr = skep_addr_v4(ipv4)};

	((__u64 *)to)[0] = value.word[0];
	((__u64 *)to)[1] = value.word[1];
}

/* As two words, likewise. Both lie at multiples of eight bytes. */
static __always_inline void addr_copy(struct skep_addr *to, const struct skep_addr *from)
{
	((__u64 *)to)[0] = ((const __u64 *)from)[0];
	((__u64 *)to)[1] = ((const __u64 *)from)[1];
}

/* In two pieces, not in six, as the compiler does by itself, which knows nothing of where it lies.
 */
static __always_inline void mac_copy(void *to, const void *from)
{
	*(__u32 *)to = *(const __u32 *)from;
	((__u16 *)to)[2] = ((const __u16 *)from)[2];
}

/* Destination and source, as they lie in an Ethernet header. */
struct mac_pair {
	__u32 word[3];
};

static __always_inline int mac_equal(const void *a, const void *b)
{
	return *(const __u32 *)a == *(const __u32 *)b &&
	       ((const __u16 *)a)[2] == ((const __u16 *)b)[2];
}

/* ports: source and destination, as they lie in TCP's and UDP's headers. */
static __always_inline void ports_write(struct skep_flow_key *to, __u32 ports, __u8 protocol)
{
	const union {
		struct {
			__u32 ports;
			__u8 protocol;
			__u8 pad[3];
		};
		__u64 word;
	} value = {{.ports = ports, .protocol = protocol}};

	*(__u64 *)&to->client_port = value.word;
}
_Static_assert(offsetof(struct skep_flow_key, client_port) == 32 &&
		       offsetof(struct skep_flow_key, frontend_port) == 34 &&
		       offsetof(struct skep_flow_key, protocol) == 36,
	       "ports_write");

/*
 * Fills *packet from the frame [data, data_end). Returns PARSED, or the verdict to count. With
 * SKEP_PASS_FRAGMENT all is filled in but a later fragment's ports, with SKEP_PASS_PROTOCOL what
 * the IP header says.
 */
static __always_inline int parse_frame(void *data, void *data_end, struct packet *packet)
{
	struct ethhdr *eth = data;
	struct iphdr *ip = data + OFFSET_IP;
	__u16 fragment;

	if ((void *)(eth + 1) > data_end || eth->h_proto != bpf_htons(ETH_P_IP))
		return SKEP_PASS_NOT_IPV4;
	if ((void *)(ip + 1) > data_end)
		return SKEP_PASS_MALFORMED;
	if (ip->version != 4)
		return SKEP_PASS_NOT_IPV4;
	if (ip->ihl != 5)
		return ip->ihl > 5 ? SKEP_PASS_IP_OPTIONS : SKEP_PASS_MALFORMED;
	fragment = bpf_ntohs(ip->frag_off);
	if (fragment & IPV4_OFFSET)
		packet->fragment = FRAGMENT_LATER;
	else
		packet->fragment = fragment & IPV4_MORE_FRAGMENTS ? FRAGMENT_FIRST : FRAGMENT_NONE;
	packet->is_error = 0;
	packet->dont_fragment = !!(fragment & IPV4_DONT_FRAGMENT);
	packet->id = ip->id;
	addr_write(&packet->flow.client, ip->saddr);
	addr_write(&packet->flow.frontend, ip->daddr);
	packet->length = bpf_ntohs(ip->tot_len);
	packet->ttl = ip->ttl;
	packet->seq = 0;
	packet->ack_seq = 0;
	packet->tcp_flags = 0;
	packet->tcp_length = 0;

	if (packet->fragment == FRAGMENT_LATER) {
		ports_write(&packet->flow, 0, ip->protocol);
		return ip->protocol == IPPROTO_TCP || ip->protocol == IPPROTO_UDP
			       ? SKEP_PASS_FRAGMENT
			       : SKEP_PASS_PROTOCOL;
	}
	if (ip->protocol == IPPROTO_TCP) {
		struct tcphdr *tcp = data + OFFSET_L4;

		if ((void *)(tcp + 1) > data_end || tcp->doff < 5)
			return SKEP_PASS_MALFORMED;
		ports_write(&packet->flow, *(__u32 *)tcp, IPPROTO_TCP);
		packet->seq = tcp->seq;
		packet->ack_seq = tcp->ack_seq;
		packet->tcp_flags = ((__u8 *)tcp)[13];
		packet->tcp_length = tcp->doff * 4;
		/* A length of 0 is a GSO packet's of more than 64 KiB (Linux 6.3). */
		if (packet->length && packet->length < sizeof(*ip) + packet->tcp_length)
			return SKEP_PASS_MALFORMED;
		return packet->fragment ? SKEP_PASS_FRAGMENT : PARSED;
	}
	if (ip->protocol == IPPROTO_UDP) {
		struct udphdr *udp = data + OFFSET_L4;

		if ((void *)(udp + 1) > data_end)
			return SKEP_PASS_MALFORMED;
		ports_write(&packet->flow, *(__u32 *)udp, IPPROTO_UDP);
		return packet->fragment ? SKEP_PASS_FRAGMENT : PARSED;
	}
	ports_write(&packet->flow, 0, ip->protocol);
	return SKEP_PASS_PROTOCOL;
}

/* The same for an skb, whose headers may lie outside of its linear part. */
static __always_inline int parse_skb(struct __sk_buff *skb, struct packet *packet)
{
	void *data, *data_end;
	__u32 want = LENGTH_TCP;

	/* A tag that the NIC stripped: the packet belongs to a VLAN device above this one. */
	if (skb->protocol != bpf_htons(ETH_P_IP) || skb->vlan_present)
		return SKEP_PASS_NOT_IPV4;
	if (want > skb->len)
		want = skb->len;
	data = (void *)(long)skb->data;
	data_end = (void *)(long)skb->data_end;
	if (data + LENGTH_TCP > data_end && skb->len > (__u32)(data_end - data)) {
		if (bpf_skb_pull_data(skb, want))
			return SKEP_DROP_ERROR;
		data = (void *)(long)skb->data;
		data_end = (void *)(long)skb->data_end;
	}
	return parse_frame(data, data_end, packet);
}

/* Length of the IP packet with all segments of a GSO packet, bytes. */
static __always_inline __u32 packet_bytes(const struct __sk_buff *skb)
{
	return skb->len - OFFSET_IP;
}

/*
 * A packet that may not be cut, and is larger than the MTU; of a GSO packet, what it will be cut
 * to. What nobody may be told of passes.
 */
static __always_inline int packet_too_big(const struct __sk_buff *skb, const struct packet *packet,
					  __u32 mtu)
{
	__u32 header =
		packet->flow.protocol == IPPROTO_TCP ? packet->tcp_length : sizeof(struct udphdr);
	__u32 length =
		skb->gso_size ? skb->gso_size + sizeof(struct iphdr) + header : packet_bytes(skb);

	return packet->dont_fragment && packet_has_header(packet) && length > mtu;
}

#endif
