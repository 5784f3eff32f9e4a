/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * skep's filter on one interface: looked for by rtnetlink, changed by libbpf. Ours is the bpf
 * filter of chain 0 with HOOKS_PRIORITY and HOOKS_HANDLE; every other one is foreign. Functions
 * return 0 or a negative errno.
 */
#ifndef SKEP_DATAPATH_TC_H
#define SKEP_DATAPATH_TC_H

#include <linux/types.h>
#include <stdbool.h>

struct rtnl;

enum tc_point {
	TC_INGRESS,
	TC_EGRESS,
	TC_POINTS
};

struct tc_filters {	  /* of one point */
	__u32 program_id; /* of ours; 0: it is not there */
	bool foreign;	  /* there are others */
};

/* An interface that has no clsact, or is not there, has no filters: that is no error. */
int tc_read_filters(struct rtnl *rtnl, int ifindex, struct tc_filters filters[TC_POINTS]);

/* clsact: that qdisc is there. other: one that also sits on the ingress hook, and serves for it
 * (`tc qdisc add … ingress`). */
int tc_find_clsact(struct rtnl *rtnl, int ifindex, bool *clsact, bool *other);

/* -EEXIST: somebody was faster. */
int tc_make_clsact(int ifindex);
int tc_remove_clsact(int ifindex); /* with every filter in it */

/* In place of the one that is there, if any: not one packet goes without. */
int tc_attach(int ifindex, enum tc_point point, int program_fd);
int tc_detach(int ifindex, enum tc_point point);

#endif
