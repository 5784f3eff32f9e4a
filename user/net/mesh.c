/* SPDX-License-Identifier: GPL-2.0-only */
/* skep0, the tunnel's device. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net/net.h"
#include "net/rtnl.h"

/* What is there by the name of skep0. */
struct device {
	struct net_link link; /* ifindex 0: nothing */
	bool external, learning;
	uint16_t port; /* host order */
};

static void parse_vxlan(const struct nlattr *data, struct device *device)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, data) {
		switch (mnl_attr_get_type(attr)) {
		case IFLA_VXLAN_COLLECT_METADATA:
			device->external = mnl_attr_get_u8(attr);
			break;
		case IFLA_VXLAN_LEARNING:
			device->learning = mnl_attr_get_u8(attr);
			break;
		case IFLA_VXLAN_PORT:
			device->port = ntohs(mnl_attr_get_u16(attr));
			break;
		default:
			break;
		}
	}
}

static int take_device(const struct nlmsghdr *message, void *context)
{
	struct device *device = context;
	const struct nlattr *attr, *nested;
	int32_t nsid;

	if (message->nlmsg_type != RTM_NEWLINK)
		return 0;
	rtnl_parse_link(message, &device->link, &nsid);
	if (strcmp(device->link.kind, "vxlan") != 0)
		return 0;
	mnl_attr_for_each (attr, message, sizeof(struct ifinfomsg))
		if (mnl_attr_get_type(attr) == IFLA_LINKINFO)
			mnl_attr_for_each_nested (nested, attr)
				if (mnl_attr_get_type(nested) == IFLA_INFO_DATA)
					parse_vxlan(nested, device);
	return 0;
}

static int find_device(struct rtnl *rtnl, struct device *device, struct skep_error *error)
{
	struct nlmsghdr *request = rtnl_request(rtnl, RTM_GETLINK, 0);
	int err;

	*device = (struct device){0};
	mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(request, IFLA_IFNAME, NET_MESH_NAME);
	mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	err = rtnl_talk(rtnl, request, take_device, device);
	if (err == -ENODEV)
		return 0;
	return err ? rtnl_error(rtnl, error, err, "cannot look for " NET_MESH_NAME) : 0;
}

static bool is_ours(const struct device *device)
{
	return !strcmp(device->link.kind, "vxlan") && device->external && !device->learning;
}

static int delete_device(struct rtnl *rtnl, int ifindex, struct skep_error *error)
{
	struct nlmsghdr *request = rtnl_request(rtnl, RTM_DELLINK, 0);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	int err;

	info->ifi_index = ifindex;
	err = rtnl_talk(rtnl, request, NULL, NULL);
	if (err == -ENODEV)
		return 0;
	return err ? rtnl_error(rtnl, error, err, "cannot remove " NET_MESH_NAME) : 0;
}

static void put_address_and_mtu(struct nlmsghdr *request, const struct net_mesh *mesh)
{
	mnl_attr_put(request, IFLA_ADDRESS, sizeof(mesh->mac), mesh->mac);
	mnl_attr_put_u32(request, IFLA_MTU, mesh->mtu);
}

/* Made down, so that its settings are in force before the first packet. */
static int make_device(struct rtnl *rtnl, const struct net_mesh *mesh, struct skep_error *error)
{
	struct nlmsghdr *request = rtnl_request(rtnl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct nlattr *linkinfo, *data;
	int err;

	mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(request, IFLA_IFNAME, NET_MESH_NAME);
	put_address_and_mtu(request, mesh);
	linkinfo = mnl_attr_nest_start(request, IFLA_LINKINFO);
	mnl_attr_put_strz(request, IFLA_INFO_KIND, "vxlan");
	data = mnl_attr_nest_start(request, IFLA_INFO_DATA);
	/*
	 * Each packet brings its own VNI and remote address (bpf_skb_set_tunnel_key, which also
	 * says whether the outer UDP header has a checksum), and there is nothing to learn.
	 */
	mnl_attr_put_u8(request, IFLA_VXLAN_COLLECT_METADATA, 1);
	mnl_attr_put_u8(request, IFLA_VXLAN_LEARNING, 0);
	mnl_attr_put_u16(request, IFLA_VXLAN_PORT, htons(mesh->port));
	mnl_attr_nest_end(request, data);
	mnl_attr_nest_end(request, linkinfo);
	err = rtnl_talk(rtnl, request, NULL, NULL);
	if (err == -EEXIST)
		return rtnl_error(rtnl, error, -EADDRINUSE,
				  "cannot make " NET_MESH_NAME
				  ": another external VXLAN device has UDP port %u",
				  mesh->port);
	if (err == -EOPNOTSUPP)
		return rtnl_error(rtnl, error, err,
				  "cannot make " NET_MESH_NAME ": the kernel lacks VXLAN");
	return err ? rtnl_error(rtnl, error, err, "cannot make " NET_MESH_NAME) : 0;
}

/*
 * NOARP: whatever the host sends to a task goes out at once with any destination MAC; to_mesh
 * writes the right one. Nothing answers ARP in there.
 */
#define WANTED_FLAGS (IFF_UP | IFF_NOARP)

static bool is_configured(const struct net_link *link, const struct net_mesh *mesh)
{
	return !memcmp(link->mac, mesh->mac, sizeof(mesh->mac)) && link->mtu == mesh->mtu &&
	       (link->flags & WANTED_FLAGS) == WANTED_FLAGS;
}

static int configure_device(struct rtnl *rtnl, int ifindex, const struct net_mesh *mesh,
			    struct skep_error *error)
{
	struct nlmsghdr *request = rtnl_request(rtnl, RTM_NEWLINK, 0);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	int err;

	info->ifi_index = ifindex;
	info->ifi_flags = WANTED_FLAGS;
	info->ifi_change = WANTED_FLAGS;
	put_address_and_mtu(request, mesh);
	err = rtnl_talk(rtnl, request, NULL, NULL);
	/* The UDP socket is opened when the device goes up. */
	if (err == -EADDRINUSE)
		return rtnl_error(rtnl, error, err,
				  "cannot set " NET_MESH_NAME
				  " up: UDP port %u is another's (--tunnel-port)",
				  mesh->port);
	return err ? rtnl_error(rtnl, error, err, "cannot set up " NET_MESH_NAME) : 0;
}

static int write_setting(const char *path, char value, struct skep_error *error)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0 || write(fd, &value, 1) != 1)
		err = -errno;
	if (fd >= 0)
		close(fd);
	if (err == -EROFS)
		return error_set(
			error, err,
			"cannot write %c to %s: /proc/sys is read-only here (under systemd: "
			"ProtectKernelTunables=no)",
			value, path);
	return err ? error_errno(error, err, "cannot write %c to %s", value, path) : 0;
}

