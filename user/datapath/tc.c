/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/tc.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "datapath/hooks.h"
#include "net/rtnl.h"

static const __u32 parents[TC_POINTS] = {
	[TC_INGRESS] = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
	[TC_EGRESS] = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS),
};

static const enum bpf_tc_attach_point attach_points[TC_POINTS] = {
	[TC_INGRESS] = BPF_TC_INGRESS,
	[TC_EGRESS] = BPF_TC_EGRESS,
};

static bool is_text(const struct nlattr *attr, const char *text)
{
	return mnl_attr_get_payload_len(attr) == strlen(text) + 1 &&
	       !memcmp(mnl_attr_get_payload(attr), text, strlen(text) + 1);
}

static __u32 read_program_id(const struct nlattr *options)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, options)
		if (mnl_attr_get_type(attr) == TCA_BPF_ID &&
		    mnl_attr_get_payload_len(attr) == sizeof(__u32))
			return mnl_attr_get_u32(attr);
	return 0;
}

static int take_filter(const struct nlmsghdr *message, void *context)
{
	const struct tcmsg *info = mnl_nlmsg_get_payload(message);
	struct tc_filters *filters = context;
	const struct nlattr *attr, *options = NULL;
	bool is_bpf = false;
	__u32 chain = 0;

	if (message->nlmsg_type != RTM_NEWTFILTER)
		return 0;
	mnl_attr_for_each (attr, message, sizeof(*info)) {
		if (mnl_attr_get_type(attr) == TCA_KIND)
			is_bpf = is_text(attr, "bpf");
		else if (mnl_attr_get_type(attr) == TCA_OPTIONS)
			options = attr;
		else if (mnl_attr_get_type(attr) == TCA_CHAIN &&
			 mnl_attr_get_payload_len(attr) == sizeof(__u32))
			chain = mnl_attr_get_u32(attr);
	}
	bool in_our_place = is_bpf && !chain && TC_H_MAJ(info->tcm_info) >> 16 == HOOKS_PRIORITY;
	if (in_our_place && !info->tcm_handle)
		return 0; /* the head of a priority, which comes before its filters */
	if (in_our_place && info->tcm_handle == HOOKS_HANDLE && options)
		filters->program_id = read_program_id(options);
	else
		filters->foreign = true;
	return 0;
}

struct qdisc {
	bool clsact, other;
};

static int take_qdisc(const struct nlmsghdr *message, void *context)
{
	struct qdisc *qdisc = context;
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWQDISC)
		return 0;
	mnl_attr_for_each (attr, message, sizeof(struct tcmsg)) {
		if (mnl_attr_get_type(attr) != TCA_KIND)
			continue;
		qdisc->clsact = is_text(attr, "clsact");
		qdisc->other = !qdisc->clsact;
	}
	return 0;
}

int tc_find_clsact(struct rtnl *rtnl, int ifindex, bool *clsact, bool *other)
{
	/* Without NLM_F_ECHO the kernel tells everybody who listens to RTNLGRP_TC, but not us. */
	struct nlmsghdr *request = rtnl_request(rtnl, RTM_GETQDISC, NLM_F_ECHO);
	struct tcmsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	struct qdisc qdisc = {0};
	int err;

	info->tcm_ifindex = ifindex;
	info->tcm_parent = TC_H_CLSACT;
	info->tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
	err = rtnl_talk(rtnl, request, take_qdisc, &qdisc);
	*clsact = qdisc.clsact;
	*other = qdisc.other;
	/* ENOENT: there never was one. EINVAL: there was, and a placeholder of another handle took
	 * its place. */
	return err == -ENOENT || err == -EINVAL ? 0 : err;
}

int tc_read_filters(struct rtnl *rtnl, int ifindex, struct tc_filters filters[TC_POINTS])
{
	bool clsact, other;
	int err = 0;

	for (int point = 0; !err && point < TC_POINTS; point++) {
		struct nlmsghdr *request = rtnl_request(rtnl, RTM_GETTFILTER, 0);
		struct tcmsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));

		info->tcm_ifindex = ifindex;
		info->tcm_parent = parents[point];
		filters[point] = (struct tc_filters){0};
		err = rtnl_dump(rtnl, request, take_filter, &filters[point]);
	}
	if (err || (!filters[TC_EGRESS].program_id && !filters[TC_EGRESS].foreign))
		return err;
	/* Of an ingress qdisc the kernel shows the same filters for both points. */
	err = tc_find_clsact(rtnl, ifindex, &clsact, &other);
	if (!err && other)
		filters[TC_EGRESS] = (struct tc_filters){0};
	/* Gone meanwhile: then what was read of its filters is gone as well. */
	return err == -ENODEV ? 0 : err;
}

/* libbpf prints the kernel's word on a failed request; here the caller has the errno and makes its
 * own of it. */
#define WITHOUT_WARNINGS(result, call)                                                             \
	do {                                                                                       \
		libbpf_print_fn_t print = libbpf_set_print(NULL);                                  \
		(result) = (call);                                                                 \
		libbpf_set_print(print);                                                           \
	} while (0)

int tc_make_clsact(int ifindex)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	int err;

	WITHOUT_WARNINGS(err, bpf_tc_hook_create(&hook));
	return err;
}

int tc_remove_clsact(int ifindex)
{
	/* Both points together mean the qdisc; one alone would mean its filters. */
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
			    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int err;

	WITHOUT_WARNINGS(err, bpf_tc_hook_destroy(&hook));
	return err;
}

int tc_attach(int ifindex, enum tc_point point, int program_fd)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
			    .attach_point = attach_points[point]);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = program_fd, .flags = BPF_TC_F_REPLACE,
			    .handle = HOOKS_HANDLE, .priority = HOOKS_PRIORITY);
	int err;

	WITHOUT_WARNINGS(err, bpf_tc_attach(&hook, &options));
	return err;
}

int tc_detach(int ifindex, enum tc_point point)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
			    .attach_point = attach_points[point]);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, options, .handle = HOOKS_HANDLE,
			    .priority = HOOKS_PRIORITY);
	int err;

	WITHOUT_WARNINGS(err, bpf_tc_detach(&hook, &options));
	return err;
}
