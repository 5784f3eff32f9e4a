/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ARP beside the kernel's own: to announce that this node now has an address (RFC 5227 section
 * 2.3), and to hear that another host claims one that this node holds.
 */
#ifndef SKEP_NET_ARP_H
#define SKEP_NET_ARP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/loop.h"
#include "skep/addr.h"

#define NET_ARP_FRAME_SIZE 42 /* Ethernet's header, and ARP's for Ethernet and IPv4 */
#define NET_ARP_WATCH_MAX  64

struct net_arp;

/*
 * heard(): a frame came in by which the host mac says that addr, one of those watched, is its own.
 * Needs CAP_NET_RAW. Nothing is watched at first.
 */
int net_arp_open(struct net_arp **arp, struct loop *loop,
		 void (*heard)(void *context, const struct skep_addr *addr, const uint8_t mac[6]),
		 void *context, struct skep_error *error);
void net_arp_close(struct net_arp *arp); /* NULL is fine */

/* From now on hears of these; n is at most NET_ARP_WATCH_MAX. Negative errno. */
int net_arp_watch(struct net_arp *arp, const struct skep_addr *addrs, size_t n);

/* One announcement, to all hosts on the link. Negative errno. */
int net_arp_announce(struct net_arp *arp, int ifindex, const uint8_t mac[6],
		     const struct skep_addr *addr);

/* The frame that announces; and who claims what in a frame, false if it is no such ARP. */
void net_arp_frame(uint8_t frame[NET_ARP_FRAME_SIZE], const uint8_t mac[6],
		   const struct skep_addr *addr);
bool net_arp_sender(const uint8_t *frame, size_t size, struct skep_addr *addr, uint8_t mac[6]);

#endif
