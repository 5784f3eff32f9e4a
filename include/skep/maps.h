/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The border: keys and values of every pinned map, shared by the BPF programs and user space.
 *
 * Sizes and offsets are asserted, padding is explicit and always zero (hash keys are compared as
 * bytes). Ports and addresses are in network order, everything else in host order. Names of enum
 * values are what `bpftool map dump` prints.
 *
 * Who writes: `config`, `services`, `service_names`, `allow`, `rings`, `tasks`, `nodes`, `wires`
 * and `hooks` belong to the agent, the programs only read them (but for a ring's cursor). `flows`,
 * `returns`, `fragments`, `affinity`, `task_flows` and the counters belong to the programs, the
 * agent only reads them (but clears a counter before it gives its index to a new service or task).
 */
#ifndef SKEP_MAPS_H
#define SKEP_MAPS_H

#include <linux/types.h>

#include "skep/addr.h"

/* Part of every pin's meaning: an agent that finds pins of another layout refuses them by name. */
#define SKEP_LAYOUT_VERSION 2

/*
 * Most slots of one ring. A ring is an array of its own, so only rings that need it cost it. A
 * prime, as Maglev's permutations need one (Eisenbud et al., NSDI 2016, section 3.4), and a hundred
 * times the tasks for which its shares stay within 1 %.
 */
#define SKEP_RING_MAX 65537

/* Room in a service's name and in its Swarm id, with the final NUL. */
#define SKEP_NAME_SIZE 64
#define SKEP_ID_SIZE   32

/* config: one entry, index 0. What the programs must know of this node. */
struct skep_config {
	struct skep_addr underlay; /* this node's address for the tunnel; zero: not known yet */
	__u32 mesh_ifindex;	   /* skep0 */
	__u32 tunnel_mtu; /* largest inner IP packet that fits a frame to any node, bytes */
	__u8 mesh_mac[6]; /* skep0's own MAC, 02:53 + underlay: never an inner source */
	__be16 tunnel_port;
	__u8 outside; /* 1: there are back ends outside the Swarm, so replies may come to it */
	__u8 pad[7];
	__u64 seed;  /* of the hash that places flows; made with the pins */
	__u64 netns; /* inode of the network namespace that all this is of; ifindexes mean nothing
			elsewhere */
};
_Static_assert(sizeof(struct skep_config) == 56, "skep_config");

/* services: where a service answers. Address zero: on any address, for second chances only. */
struct skep_frontend {
	struct skep_addr addr;
	__be16 port;
	__u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 pad;
};
_Static_assert(sizeof(struct skep_frontend) == 20, "skep_frontend");

/* How a new flow's task is taken from the ring. The ring is built to suit (user/datapath). */
enum skep_policy {
	SKEP_POLICY_ROUND_ROBIN, /* the next one */
	SKEP_POLICY_SOURCE, /* by the client's address, the same on every node; kept in `affinity`
			     */
	SKEP_POLICY_MAGLEV, /* by the flow's tuple, the same on every node; takes up flows that it
			       has not seen begin */
	SKEP_POLICY_LEAST_FLOWS, /* of two random ones that with fewer live flows from this node, by
				    task_flows */
};

#define SKEP_SERVICE_DSR    1U /* the backend node answers the client itself */
#define SKEP_SERVICE_ALLOW  2U /* only for clients in `allow` */
#define SKEP_SERVICE_CLOSED 4U /* bound to other addresses, or disabled: all is refused here */

struct skep_service {
	__u32 service_id;   /* index of its counters, key of its ring; given by the agent, see
			       service_names */
	__be16 target_port; /* the port that its tasks listen on */
	__u8 policy;	    /* enum skep_policy */
	__u8 flags;	    /* SKEP_SERVICE_* */
	__u32 idle_ticks;   /* a flow that was silent for longer is balanced anew (skep/table.h); 0:
			       never */
	__u32 affinity_ticks; /* SKEP_POLICY_SOURCE: a client that opened nothing for longer is
				 chosen for anew */
	__u32 ring;	      /* key of the ring, where that is not the service's; 0: it is */
};
_Static_assert(sizeof(struct skep_service) == 20, "skep_service");

/*
 * allow: the networks whose clients a service with SKEP_SERVICE_ALLOW serves; a longest-prefix
 * match, so what is there is allowed and all else is not. An IPv4 network /24 has prefix length 32
 * (the id) + 96 (see skep/addr.h) + 24.
 */
struct skep_allow_key {
	__u32 prefix_length; /* of what follows, bits */
	__u32 service_id;
	struct skep_addr client;
};
_Static_assert(sizeof(struct skep_allow_key) == 24, "skep_allow_key");

struct skep_allow {
	__u32 allowed; /* 1 */
};

/* service_names: service id -> who that is. The agent's ids live here, and so survive it. */
struct skep_service_name {
	char id[SKEP_ID_SIZE];	   /* Swarm's service id, NUL-padded */
	char name[SKEP_NAME_SIZE]; /* cut to fit, NUL-padded */
};
_Static_assert(sizeof(struct skep_service_name) == 96, "skep_service_name");

/*
 * rings: service id -> an inner array. Element 0 is the header, elements 1..length the tasks to
 * pick from. An inner array is never changed but for its cursor: a new ring replaces the old one
 * whole.
 */
struct skep_ring_header {
	__u32 length; /* of the ring, in slots; may be 0: no serving task */
	__u32 cursor; /* of round robin, ever increasing, taken modulo length; atomic */
	__u32 pad[2];
};

union skep_ring_slot {
	struct skep_ring_header header;
	struct skep_addr task;
};
_Static_assert(sizeof(union skep_ring_slot) == 16, "skep_ring_slot");

enum skep_task_state {
	SKEP_TASK_SERVING = 1, /* takes new flows */
	SKEP_TASK_DRAINING,    /* keeps the flows that it has */
};

/*
 * tasks: a task's overlay address -> where that is. No entry: the task is gone. A back end outside
 * the Swarm (skep/addr.h) is a task without node or veth.
 */
struct skep_task {
	struct skep_addr node; /* underlay address of its node; this node's own if local */
	__u32 ifindex;	       /* local: host end of the task's veth; 0: remote */
	__u32 service_id;
	__u32 counter; /* index in task_counters and task_flows */
	__u8 state;    /* enum skep_task_state */
	__u8 pad;
	__u16 weight; /* its share beside the service's other tasks, for SKEP_POLICY_LEAST_FLOWS */
};
_Static_assert(sizeof(struct skep_task) == 32, "skep_task");

/* nodes: underlay address -> a node of this Swarm. Frames from anywhere else are dropped. */
struct skep_node {
	__u32 flags; /* SKEP_NODE_* */
};
#define SKEP_NODE_SELF	  1U
#define SKEP_NODE_MANAGER 2U

enum skep_flow_state {
	SKEP_FLOW_SYN = 1, /* TCP: only SYNs were seen */
	SKEP_FLOW_CLOSING, /* TCP: FIN or RST was seen, from the client; in returns, from either end
			    */
	SKEP_FLOW_DATAGRAM,    /* UDP */
	SKEP_FLOW_ESTABLISHED, /* TCP: the client answered */
};

/*
 * flows: a client's connection to a frontend -> the task it was given. Kept by the ingress node; by
 * the backend node too where that gave the flow a second chance, or another source port. How the
 * table is laid out: skep/table.h.
 */
struct skep_flow_key {
	struct skep_addr client;
	struct skep_addr frontend;
	__be16 client_port;
	__be16 frontend_port;
	__u8 protocol;
	__u8 pad[3];
};
_Static_assert(sizeof(struct skep_flow_key) == 40, "skep_flow_key");

struct skep_flow_choice {
	struct skep_addr task;
	__u32 service_id;
	__u32 counter; /* the task's: where the flow is counted in task_flows for as long as it
			  lives */
	__be16 target_port;
	__u8 pad[14];
};
_Static_assert(sizeof(struct skep_flow_choice) == 40, "skep_flow_choice");

/*
 * affinity: a client of a service with SKEP_POLICY_SOURCE -> the task that it was given, so that a
 * changed ring moves nobody. A memory and no more: without an entry the ring says the same, or what
 * it says now.
 */
struct skep_affinity_key {
	__u32 service_id;
	struct skep_addr client;
};
_Static_assert(sizeof(struct skep_affinity_key) == 20, "skep_affinity_key");

struct skep_affinity {
	struct skep_addr task;
	__u32 last_seen; /* ticks: when the client opened a flow, to an eighth of affinity_ticks */
};
_Static_assert(sizeof(struct skep_affinity) == 20, "skep_affinity");

/* returns: a task's packets to a client -> how they must leave. Rebuilt by the client's next
 * packet. */
struct skep_return_key {
	struct skep_addr task;
	struct skep_addr client;
	__be16 task_port;
	__be16 client_port; /* as the task sees it */
	__u8 protocol;
	__u8 pad[3];
};
_Static_assert(sizeof(struct skep_return_key) == 40, "skep_return_key");

enum skep_return_mode {
	SKEP_RETURN_LOCAL = 1,	 /* the client came in here: route to it from here */
	SKEP_RETURN_TUNNEL,	 /* tunnel back to the ingress node */
	SKEP_RETURN_HOST,	 /* a socket of this host asked, through skep0 */
	SKEP_RETURN_HOST_TUNNEL, /* a socket of another node's host asked, through its skep0 */
	SKEP_RETURN_DIRECT,	 /* the client came in elsewhere, and is answered from here (dsr) */
	SKEP_RETURN_CONTAINER,	 /* the client is a container of this node (bpf/container.h) */
	SKEP_RETURN_OUTSIDE,	 /* from a back end outside the Swarm, to which this node is the
				    client; the client's own address is in `ingress` */
};

struct skep_return_path {
	struct skep_addr frontend; /* becomes the source of the reply */
	struct skep_addr ingress;  /* underlay address of the ingress node; its own if local; see
				      SKEP_RETURN_OUTSIDE */
	__be16 frontend_port;
	__be16 client_port; /* the client's own */
	__u8 mode;	    /* enum skep_return_mode */
	__u8 pad[3];
};
_Static_assert(sizeof(struct skep_return_path) == 40, "skep_return_path");

/*
 * fragments: an IPv4 packet that is cut in pieces -> the ports that only its first piece has. Kept
 * where that came by, so that the others go the same way.
 */
struct skep_fragment_key {
	struct skep_addr source;
	struct skep_addr destination;
	__be32 id; /* the 16 bits of IPv4 as a number */
	__u8 protocol;
	__u8 pad[3];
};
_Static_assert(sizeof(struct skep_fragment_key) == 40, "skep_fragment_key");

struct skep_fragment {
	__u64 first_seen_ns;
	__be16 source_port;
	__be16 destination_port;
	__u8 pad[4];
};
_Static_assert(sizeof(struct skep_fragment) == 16, "skep_fragment");

/* Packets in pieces at one time. */
#define SKEP_FRAGMENTS_MAX 8192

/*
 * task_flows (index: skep_task.counter): __s32, live flows that this node gave the task: those of
 * its entries in flows that are not SKEP_FLOW_CLOSING. Between two steps of a program it may be one
 * too low, so below zero.
 */

/* service_counters (index: service id) and task_counters (index: skep_task.counter), per CPU. */
struct skep_counter {
	__u64 packets;	 /* from clients that came in at this node */
	__u64 bytes;	 /* of these, IP packets as the interface handed them over */
	__u64 new_flows; /* given to this service or task by this node */
};

/*
 * verdicts (index: this), per CPU: why a packet was not simply balanced or carried. PASS: went on
 * to the stack untouched. ANSWER: skep answered the client. DROP: it ends here.
 */
enum skep_verdict {
	SKEP_PASS_NOT_IPV4,   /* ARP, IPv6, … */
	SKEP_PASS_IP_OPTIONS, /* header longer than 20 bytes */
	SKEP_PASS_FRAGMENT, /* a later one of an IPv4 packet, and the first was no frontend's or not
			       seen */
	SKEP_PASS_PROTOCOL, /* neither TCP, UDP nor an ICMP error about them */
	SKEP_PASS_MALFORMED,   /* shorter than its headers say */
	SKEP_PASS_NO_FRONTEND, /* not addressed to a published port */
	SKEP_PASS_NO_FLOW,     /* TCP without SYN, no flow: a connection older than skep, or none */
	SKEP_PASS_NOT_FROM_TASK,   /* a task's own traffic, no reply of a flow */
	SKEP_ANSWER_NO_TASK_RST,   /* a SYN, and the service has no serving task */
	SKEP_ANSWER_NO_TASK_ICMP,  /* UDP, likewise: port unreachable */
	SKEP_ANSWER_TASK_GONE_RST, /* TCP of a flow whose task is gone */
	SKEP_ANSWER_IDLE_RST,	   /* TCP of a flow that was silent for longer than skep.idle */
	SKEP_ANSWER_NOT_BOUND,	   /* RST or port unreachable: the service has skep.bind, and not
				      this address, or the port is disabled */
	SKEP_ANSWER_TOO_BIG, /* larger than the tunnel takes, don't fragment: fragmentation needed
			      */
	SKEP_ICMP_ERROR,     /* about a flow's packet: carried to whom that came from */
	SKEP_SECOND_CHANCE,  /* at the backend node: task not here, balanced anew */
	SKEP_FLOW_EVICTED,   /* the table was full: an established flow made room for a new one */
	SKEP_SOURCE_PORT_CHANGED, /* a flow whose tuple the task has from another frontend */
	SKEP_RETURN_NOT_DIRECT,	  /* dsr, but no route from here to the client: by the tunnel */
	SKEP_DROP_TTL,		  /* TTL would reach zero */
	SKEP_DROP_NOT_ALLOWED,	  /* from a client that the service's skep.allow does not name */
	SKEP_DROP_NOT_A_NODE,	  /* a tunnel frame from an address that is no node's */
	SKEP_DROP_BAD_FRAME, /* a tunnel frame of no known kind or not addressed as skep does */
	SKEP_DROP_FRAGMENT,  /* a later one for a task that is not here, and the first was not seen
			      */
	SKEP_DROP_NO_TASK,   /* for a task that is not here, and nobody can be told */
	SKEP_DROP_NO_ROUTE,  /* no route to the client */
	SKEP_DROP_COLLISION, /* no source port was free, or the tuple became another flow's */
	SKEP_DROP_FORGED,    /* from a container to the tunnel's port: it would leave as a node's */
	SKEP_DROP_ERROR,     /* a kernel helper failed: no memory, not writable, … */
	SKEP_VERDICT_COUNT
};

/* wires: ifindex -> an interface where the XDP program is in force. None: it passes everything
 * there. */
struct skep_wire {
	__u32 hint_key[2]; /* random; see skep/hint.h */
	__u8 mac[6];	   /* the interface's own: what is sent to another is not for this host */
	__u8 pad[2];
};
_Static_assert(sizeof(struct skep_wire) == 16, "skep_wire");

/* More interfaces than --interface takes. */
#define SKEP_WIRES_MAX 64

/* xdp_counters (index: this), per CPU: packets that the XDP program finished, or chose the task
 * for. */
enum skep_xdp_way {
	SKEP_XDP_FORWARDED, /* a client's, sent to the task's node */
	SKEP_XDP_RETURNED,  /* a task's, stripped of its frame and sent to the client */
	SKEP_XDP_HINTED,    /* a client's, left to from_wire together with the choice */
	SKEP_XDP_STRIPPED,  /* a client's by way of another node, stripped of its frame and left
			       to from_wire with what that said */
	SKEP_XDP_WAY_COUNT
};

/* hooks: ifindex -> what skep attached there, so that `skep unload` knows what is its own. */
enum skep_hook_role {
	SKEP_HOOK_WIRE = 1, /* from_wire on ingress */
	SKEP_HOOK_MESH,	    /* from_mesh on ingress, to_mesh on egress: skep0 */
	SKEP_HOOK_TASK,	    /* from_task on ingress: a task's veth, or another container's */
	SKEP_HOOK_BRIDGE,   /* from_bridge on ingress: what containers send to the host or beyond */
};

struct skep_hook {
	__u32 role;	   /* enum skep_hook_role */
	__u32 owns_clsact; /* 1: skep made the clsact qdisc and removes it again */
};

#endif
