/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The border of the cgroup programs (bpf/names.bpf.c), which give a socket that asks for a
 * service's name, or for a published port of this machine, one of the service's tasks.
 *
 * Who writes: `namespaces`, `scopes`, `vips`, `vip_rings` and `listeners` belong to the agent (but
 * for a ring's cursor), `sockets` and `datagrams` to the programs. Beside these they read
 * `services`, `rings` and `tasks` (skep/maps.h).
 */
#ifndef SKEP_NAMES_H
#define SKEP_NAMES_H

#include <linux/types.h>

#include "skep/addr.h"

/*
 * namespaces: cookie of a network namespace -> whose that is. The kernel gives each namespace a
 * cookie of its own and never the same again. None: a socket there is no business of this node's.
 */
enum skep_namespace_kind {
	SKEP_NAMESPACE_HOST = 1,
	SKEP_NAMESPACE_CONTAINER,
};
struct skep_namespace {
	__u32 kind; /* enum skep_namespace_kind */
	__u32 pad;
};

/*
 * scopes: what an address means in a container. A longest-prefix match over cookie and address
 * gives the network that the container's own routes lead to: a number made of Swarm's id.
 */
struct skep_scope_key {
	__u32 prefix_length; /* of cookie and address together: 64 + 96 + IPv4's */
	__u32 cookie[2];     /* as in memory */
	struct skep_addr addr;
};
_Static_assert(sizeof(struct skep_scope_key) == 28, "skep_scope_key");
#define SKEP_SCOPE_PREFIX(length) (64U + (length)) /* length: of the v4-mapped form */

/* vips: a service's VIP on a network -> the ring of its tasks' addresses there. Ports stay what
 * they are. */
struct skep_vip_key {
	__u64 network;
	struct skep_addr addr;
};
_Static_assert(sizeof(struct skep_vip_key) == 24, "skep_vip_key");

struct skep_vip {
	__u32 ring;	  /* key in vip_rings; none there, or one of length 0: no serving task */
	__u32 service_id; /* see struct skep_service */
	__u8 policy;	  /* enum skep_policy; by source: by the container that asks */
	__u8 pad[7];
};
_Static_assert(sizeof(struct skep_vip) == 16, "skep_vip");

/*
 * listeners: struct skep_frontend (address zero: any) -> a process of the host that listens there
 * and keeps what the host itself sends there. dockerd's placeholders, which never accept, are not
 * among them.
 */
struct skep_listener {
	__u32 pid;
};
#define SKEP_LISTENERS_MAX 4096

/* One end, as a socket's owner names it. */
struct skep_peer {
	struct skep_addr addr;
	__be16 port;
	__u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 pad;
};
_Static_assert(sizeof(struct skep_peer) == 20, "skep_peer");

/* sockets: kept with a socket for as long as that lives. */
struct skep_socket {
	struct skep_peer asked; /* of its connection: what it asked for; zero: not connected */
	struct skep_peer given; /* and where that went */
};

/* datagrams: an unconnected socket's -> what it asked for, to say so when the answer comes. */
struct skep_datagram {
	__u64 socket; /* cookie */
	struct skep_peer given;
	__u8 pad[4];
};
_Static_assert(sizeof(struct skep_datagram) == 32, "skep_datagram");
#define SKEP_DATAGRAMS_MAX 16384

#endif
