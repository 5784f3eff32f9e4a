/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's own way to task addresses. Only what sockets of this host send looks into the table
 * (`iif lo`): a container's packets, which the host merely forwards, must never find a way to
 * networks that the container is not on.
 */
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/net.h"
#include "net/rtnl.h"

/*
 * Who put a route or rule there: none of /etc/iproute2/rt_protos. What has another number in our
 * table is not ours to remove.
 */
#define PROTOCOL_SKEP 147

#define V4_BITS_BEFORE 96
#define LOOPBACK_NAME  "lo"

struct route {
	struct addr_prefix prefix;
	int ifindex;
	__be32 source;
};

struct routes {
	struct route *route;
	size_t count, room;
};

static int compare_prefixes(const void *a, const void *b)
{
	const struct addr_prefix *x = a, *y = b;
	int order = addr_compare(&x->addr, &y->addr);

	return order ? order : (x->length > y->length) - (x->length < y->length);
}

static int compare_routes(const void *a, const void *b)
{
	return compare_prefixes(&((const struct route *)a)->prefix,
				&((const struct route *)b)->prefix);
}

static int take_route(const struct nlmsghdr *message, void *context)
{
	const struct rtmsg *info = mnl_nlmsg_get_payload(message);
	struct routes *routes = context;
	struct route route = {.prefix.length = V4_BITS_BEFORE + info->rtm_dst_len};
	uint32_t table = info->rtm_table;
	const struct nlattr *attr;
	__be32 destination = 0;

	if (message->nlmsg_type != RTM_NEWROUTE || info->rtm_family != AF_INET ||
	    info->rtm_protocol != PROTOCOL_SKEP)
		return 0;
	mnl_attr_for_each (attr, message, sizeof(*info)) {
		if (mnl_attr_get_payload_len(attr) != sizeof(uint32_t))
			continue;
		if (mnl_attr_get_type(attr) == RTA_DST)
			destination = mnl_attr_get_u32(attr);
		else if (mnl_attr_get_type(attr) == RTA_OIF)
			route.ifindex = (int)mnl_attr_get_u32(attr);
		else if (mnl_attr_get_type(attr) == RTA_PREFSRC)
			route.source = mnl_attr_get_u32(attr);
		else if (mnl_attr_get_type(attr) == RTA_TABLE)
			table = mnl_attr_get_u32(attr);
	}
	if (table != NET_MESH_TABLE)
		return 0;
	route.prefix.addr = skep_addr_v4(destination);
	if (routes->count == routes->room) {
		size_t room = routes->room ? routes->room * 2 : 16;
		struct route *grown = reallocarray(routes->route, room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		routes->route = grown;
		routes->room = room;
	}
	routes->route[routes->count++] = route;
	return 0;
}

static int read_routes(struct rtnl *rtnl, struct routes *routes, struct skep_error *error)
{
	struct nlmsghdr *request = rtnl_request(rtnl, RTM_GETROUTE, 0);
	struct rtmsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	int err;

	info->rtm_family = AF_INET;
	mnl_attr_put_u32(request, RTA_TABLE, NET_MESH_TABLE);
	err = rtnl_dump(rtnl, request, take_route, routes);
	/* A table that no route is in does not exist. */
	if (err && err != -ENOENT)
		return rtnl_error(rtnl, error, err, "cannot read routing table %d", NET_MESH_TABLE);
	if (routes->count)
		qsort(routes->route, routes->count, sizeof(*routes->route), compare_routes);
	return 0;
}

static int change_route(struct rtnl *rtnl, uint16_t type, const struct route *route,
			struct skep_error *error)
{
	uint16_t flags = type == RTM_NEWROUTE ? NLM_F_CREATE | NLM_F_REPLACE : 0;
	struct nlmsghdr *request = rtnl_request(rtnl, type, flags);
	struct rtmsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	char text[ADDR_TEXT_SIZE];
	int err;

	info->rtm_family = AF_INET;
	info->rtm_dst_len = (unsigned char)(route->prefix.length - V4_BITS_BEFORE);
	info->rtm_protocol = PROTOCOL_SKEP;
	info->rtm_scope = RT_SCOPE_LINK;
	info->rtm_type = RTN_UNICAST;
	mnl_attr_put_u32(request, RTA_TABLE, NET_MESH_TABLE);
	mnl_attr_put_u32(request, RTA_DST, route->prefix.addr.word[3]);
	mnl_attr_put_u32(request, RTA_OIF, (uint32_t)route->ifindex);
	if (route->source)
		mnl_attr_put_u32(request, RTA_PREFSRC, route->source);
	err = rtnl_talk(rtnl, request, NULL, NULL);
	/* ESRCH: no such route; the kernel removes routes by itself with their device or source
	 * address. */
	if (!err || (type == RTM_DELROUTE && err == -ESRCH))
		return 0;
	return rtnl_error(rtnl, error, err, "cannot %s route %s/%u in table %d",
			  type == RTM_NEWROUTE ? "set" : "remove",
			  addr_text(&route->prefix.addr, text),
			  route->prefix.length - V4_BITS_BEFORE, NET_MESH_TABLE);
}

/* Both sorted; desired without repetition. */
static int merge_routes(struct rtnl *rtnl, const struct routes *actual,
			const struct routes *desired, bool *changed, struct skep_error *error)
{
	size_t a = 0, d = 0;
	int err = 0;

	while (!err && (a < actual->count || d < desired->count)) {
		const struct route *have = a < actual->count ? &actual->route[a] : NULL;

		if (d == desired->count || (have && compare_routes(have, &desired->route[d]) < 0)) {
			*changed = true;
			err = change_route(rtnl, RTM_DELROUTE, &actual->route[a++], error);
			continue;
		}
		const struct route *want = &desired->route[d++];
		bool both = have && compare_routes(have, want) == 0;

		a += both;
		if (both && have->ifindex == want->ifindex && have->source == want->source)
			continue;
		*changed = true;
		err = change_route(rtnl, RTM_NEWROUTE, want, error);
	}
	return err;
}

static int take_rule(const struct nlmsghdr *message, void *context)
{
	const struct fib_rule_hdr *rule = mnl_nlmsg_get_payload(message);
	uint32_t table = rule->table, priority = 0, mark_mask = 0;
	bool is_from_lo = false, is_ours = false;
	bool *found = context;
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWRULE || rule->family != AF_INET ||
	    rule->action != FR_ACT_TO_TBL || rule->src_len || rule->dst_len || rule->tos ||
	    (rule->flags & FIB_RULE_INVERT))
		return 0;
	mnl_attr_for_each (attr, message, sizeof(*rule)) {
		switch (mnl_attr_get_type(attr)) {
		case FRA_TABLE:
			table = mnl_attr_get_u32(attr);
			break;
		case FRA_PRIORITY:
			priority = mnl_attr_get_u32(attr);
			break;
		case FRA_FWMASK:
			mark_mask = mnl_attr_get_u32(attr);
			break;
		case FRA_PROTOCOL:
			is_ours = mnl_attr_get_u8(attr) == PROTOCOL_SKEP;
			break;
		case FRA_IIFNAME:
			is_from_lo = mnl_attr_get_payload_len(attr) == sizeof(LOOPBACK_NAME) &&
				     !memcmp(mnl_attr_get_payload(attr), LOOPBACK_NAME,
					     sizeof(LOOPBACK_NAME));
			break;
		default:
			break;
		}
	}
	if (is_ours && is_from_lo && !mark_mask && table == NET_MESH_TABLE &&
	    priority == NET_MESH_RULE_PRIORITY)
		*found = true;
	return 0;
}

