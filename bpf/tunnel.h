/* SPDX-License-Identifier: GPL-2.0-only */
/* To and from skep0: the tunnel key and the inner Ethernet header that skep/tunnel.h describes. */
#ifndef SKEP_BPF_TUNNEL_H
#define SKEP_BPF_TUNNEL_H

#include <stddef.h>

#include <linux/pkt_cls.h>

#include "count.h"
#include "maps.h"
#include "parse.h"
#include "scratch.h"
#include "skep/tunnel.h"

/* As kernels before 6.0 know it, without a local address: they refuse a longer one. */
#define TUNNEL_KEY_SIZE offsetof(struct bpf_tunnel_key, local_ipv4)

static __always_inline void mac_of_addr(__u8 mac[ETH_ALEN], __be32 addr)
{
	*(__be16 *)mac = bpf_htons(SKEP_MAC_ADDRESS);
	*(__be32 *)(mac + sizeof(__be16)) = addr;
}

/* Returns 0 if mac is not made of an address. */
static __always_inline int addr_of_mac(const __u8 mac[ETH_ALEN], __be32 *addr)
{
	*addr = *(const __be32 *)(mac + sizeof(__be16));
	return *(const __be16 *)mac == bpf_htons(SKEP_MAC_ADDRESS);
}

/* Of the frame that takes a client's packet to its task. */
static __always_inline __u32 vni_forward(const struct choice *choice)
{
	return SKEP_VNI(choice->dsr ? SKEP_FRAME_FORWARD | SKEP_FRAME_DSR : SKEP_FRAME_FORWARD,
			bpf_ntohs(choice->target_port));
}

/*
 * Sends the packet as a frame to the node: destination and source are what the two inner MAC
 * addresses say. Returns the program's result; a failure is counted.
 */
static __always_inline int tunnel_send(struct __sk_buff *skb, const struct skep_config *config,
				       const struct skep_addr *node, __u32 vni, __be32 destination,
				       __be32 source)
{
	struct bpf_tunnel_key key = {
		.tunnel_id = vni,
		.remote_ipv4 = bpf_ntohl(node->word[3]), /* the helper takes host order */
		.tunnel_ttl = 64,
	};
	struct ethhdr *eth;

	/* The inner packet has its own checksum; an outer one would be computed in vain (RFC 7348
	 * section 5). */
	if (!config->mesh_ifindex ||
	    bpf_skb_set_tunnel_key(skb, &key, TUNNEL_KEY_SIZE, BPF_F_ZERO_CSUM_TX)) {
		count_verdict(SKEP_DROP_ERROR);
		return TC_ACT_SHOT;
	}
	eth = (void *)(long)skb->data;
	if ((void *)(eth + 1) > (void *)(long)skb->data_end) {
		count_verdict(SKEP_DROP_ERROR);
		return TC_ACT_SHOT;
	}
	mac_of_addr(eth->h_dest, destination);
	mac_of_addr(eth->h_source, source);
	return bpf_redirect(config->mesh_ifindex, 0);
}

#endif
