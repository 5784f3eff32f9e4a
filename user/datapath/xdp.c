/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/xdp.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <limits.h>
#include <linux/if_link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "datapath/xdp_pins.h"
#include "lib/log.h"

struct wire {
	int ifindex;
	int link; /* file descriptor; -1: no XDP here */
	/* What the driver refused, and as what; 0: nothing. */
	int refused;
	uint8_t mac[6];
	uint32_t mtu;
	bool wanted; /* by the apply under way */
};

struct xdp {
	struct xdp_config config;
	char missing[sizeof(((struct datapath_wire *)NULL)->why)]; /* why there is no program */
	char directory[PATH_MAX];				   /* of the pins */
	struct wire wires[SKEP_WIRES_MAX];
	size_t n_wires;
	struct datapath_wire states[SKEP_WIRES_MAX];
	size_t n_states;
	__u32 program_id;
};

static struct wire *add_wire(struct xdp *xdp, int ifindex)
{
	struct wire *wire;

	if (xdp->n_wires == SKEP_WIRES_MAX)
		return NULL;
	wire = &xdp->wires[xdp->n_wires++];
	*wire = (struct wire){.ifindex = ifindex, .link = -1};
	return wire;
}

static int adopt_pin(void *context, int ifindex, const char *path, struct skep_error *error)
{
	struct xdp *xdp = context;
	struct wire *wire;
	int link = bpf_obj_get(path);

	if (link < 0)
		return error_errno(error, link, "cannot open the pinned link %s", path);
	wire = add_wire(xdp, ifindex);
	if (!wire) {
		close(link);
		return error_set(error, -ENOSPC, "%s: more than %d links", xdp->directory,
				 SKEP_WIRES_MAX);
	}
	wire->link = link;
	return 0;
}

int xdp_open(struct xdp **result, const struct xdp_config *config, struct skep_error *error)
{
	struct xdp *xdp = calloc(1, sizeof(*xdp));
	struct bpf_prog_info info = {0};
	__u32 size = sizeof(info);
	int err;

	if (!xdp) {
		if (config->program >= 0)
			close(config->program);
		return error_errno(error, -ENOMEM, "cannot open the XDP data path");
	}
	xdp->config = *config;
	if (config->program < 0)
		snprintf(xdp->missing, sizeof(xdp->missing), "%s", config->missing);
	err = xdp_pins_directory(config->bpffs, xdp->directory, error);
	if (!err && config->program >= 0) {
		err = bpf_obj_get_info_by_fd(config->program, &info, &size);
		if (err)
			error_errno(error, err, "cannot ask for the XDP program's number");
		xdp->program_id = info.id;
	}
	if (!err)
		err = xdp_pins_each(xdp->directory, adopt_pin, xdp, error);
	if (err) {
		xdp_close(xdp);
		return err;
	}
	*result = xdp;
	return 0;
}

void xdp_close(struct xdp *xdp)
{
	if (!xdp)
		return;
	for (size_t i = 0; i < xdp->n_wires; i++)
		if (xdp->wires[i].link >= 0)
			close(xdp->wires[i].link);
	if (xdp->config.program >= 0)
		close(xdp->config.program);
	free(xdp);
}

/* ---- one wire */

static const char *name_of(const struct net_state *net, int ifindex, char text[32])
{
	const struct net_link *link = net ? net_find_link(net, ifindex) : NULL;

	if (link)
		snprintf(text, 32, "%s", link->name);
	else
		snprintf(text, 32, "interface %d", ifindex);
	return text;
}

/* Asks the kernel where a link is attached (0: its interface is gone) and with which program. */
static int read_link(int fd, __u32 *ifindex, __u32 *program_id)
{
	struct bpf_link_info info = {0};
	__u32 size = sizeof(info);
	int err = bpf_obj_get_info_by_fd(fd, &info, &size);

	*ifindex = info.xdp.ifindex;
	*program_id = info.prog_id;
	return err;
}

