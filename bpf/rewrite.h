/* SPDX-License-Identifier: GPL-2.0-only */
/* What changing a packet takes, whoever holds its bytes: an skb (nat.h) or the driver's own memory
 * (xdp_packet.h). */
#ifndef SKEP_BPF_REWRITE_H
#define SKEP_BPF_REWRITE_H

#include "parse.h"

/* RFC 1624: the checksum after a 16-bit word of what it covers changed. */
static __always_inline __sum16 checksum_replace(__sum16 check, __be16 from, __be16 to)
{
	__u32 sum = (__u16)~check + (__u16)~from + to;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__sum16)~sum;
}

static __always_inline __sum16 checksum_replace32(__sum16 check, __be32 from, __be32 to)
{
	check = checksum_replace(check, (__be16)from, (__be16)to);
	return checksum_replace(check, (__be16)(from >> 16), (__be16)(to >> 16));
}

/* One hop less to live, which is more than one, and nothing else. */
static __always_inline void ip_hop(struct iphdr *ip)
{
	__be16 *word = (__be16 *)&ip->ttl; /* with the protocol beside it */
	__be16 old = *word, new = old - bpf_htons(0x0100);

	*word = new; /* whole: written in pieces and read again, it would have to be waited for */
	ip->check = checksum_replace(ip->check, old, new);
}

#define TCP_OPTION_END	  0
#define TCP_OPTION_NOP	  1
#define TCP_OPTION_MSS	  2
#define TCP_OPTIONS_MAX	  40
#define TCP_OPTION_LOOKUP 20 /* options walked over in search of the MSS */

/* The largest segment that fits a tunnel frame (RFC 9293 section 3.7.1). */
static __always_inline __u16 mss_limit(__u32 tunnel_mtu)
{
	return tunnel_mtu - sizeof(struct iphdr) - sizeof(struct tcphdr);
}

struct tcp_options {
	__u8 byte[TCP_OPTIONS_MAX] __attribute__((aligned(4)));
	__u32 at; /* of mss_find() */
};

/*
 * Where in a SYN's options the value of the MSS option lies, if that is more than the limit; 0:
 * there is nothing to clamp. Options end with zeros. A SYN without the option means 536 bytes,
 * which always fit.
 *
 * The place is kept in memory, of which the verifier knows nothing: it would follow each way that
 * leads to a place.
 */
__noinline int mss_find(struct tcp_options *options, __u16 limit)
{
	if (!options)
		return 0;
	options->at = 0;
	for (int i = 0; i < TCP_OPTION_LOOKUP; i++) {
		const __u8 *option;
		__be16 mss;
		__u32 at;

		barrier();
		at = options->at;
		barrier_var(at); /* compared is what is used: a copy tells the verifier of 6.1
				    nothing */
		if (at > TCP_OPTIONS_MAX - 4)
			return 0;
		option = &options->byte[at];
		if (option[0] == TCP_OPTION_END)
			return 0;
		if (option[0] == TCP_OPTION_NOP) {
			options->at = at + 1;
			continue;
		}
		if (option[0] != TCP_OPTION_MSS) {
			if (option[1] < 2)
				return 0;
			options->at = at + option[1];
			continue;
		}
		if (option[1] != 4)
			return 0;
		__builtin_memcpy(&mss, option + 2, sizeof(mss));
		return bpf_ntohs(mss) > limit ? at + 2 : 0;
	}
	return 0;
}

/* A word at an odd offset as the sum's 16-bit words see it. */
static __always_inline __be16 mss_word(__be16 mss, __u32 at)
{
	return at & 1 ? __builtin_bswap16(mss) : mss;
}

#endif
