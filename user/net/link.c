/* SPDX-License-Identifier: GPL-2.0-only */
/* One link, as rtnetlink tells of it. */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "net/rtnl.h"

static void copy_text(char *to, size_t size, const struct nlattr *attr)
{
	size_t length = strnlen(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));

	if (length >= size)
		length = size - 1;
	memcpy(to, mnl_attr_get_payload(attr), length);
	to[length] = '\0';
}

static bool is_u32(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) == sizeof(uint32_t);
}

void rtnl_parse_link(const struct nlmsghdr *message, struct net_link *link, int32_t *peer_nsid)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr, *nested;

	*link = (struct net_link){.ifindex = info->ifi_index, .flags = info->ifi_flags};
	*peer_nsid = RTNL_SAME_NAMESPACE;
	mnl_attr_for_each (attr, message, sizeof(*info)) {
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			copy_text(link->name, sizeof(link->name), attr);
			break;
		case IFLA_MTU:
			if (is_u32(attr))
				link->mtu = mnl_attr_get_u32(attr);
			break;
		case IFLA_LINK:
			if (is_u32(attr))
				link->peer_ifindex = (int)mnl_attr_get_u32(attr);
			break;
		case IFLA_LINK_NETNSID:
			if (is_u32(attr))
				*peer_nsid = (int32_t)mnl_attr_get_u32(attr);
			break;
		case IFLA_ADDRESS:
			if (mnl_attr_get_payload_len(attr) == sizeof(link->mac))
				memcpy(link->mac, mnl_attr_get_payload(attr), sizeof(link->mac));
			break;
		case IFLA_LINKINFO:
			mnl_attr_for_each_nested (nested, attr)
				if (mnl_attr_get_type(nested) == IFLA_INFO_KIND)
					copy_text(link->kind, sizeof(link->kind), nested);
			break;
		default:
			break;
		}
	}
}

struct one_link {
	struct net_link *link;
	int32_t *peer_nsid;
};

static int take_link(const struct nlmsghdr *message, void *context)
{
	struct one_link *one = context;

	if (message->nlmsg_type == RTM_NEWLINK)
		rtnl_parse_link(message, one->link, one->peer_nsid);
	return 0;
}

int rtnl_get_link(struct rtnl *rtnl, int ifindex, struct net_link *link, int32_t *peer_nsid)
{
	struct one_link one = {.link = link, .peer_nsid = peer_nsid};
	struct nlmsghdr *request = rtnl_request(rtnl, RTM_GETLINK, 0);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));

	info->ifi_index = ifindex;
	mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return rtnl_talk(rtnl, request, take_link, &one);
}