/* Without an entry the program passes everything, and no hint is believed: so it is the last to go.
 */
static int detach(struct xdp *xdp, struct wire *wire, struct skep_error *error)
{
	__u32 key = (__u32)wire->ifindex;
	char path[PATH_MAX];
	int err;

	if (wire->link >= 0) {
		err = xdp_pin_path(xdp->directory, wire->ifindex, path);
		if (!err && unlink(path) && errno != ENOENT)
			err = -errno;
		if (err)
			return error_errno(error, err, "cannot remove the link %s", path);
		err = bpf_link_detach(wire->link);
		close(wire->link);
		wire->link = -1;
		if (err && err != -ENOLINK)
			return error_errno(error, err,
					   "cannot detach the XDP program of interface %d",
					   wire->ifindex);
	}
	err = bpf_map_delete_elem(xdp->config.wires, &key);
	return err && err != -ENOENT
		       ? error_errno(error, err, "cannot delete interface %d from map wires",
				     wire->ifindex)
		       : 0;
}

/* A key that is there is kept: packets with hints of it may be on their way. */
static int write_entry(struct xdp *xdp, const struct net_link *link, struct skep_error *error)
{
	struct skep_wire entry, wanted = {0};
	__u32 key = (__u32)link->ifindex;
	int err = bpf_map_lookup_elem(xdp->config.wires, &key, &entry);

	memcpy(wanted.mac, link->mac, sizeof(wanted.mac));
	if (!err) {
		memcpy(wanted.hint_key, entry.hint_key, sizeof(wanted.hint_key));
		if (memcmp(&entry, &wanted, sizeof(entry)) == 0)
			return 0;
	} else if (getrandom(wanted.hint_key, sizeof(wanted.hint_key), 0) !=
		   sizeof(wanted.hint_key)) {
		return error_errno(error, -errno, "cannot make a random key");
	}
	err = bpf_map_update_elem(xdp->config.wires, &key, &wanted, BPF_ANY);
	return err ? error_errno(error, err, "cannot write %s to map wires", link->name) : 0;
}

/* 0 with wire->refused set: the driver, or another program, is in the way. */
static int attach(struct xdp *xdp, struct wire *wire, const struct net_link *device,
		  struct datapath_changes *changes, struct skep_error *error)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
	int link, err = write_entry(xdp, device, error);

	if (err)
		return err;
	link = bpf_link_create(xdp->config.program, wire->ifindex, BPF_XDP, &options);
	if (link < 0) {
		wire->refused = link;
		wire->mtu = device->mtu;
		memcpy(wire->mac, device->mac, sizeof(wire->mac));
		return detach(xdp, wire, error);
	}
	err = xdp_pin(xdp->directory, wire->ifindex, link, error);
	if (err) {
		close(link);
		return err;
	}
	wire->link = link;
	wire->refused = 0;
	changes->attached++;
	return 0;
}

/* The link is attached to the interface, and has this agent's program. */
static int renew(struct xdp *xdp, struct wire *wire, const struct net_link *device,
		 struct datapath_changes *changes, struct skep_error *error)
{
	__u32 ifindex, program;
	int err = read_link(wire->link, &ifindex, &program);

	if (err)
		return error_errno(error, err, "cannot ask where %s's XDP link is", device->name);
	if (ifindex != (__u32)wire->ifindex) {
		/* That interface is gone; this one has its number. */
		err = detach(xdp, wire, error);
		return err ? err : attach(xdp, wire, device, changes, error);
	}
	err = write_entry(xdp, device, error);
	if (err || program == xdp->program_id)
		return err;
	err = bpf_link_update(wire->link, xdp->config.program, NULL);
	if (err)
		return error_errno(error, err, "cannot replace the XDP program of %s",
				   device->name);
	changes->attached++;
	return 0;
}

/* ---- all wires */

/* A tag that the NIC takes off is not in the frame that XDP sees: it would be taken for an untagged
 * one. */
