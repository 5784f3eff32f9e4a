/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The data path as the agent holds it: BPF programs loaded, maps pinned, hooks attached, and all of
 * it brought to what the model and this node's own state ask for. Nothing here is lost when the
 * agent goes: pins and filters stay, and the next agent adopts them.
 */
#ifndef SKEP_DATAPATH_DATAPATH_H
#define SKEP_DATAPATH_DATAPATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/error.h"
#include "model/model.h"
#include "skep/maps.h"

struct net_state;

enum datapath_mode {   /* --datapath */
	DATAPATH_AUTO, /* XDP where it can be */
	DATAPATH_XDP,  /* it must be */
	DATAPATH_TC,   /* nowhere */
};

struct datapath_config {
	const char *bpffs;	/* directory of the pins */
	uint16_t tunnel_port;	/* host order */
	uint32_t max_frontends; /* entries of each map */
	uint32_t max_services;
	uint32_t max_tasks;
	uint32_t max_nodes;
	uint32_t max_flows;
	enum datapath_mode mode;
	const char
		*cgroup; /* where the programs for names go; "": cgroup2's root; "off": nowhere */
};

/* This node, as rtnetlink and Docker tell of it. Everything is borrowed for the call. */
struct datapath_local_task {
	const char *task_id;
	int ifindex; /* host end of its veth */
};

/* An address range of a network that a container is on, as its own routes have it. */
struct datapath_scope {
	struct addr_prefix prefix;
	const struct model_network *network;
};

struct datapath_container { /* a container of this node with a network namespace of its own */
	uint64_t cookie;    /* of that */
	int ifindex;	    /* host end of its veth; 0: none */
	const struct datapath_scope *scopes;
	size_t n_scopes;
};

struct datapath_listener { /* a process of this machine on a published port */
	struct skep_frontend place;
	uint32_t pid;
};

struct datapath_node {
	struct skep_addr underlay; /* zero: not known yet, then no tunnel */
	const struct skep_addr
		*addresses; /* that services answer on: local ones and --vip; sorted */
	size_t n_addresses;
	const struct datapath_local_task *tasks; /* sorted by task_id */
	size_t n_tasks;
	uint64_t cookie; /* of this network namespace */
	const struct datapath_container *containers;
	size_t n_containers;
	const struct datapath_listener *listeners;
	size_t n_listeners;
	const int *bridges; /* that containers reach the host by */
	size_t n_bridges;
	const int *wires; /* interfaces that clients come in by, sorted */
	size_t n_wires;
	const struct net_state *net; /* what the interfaces are; NULL: not known, so tc alone, and
					no address is an interface's that skep.bind names */
	int mesh_ifindex;	     /* skep0; 0: none yet */
	uint8_t mesh_mac[6];
	uint32_t tunnel_mtu;  /* of inner IP packets */
	uint16_t tunnel_port; /* host order */
	bool dsr;	      /* --return: of services whose labels do not say */
	bool links_changed;   /* some link came, went or changed since the last apply: look what is
				 really hooked */
};

struct datapath_changes {		    /* of one apply or verify */
	size_t inserted, replaced, deleted; /* map entries */
	size_t attached, detached;	    /* programs */
};

/* What clients' packets meet on one of the wires. */
struct datapath_wire {
	int ifindex;
	bool xdp;      /* besides tc */
	char why[192]; /* not XDP; or what is amiss with it; "" */
};

struct datapath;

/*
 * Opens pins or makes them, loads this build's programs on them, and takes over hooks that an
 * earlier agent left (each filter is replaced in place; not one packet goes without). Refuses pins
 * of another layout.
 */
int datapath_open(struct datapath **datapath, const struct datapath_config *config,
		  struct skep_error *error);

/* Lets go; pins, programs and hooks stay in force. */
void datapath_close(struct datapath *datapath);

/*
 * Brings maps and hooks to what model and node ask for. Of a failure everything that can be done is
 * done, and the first error is told; calling again is always right.
 */
int datapath_apply(struct datapath *datapath, const struct model *model,
		   const struct datapath_node *node, struct datapath_changes *changes,
		   struct skep_error *error);

/* Why service names are not served from this node, in one line; "": they are. */
const char *datapath_names_problem(const struct datapath *datapath);
/* The cgroup that they are served in, "": none. */
const char *datapath_names_cgroup(const struct datapath *datapath);
/* Flows that the table has room for, as it was made. */
uint32_t datapath_flow_room(const struct datapath *datapath);

/* The wires of the last datapath_apply(). Valid until the next. */
const struct datapath_wire *datapath_wires(const struct datapath *datapath, size_t *n);

/*
 * Compares the pinned maps and hooks themselves with what model and node ask for; changes nothing.
 * One line for each difference goes to report(). *differences counts them.
 */
int datapath_verify(struct datapath *datapath, const struct model *model,
		    const struct datapath_node *node,
		    void (*report)(void *context, const char *line), void *context,
		    size_t *differences, struct skep_error *error);

/*
 * Forgets what is believed of the pinned maps and hooks and reads them anew, so that the next
 * datapath_apply() compares with what is really there and mends whatever somebody else changed.
 * Changes nothing itself.
 */
int datapath_resync(struct datapath *datapath, struct skep_error *error);

/*
 * Goes over a part of the table of flows, a thirtieth of it, and ends those that nobody ended
 * (bpf/sweep.h). To be called about once a second.
 */
int datapath_sweep(struct datapath *datapath, struct skep_error *error);

/* Removes everything that skep made: VIPs, hooks, clsact where ours, skep0, rule and routes, pins.
 * Works without an agent. */
int datapath_unload(const char *bpffs, struct skep_error *error);

#endif
