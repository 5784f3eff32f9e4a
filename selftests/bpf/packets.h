/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames built from what a test cares about, and compared as frames: byte for byte, told as
 * packets. Checksums are computed here from scratch, so an expected frame also proves the ones that
 * the programs kept up to date.
 */
#ifndef SKEP_TEST_PACKETS_H
#define SKEP_TEST_PACKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_SIZE 2048

struct frame {
	size_t length;
	uint8_t data[FRAME_SIZE];
};

enum {
	FIN = 0x01,
	SYN = 0x02,
	RST = 0x04,
	PSH = 0x08,
	ACK = 0x10,
};

/* What is zero is as usual: TTL 64, an ID, no payload, Ethernet from CLIENT_MAC to WIRE_MAC. */
struct recipe {
	const char *from, *to; /* "192.0.2.100:40000" */
	const char *mac_from, *mac_to;
	const char *payload;
	const uint8_t *options; /* of TCP; a multiple of 4 bytes */
	size_t options_length;
	uint32_t seq, ack;
	uint8_t protocol;
	uint8_t flags; /* of TCP */
	uint8_t ttl;
	bool answer; /* as skep itself answers: ID 0, don't fragment */
	bool dont_fragment;
	uint16_t id;
	uint8_t icmp_type, icmp_code;
	uint16_t mtu;	       /* of ICMP fragmentation needed */
	bool without_checksum; /* UDP */
};

#define CLIENT_MAC "02:00:00:00:00:02"
#define WIRE_MAC   "02:00:00:00:00:01"

#define IPV4_HDR 14
#define L4_HDR	 34

/* tcp4("192.0.2.100:40000", "10.1.0.1:8080", SYN, .ttl = 1) */
#define tcp4(from_, to_, flags_, ...)                                                              \
	tcp_frame((struct recipe){.from = from_, .to = to_, .flags = flags_, __VA_ARGS__})
#define udp4(from_, to_, ...) udp_frame((struct recipe){.from = from_, .to = to_, __VA_ARGS__})
#define OPTIONS(...)                                                                               \
	.options = (const uint8_t[]){__VA_ARGS__},                                                 \
	.options_length = sizeof((uint8_t[]){__VA_ARGS__})

struct frame tcp_frame(struct recipe recipe);
struct frame udp_frame(struct recipe recipe);

/* An ICMP error that quotes so many bytes of the frame's IP packet. */
#define icmp4(from_, to_, quoted, bytes, ...)                                                      \
	icmp_frame((struct recipe){.from = from_, .to = to_, __VA_ARGS__}, quoted, bytes)
struct frame icmp_frame(struct recipe recipe, const struct frame *quoted, size_t bytes);

/* What skep answers to the given frame: ICMP port unreachable; fragmentation needed. */
struct frame icmp_unreachable(const struct frame *udp);
struct frame icmp_too_big(const struct frame *frame, uint16_t mtu);

/* The piece of the frame's packet that has bytes [from, from + length) of its IP payload. */
struct frame frame_piece(const struct frame *whole, size_t from, size_t length);

/* Any Ethernet type, with the payload after it. */
struct frame ethernet_frame(uint16_t type, const void *payload, size_t length);

/* The same frame between other neighbours. */
struct frame frame_between(struct frame frame, const char *mac_from, const char *mac_to);

/* Cut to length. */
struct frame frame_cut(struct frame frame, size_t length);

/* After bytes of the IPv4 header were changed. */
void frame_fix_ip_checksum(struct frame *frame);

/* Are all checksums right: IPv4, and TCP, UDP or ICMP where the whole packet is there? True for
 * what is not IPv4. */
bool frame_checksums_right(const struct frame *frame);

/* Prints both, decoded, if they differ. */
bool frames_equal(const struct frame *expected, const struct frame *got);

/* Big-endian 16 bits at an offset. */
uint16_t frame_u16(const struct frame *frame, size_t at);
void frame_set_u16(struct frame *frame, size_t at, uint16_t value);

uint32_t ipv4(const char *addr);	/* network order */
uint16_t port_of(const char *endpoint); /* host order */
uint32_t ipv4_of(const char *endpoint); /* network order */
void mac_parse(const char *mac, uint8_t out[6]);

#endif
