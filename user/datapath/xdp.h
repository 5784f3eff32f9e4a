/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The XDP program on wires: by bpf_links in native mode, pinned as BPFFS/links/xdp-IFINDEX, so that
 * they outlive the agent and the next one puts its program in place of the old without a gap. A
 * wire where that cannot be has the tc program alone, which does all the same.
 */
#ifndef SKEP_DATAPATH_XDP_H
#define SKEP_DATAPATH_XDP_H

#include <stdbool.h>
#include <stddef.h>

#include "datapath/datapath.h"
#include "lib/error.h"
#include "net/net.h"

struct xdp_config {
	const char *bpffs;
	enum datapath_mode mode;
	int program; /* file descriptor, xdp_open() takes it whatever it returns; negative: none, */
	const char *missing; /* and why; may be error's own text */
	int wires;	     /* map, by file descriptor */
};

struct xdp;

/* Takes over links that an earlier agent left; changes nothing yet. */
int xdp_open(struct xdp **xdp, const struct xdp_config *config, struct skep_error *error);
void xdp_close(struct xdp *xdp); /* links stay in force */

/*
 * Brings links and map `wires` to the given interfaces (sorted). A wire without XDP is an error
 * with DATAPATH_XDP only; else it is told by xdp_wires(). Counts attached and detached into
 * changes. Of a failure the rest is done, and the first error is told.
 *
 * fresh: what is believed to be attached is asked of the kernel, as in hooks_apply(); and where
 * another's program was in the way it is tried again. Where a driver refused it is tried again once
 * the interface's MTU or MAC is another.
 */
int xdp_apply(struct xdp *xdp, const int *wires, size_t n, const struct net_state *net, bool fresh,
	      struct datapath_changes *changes, struct skep_error *error);

/* What the last xdp_apply() came to, in its order of wires. */
const struct datapath_wire *xdp_wires(const struct xdp *xdp, size_t *n);

/* A line to report() for each wire whose link or entry in map `wires` is not what xdp_apply() made.
 */
void xdp_verify(struct xdp *xdp, void (*report)(void *context, const char *line), void *context);

/* Detaches all links pinned under bpffs and removes the pins. */
int xdp_remove_all(const char *bpffs, struct skep_error *error);

#endif
