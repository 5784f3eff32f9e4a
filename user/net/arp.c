/* SPDX-License-Identifier: GPL-2.0-only */
#include "net/arp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* RFC 826, for Ethernet and IPv4. */
struct arp_frame {
	uint8_t to[6], from[6];
	__be16 type;
	__be16 hardware, protocol;
	uint8_t hardware_size, protocol_size;
	__be16 operation;
	uint8_t sender_mac[6], sender[4];
	uint8_t target_mac[6], target[4];
};

_Static_assert(sizeof(struct arp_frame) == NET_ARP_FRAME_SIZE, "ARP for Ethernet and IPv4");

#define HARDWARE_ETHERNET 1
#define OPERATION_REQUEST 1
#define OPERATION_REPLY	  2

/* What is left makes the socket ready again: others in the loop get their turn. */
#define FRAMES_AT_ONCE 64

struct net_arp {
	struct loop *loop;
	struct loop_watch watch;
	void (*heard)(void *context, const struct skep_addr *addr, const uint8_t mac[6]);
	void *context;
};

/*
 * An ARP request for the address by itself. Its target's MAC is zero, as RFC 5227 has it; Linux
 * takes it over at once where it has an entry for the address (arp_is_garp).
 */
void net_arp_frame(uint8_t frame[NET_ARP_FRAME_SIZE], const uint8_t mac[6],
		   const struct skep_addr *addr)
{
	struct arp_frame arp = {
		.type = htons(ETH_P_ARP),
		.hardware = htons(HARDWARE_ETHERNET),
		.protocol = htons(ETH_P_IP),
		.hardware_size = 6,
		.protocol_size = 4,
		.operation = htons(OPERATION_REQUEST),
	};

	memset(arp.to, 0xff, sizeof(arp.to));
	memcpy(arp.from, mac, sizeof(arp.from));
	memcpy(arp.sender_mac, mac, sizeof(arp.sender_mac));
	memcpy(arp.sender, &addr->word[3], sizeof(arp.sender));
	memcpy(arp.target, &addr->word[3], sizeof(arp.target));
	memcpy(frame, &arp, sizeof(arp));
}

bool net_arp_sender(const uint8_t *frame, size_t size, struct skep_addr *addr, uint8_t mac[6])
{
	struct arp_frame arp;
	__be32 sender;

	if (size < sizeof(arp))
		return false;
	memcpy(&arp, frame, sizeof(arp));
	if (arp.type != htons(ETH_P_ARP) || arp.hardware != htons(HARDWARE_ETHERNET) ||
	    arp.protocol != htons(ETH_P_IP) || arp.hardware_size != 6 || arp.protocol_size != 4)
		return false;
	if (arp.operation != htons(OPERATION_REQUEST) && arp.operation != htons(OPERATION_REPLY))
		return false;
	memcpy(&sender, arp.sender, sizeof(sender));
	*addr = skep_addr_v4(sender);
	memcpy(mac, arp.sender_mac, sizeof(arp.sender_mac));
	return true;
}

static void frames_ready(struct loop_watch *watch, uint32_t events)
{
	struct net_arp *arp = container_of(watch, struct net_arp, watch);

	(void)events;
	for (int i = 0; i < FRAMES_AT_ONCE; i++) {
		uint8_t frame[NET_ARP_FRAME_SIZE], mac[6];
		struct skep_addr addr;
		ssize_t size = recv(watch->fd, frame, sizeof(frame), MSG_DONTWAIT);

		/*
		 * No more; or ENETDOWN, of one interface of all: reading it has cleared it, and the
		 * monitor of links has the news.
		 */
		if (size < 0)
			return;
		if (net_arp_sender(frame, (size_t)size, &addr, mac))
			arp->heard(arp->context, &addr, mac);
	}
}

/*
 * The kernel lets pass only what is watched: an agent must not wake up for each ARP frame of a
 * large network. Loads the sender's address, compares it with each, and keeps the frame or none of
 * it.
 */
int net_arp_watch(struct net_arp *arp, const struct skep_addr *addrs, size_t n)
{
	struct sock_filter code[NET_ARP_WATCH_MAX + 3];
	struct sock_fprog program = {.filter = code};
	unsigned short at = 0;

	if (n > NET_ARP_WATCH_MAX)
		return -E2BIG;
	code[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						  offsetof(struct arp_frame, sender));
	for (size_t i = 0; i < n; i++)
		code[at++] = (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, ntohl(addrs[i].word[3]), (uint8_t)(n - i), 0);
	code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, NET_ARP_FRAME_SIZE);
	program.len = at;
	return setsockopt(arp->watch.fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program))
		       ? -errno
		       : 0;
}

int net_arp_announce(struct net_arp *arp, int ifindex, const uint8_t mac[6],
		     const struct skep_addr *addr)
{
	uint8_t frame[NET_ARP_FRAME_SIZE];
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ARP),
		.sll_ifindex = ifindex,
		.sll_halen = ETH_ALEN,
	};

	memset(to.sll_addr, 0xff, ETH_ALEN);
	net_arp_frame(frame, mac, addr);
	return sendto(arp->watch.fd, frame, sizeof(frame), MSG_DONTWAIT,
		      (const struct sockaddr *)&to, sizeof(to)) < 0
		       ? -errno
		       : 0;
}

/* Nothing is received before it is bound to a protocol, so not before the filter is there. */
static int listen_to_arp(struct net_arp *arp)
{
	const struct sockaddr_ll any = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP)};
	int on = 1, err = net_arp_watch(arp, NULL, 0);

	if (err)
		return err;
	if (setsockopt(arp->watch.fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) ||
	    bind(arp->watch.fd, (const struct sockaddr *)&any, sizeof(any)))
		return -errno;
	return loop_add(arp->loop, &arp->watch, EPOLLIN);
}

int net_arp_open(struct net_arp **result, struct loop *loop,
		 void (*heard)(void *context, const struct skep_addr *addr, const uint8_t mac[6]),
		 void *context, struct skep_error *error)
{
	struct net_arp *arp = calloc(1, sizeof(*arp));
	int err;

	if (!arp)
		return error_errno(error, -ENOMEM, "cannot open a socket for ARP");
	arp->loop = loop;
	arp->heard = heard;
	arp->context = context;
	arp->watch.ready = frames_ready;
	arp->watch.fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	err = arp->watch.fd < 0 ? -errno : listen_to_arp(arp);
	if (err) {
		net_arp_close(arp);
		return error_errno(error, err, "cannot open a socket for ARP (CAP_NET_RAW)");
	}
	*result = arp;
	return 0;
}

void net_arp_close(struct net_arp *arp)
{
	if (!arp)
		return;
	if (arp->watch.fd >= 0) {
		loop_remove(arp->loop, &arp->watch);
		close(arp->watch.fd);
	}
	free(arp);
}
