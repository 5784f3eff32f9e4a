/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests to rtnetlink, one at a time: put one together with libmnl's mnl_nlmsg_* and mnl_attr_*,
 * send it, get the kernel's answer. For user/net and user/datapath; everybody else wants net.h.
 */
#ifndef SKEP_NET_RTNL_H
#define SKEP_NET_RTNL_H

#include <libmnl/libmnl.h>
#include <stdint.h>

#include "lib/error.h"
#include "net/net.h"

struct rtnl;

/* A socket in the network namespace that the thread is in now, and stays in. Negative errno. */
int rtnl_open(struct rtnl **rtnl);
void rtnl_close(struct rtnl *rtnl);   /* NULL is fine */
int rtnl_fd(const struct rtnl *rtnl); /* of the socket */

/*
 * Begins the next request: a header with room for about 900 bytes of attributes, valid until the
 * next call. flags are those beside NLM_F_REQUEST. A family header (ifinfomsg, …) goes in by
 * mnl_nlmsg_put_extra_header().
 */
struct nlmsghdr *rtnl_request(struct rtnl *rtnl, uint16_t type, uint16_t flags);

/* Gets each message of the answer; what it returns other than 0 ends the walk and is the result. */
typedef int (*rtnl_visit)(const struct nlmsghdr *message, void *context);

/* Sends the request and waits for the kernel's word on it: 0 or its negative errno. visit may be
 * NULL. */
int rtnl_talk(struct rtnl *rtnl, struct nlmsghdr *request, rtnl_visit visit, void *context);

/*
 * The same for a dump, which is collected whole first: if what is dumped changed meanwhile it is
 * asked for again, so visit() never sees an inconsistent one. -EAGAIN: it would not keep still.
 */
int rtnl_dump(struct rtnl *rtnl, struct nlmsghdr *request, rtnl_visit visit, void *context);

/* As error_errno(), with the kernel's own explanation of the last failure behind it, where it gave
 * one. */
int rtnl_error(const struct rtnl *rtnl, struct skep_error *error, int err, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * A message RTM_NEWLINK. *peer_nsid: IFLA_LINK_NETNSID, the id by which this namespace knows that
 * of peer_ifindex; RTNL_SAME_NAMESPACE if it is this one.
 */
#define RTNL_SAME_NAMESPACE (-1)
void rtnl_parse_link(const struct nlmsghdr *message, struct net_link *link, int32_t *peer_nsid);

/* Asks for one link. -ENODEV: there is none. */
int rtnl_get_link(struct rtnl *rtnl, int ifindex, struct net_link *link, int32_t *peer_nsid);

#endif
