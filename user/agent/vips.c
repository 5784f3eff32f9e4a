/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/vips.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/vips_released.h"
#include "lib/log.h"
#include "net/arp.h"

/* A frame may be lost, and a switch may still be learning; RFC 5227 has two, two seconds apart. */
#define ANNOUNCEMENTS	3
#define ANNOUNCE_GAP_MS 1000

/* How often the log is told again that the same host claims the same VIP. */
#define CONFLICT_GAP_NS (60 * 1000000000ULL)

struct vip {
	struct vips *vips;
	struct skep_addr addr;
	bool known;    /* what an earlier agent left has been looked at */
	bool hold;     /* what the operator wants of this node */
	bool released; /* by command: a flag that says hold has no say any more */

	/* Where it is announced, or has been; ifindex 0: nowhere. */
	int ifindex;
	uint8_t mac[6];
	unsigned int announcements; /* to come */
	struct loop_timer timer;

	uint8_t rival[6]; /* the host that was last heard to claim it, too */
	uint64_t rival_ns;
};

struct vips {
	struct loop *loop;
	const struct agent_config *config;
	const struct node *node;
	struct net_arp *arp; /* NULL until this node holds one */
	struct vip *vips;    /* sorted by address */
	size_t n;
};

static struct vip *find_vip(const struct vips *vips, const struct skep_addr *addr)
{
	for (size_t i = 0; i < vips->n; i++)
		if (skep_addr_equal(&vips->vips[i].addr, addr))
			return &vips->vips[i];
	return NULL;
}

/* The VIP on an interface here: skep's own, or another's. NULL: not there. */
static const struct net_addr *find_held(const struct vips *vips, const struct skep_addr *addr,
					bool ours)
{
	const struct net_state *net = &vips->node->net;
	const struct net_addr *held = net_find_addr(net, addr);

	for (; held && held < net->addrs + net->n_addrs && skep_addr_equal(&held->addr, addr);
	     held++)
		if (net_vip_is_ours(held) == ours)
			return held;
	return NULL;
}

static const char *link_name(const struct vips *vips, int ifindex)
{
	const struct net_link *link = net_find_link(&vips->node->net, ifindex);

	return link ? link->name : "an interface that is gone";
}

/* ---- on and off an interface */

static int add(struct vips *vips, const struct vip *vip, struct skep_error *error)
{
	const struct net_link *link = vips_choose_link(vips->node, &vip->addr);
	char text[ADDR_TEXT_SIZE];
	int err;

	if (!link)
		return error_set(error, -ENODEV,
				 "there is no interface to hold the VIP %s on: none is in its "
				 "subnet, and clients come in by none (--interface)",
				 addr_text(&vip->addr, text));
	err = net_vip_add(link, &vip->addr, error);
	if (!err)
		log_info("holds the VIP %s, on %s", addr_text(&vip->addr, text), link->name);
	return err;
}

static int drop(struct vips *vips, const struct net_addr *held, const char *why,
		struct skep_error *error)
{
	char text[ADDR_TEXT_SIZE];
	int err = net_vip_remove(held, error);

	if (!err)
		log_info("no longer holds the VIP %s, on %s: %s", addr_text(&held->addr, text),
			 link_name(vips, held->ifindex), why);
	return err;
}

/* ---- announcing */

static void announce(struct vip *vip)
{
	char text[ADDR_TEXT_SIZE];
	int err = net_arp_announce(vip->vips->arp, vip->ifindex, vip->mac, &vip->addr);

	if (err)
		log_warning("cannot announce the VIP %s on %s: %s", addr_text(&vip->addr, text),
			    link_name(vip->vips, vip->ifindex), strerror(-err));
	if (--vip->announcements)
		loop_arm(vip->vips->loop, &vip->timer, ANNOUNCE_GAP_MS);
}

static void announce_expired(struct loop_timer *timer)
{
	announce(container_of(timer, struct vip, timer));
}

static void announce_end(struct vip *vip)
{
	vip->ifindex = 0;
	vip->announcements = 0;
	loop_disarm(vip->vips->loop, &vip->timer);
}

static bool can_announce(const struct net_link *link)
{
	return link && (link->flags & IFF_UP) && (link->flags & IFF_RUNNING) &&
	       !(link->flags & (IFF_NOARP | IFF_LOOPBACK));
}

/* Each time that it comes to be on a link that carries frames, or the link's MAC changes. */
static void announce_if_new(struct vip *vip)
{
	const struct net_addr *held = find_held(vip->vips, &vip->addr, true);
	const struct net_link *link =
		held ? net_find_link(&vip->vips->node->net, held->ifindex) : NULL;

	if (!can_announce(link)) {
		announce_end(vip);
		return;
	}
	if (vip->ifindex == link->ifindex && !memcmp(vip->mac, link->mac, sizeof(vip->mac)))
		return;
	vip->ifindex = link->ifindex;
	memcpy(vip->mac, link->mac, sizeof(vip->mac));
	vip->announcements = ANNOUNCEMENTS;
	announce(vip);
}

