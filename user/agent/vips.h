/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VIPs that this node holds, of those that it answers on (--vip). To hold one is to have it on
 * an interface, so that the kernel answers ARP and echo for it, and to announce it there. Who holds
 * it is the operator's choice: by flag (--vip ADDR,hold), and live by take and release, whose word
 * stands until the machine starts anew.
 *
 * The kernel is the record of what this node holds, by the label of the address; only that a VIP
 * was released although the flag says hold is kept in RUN_DIR/vips-released. An address that
 * somebody else put there (keepalived, say) is used and never touched.
 */
#ifndef SKEP_AGENT_VIPS_H
#define SKEP_AGENT_VIPS_H

#include <jansson.h>
#include <stdbool.h>

#include "agent/node.h"
#include "lib/error.h"
#include "lib/loop.h"

struct vips;

/* config and node are borrowed, and stay as up to date as node_update() makes them. */
int vips_open(struct vips **vips, struct loop *loop, const struct agent_config *config,
	      const struct node *node, struct skep_error *error);
void vips_close(struct vips *vips); /* leaves the addresses; NULL is fine */

/*
 * After each node_update(). Brings the kernel's addresses to what is wanted, and announces those
 * that have come. may_add: services are answered, so clients may be drawn here. Of a failure
 * everything that can be done is done, and the first error is told.
 */
int vips_update(struct vips *vips, bool may_add, struct skep_error *error);

/*
 * The operator's word, as the text of an address. The kernel has obeyed when they return 0; node
 * must then read the network anew. -EINVAL: no IPv4 address; -ENOENT: no VIP; -EALREADY: it is
 * there, or is not, or is another's; -ENODEV: no interface to put it on.
 */
int vips_take(struct vips *vips, const char *addr, struct skep_error *error);
int vips_release(struct vips *vips, const char *addr, struct skep_error *error);

/* [{"address", "hold": bool, "holder": "skep" | "other" | null, "interface": "eth0" | null}] */
json_t *vips_json(const struct vips *vips); /* NULL: no memory */

/* The link that an address belongs on, as vips_take() chooses it; NULL: none. */
const struct net_link *vips_choose_link(const struct node *node, const struct skep_addr *addr);

#endif
