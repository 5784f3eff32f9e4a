/* SPDX-License-Identifier: GPL-2.0-only */
/* Which network namespace a container has, and where its own routes lead. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/enter.h"
#include "net/net.h"
#include "net/rtnl.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* Linux 5.14 */
#endif

static int take_source(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attr;
	struct skep_addr *source = context;

	if (message->nlmsg_type != RTM_NEWROUTE)
		return 0;
	mnl_attr_for_each (attr, message, sizeof(struct rtmsg))
		if (mnl_attr_get_type(attr) == RTA_PREFSRC &&
		    mnl_attr_get_payload_len(attr) == sizeof(__be32))
			*source = skep_addr_v4(mnl_attr_get_u32(attr));
	return 0;
}

static int ask_route(struct rtnl *rtnl, const struct skep_addr *to, struct skep_addr *source)
{
	struct nlmsghdr *request = rtnl_request(rtnl, RTM_GETROUTE, 0);
	struct rtmsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	int err;

	*source = (struct skep_addr){{0}};
	info->rtm_family = AF_INET;
	info->rtm_dst_len = 32;
	mnl_attr_put_u32(request, RTA_DST, to->word[3]);
	err = rtnl_talk(rtnl, request, take_source, source);
	/* No route, or one that says so. */
	return err == -ENETUNREACH || err == -EHOSTUNREACH || err == -EINVAL || err == -EACCES
		       ? 0
		       : err;
}

static int run_open(void *context)
{
	return rtnl_open(context);
}

static int open_there(pid_t pid, struct rtnl **rtnl, struct skep_error *error)
{
	int theirs = -1, own = -1;
	int err = enter_open(pid, &theirs, error);

	if (!err)
		err = enter_open_own(&own, error);
	if (!err && enter_is_same(theirs, own)) {
		err = error_set(error, -ENOENT, "process %d is in the host's own network",
				(int)pid);
	} else if (!err) {
		err = enter_run(theirs, own, run_open, rtnl);
		if (err)
			error_errno(error, err, "cannot enter the network of process %d", (int)pid);
	}
	if (theirs >= 0)
		close(theirs);
	if (own >= 0)
		close(own);
	return err;
}

int net_namespace_ask(pid_t pid, uint64_t *cookie, const struct skep_addr *to,
		      struct skep_addr *sources, size_t n, struct skep_error *error)
{
	struct rtnl *rtnl = NULL;
	socklen_t size = sizeof(*cookie);
	int err = 0;

	if (pid) {
		err = open_there(pid, &rtnl, error);
		if (err)
			return err;
	} else {
		err = rtnl_open(&rtnl);
	}
	if (!err && getsockopt(rtnl_fd(rtnl), SOL_SOCKET, SO_NETNS_COOKIE, cookie, &size))
		err = -errno;
	for (size_t i = 0; i < n && !err; i++)
		err = ask_route(rtnl, &to[i], &sources[i]);
	rtnl_close(rtnl);
	return err ? error_errno(error, err, "cannot ask the network of process %d", (int)pid) : 0;
}