static bool carries_vlans(const struct net_state *net, int ifindex)
{
	for (size_t i = 0; i < net->n_links; i++)
		if (net->links[i].peer_ifindex == ifindex &&
		    strcmp(net->links[i].kind, "vlan") == 0)
			return true;
	return false;
}

static void say_refused(int refused, char *why, size_t size)
{
	switch (refused) {
	case -EOPNOTSUPP:
		snprintf(why, size, "its driver has no native XDP");
		break;
	case -EBUSY:
	case -EEXIST:
		snprintf(why, size, "another XDP program is attached to it");
		break;
	default:
		snprintf(why, size, "its driver refuses native XDP: %s", strerror(-refused));
		break;
	}
}

/* Why there is to be no XDP, whatever the driver says; "" if there is. */
static void say_unwanted(const struct xdp *xdp, const struct net_state *net,
			 const struct net_link *device, char *why, size_t size)
{
	*why = '\0';
	if (xdp->config.mode == DATAPATH_TC)
		snprintf(why, size, "as --datapath tc asks for");
	else if (xdp->config.program < 0)
		snprintf(why, size, "%s", xdp->missing);
	else if (!device)
		snprintf(why, size, "the interface is gone");
	else if (xdp->config.mode == DATAPATH_AUTO &&
		 (!strcmp(device->kind, "veth") || !strcmp(device->kind, "tun")))
		snprintf(
			why, size,
			"it is a %s: what XDP sends by it is lost or without a checksum unless the "
			"other end is set up for it",
			device->kind);
	else if (carries_vlans(net, device->ifindex))
		snprintf(why, size, "it carries VLAN devices, whose tags XDP may not get to see");
}

static bool is_worth_a_try(const struct wire *wire, const struct net_link *device, bool fresh)
{
	if (!wire->refused || wire->mtu != device->mtu ||
	    memcmp(wire->mac, device->mac, sizeof(wire->mac)) != 0)
		return true;
	return fresh && (wire->refused == -EBUSY || wire->refused == -EEXIST);
}

static int bring_wire(struct xdp *xdp, struct wire *wire, const struct net_state *net, bool fresh,
		      struct datapath_wire *state, struct datapath_changes *changes,
		      struct skep_error *error)
{
	const struct net_link *device = net ? net_find_link(net, wire->ifindex) : NULL;
	int err = 0;

	state->ifindex = wire->ifindex;
	say_unwanted(xdp, net, device, state->why, sizeof(state->why));
	if (!device || *state->why) {
		if (wire->link >= 0) {
			err = detach(xdp, wire, error);
			changes->detached++;
		}
	} else if (wire->link >= 0) {
		err = fresh ? renew(xdp, wire, device, changes, error)
			    : write_entry(xdp, device, error);
	} else if (is_worth_a_try(wire, device, fresh)) {
		err = attach(xdp, wire, device, changes, error);
	}
	state->xdp = wire->link >= 0;
	if (err)
		snprintf(state->why, sizeof(state->why), "%.*s", (int)sizeof(state->why) - 1,
			 error->text);
	else if (!state->xdp && !*state->why)
		say_refused(wire->refused, state->why, sizeof(state->why));
	return err;
}

static struct wire *find_wire(struct xdp *xdp, int ifindex)
{
	for (size_t i = 0; i < xdp->n_wires; i++)
		if (xdp->wires[i].ifindex == ifindex)
			return &xdp->wires[i];
	return NULL;
}

static const struct datapath_wire *find_state(const struct datapath_wire *states, size_t n,
					      int ifindex)
{
	for (size_t i = 0; i < n; i++)
		if (states[i].ifindex == ifindex)
			return &states[i];
	return NULL;
}

