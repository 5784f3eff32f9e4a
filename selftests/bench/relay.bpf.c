// SPDX-License-Identifier: GPL-2.0-only
/* Socket redirect, as cheap as it can be made: no framing, no credit, nobody told. For relay.c. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u64);
} sockets SEC(".maps");

/* Cookie of the socket that bytes come from -> of the one they go to. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u64);
} peers SEC(".maps");

/* Sockets by their ports, the other's first: both ends are on this machine. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u64);
} hops SEC(".maps");

/* What comes in at one socket of the proxy goes out at the other. */
SEC("sk_skb")
int redirect(struct __sk_buff *skb)
{
	__u64 cookie = bpf_get_socket_cookie(skb);
	__u64 *peer = bpf_map_lookup_elem(&peers, &cookie);
	__u64 key;

	if (!peer)
		return SK_PASS;
	key = *peer;
	return (int)bpf_sk_redirect_hash(skb, &sockets, &key, 0);
}

/* What is sent lands in the other end's queue, without TCP. */
SEC("sk_msg")
int hop(struct sk_msg_md *msg)
{
	__u64 key = (__u64)msg->local_port << 32 | __builtin_bswap32(msg->remote_port);

	bpf_msg_redirect_hash(msg, &hops, &key, BPF_F_INGRESS);
	return SK_PASS; /* by TCP, if the other end is not there yet */
}

char LICENSE[] SEC("license") = "GPL";
