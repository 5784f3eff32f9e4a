/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses that skep itself puts on an interface, and takes away again. */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "net/net.h"
#include "net/rtnl.h"

#define MARK_LENGTH (sizeof(NET_VIP_MARK) - 1)

bool net_vip_is_ours(const struct net_addr *addr)
{
	size_t length = strlen(addr->label);

	return addr->prefix == 128 && length > MARK_LENGTH &&
	       !strcmp(addr->label + length - MARK_LENGTH, NET_VIP_MARK);
}

/*
 * A label is no longer than an interface's name; a long name is cut to leave room for the mark, as
 * the kernel itself does with labels when an interface is renamed (inetdev_changename).
 */
static void make_label(char label[IF_NAMESIZE], const char *interface)
{
	snprintf(label, IF_NAMESIZE, "%.*s" NET_VIP_MARK, (int)(IF_NAMESIZE - 1 - MARK_LENGTH),
		 interface);
}

static struct nlmsghdr *address_request(struct rtnl *rtnl, uint16_t type, uint16_t flags,
					const struct net_addr *addr)
{
	struct nlmsghdr *request = rtnl_request(rtnl, type, flags);
	struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));

	info->ifa_family = AF_INET;
	info->ifa_prefixlen = 32;
	info->ifa_scope = RT_SCOPE_UNIVERSE;
	info->ifa_index = (uint32_t)addr->ifindex;
	mnl_attr_put_u32(request, IFA_LOCAL, addr->addr.word[3]);
	mnl_attr_put_u32(request, IFA_ADDRESS, addr->addr.word[3]);
	mnl_attr_put_strz(request, IFA_LABEL, addr->label);
	return request;
}

int net_vip_add(const struct net_link *link, const struct skep_addr *addr, struct skep_error *error)
{
	struct net_addr wanted = {.ifindex = link->ifindex, .addr = *addr, .prefix = 128};
	struct rtnl *rtnl = NULL;
	char text[ADDR_TEXT_SIZE];
	int err = rtnl_open(&rtnl);

	if (err)
		return error_errno(error, err, "cannot open an rtnetlink socket");
	make_label(wanted.label, link->name);
	err = rtnl_talk(rtnl,
			address_request(rtnl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &wanted),
			NULL, NULL);
	if (err)
		rtnl_error(rtnl, error, err, "cannot put %s on %s", addr_text(addr, text),
			   link->name);
	rtnl_close(rtnl);
	return err;
}

/* The kernel compares the label, too: an address that is another's by now stays. */
static int remove_address(struct rtnl *rtnl, const struct net_addr *addr, struct skep_error *error)
{
	int err = rtnl_talk(rtnl, address_request(rtnl, RTM_DELADDR, 0, addr), NULL, NULL);
	char text[ADDR_TEXT_SIZE];

	/* It is gone, or its interface is. */
	if (err == -EADDRNOTAVAIL || err == -ENODEV)
		return 0;
	return err ? rtnl_error(rtnl, error, err, "cannot remove %s (%s)",
				addr_text(&addr->addr, text), addr->label)
		   : 0;
}

int net_vip_remove(const struct net_addr *addr, struct skep_error *error)
{
	struct rtnl *rtnl = NULL;
	int err = rtnl_open(&rtnl);

	if (err)
		return error_errno(error, err, "cannot open an rtnetlink socket");
	err = remove_address(rtnl, addr, error);
	rtnl_close(rtnl);
	return err;
}

int net_vips_remove_all(struct skep_error *error)
{
	struct rtnl *rtnl = NULL;
	struct net_state state;
	int err = net_state_read(&state, error);

	if (err)
		return err;
	err = rtnl_open(&rtnl);
	if (err)
		error_errno(error, err, "cannot open an rtnetlink socket");
	for (size_t i = 0; !err && i < state.n_addrs; i++)
		if (net_vip_is_ours(&state.addrs[i]))
			err = remove_address(rtnl, &state.addrs[i], error);
	rtnl_close(rtnl);
	net_state_free(&state);
	return err;
}
