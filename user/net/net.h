/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's network configuration by rtnetlink (libmnl): what is there, what changes, and the
 * few things that skep itself makes. Everything acts on the network namespace that the process was
 * in when the socket was opened.
 */
#ifndef SKEP_NET_NET_H
#define SKEP_NET_NET_H

#include <linux/types.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/addr.h"
#include "lib/error.h"
#include "lib/loop.h"

struct net_link {
	int ifindex;
	char name[IF_NAMESIZE];
	char kind[16];	  /* IFLA_INFO_KIND: "veth", "vxlan", "bridge", …; "" for hardware */
	int peer_ifindex; /* IFLA_LINK: a veth's other end; 0: none */
	uint32_t mtu;
	unsigned int flags; /* IFF_* */
	uint8_t mac[6];
};

struct net_addr {
	int ifindex;
	struct skep_addr addr;
	unsigned int prefix; /* as in the v4-mapped form */
	char label[IF_NAMESIZE];
};

/* What this namespace has: links sorted by ifindex, addresses sorted by address, then ifindex. */
struct net_state {
	struct net_link *links;
	size_t n_links;
	struct net_addr *addrs; /* IPv4 only as yet, loopback addresses included */
	size_t n_addrs;
};

int net_state_read(struct net_state *state, struct skep_error *error);
void net_state_free(struct net_state *state);
const struct net_link *net_find_link(const struct net_state *state, int ifindex);
const struct net_link *net_find_link_by_name(const struct net_state *state, const char *name);
const struct net_addr *net_find_addr(const struct net_state *state, const struct skep_addr *addr);

/*
 * Calls changed() from the loop after any link, IPv4 address, route or rule changed (bursts
 * coalesced into one call), and after the socket's buffer overflowed: so the receiver reads anew
 * instead of following each message.
 */
struct net_monitor;
int net_monitor_open(struct net_monitor **monitor, struct loop *loop, void (*changed)(void *),
		     void *context, struct skep_error *error);
void net_monitor_close(struct net_monitor *monitor);

/*
 * Host end of the veth by which a container reaches the world: in the network namespace of process
 * pid, the device of the IPv4 default route (Docker's leg on docker_gwbridge); without one, the one
 * veth whose other end is in this namespace. -ENOENT: there is none (the network is internal or the
 * container is half up); -ESRCH: the process is gone. Enters that namespace and comes back; needs
 * CAP_SYS_ADMIN and CAP_SYS_PTRACE.
 */
int net_task_interface(pid_t pid, int *ifindex, struct skep_error *error);

/*
 * Of the network namespace of process pid: its cookie, and for each of n addresses in `to` the
 * source address that a socket there would take towards it, by that namespace's routes (IPv4; zero:
 * no route). pid 0: this process's own. -ESRCH: the process is gone; -ENOENT: it is in this
 * process's own namespace.
 */
int net_namespace_ask(pid_t pid, uint64_t *cookie, const struct skep_addr *to,
		      struct skep_addr *sources, size_t n, struct skep_error *error);

/* A socket that waits for connections or datagrams: TCP listening, UDP without a peer. */
struct net_listener {
	struct skep_addr addr; /* zero: any */
	__be16 port;
	uint8_t protocol;
	uint32_t inode;
};

/* Those of this namespace, malloc'ed, in no order. */
int net_listeners_read(struct net_listener **listeners, size_t *n, struct skep_error *error);

/*
 * UDP sockets in the namespace of process pid (0: this process's own) that have a peer, for whose
 * address stale() says true, are connected anew to whom their owner calls his peer, if that is
 * somebody else: the programs for names then give them another task. *moved counts them.
 */
int net_udp_move(pid_t pid, bool (*stale)(void *context, const struct skep_addr *peer),
		 void *context, size_t *moved, struct skep_error *error);

/*
 * VIPs that this node holds: /32 addresses whose label ends in NET_VIP_MARK. The label is all that
 * tells them from others' (IFA_PROTO came with 5.18), and it outlives the agent.
 */
#define NET_VIP_MARK ":skep"
bool net_vip_is_ours(const struct net_addr *addr);
/* -EEXIST: it is on that link already. */
int net_vip_add(const struct net_link *link, const struct skep_addr *addr,
		struct skep_error *error);
/* One that is ours, as net_state_read() found it; 0 if it is gone. Never removes another's. */
int net_vip_remove(const struct net_addr *addr, struct skep_error *error);
int net_vips_remove_all(struct skep_error *error);

/* skep0: name, and what it must be. */
#define NET_MESH_NAME "skep0"
struct net_mesh {
	uint16_t port; /* VXLAN's UDP port, host order */
	uint8_t mac[6];
	uint32_t mtu;
};

/*
 * Makes skep0 be so: type vxlan, external, nolearning, arp off, up, forwarding on, rp_filter off;
 * makes it anew only if kind or port differ. *ifindex tells where. -EEXIST if a device of that name
 * is there that is not such a vxlan. *changed: something had to be done.
 */
int net_mesh_ensure(const struct net_mesh *mesh, int *ifindex, bool *changed,
		    struct skep_error *error);
int net_mesh_remove(struct skep_error *error); /* 0 if there is none */

/*
 * The host's own way to task addresses: one rule `iif lo lookup NET_MESH_TABLE` and, in that table,
 * a route of each prefix to skep0 with the preferred source given. Brings what is there to exactly
 * that, by sorted merge; n = 0 removes rule and routes. Prefixes are IPv4.
 */
#define NET_MESH_TABLE	       4799
#define NET_MESH_RULE_PRIORITY 4799
int net_mesh_routes_ensure(int ifindex, const struct skep_addr *source,
			   const struct addr_prefix *prefixes, size_t n, bool *changed,
			   struct skep_error *error);

#endif
