/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a VIP goes. */
#include <arpa/inet.h>

#include "agent/vips.h"

static bool is_wire(const struct node *node, int ifindex)
{
	for (size_t i = 0; i < node->datapath.n_wires; i++)
		if (node->datapath.wires[i] == ifindex)
			return true;
	return false;
}

static bool subnet_holds(const struct net_addr *net, const struct skep_addr *addr)
{
	__be32 mask = net->prefix > 96 ? htonl(~0U << (128 - net->prefix)) : 0;

	return !((net->addr.word[3] ^ addr->word[3]) & mask);
}

/* Of the smallest subnet that it is in; a wire where several are of one size; else the first wire.
 */
const struct net_link *vips_choose_link(const struct node *node, const struct skep_addr *addr)
{
	const struct net_link *best = NULL;
	unsigned int best_prefix = 0;

	for (size_t i = 0; i < node->net.n_addrs; i++) {
		const struct net_addr *net = &node->net.addrs[i];
		const struct net_link *link = net_find_link(&node->net, net->ifindex);

		/* A /32 is no subnet. */
		if (!link || net->prefix == 128 || (link->flags & IFF_LOOPBACK) ||
		    link->ifindex == node->datapath.mesh_ifindex || !subnet_holds(net, addr))
			continue;
		if (!best || net->prefix > best_prefix ||
		    (net->prefix == best_prefix && is_wire(node, link->ifindex) &&
		     !is_wire(node, best->ifindex))) {
			best = link;
			best_prefix = net->prefix;
		}
	}
	if (!best && node->datapath.n_wires)
		best = net_find_link(&node->net, node->datapath.wires[0]);
	return best;
}