/* Brings one of skep0's settings to a digit. /proc/sys/net is that of the namespace of whoever
 * looks. */
static int ensure_setting(const char *path, char value, bool optional, bool *changed,
			  struct skep_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char now[2] = "";
	ssize_t n;
	int err;

	if (fd < 0) {
		if (errno == ENOENT && optional)
			return 0;
		return error_errno(error, -errno, "cannot open %s", path);
	}
	n = read(fd, now, sizeof(now));
	err = n < 0 ? -errno : 0;
	close(fd);
	if (err)
		return error_errno(error, err, "cannot read %s", path);
	if (n == 2 && now[0] == value && now[1] == '\n')
		return 0;
	*changed = true;
	return write_setting(path, value, error);
}

/*
 * forwarding: the programs redirect by the kernel's own routes, which bpf_fib_lookup and
 * bpf_redirect_neigh refuse where the device does not forward.
 *
 * rp_filter: the larger of all's and the device's counts, so 0 here does not help where
 * net.ipv4.conf.all.rp_filter is 1 (strict). That is right all the same. The only packets that the
 * stack itself takes in from skep0 are tasks' answers to this host's own sockets, and of a packet
 * for a local address the check asks for the route back as a socket of this host would (flowi_iif
 * is lo: __fib_validate_source is called with no output device). So the rule `iif lo` answers it
 * with our route to skep0, which is where the packet came from; but a task whose network has no
 * route there is dropped in strict mode. 0 keeps the check off where the administrator left it off.
 *
 * disable_ipv6: before it goes up, else it sends router solicitations and multicast reports that
 * to_mesh would have to drop.
 */
static int ensure_settings(bool *changed, struct skep_error *error)
{
	static const struct {
		const char *path;
		char value;
		bool optional;
	} settings[] = {
		{"/proc/sys/net/ipv6/conf/" NET_MESH_NAME "/disable_ipv6", '1', true},
		{"/proc/sys/net/ipv4/conf/" NET_MESH_NAME "/forwarding", '1', false},
		{"/proc/sys/net/ipv4/conf/" NET_MESH_NAME "/rp_filter", '0', false},
	};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(settings) / sizeof(settings[0]); i++)
		err = ensure_setting(settings[i].path, settings[i].value, settings[i].optional,
				     changed, error);
	return err;
}

/* A device of the right kind and port, made if there is none. */
static int ensure_device(struct rtnl *rtnl, const struct net_mesh *mesh, struct device *device,
			 bool *changed, struct skep_error *error)
{
	int err = find_device(rtnl, device, error);

	if (err)
		return err;
	if (device->link.ifindex && !is_ours(device))
		return error_set(error, -EEXIST,
				 "cannot make " NET_MESH_NAME
				 ": a device of that name is there which is not skep's "
				 "(an external, nolearning vxlan); rename it");
	if (device->link.ifindex && device->port == mesh->port)
		return 0;
	*changed = true;
	if (device->link.ifindex) {
		err = delete_device(rtnl, device->link.ifindex, error);
		if (err)
			return err;
	}
	err = make_device(rtnl, mesh, error);
	if (err)
		return err;
	err = find_device(rtnl, device, error);
	if (!err && !device->link.ifindex)
		err = error_set(error, -ENODEV,
				NET_MESH_NAME " was removed as soon as it was made");
	return err;
}

int net_mesh_ensure(const struct net_mesh *mesh, int *ifindex, bool *changed,
		    struct skep_error *error)
{
	struct rtnl *rtnl = NULL;
	struct device device;
	int err;

	*changed = false;
	*ifindex = 0;
	err = rtnl_open(&rtnl);
	if (err)
		return error_errno(error, err, "cannot open an rtnetlink socket");
	err = ensure_device(rtnl, mesh, &device, changed, error);
	if (err)
		goto cleanup;
	err = ensure_settings(changed, error);
	if (err)
		goto cleanup;
	if (!is_configured(&device.link, mesh)) {
		*changed = true;
		err = configure_device(rtnl, device.link.ifindex, mesh, error);
		if (err)
			goto cleanup;
	}
	*ifindex = device.link.ifindex;
cleanup:
	rtnl_close(rtnl);
	return err;
}

int net_mesh_remove(struct skep_error *error)
{
	struct rtnl *rtnl = NULL;
	struct device device;
	int err;

	err = rtnl_open(&rtnl);
	if (err)
		return error_errno(error, err, "cannot open an rtnetlink socket");
	err = find_device(rtnl, &device, error);
	/* Another's device of that name stays: there is none of ours then. */
	if (!err && device.link.ifindex && is_ours(&device))
		err = delete_device(rtnl, device.link.ifindex, error);
	rtnl_close(rtnl);
	return err;
}