static int change_rule(struct rtnl *rtnl, uint16_t type)
{
	uint16_t flags = type == RTM_NEWRULE ? NLM_F_CREATE | NLM_F_EXCL : 0;
	struct nlmsghdr *request = rtnl_request(rtnl, type, flags);
	struct fib_rule_hdr *rule = mnl_nlmsg_put_extra_header(request, sizeof(*rule));

	rule->family = AF_INET;
	rule->action = FR_ACT_TO_TBL;
	mnl_attr_put_strz(request, FRA_IIFNAME, LOOPBACK_NAME);
	mnl_attr_put_u32(request, FRA_TABLE, NET_MESH_TABLE);
	mnl_attr_put_u32(request, FRA_PRIORITY, NET_MESH_RULE_PRIORITY);
	mnl_attr_put_u8(request, FRA_PROTOCOL, PROTOCOL_SKEP);
	return rtnl_talk(rtnl, request, NULL, NULL);
}

static int ensure_rule(struct rtnl *rtnl, bool wanted, bool *changed, struct skep_error *error)
{
	struct nlmsghdr *request = rtnl_request(rtnl, RTM_GETRULE, 0);
	struct fib_rule_hdr *rule = mnl_nlmsg_put_extra_header(request, sizeof(*rule));
	bool found = false;
	int err;

	rule->family = AF_INET;
	err = rtnl_dump(rtnl, request, take_rule, &found);
	if (err)
		return rtnl_error(rtnl, error, err, "cannot read the routing rules");
	if (found == wanted)
		return 0;
	*changed = true;
	err = change_rule(rtnl, wanted ? RTM_NEWRULE : RTM_DELRULE);
	if (!err || (wanted && err == -EEXIST) || (!wanted && err == -ENOENT))
		return 0;
	return rtnl_error(rtnl, error, err,
			  "cannot %s routing rule %d: iif " LOOPBACK_NAME " lookup %d",
			  wanted ? "add" : "remove", NET_MESH_RULE_PRIORITY, NET_MESH_TABLE);
}

