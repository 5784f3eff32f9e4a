/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/net.h"
#include "net/rtnl.h"

/* The array with room for one more element; it grows by doubling: at 0, 16, 32, 64, … NULL: no
 * memory. */
static void *reserve(void *array, size_t count, size_t element)
{
	if (count && (count < 16 || (count & (count - 1))))
		return array;
	return reallocarray(array, count ? count * 2 : 16, element);
}

static int add_link(const struct nlmsghdr *message, void *context)
{
	struct net_state *state = context;
	struct net_link *links;
	int32_t peer_nsid;

	if (message->nlmsg_type != RTM_NEWLINK)
		return 0;
	links = reserve(state->links, state->n_links, sizeof(*links));
	if (!links)
		return -ENOMEM;
	state->links = links;
	rtnl_parse_link(message, &links[state->n_links++], &peer_nsid);
	return 0;
}

static int add_addr(const struct nlmsghdr *message, void *context)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
	struct net_state *state = context;
	const struct nlattr *attr;
	const char *label = "";
	struct net_addr *addrs;
	__be32 local = 0;

	if (message->nlmsg_type != RTM_NEWADDR || info->ifa_family != AF_INET)
		return 0;
	/* IFA_ADDRESS is the other end's where there is but one (point-to-point); IFA_LOCAL is
	 * always ours. */
	mnl_attr_for_each (attr, message, sizeof(*info)) {
		if (mnl_attr_get_type(attr) == IFA_LOCAL && mnl_attr_get_payload_len(attr) == 4)
			local = mnl_attr_get_u32(attr);
		if (mnl_attr_get_type(attr) == IFA_LABEL &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			label = mnl_attr_get_str(attr);
	}
	if (!local)
		return 0;
	addrs = reserve(state->addrs, state->n_addrs, sizeof(*addrs));
	if (!addrs)
		return -ENOMEM;
	state->addrs = addrs;
	addrs[state->n_addrs++] = (struct net_addr){
		.ifindex = (int)info->ifa_index,
		.addr = skep_addr_v4(local),
		.prefix = 96U + info->ifa_prefixlen,
	};
	snprintf(addrs[state->n_addrs - 1].label, sizeof(addrs->label), "%s", label);
	return 0;
}

static int compare_links(const void *a, const void *b)
{
	const struct net_link *x = a, *y = b;

	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

static int compare_addrs(const void *a, const void *b)
{
	const struct net_addr *x = a, *y = b;
	int order = addr_compare(&x->addr, &y->addr);

	return order ? order : (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

static int dump_links(struct rtnl *rtnl, struct net_state *state)
{
	struct nlmsghdr *request = rtnl_request(rtnl, RTM_GETLINK, 0);

	mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
	mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return rtnl_dump(rtnl, request, add_link, state);
}

static int dump_addrs(struct rtnl *rtnl, struct net_state *state)
{
	struct nlmsghdr *request = rtnl_request(rtnl, RTM_GETADDR, 0);
	struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));

	info->ifa_family = AF_INET;
	return rtnl_dump(rtnl, request, add_addr, state);
}

int net_state_read(struct net_state *state, struct skep_error *error)
{
	struct rtnl *rtnl = NULL;
	int err;

	*state = (struct net_state){0};
	err = rtnl_open(&rtnl);
	if (err)
		return error_errno(error, err, "cannot open an rtnetlink socket");
	err = dump_links(rtnl, state);
	if (err) {
		rtnl_error(rtnl, error, err, "cannot read the list of interfaces");
		goto cleanup;
	}
	err = dump_addrs(rtnl, state);
	if (err) {
		rtnl_error(rtnl, error, err, "cannot read the list of IPv4 addresses");
		goto cleanup;
	}
	if (state->n_links)
		qsort(state->links, state->n_links, sizeof(*state->links), compare_links);
	if (state->n_addrs)
		qsort(state->addrs, state->n_addrs, sizeof(*state->addrs), compare_addrs);
cleanup:
	if (err)
		net_state_free(state);
	rtnl_close(rtnl);
	return err;
}

void net_state_free(struct net_state *state)
{
	free(state->links);
	free(state->addrs);
	*state = (struct net_state){0};
}

const struct net_link *net_find_link(const struct net_state *state, int ifindex)
{
	const struct net_link key = {.ifindex = ifindex};

	if (!state->n_links)
		return NULL;
	return bsearch(&key, state->links, state->n_links, sizeof(key), compare_links);
}

const struct net_link *net_find_link_by_name(const struct net_state *state, const char *name)
{
	for (size_t i = 0; i < state->n_links; i++)
		if (!strcmp(state->links[i].name, name))
			return &state->links[i];
	return NULL;
}

const struct net_addr *net_find_addr(const struct net_state *state, const struct skep_addr *addr)
{
	size_t low = 0, high = state->n_addrs;

	/* The first of equal ones, which bsearch() does not promise. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (addr_compare(&state->addrs[middle].addr, addr) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < state->n_addrs && skep_addr_equal(&state->addrs[low].addr, addr))
		return &state->addrs[low];
	return NULL;
}
