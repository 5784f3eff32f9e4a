/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What BPF_PROG_TEST_RUN can neither give a tc program nor tell of it, passed through globals of
 * the harness: stimulus is set before a run, record and seen are read after. They are the fixture's
 * to clear.
 */
#ifndef SKEP_TEST_RECORD_H
#define SKEP_TEST_RECORD_H

#include <linux/bpf.h>
#include <linux/types.h>

enum failure {
	FAIL_NONE,
	FAIL_TUNNEL_KEY, /* bpf_skb_set_tunnel_key() */
	FAIL_CHECKSUM,	 /* bpf_l4_csum_replace() */
	FAIL_TYPE,	 /* bpf_skb_change_type() */
	FAIL_TAIL,	 /* bpf_skb_change_tail() */
	FAIL_HEAD,	 /* bpf_xdp_adjust_head() */
	FAIL_META,	 /* bpf_xdp_adjust_meta() */
};

struct stimulus {
	__u32 framed;	 /* the packet came in a tunnel frame: */
	__u32 vni;	 /* of this VNI, */
	__u32 node_ipv4; /* from this node, host order */
	__u32 failure;	 /* enum failure */
};

enum way {
	WAY_NONE,
	WAY_REDIRECT,  /* bpf_redirect() */
	WAY_PEER,      /* bpf_redirect_peer() */
	WAY_NEIGHBOUR, /* bpf_redirect_neigh() */
};

/* The frame as a tc program redirected it, which a live one would else take with it. */
struct seen {
	__u32 length;
	__u8 data[2048];
};

struct record {
	__u32 way; /* enum way: the last one */
	__u32 ifindex;
	__u64 flags;
	__be32 next_hop;
	__u32 made_host;	/* pkt_type was changed to PACKET_HOST */
	__u32 checksum_doubted; /* what the NIC says was taken as of the outer packet */
	__u32 pad;
	__u32 keyed;		   /* a tunnel key was set: */
	__u32 key_size;		   /* with this length, */
	__u64 key_flags;	   /* and these BPF_F_* */
	struct bpf_tunnel_key key; /* as the kernel holds it; local_ipv4: where to */
};

#endif
