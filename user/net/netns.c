/* SPDX-License-Identifier: GPL-2.0-only */
/* Which of this namespace's veths leads into a container. */
#include <errno.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/enter.h"
#include "net/net.h"
#include "net/rtnl.h"

/* The two sides of the question. */
struct sides {
	struct rtnl *host;
	struct rtnl *task;
	int task_fd; /* the task's namespace */
};

struct default_route {
	int ifindex; /* 0: none found */
	uint32_t metric;
};

static int take_default_route(const struct nlmsghdr *message, void *context)
{
	const struct rtmsg *info = mnl_nlmsg_get_payload(message);
	struct default_route *best = context;
	uint32_t metric = 0, table = info->rtm_table;
	const struct nlattr *attr;
	int ifindex = 0;

	if (message->nlmsg_type != RTM_NEWROUTE || info->rtm_family != AF_INET ||
	    info->rtm_dst_len || info->rtm_type != RTN_UNICAST)
		return 0;
	mnl_attr_for_each (attr, message, sizeof(*info)) {
		if (mnl_attr_get_payload_len(attr) != sizeof(uint32_t))
			continue;
		if (mnl_attr_get_type(attr) == RTA_OIF)
			ifindex = (int)mnl_attr_get_u32(attr);
		else if (mnl_attr_get_type(attr) == RTA_PRIORITY)
			metric = mnl_attr_get_u32(attr);
		else if (mnl_attr_get_type(attr) == RTA_TABLE)
			table = mnl_attr_get_u32(attr);
	}
	if (table == RT_TABLE_MAIN && ifindex && (!best->ifindex || metric < best->metric))
		*best = (struct default_route){.ifindex = ifindex, .metric = metric};
	return 0;
}

static int find_default_route(struct rtnl *task, struct default_route *route)
{
	struct nlmsghdr *request = rtnl_request(task, RTM_GETROUTE, 0);
	struct rtmsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	int err;

	info->rtm_family = AF_INET;
	info->rtm_table = RT_TABLE_MAIN;
	err = rtnl_dump(task, request, take_default_route, route);
	/* The table does not exist before its first route. */
	return err == -ENOENT ? 0 : err;
}

static int take_nsid(const struct nlmsghdr *message, void *context)
{
	int32_t *nsid = context;
	const struct nlattr *attr;

	mnl_attr_for_each (attr, message, sizeof(struct rtgenmsg))
		if (mnl_attr_get_type(attr) == NETNSA_NSID &&
		    mnl_attr_get_payload_len(attr) == sizeof(uint32_t))
			*nsid = (int32_t)mnl_attr_get_u32(attr);
	return 0;
}

/*
 * By what id the host's namespace knows the task's; RTNL_SAME_NAMESPACE (-1, the kernel's own "not
 * assigned") if it does not. Telling of a link that leads there is what assigns the id, so the link
 * must have been asked for before.
 */
static int read_nsid(const struct sides *sides, int32_t *nsid)
{
	struct nlmsghdr *request = rtnl_request(sides->host, RTM_GETNSID, 0);

	*nsid = RTNL_SAME_NAMESPACE;
	mnl_nlmsg_put_extra_header(request, sizeof(struct rtgenmsg));
	mnl_attr_put_u32(request, NETNSA_FD, (uint32_t)sides->task_fd);
	return rtnl_talk(sides->host, request, take_nsid, nsid);
}

/*
 * *ifindex: the host's end of one of the task's links, 0 if that is not here. A number alone proves
 * nothing: a Docker overlay leg's other end is in the overlay's sandbox, where the same numbers are
 * given as here. So the host must have a veth of that number whose other end has the task's number
 * and is in the task's namespace.
 */
static int find_host_end(const struct sides *sides, const struct net_link *leg, int *ifindex)
{
	struct net_link link = {0};
	int32_t peer_nsid, task_nsid;
	int err;

	*ifindex = 0;
	if (strcmp(leg->kind, "veth") != 0 || leg->peer_ifindex <= 0)
		return 0;
	err = rtnl_get_link(sides->host, leg->peer_ifindex, &link, &peer_nsid);
	if (err)
		return err == -ENODEV ? 0 : err;
	if (strcmp(link.kind, "veth") != 0 || link.peer_ifindex != leg->ifindex ||
	    peer_nsid == RTNL_SAME_NAMESPACE)
		return 0;
	err = read_nsid(sides, &task_nsid);
	if (!err && peer_nsid == task_nsid)
		*ifindex = link.ifindex;
	return err;
}

struct legs {
	const struct sides *sides;
	int ifindex;
	int count;
};

static int count_leg(const struct nlmsghdr *message, void *context)
{
	struct legs *legs = context;
	struct net_link leg;
	int32_t nsid;
	int ifindex, err;

	if (message->nlmsg_type != RTM_NEWLINK)
		return 0;
	rtnl_parse_link(message, &leg, &nsid);
	err = find_host_end(legs->sides, &leg, &ifindex);
	if (!err && ifindex) {
		legs->ifindex = ifindex;
		legs->count++;
	}
	return err;
}

static int find_only_leg(const struct sides *sides, int *ifindex)
{
	struct nlmsghdr *request = rtnl_request(sides->task, RTM_GETLINK, 0);
	struct legs legs = {.sides = sides};
	int err;

	mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
	mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	err = rtnl_dump(sides->task, request, count_leg, &legs);
	*ifindex = legs.count == 1 ? legs.ifindex : 0;
	return err;
}

static int run_open(void *context)
{
	return rtnl_open(context);
}

/* Either way, 0 and *ifindex 0: there is none. */
static int find_interface(const struct sides *sides, int *ifindex)
{
	struct default_route route = {0};
	struct net_link leg = {0};
	int32_t nsid;
	int err;

	err = find_default_route(sides->task, &route);
	if (err)
		return err;
	if (!route.ifindex)
		return find_only_leg(sides, ifindex);
	err = rtnl_get_link(sides->task, route.ifindex, &leg, &nsid);
	if (err)
		return err == -ENODEV ? 0 : err;
	return find_host_end(sides, &leg, ifindex);
}

int net_task_interface(pid_t pid, int *ifindex, struct skep_error *error)
{
	struct sides sides = {.task_fd = -1};
	int own_fd = -1;
	int err;

	*ifindex = 0;
	err = enter_open(pid, &sides.task_fd, error);
	if (err)
		goto cleanup;
	err = enter_open_own(&own_fd, error);
	if (err)
		goto cleanup;
	if (enter_is_same(sides.task_fd, own_fd)) {
		err = error_set(error, -ENOENT, "process %d is in the host's own network",
				(int)pid);
		goto cleanup;
	}
	err = rtnl_open(&sides.host);
	if (!err)
		err = enter_run(sides.task_fd, own_fd, run_open, &sides.task);
	if (!err)
		err = find_interface(&sides, ifindex);
	if (err) {
		error_errno(error, err, "cannot look into the network namespace of process %d",
			    (int)pid);
		goto cleanup;
	}
	if (!*ifindex)
		err = error_set(error, -ENOENT,
				"process %d has no veth that ends in this network namespace",
				(int)pid);
cleanup:
	rtnl_close(sides.task);
	rtnl_close(sides.host);
	if (own_fd >= 0)
		close(own_fd);
	if (sides.task_fd >= 0)
		close(sides.task_fd);
	return err;
}
