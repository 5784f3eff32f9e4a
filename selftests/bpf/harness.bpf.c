// SPDX-License-Identifier: GPL-2.0-only
/*
 * The very programs of bpf/tc.bpf.c and bpf/xdp.bpf.c, with the helpers that a test run would leave
 * blind wrapped: a tunnel key is given before it is asked for, redirects and keys are written down,
 * and a helper can be made to fail. See record.h.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "record.h"

struct stimulus stimulus;
struct record record;
struct seen seen;

static __noinline void keep_frame(struct __sk_buff *skb)
{
	__u32 last = skb->len - 1;

	seen.length = 0;
	/* As in mss_clamp(). */
	barrier_var(last);
	if (last >= sizeof(seen.data))
		return;
	if (!bpf_skb_load_bytes(skb, 0, seen.data, last + 1))
		seen.length = last + 1;
}

static __always_inline long recorded_redirect(__u32 ifindex, __u64 flags)
{
	record.way = WAY_REDIRECT;
	record.ifindex = ifindex;
	record.flags = flags;
	return bpf_redirect(ifindex, flags);
}

static __always_inline long recorded_redirect_peer(__u32 ifindex, __u64 flags)
{
	record.way = WAY_PEER;
	record.ifindex = ifindex;
	record.flags = flags;
	return bpf_redirect_peer(ifindex, flags);
}

static __always_inline long recorded_redirect_neigh(__u32 ifindex, struct bpf_redir_neigh *next,
						    int size, __u64 flags)
{
	record.way = WAY_NEIGHBOUR;
	record.ifindex = ifindex;
	record.flags = flags;
	record.next_hop = next->ipv4_nh;
	return bpf_redirect_neigh(ifindex, next, size, flags);
}

static __always_inline long recorded_change_type(struct __sk_buff *skb, __u32 type)
{
	if (stimulus.failure == FAIL_TYPE)
		return -1;
	record.made_host = type == 0;
	return bpf_skb_change_type(skb, type);
}

/* The key's local address is what a reader gets as the remote one: a key is kept as for sending,
 * and read as from a received frame. */
static __always_inline long
recorded_get_tunnel_key(struct __sk_buff *skb, struct bpf_tunnel_key *key, __u32 size, __u64 flags)
{
	if (stimulus.framed) {
		struct bpf_tunnel_key frame = {
			.tunnel_id = stimulus.vni,
			.local_ipv4 = stimulus.node_ipv4,
			.tunnel_ttl = 64,
		};

		if (bpf_skb_set_tunnel_key(skb, &frame, sizeof(frame), 0))
			return -1;
	}
	return bpf_skb_get_tunnel_key(skb, key, size, flags);
}

static __always_inline long
recorded_set_tunnel_key(struct __sk_buff *skb, struct bpf_tunnel_key *key, __u32 size, __u64 flags)
{
	long result;

	if (stimulus.failure == FAIL_TUNNEL_KEY)
		return -1;
	result = bpf_skb_set_tunnel_key(skb, key, size, flags);
	if (result)
		return result;
	record.keyed = 1;
	record.key_size = size;
	record.key_flags = flags;
	return bpf_skb_get_tunnel_key(skb, &record.key, sizeof(record.key), 0);
}

static __always_inline long failing_csum_replace(struct __sk_buff *skb, __u32 offset, __u64 from,
						 __u64 to, __u64 flags)
{
	return stimulus.failure == FAIL_CHECKSUM
		       ? -1
		       : bpf_l4_csum_replace(skb, offset, from, to, flags);
}

static __always_inline long failing_change_tail(struct __sk_buff *skb, __u32 length, __u64 flags)
{
	return stimulus.failure == FAIL_TAIL ? -1 : bpf_skb_change_tail(skb, length, flags);
}

static __always_inline long failing_adjust_head(struct xdp_md *xdp, int offset)
{
	return stimulus.failure == FAIL_HEAD ? -1 : bpf_xdp_adjust_head(xdp, offset);
}

static __always_inline long failing_adjust_meta(struct xdp_md *xdp, int offset)
{
	return stimulus.failure == FAIL_META ? -1 : bpf_xdp_adjust_meta(xdp, offset);
}

static __always_inline long recorded_csum_level(struct __sk_buff *skb, __u64 level)
{
	record.checksum_doubted = level == BPF_CSUM_LEVEL_DEC;
	return bpf_csum_level(skb, level);
}

#define bpf_redirect(...)      (keep_frame(skb), recorded_redirect(__VA_ARGS__))
#define bpf_redirect_peer(...) (keep_frame(skb), recorded_redirect_peer(__VA_ARGS__))
#define bpf_redirect_neigh     recorded_redirect_neigh
#define bpf_skb_change_type    recorded_change_type
#define bpf_skb_get_tunnel_key recorded_get_tunnel_key
#define bpf_skb_set_tunnel_key recorded_set_tunnel_key
#define bpf_l4_csum_replace    failing_csum_replace
#define bpf_skb_change_tail    failing_change_tail
#define bpf_csum_level	       recorded_csum_level
#define bpf_xdp_adjust_head    failing_adjust_head
#define bpf_xdp_adjust_meta    failing_adjust_meta

#include "tc.bpf.c"

#undef bpf_redirect
#define bpf_redirect recorded_redirect
#define LICENSE	     LICENSE_OF_XDP
#include "xdp.bpf.c"
#undef LICENSE

/* Lets live frames, with whatever metadata they were given, through to from_wire. */
SEC("xdp")
int pass_all(struct xdp_md *xdp)
{
	(void)xdp;
	return XDP_PASS;
}