static int make_desired(int ifindex, const struct skep_addr *source,
			const struct addr_prefix *prefixes, size_t n, struct routes *desired,
			struct skep_error *error)
{
	char text[ADDR_TEXT_SIZE];

	if (!n)
		return 0;
	if (!skep_addr_is_v4(source))
		return error_set(error, -EINVAL, "cannot route from %s: not an IPv4 address",
				 addr_text(source, text));
	desired->route = calloc(n, sizeof(*desired->route));
	if (!desired->route)
		return error_errno(error, -ENOMEM, "cannot make %zu routes", n);
	for (size_t i = 0; i < n; i++) {
		if (!skep_addr_is_v4(&prefixes[i].addr) || prefixes[i].length < V4_BITS_BEFORE ||
		    prefixes[i].length > 128)
			return error_set(error, -EINVAL,
					 "cannot route to %s/%u: not an IPv4 network",
					 addr_text(&prefixes[i].addr, text), prefixes[i].length);
		desired->route[i] = (struct route){prefixes[i], ifindex, source->word[3]};
	}
	qsort(desired->route, n, sizeof(*desired->route), compare_routes);
	for (size_t i = 0; i < n; i++)
		if (!desired->count ||
		    compare_routes(&desired->route[desired->count - 1], &desired->route[i]) != 0)
			desired->route[desired->count++] = desired->route[i];
	return 0;
}

int net_mesh_routes_ensure(int ifindex, const struct skep_addr *source,
			   const struct addr_prefix *prefixes, size_t n, bool *changed,
			   struct skep_error *error)
{
	struct routes actual = {0}, desired = {0};
	struct rtnl *rtnl = NULL;
	int err;

	*changed = false;
	err = make_desired(ifindex, source, prefixes, n, &desired, error);
	if (err)
		goto cleanup;
	err = rtnl_open(&rtnl);
	if (err) {
		error_errno(error, err, "cannot open an rtnetlink socket");
		goto cleanup;
	}
	/* The rule last when it comes, first when it goes: never one into a table half made. */
	if (!n)
		err = ensure_rule(rtnl, false, changed, error);
	if (!err)
		err = read_routes(rtnl, &actual, error);
	if (!err)
		err = merge_routes(rtnl, &actual, &desired, changed, error);
	if (!err && n)
		err = ensure_rule(rtnl, true, changed, error);
cleanup:
	rtnl_close(rtnl);
	free(actual.route);
	free(desired.route);
	return err;
}