/* ---- hearing others */

static bool is_own_mac(const struct net_state *net, const uint8_t mac[6])
{
	for (size_t i = 0; i < net->n_links; i++)
		if (!memcmp(net->links[i].mac, mac, sizeof(net->links[i].mac)))
			return true;
	return false;
}

static void heard(void *context, const struct skep_addr *addr, const uint8_t mac[6])
{
	struct vips *vips = context;
	struct vip *vip = find_vip(vips, addr);
	uint64_t now = loop_now_ns();
	char text[ADDR_TEXT_SIZE];

	if (!vip || is_own_mac(&vips->node->net, mac))
		return;
	if (!memcmp(vip->rival, mac, sizeof(vip->rival)) && now - vip->rival_ns < CONFLICT_GAP_NS)
		return;
	memcpy(vip->rival, mac, sizeof(vip->rival));
	vip->rival_ns = now;
	log_warning("the VIP %s, which this node holds, is claimed by the host "
		    "%02x:%02x:%02x:%02x:%02x:%02x too: release it on one of the two (skep vip "
		    "release)",
		    addr_text(addr, text), mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static int watch_held(struct vips *vips, struct skep_error *error)
{
	struct skep_addr held[CONFIG_MAX_VIPS];
	size_t n = 0;
	int err = 0;

	for (size_t i = 0; i < vips->n; i++)
		if (find_held(vips, &vips->vips[i].addr, true))
			held[n++] = vips->vips[i].addr;
	if (!vips->arp && n)
		err = net_arp_open(&vips->arp, vips->loop, heard, vips, error);
	if (err || !vips->arp)
		return err;
	err = net_arp_watch(vips->arp, held, n);
	return err ? error_errno(error, err, "cannot watch for other hosts that claim a VIP") : 0;
}

/* ---- the kernel as wanted */

/* Skep's own, but no VIP by the flags that the agent has now. */
static int drop_strangers(struct vips *vips, struct skep_error *error)
{
	const struct net_state *net = &vips->node->net;
	struct skep_error other;
	int err, failed = 0;

	for (size_t i = 0; i < net->n_addrs; i++) {
		if (!net_vip_is_ours(&net->addrs[i]) || find_vip(vips, &net->addrs[i].addr))
			continue;
		err = drop(vips, &net->addrs[i], "it is no VIP any more (--vip)",
			   failed ? &other : error);
		failed = failed ? failed : err;
	}
	return failed;
}

static int settle(struct vips *vips, struct vip *vip, bool may_add, struct skep_error *error)
{
	const struct net_addr *ours = find_held(vips, &vip->addr, true);

	if (!vip->known) {
		vip->known = true;
		vip->hold = !vip->released && (vip->hold || ours);
	}
	if (ours && !vip->hold)
		return drop(vips, ours, "it is released", error);
	if (vip->hold && !ours && may_add && !find_held(vips, &vip->addr, false))
		return add(vips, vip, error);
	return 0;
}

int vips_update(struct vips *vips, bool may_add, struct skep_error *error)
{
	struct skep_error other;
	int failed = drop_strangers(vips, error), err;

	for (size_t i = 0; i < vips->n; i++) {
		err = settle(vips, &vips->vips[i], may_add, failed ? &other : error);
		failed = failed ? failed : err;
	}
	err = watch_held(vips, failed ? &other : error);
	for (size_t i = 0; vips->arp && i < vips->n; i++)
		announce_if_new(&vips->vips[i]);
	return failed ? failed : err;
}

/* ---- the operator's word */

/* NULL: *err and error say why. */
static struct vip *find_named(const struct vips *vips, const char *text, int *err,
			      struct skep_error *error)
{
	struct skep_addr addr;
	struct vip *vip;

	if (addr_parse(text, &addr) || !skep_addr_is_v4(&addr)) {
		*err = error_set(error, -EINVAL, "\"%.64s\" is not an IPv4 address", text);
		return NULL;
	}
	vip = find_vip(vips, &addr);
	if (!vip)
		*err = error_set(error, -ENOENT,
				 "%s is no VIP: give the agents of all nodes --vip %s first", text,
				 text);
	return vip;
}

static int set_released(struct vip *vip, bool released, struct skep_error *error)
{
	struct vips *vips = vip->vips;
	struct vips_released all = {.n = 0};
	bool before = vip->released;
	int err;

	if (released == before)
		return 0;
	vip->released = released;
	for (size_t i = 0; i < vips->n; i++)
		if (vips->vips[i].released)
			all.addrs[all.n++] = vips->vips[i].addr;
	err = vips_released_write(vips->config->run_dir, &all, error);
	if (err)
		vip->released = before;
	return err;
}

int vips_take(struct vips *vips, const char *text, struct skep_error *error)
{
	const struct net_addr *held;
	struct skep_error other;
	bool released;
	int err = 0;
	struct vip *vip = find_named(vips, text, &err, error);

	if (!vip)
		return err;
	held = find_held(vips, &vip->addr, true);
	if (held)
		return error_set(error, -EALREADY, "this node holds %s already, on %s", text,
				 link_name(vips, held->ifindex));
	held = find_held(vips, &vip->addr, false);
	if (held)
		return error_set(error, -EALREADY,
				 "%s is on %s already, put there by somebody else (keepalived?), "
				 "who decides about it",
				 text, link_name(vips, held->ifindex));
	/* First what the next agent would go by. */
	released = vip->released;
	err = set_released(vip, false, error);
	if (err)
		return err;
	err = add(vips, vip, error);
	if (err) {
		if (released && set_released(vip, true, &other))
			log_warning("the VIP %s may be taken when the agent starts anew: %s", text,
				    other.text);
		return err;
	}
	vip->known = true;
	vip->hold = true;
	return 0;
}

int vips_release(struct vips *vips, const char *text, struct skep_error *error)
{
	const struct net_addr *ours, *others;
	int err = 0;
	struct vip *vip = find_named(vips, text, &err, error);

	if (!vip)
		return err;
	ours = find_held(vips, &vip->addr, true);
	others = find_held(vips, &vip->addr, false);
	if (!ours && !vip->hold && others)
		return error_set(
			error, -EALREADY,
			"%s was put on %s by somebody else (keepalived?), who decides about "
			"it",
			text, link_name(vips, others->ifindex));
	if (!ours && !vip->hold)
		return error_set(error, -EALREADY, "this node does not hold %s", text);
	err = set_released(vip, true, error);
	if (err)
		return err;
	vip->known = true;
	vip->hold = false;
	return ours ? drop(vips, ours, "it is released", error) : 0;
}

/* ---- what is shown */

static json_t *vip_json(const struct vips *vips, const struct vip *vip)
{
	const struct net_addr *ours = find_held(vips, &vip->addr, true);
	const struct net_addr *held = ours ? ours : find_held(vips, &vip->addr, false);
	char text[ADDR_TEXT_SIZE];

	return json_pack("{s:s, s:b, s:s?, s:s?}", "address", addr_text(&vip->addr, text), "hold",
			 vip->hold, "holder",
			 ours	? "skep"
			 : held ? "other"
				: NULL,
			 "interface", held ? link_name(vips, held->ifindex) : NULL);
}

json_t *vips_json(const struct vips *vips)
{
	json_t *rows = json_array();

	for (size_t i = 0; rows && i < vips->n; i++)
		if (json_array_append_new(rows, vip_json(vips, &vips->vips[i]))) {
			json_decref(rows);
			rows = NULL;
		}
	return rows;
}

/* ---- beginning and end */

int vips_open(struct vips **result, struct loop *loop, const struct agent_config *config,
	      const struct node *node, struct skep_error *error)
{
	struct vips_released released;
	struct vips *vips = calloc(1, sizeof(*vips));

	if (vips)
		vips->vips = calloc(config->n_vips + 1, sizeof(*vips->vips));
	if (!vips || !vips->vips) {
		free(vips);
		return error_errno(error, -ENOMEM, "cannot keep the VIPs");
	}
	vips->loop = loop;
	vips->config = config;
	vips->node = node;
	vips->n = config->n_vips;
	for (size_t i = 0; i < vips->n; i++)
		vips->vips[i] = (struct vip){
			.vips = vips,
			.addr = config->vips[i],
			.hold = config->vip_hold[i],
			.timer.expired = announce_expired,
		};
	/* Without it flags and kernel say what to hold: no reason not to start. */
	if (vips_released_read(config->run_dir, &released, error))
		log_warning("cannot tell which VIPs were released: %s", error->text);
	for (size_t i = 0; i < released.n; i++) {
		struct vip *vip = find_vip(vips, &released.addrs[i]);

		if (!vip)
			continue;
		vip->released = true;
		vip->hold = false;
	}
	*result = vips;
	return 0;
}

void vips_close(struct vips *vips)
{
	if (!vips)
		return;
	for (size_t i = 0; i < vips->n; i++)
		loop_disarm(vips->loop, &vips->vips[i].timer);
	net_arp_close(vips->arp);
	free(vips->vips);
	free(vips);
}
