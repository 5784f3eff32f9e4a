// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cgroup programs: what happens when a process asks for a service.
 *
 *	connect4, connect6	 a TCP connection, or a UDP socket that wants one peer
 *	sendmsg4, sendmsg6	 a datagram of a socket without one
 *	recvmsg4, recvmsg6	 who sent this datagram?
 *	getpeername4, …6	 whom am I connected to?
 *
 * The first four give a task for the name that was asked for, the others the name for the task.
 * No program runs for the packets of what is connected: they are between caller and task, on the
 * network that both are on.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "names_maps.h"
#include "translate.h"

#define ALLOW 1
#define DENY  0 /* EPERM, in the caller's eyes */

static __always_inline struct skep_peer peer_v4(const struct bpf_sock_addr *ctx)
{
	return (struct skep_peer){
		.addr = skep_addr_v4(ctx->user_ip4),
		.port = (__be16)ctx->user_port,
		.protocol = (__u8)ctx->protocol,
	};
}

static __always_inline struct skep_peer peer_v6(const struct bpf_sock_addr *ctx)
{
	return (struct skep_peer){
		.addr = {{ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]}},
		.port = (__be16)ctx->user_port,
		.protocol = (__u8)ctx->protocol,
	};
}

static __always_inline void set_v4(struct bpf_sock_addr *ctx, const struct skep_peer *peer)
{
	ctx->user_ip4 = peer->addr.word[3];
	ctx->user_port = peer->port;
}

/* An IPv4 address as v4-mapped: a v6 socket then speaks IPv4, unless it is told not to
 * (IPV6_V6ONLY). */
static __always_inline void set_v6(struct bpf_sock_addr *ctx, const struct skep_peer *peer)
{
	ctx->user_ip6[0] = peer->addr.word[0];
	ctx->user_ip6[1] = peer->addr.word[1];
	ctx->user_ip6[2] = peer->addr.word[2];
	ctx->user_ip6[3] = peer->addr.word[3];
	ctx->user_port = peer->port;
}

static __always_inline int peer_equal(const struct skep_peer *a, const struct skep_peer *b)
{
	return skep_addr_equal(&a->addr, &b->addr) && a->port == b->port;
}

/*
 * Where a connection that is refused goes: the errno of a program that denies is EPERM, and until
 * Linux 5.18 it could not choose another. Nobody can listen on port 0, so the loopback answers at
 * once with what the caller must see: a TCP RST, or ICMP port unreachable.
 */
static __always_inline struct skep_peer nowhere(__u8 protocol)
{
	return (struct skep_peer){.addr = skep_addr_v4(loopback_v4()), .protocol = protocol};
}

/* Returns 1 if *given is another peer than *asked. */
static __always_inline int connect_to(struct bpf_sock_addr *ctx, const struct skep_peer *asked,
				      struct skep_peer *given)
{
	struct skep_socket *socket;
	int result = translate(ctx, given);

	if (result == TRANSLATE_NOT)
		return 0;
	if (result == TRANSLATE_REFUSE)
		*given = nowhere(asked->protocol);
	socket = bpf_sk_storage_get(&sockets, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (socket) {
		socket->asked = *asked;
		socket->given = *given;
	}
	return 1;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	struct skep_peer asked = peer_v4(ctx), given = asked;

	if (connect_to(ctx, &asked, &given))
		set_v4(ctx, &given);
	return ALLOW;
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	struct skep_peer asked = peer_v6(ctx), given = asked;

	if (connect_to(ctx, &asked, &given))
		set_v6(ctx, &given);
	return ALLOW;
}

/* So that the answer's sender can be called what the caller called it. */
static __always_inline void datagram_note(struct bpf_sock_addr *ctx, const struct skep_peer *asked,
					  const struct skep_peer *given)
{
	struct skep_datagram key = {.socket = bpf_get_socket_cookie(ctx), .given = *given};
	const struct skep_peer *known = bpf_map_lookup_elem(&datagrams, &key);

	if (known && peer_equal(known, asked))
		return;
	bpf_map_update_elem(&datagrams, &key, asked, BPF_ANY);
	/* recvmsg looks for datagrams of such sockets only. */
	bpf_sk_storage_get(&sockets, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx)
{
	struct skep_peer asked = peer_v4(ctx), given = asked;
	int result = translate(ctx, &given);

	if (result == TRANSLATE_NOT)
		return ALLOW;
	if (result == TRANSLATE_REFUSE)
		return DENY;
	datagram_note(ctx, &asked, &given);
	set_v4(ctx, &given);
	return ALLOW;
}

/*
 * Only genuine IPv6 comes here (v4-mapped addresses go to sendmsg4), and of that only ::1 is ever
 * skep's. The kernel takes no IPv4 address back from this hook, so the caller is told, instead of
 * waiting for dockerd's placeholder to answer.
 */
SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *ctx)
{
	struct skep_peer asked = peer_v6(ctx), given = asked;

	if (!is_localhost(&asked.addr))
		return ALLOW;
	return translate(ctx, &given) == TRANSLATE_NOT ? ALLOW : DENY;
}

/* Whom *peer was to the socket's owner, if he asked for it by another name. */
static __always_inline const struct skep_peer *received_from(struct bpf_sock_addr *ctx,
							     const struct skep_peer *peer)
{
	const struct skep_socket *socket = bpf_sk_storage_get(&sockets, ctx->sk, NULL, 0);
	struct skep_datagram key = {.given = *peer};

	if (!socket)
		return NULL;
	if (peer_equal(&socket->given, peer))
		return &socket->asked;
	key.socket = bpf_get_socket_cookie(ctx);
	return bpf_map_lookup_elem(&datagrams, &key);
}

SEC("cgroup/recvmsg4")
int recvmsg4(struct bpf_sock_addr *ctx)
{
	struct skep_peer peer = peer_v4(ctx);
	const struct skep_peer *asked = received_from(ctx, &peer);

	if (asked)
		set_v4(ctx, asked);
	return ALLOW;
}

SEC("cgroup/recvmsg6")
int recvmsg6(struct bpf_sock_addr *ctx)
{
	struct skep_peer peer = peer_v6(ctx);
	const struct skep_peer *asked = received_from(ctx, &peer);

	if (asked)
		set_v6(ctx, asked);
	return ALLOW;
}

static __always_inline const struct skep_peer *connected_to(struct bpf_sock_addr *ctx,
							    const struct skep_peer *peer)
{
	const struct skep_socket *socket = bpf_sk_storage_get(&sockets, ctx->sk, NULL, 0);

	return socket && peer_equal(&socket->given, peer) ? &socket->asked : NULL;
}

SEC("cgroup/getpeername4")
int getpeername4(struct bpf_sock_addr *ctx)
{
	struct skep_peer peer = peer_v4(ctx);
	const struct skep_peer *asked = connected_to(ctx, &peer);

	if (asked)
		set_v4(ctx, asked);
	return ALLOW;
}

SEC("cgroup/getpeername6")
int getpeername6(struct bpf_sock_addr *ctx)
{
	struct skep_peer peer = peer_v6(ctx);
	const struct skep_peer *asked = connected_to(ctx, &peer);

	if (asked)
		set_v6(ctx, asked);
	return ALLOW;
}

char LICENSE[] SEC("license") = "GPL";