/* What changed is said once. */
static void log_state(const struct xdp *xdp, const struct datapath_wire *before, size_t n,
		      const struct datapath_wire *state, const struct net_state *net)
{
	const struct datapath_wire *old = find_state(before, n, state->ifindex);
	char name[32];

	if (old && old->xdp == state->xdp && strcmp(old->why, state->why) == 0)
		return;
	name_of(net, state->ifindex, name);
	if (state->xdp)
		log_info("%s: XDP is in force%s%s", name, *state->why ? ", but " : "", state->why);
	else if (xdp->config.mode == DATAPATH_AUTO)
		log_info("%s: tc alone: %s", name, state->why);
}

static void keep_first(int *first, int err, struct skep_error *error, const struct skep_error *own)
{
	if (!err || *first)
		return;
	*first = err;
	*error = *own;
}

/* Those that are no wires any more. */
static int drop_unwanted(struct xdp *xdp, struct datapath_changes *changes,
			 struct skep_error *error)
{
	struct skep_error own;
	size_t kept = 0;
	int first = 0, err;

	for (size_t i = 0; i < xdp->n_wires; i++) {
		struct wire *wire = &xdp->wires[i];

		if (!wire->wanted) {
			changes->detached += wire->link >= 0;
			err = detach(xdp, wire, &own);
			keep_first(&first, err, error, &own);
			if (!err)
				continue;
		}
		xdp->wires[kept++] = *wire;
	}
	xdp->n_wires = kept;
	return first;
}

int xdp_apply(struct xdp *xdp, const int *wires, size_t n, const struct net_state *net, bool fresh,
	      struct datapath_changes *changes, struct skep_error *error)
{
	struct datapath_wire before[SKEP_WIRES_MAX];
	size_t n_before = xdp->n_states;
	struct skep_error own;
	int first = 0;

	memcpy(before, xdp->states, sizeof(before));
	for (size_t i = 0; i < xdp->n_wires; i++)
		xdp->wires[i].wanted = false;
	for (size_t i = 0; i < n; i++) {
		struct wire *wire = find_wire(xdp, wires[i]);

		if (wire)
			wire->wanted = true;
	}
	first = drop_unwanted(xdp, changes, error);
	xdp->n_states = 0;
	for (size_t i = 0; i < n; i++) {
		struct wire *wire = find_wire(xdp, wires[i]);
		struct datapath_wire *state;
		char name[32];

		wire = wire ? wire : add_wire(xdp, wires[i]);
		if (!wire) {
			error_set(&own, -ENOSPC, "more than %d interfaces", SKEP_WIRES_MAX);
			keep_first(&first, -ENOSPC, error, &own);
			break;
		}
		state = &xdp->states[xdp->n_states++];
		keep_first(&first, bring_wire(xdp, wire, net, fresh, state, changes, &own), error,
			   &own);
		log_state(xdp, before, n_before, state, net);
		if (state->xdp || xdp->config.mode != DATAPATH_XDP)
			continue;
		error_set(&own, -EOPNOTSUPP, "no XDP on %s, as --datapath xdp asks for: %s",
			  name_of(net, wires[i], name), state->why);
		keep_first(&first, -EOPNOTSUPP, error, &own);
	}
	return first;
}

const struct datapath_wire *xdp_wires(const struct xdp *xdp, size_t *n)
{
	*n = xdp->n_states;
	return xdp->states;
}

void xdp_verify(struct xdp *xdp, void (*report)(void *context, const char *line), void *context)
{
	for (size_t i = 0; i < xdp->n_wires; i++) {
		const struct wire *wire = &xdp->wires[i];
		__u32 key = (__u32)wire->ifindex, ifindex = 0, program = 0;
		struct skep_wire entry;
		char line[128];

		if (wire->link < 0)
			continue;
		if (read_link(wire->link, &ifindex, &program) || ifindex != key ||
		    program != xdp->program_id) {
			snprintf(line, sizeof(line),
				 "hook interface %d: not this agent's XDP program", wire->ifindex);
			report(context, line);
		}
		if (bpf_map_lookup_elem(xdp->config.wires, &key, &entry)) {
			snprintf(line, sizeof(line), "wires: missing interface %d", wire->ifindex);
			report(context, line);
		}
	}
}
