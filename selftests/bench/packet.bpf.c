// SPDX-License-Identifier: GPL-2.0-only
/*
 * What packet.c measures with: `restore`, which makes the packet anew before each run of a program,
 * since a test run does not, and programs that do well-known things, to compare with.
 *
 * `restore` does the same work whatever the program did to the packet before: so its cost, measured
 * with `nothing`, can be subtracted.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "packet_plan.h"
#include "skep/maps.h"
#include "skep/tunnel.h"

#define FAMILY_IPV4 2 /* AF_INET */

struct plan plan;
__u64 misses; /* of look-ups that the comparison's programs did */

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} subject SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct skep_frontend);
	__type(value, struct skep_service);
} frontends SEC(".maps");

/* Sizes are set before it is loaded. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct skep_flow_key);
	__type(value, struct skep_flow_choice);
} lru SEC(".maps");

SEC("xdp")
int restore(struct xdp_md *xdp)
{
	long meta = (long)xdp->data - (long)xdp->data_meta;
	long length = (long)xdp->data_end - (long)xdp->data;
	__u32 n = plan.next++ & plan.mask;
	__u64 *data;
	void *end;

	barrier_var(length); /* or the compiler adds to the pointer, which the verifier forbids */
	if (bpf_xdp_adjust_meta(xdp, meta) || bpf_xdp_adjust_head(xdp, length - plan.length))
		return XDP_ABORTED;
	data = (void *)(long)xdp->data;
	end = (void *)(long)xdp->data_end;
	if ((void *)(data + PLAN_WORDS_SHORT) > end)
		return XDP_ABORTED;
#pragma clang loop unroll(full)
	for (int i = 0; i < PLAN_WORDS_SHORT; i++)
		data[i] = plan.words[i];
	if (plan.long_frame) {
		if ((void *)(data + PLAN_WORDS_LONG) > end)
			return XDP_ABORTED;
#pragma clang loop unroll(full)
		for (int i = PLAN_WORDS_SHORT; i < PLAN_WORDS_LONG; i++)
			data[i] = plan.words[i];
	} else {
		/* Another client for each flow: 2^14 ports of an address. */
		struct iphdr *ip = (void *)data + sizeof(struct ethhdr);
		struct tcphdr *tcp = (void *)(ip + 1);

		ip->saddr = bpf_htonl(plan.client + (n >> 14));
		tcp->source = bpf_htons(1024 + (n & 0x3fff));
	}
	bpf_tail_call(xdp, &subject, 0);
	return XDP_ABORTED;
}

SEC("xdp")
int nothing(struct xdp_md *xdp)
{
	(void)xdp;
	return XDP_PASS;
}

struct headers {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

static __always_inline struct headers *parse(struct xdp_md *xdp)
{
	struct headers *headers = (void *)(long)xdp->data;

	if ((void *)(headers + 1) > (void *)(long)xdp->data_end ||
	    headers->eth.h_proto != bpf_htons(ETH_P_IP) || headers->ip.ihl != 5 ||
	    headers->ip.protocol != IPPROTO_TCP)
		return 0;
	return headers;
}

static __always_inline void swap_macs(struct ethhdr *eth)
{
	__u8 mac[ETH_ALEN];

	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
}

SEC("xdp")
int parse_and_tx(struct xdp_md *xdp)
{
	struct headers *headers = parse(xdp);

	if (!headers)
		return XDP_DROP;
	swap_macs(&headers->eth);
	return XDP_TX;
}

static __always_inline struct skep_flow_key key_of(const struct headers *headers)
{
	return (struct skep_flow_key){
		.client = skep_addr_v4(headers->ip.saddr),
		.frontend = skep_addr_v4(headers->ip.daddr),
		.client_port = headers->tcp.source,
		.frontend_port = headers->tcp.dest,
		.protocol = headers->ip.protocol,
	};
}

/* The flow that the kernel's LRU hash has, after the frontend was found in a hash. */
static __always_inline struct skep_flow_choice *look_up(const struct headers *headers)
{
	struct skep_frontend frontend = {
		.addr = skep_addr_v4(headers->ip.daddr),
		.port = headers->tcp.dest,
		.protocol = headers->ip.protocol,
	};
	struct skep_flow_key key = key_of(headers);
	struct skep_flow_choice *choice = 0;

	if (bpf_map_lookup_elem(&frontends, &frontend))
		choice = bpf_map_lookup_elem(&lru, &key);
	if (!choice)
		misses++;
	return choice;
}

SEC("xdp")
int look_up_and_tx(struct xdp_md *xdp)
{
	struct headers *headers = parse(xdp);

	if (!headers || !look_up(headers))
		return XDP_DROP;
	swap_macs(&headers->eth);
	return XDP_TX;
}

/* No route is asked for, and nothing is computed that could be constant. */
SEC("xdp")
int encapsulate_and_tx(struct xdp_md *xdp)
{
	struct headers *headers = parse(xdp);
	struct skep_flow_choice *choice;
	__u32 *words;

	choice = headers ? look_up(headers) : 0;
	if (!choice || bpf_xdp_adjust_head(xdp, -SKEP_TUNNEL_OVERHEAD))
		return XDP_DROP;
	words = (void *)(long)xdp->data;
	if ((void *)(words + 16) > (void *)(long)xdp->data_end)
		return XDP_DROP;
#pragma clang loop unroll(full)
	for (int i = 0; i < 12; i++)
		words[i] = plan.outer[i];
	words[12] = choice->task.word[3];
	return XDP_TX;
}

/* What bpf_fib_lookup() alone takes. */
SEC("xdp")
int route_and_tx(struct xdp_md *xdp)
{
	struct headers *headers = parse(xdp);
	struct bpf_fib_lookup fib = {.family = FAMILY_IPV4};

	if (!headers)
		return XDP_DROP;
	fib.l4_protocol = IPPROTO_UDP;
	fib.sport = headers->tcp.source;
	fib.dport = bpf_htons(SKEP_TUNNEL_PORT);
	fib.tot_len = 100;
	fib.ifindex = plan.route_from;
	fib.ipv4_src = plan.here;
	fib.ipv4_dst = plan.node;
	if (bpf_fib_lookup(xdp, &fib, sizeof(fib), 0) != BPF_FIB_LKUP_RET_SUCCESS) {
		misses++;
		return XDP_DROP;
	}
	__builtin_memcpy(headers->eth.h_dest, fib.dmac, ETH_ALEN);
	__builtin_memcpy(headers->eth.h_source, fib.smac, ETH_ALEN);
	return XDP_TX;
}

SEC("xdp")
int insert_and_tx(struct xdp_md *xdp)
{
	struct headers *headers = parse(xdp);
	struct skep_flow_choice choice = {};
	struct skep_flow_key key;

	if (!headers)
		return XDP_DROP;
	key = key_of(headers);
	choice.task = key.client;
	if (bpf_map_update_elem(&lru, &key, &choice, BPF_ANY))
		misses++;
	swap_macs(&headers->eth);
	return XDP_TX;
}

char LICENSE[] SEC("license") = "GPL";
