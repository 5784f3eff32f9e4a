/* SPDX-License-Identifier: GPL-2.0-only */
#include "packets.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USUAL_ID 0x1234

uint16_t frame_u16(const struct frame *frame, size_t at)
{
	return (uint16_t)(frame->data[at] << 8 | frame->data[at + 1]);
}

void frame_set_u16(struct frame *frame, size_t at, uint16_t value)
{
	frame->data[at] = (uint8_t)(value >> 8);
	frame->data[at + 1] = (uint8_t)value;
}

static void set_u32(struct frame *frame, size_t at, uint32_t value)
{
	frame_set_u16(frame, at, (uint16_t)(value >> 16));
	frame_set_u16(frame, at + 2, (uint16_t)value);
}

static void broken_test(const char *what, const char *value)
{
	fprintf(stderr, "test names no %s: %s\n", what, value);
	abort();
}

void mac_parse(const char *mac, uint8_t out[6])
{
	unsigned int byte[6];

	if (sscanf(mac, "%2x:%2x:%2x:%2x:%2x:%2x", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4],
		   &byte[5]) != 6)
		broken_test("MAC address", mac);
	for (int i = 0; i < 6; i++)
		out[i] = (uint8_t)byte[i];
}

uint32_t ipv4(const char *addr)
{
	struct in_addr in;

	if (inet_pton(AF_INET, addr, &in) != 1)
		broken_test("IPv4 address", addr);
	return in.s_addr;
}

uint32_t ipv4_of(const char *endpoint)
{
	char addr[INET_ADDRSTRLEN] = "";

	memcpy(addr, endpoint, strcspn(endpoint, ":") % sizeof(addr));
	return ipv4(addr);
}

uint16_t port_of(const char *endpoint)
{
	const char *colon = strchr(endpoint, ':');

	if (!colon)
		broken_test("address:port", endpoint);
	return (uint16_t)atoi(colon + 1);
}

/* RFC 1071, over frame bytes [from, to); not complemented. */
static uint32_t sum(const struct frame *frame, size_t from, size_t to)
{
	uint32_t total = 0;

	for (size_t at = from; at < to; at += 2)
		total += (uint32_t)(frame->data[at] << 8) | (at + 1 < to ? frame->data[at + 1] : 0);
	return total;
}

static uint16_t fold(uint32_t total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint16_t)~total;
}

static size_t ip_end(const struct frame *frame)
{
	return IPV4_HDR + frame_u16(frame, IPV4_HDR + 2);
}

/* Over layer 4 with its pseudo header; 0: right. */
static uint16_t l4_checksum(const struct frame *frame)
{
	uint8_t protocol = frame->data[IPV4_HDR + 9];
	size_t end = ip_end(frame);
	uint32_t pseudo =
		sum(frame, IPV4_HDR + 12, IPV4_HDR + 20) + protocol + (uint32_t)(end - L4_HDR);

	return fold(sum(frame, L4_HDR, end) + (protocol == IPPROTO_ICMP ? 0 : pseudo));
}

void frame_fix_ip_checksum(struct frame *frame)
{
	frame_set_u16(frame, IPV4_HDR + 10, 0);
	frame_set_u16(frame, IPV4_HDR + 10, fold(sum(frame, IPV4_HDR, L4_HDR)));
}

static void fix_l4_checksum(struct frame *frame, size_t at, bool never_zero)
{
	uint16_t check;

	frame_set_u16(frame, at, 0);
	check = l4_checksum(frame);
	frame_set_u16(frame, at, !check && never_zero ? 0xffff : check);
}

struct frame frame_between(struct frame frame, const char *mac_from, const char *mac_to)
{
	mac_parse(mac_to, frame.data);
	mac_parse(mac_from, frame.data + 6);
	return frame;
}

struct frame ethernet_frame(uint16_t type, const void *payload, size_t length)
{
	struct frame frame = {.length = IPV4_HDR + length};

	frame_set_u16(&frame, 12, type);
	memcpy(frame.data + IPV4_HDR, payload, length);
	return frame_between(frame, CLIENT_MAC, WIRE_MAC);
}

/* Ethernet and IPv4 headers before length bytes of layer 4, which is written by the caller. */
static struct frame ip_frame(const struct recipe *recipe, size_t length)
{
	struct frame frame = {.length = L4_HDR + length};
	uint32_t from = ipv4_of(recipe->from), to = ipv4_of(recipe->to);

	frame_set_u16(&frame, 12, 0x0800);
	frame.data[IPV4_HDR] = 0x45;
	frame_set_u16(&frame, IPV4_HDR + 2, (uint16_t)(20 + length));
	frame_set_u16(&frame, IPV4_HDR + 4,
		      recipe->answer ? 0
		      : recipe->id   ? recipe->id
				     : USUAL_ID);
	frame_set_u16(&frame, IPV4_HDR + 6, recipe->answer || recipe->dont_fragment ? 0x4000 : 0);
	frame.data[IPV4_HDR + 8] = recipe->ttl ? recipe->ttl : 64;
	frame.data[IPV4_HDR + 9] = recipe->protocol;
	memcpy(frame.data + IPV4_HDR + 12, &from, sizeof(from));
	memcpy(frame.data + IPV4_HDR + 16, &to, sizeof(to));
	frame_fix_ip_checksum(&frame);
	return frame_between(frame, recipe->mac_from ? recipe->mac_from : CLIENT_MAC,
			     recipe->mac_to ? recipe->mac_to : WIRE_MAC);
}

struct frame tcp_frame(struct recipe recipe)
{
	size_t payload = recipe.payload ? strlen(recipe.payload) : 0;
	size_t header = 20 + recipe.options_length;
	struct frame frame;

	recipe.protocol = IPPROTO_TCP;
	frame = ip_frame(&recipe, header + payload);
	frame_set_u16(&frame, L4_HDR, port_of(recipe.from));
	frame_set_u16(&frame, L4_HDR + 2, port_of(recipe.to));
	set_u32(&frame, L4_HDR + 4, recipe.seq);
	set_u32(&frame, L4_HDR + 8, recipe.ack);
	frame.data[L4_HDR + 12] = (uint8_t)(header / 4 << 4);
	frame.data[L4_HDR + 13] = recipe.flags;
	frame_set_u16(&frame, L4_HDR + 14, recipe.answer ? 0 : 64240); /* window */
	if (recipe.options_length)
		memcpy(frame.data + L4_HDR + 20, recipe.options, recipe.options_length);
	if (payload)
		memcpy(frame.data + L4_HDR + header, recipe.payload, payload);
	fix_l4_checksum(&frame, L4_HDR + 16, false);
	return frame;
}

struct frame udp_frame(struct recipe recipe)
{
	size_t payload = recipe.payload ? strlen(recipe.payload) : 0;
	struct frame frame;

	recipe.protocol = IPPROTO_UDP;
	frame = ip_frame(&recipe, 8 + payload);
	frame_set_u16(&frame, L4_HDR, port_of(recipe.from));
	frame_set_u16(&frame, L4_HDR + 2, port_of(recipe.to));
	frame_set_u16(&frame, L4_HDR + 4, (uint16_t)(8 + payload));
	if (payload)
		memcpy(frame.data + L4_HDR + 8, recipe.payload, payload);
	if (!recipe.without_checksum)
		fix_l4_checksum(&frame, L4_HDR + 6, true);
	return frame;
}

struct frame icmp_frame(struct recipe recipe, const struct frame *quoted, size_t bytes)
{
	struct frame frame;

	recipe.protocol = IPPROTO_ICMP;
	frame = ip_frame(&recipe, 8 + bytes);
	frame.data[L4_HDR] = recipe.icmp_type;
	frame.data[L4_HDR + 1] = recipe.icmp_code;
	frame_set_u16(&frame, L4_HDR + 6, recipe.mtu);
	memcpy(frame.data + L4_HDR + 8, quoted->data + IPV4_HDR, bytes);
	fix_l4_checksum(&frame, L4_HDR + 2, false);
	return frame;
}

static struct frame icmp_answer(const struct frame *asked, uint8_t code, uint16_t mtu)
{
	size_t quoted = asked->data[IPV4_HDR + 9] == IPPROTO_TCP ? 40 : 28;
	char from[INET_ADDRSTRLEN], to[INET_ADDRSTRLEN];
	struct frame frame;

	inet_ntop(AF_INET, asked->data + IPV4_HDR + 16, from, sizeof(from));
	inet_ntop(AF_INET, asked->data + IPV4_HDR + 12, to, sizeof(to));
	frame = icmp4(from, to, asked, quoted, .icmp_type = 3, .icmp_code = code, .mtu = mtu,
		      .answer = true);
	memcpy(frame.data, asked->data + 6, 6);
	memcpy(frame.data + 6, asked->data, 6);
	return frame;
}

struct frame icmp_unreachable(const struct frame *udp)
{
	return icmp_answer(udp, 3, 0);
}

struct frame icmp_too_big(const struct frame *frame, uint16_t mtu)
{
	return icmp_answer(frame, 4, mtu);
}

struct frame frame_piece(const struct frame *whole, size_t from, size_t length)
{
	struct frame piece = {.length = L4_HDR + length};
	uint16_t flags = frame_u16(whole, IPV4_HDR + 6);

	if (from % 8)
		broken_test("multiple of 8", "piece");
	if (L4_HDR + from + length < ip_end(whole))
		flags |= 0x2000;
	memcpy(piece.data, whole->data, L4_HDR);
	memcpy(piece.data + L4_HDR, whole->data + L4_HDR + from, length);
	frame_set_u16(&piece, IPV4_HDR + 2, (uint16_t)(20 + length));
	frame_set_u16(&piece, IPV4_HDR + 6, (uint16_t)(flags | from / 8));
	frame_fix_ip_checksum(&piece);
	return piece;
}

struct frame frame_cut(struct frame frame, size_t length)
{
	memset(frame.data + length, 0, sizeof(frame.data) - length);
	frame.length = length;
	return frame;
}

static bool is_plain_ipv4(const struct frame *frame)
{
	return frame->length >= L4_HDR && frame_u16(frame, 12) == 0x0800 &&
	       frame->data[IPV4_HDR] == 0x45 && ip_end(frame) <= frame->length &&
	       ip_end(frame) >= L4_HDR && !(frame_u16(frame, IPV4_HDR + 6) & 0x3fff);
}

bool frame_checksums_right(const struct frame *frame)
{
	size_t room = frame->length - L4_HDR;

	if (!is_plain_ipv4(frame))
		return true;
	if (fold(sum(frame, IPV4_HDR, L4_HDR)))
		return false;
	switch (frame->data[IPV4_HDR + 9]) {
	case IPPROTO_UDP:
		return room < 8 || !frame_u16(frame, L4_HDR + 6) || !l4_checksum(frame);
	case IPPROTO_TCP:
		return room < 20 || !l4_checksum(frame);
	case IPPROTO_ICMP:
		return room < 8 || !l4_checksum(frame);
	default:
		return true;
	}
}

static void print_layer4(const struct frame *frame)
{
	const uint8_t *tcp = frame->data + L4_HDR;
	static const char flags[] = "FSRPA";

	switch (frame->data[IPV4_HDR + 9]) {
	case IPPROTO_TCP:
		if (frame->length < L4_HDR + 20)
			break;
		fprintf(stderr, "TCP %u > %u [", frame_u16(frame, L4_HDR),
			frame_u16(frame, L4_HDR + 2));
		for (int bit = 0; bit < 5; bit++)
			if (tcp[13] >> bit & 1)
				fputc(flags[bit], stderr);
		fprintf(stderr,
			"] seq %02x%02x%02x%02x ack %02x%02x%02x%02x header %u checksum %04x\n",
			tcp[4], tcp[5], tcp[6], tcp[7], tcp[8], tcp[9], tcp[10], tcp[11],
			tcp[12] >> 4, frame_u16(frame, L4_HDR + 16));
		return;
	case IPPROTO_UDP:
		if (frame->length < L4_HDR + 8)
			break;
		fprintf(stderr, "UDP %u > %u length %u checksum %04x\n", frame_u16(frame, L4_HDR),
			frame_u16(frame, L4_HDR + 2), frame_u16(frame, L4_HDR + 4),
			frame_u16(frame, L4_HDR + 6));
		return;
	case IPPROTO_ICMP:
		fprintf(stderr, "ICMP type %u code %u checksum %04x\n", tcp[0], tcp[1],
			frame_u16(frame, L4_HDR + 2));
		return;
	}
	fprintf(stderr, "protocol %u\n", frame->data[IPV4_HDR + 9]);
}

static void frame_print(const char *label, const struct frame *frame)
{
	const uint8_t *d = frame->data;
	char from[INET_ADDRSTRLEN], to[INET_ADDRSTRLEN];

	fprintf(stderr, "%s: %zu bytes, ", label, frame->length);
	fprintf(stderr, "%02x:%02x:%02x:%02x:%02x:%02x > %02x:%02x:%02x:%02x:%02x:%02x type %04x",
		d[6], d[7], d[8], d[9], d[10], d[11], d[0], d[1], d[2], d[3], d[4], d[5],
		frame_u16(frame, 12));
	if (!is_plain_ipv4(frame)) {
		fputc('\n', stderr);
		return;
	}
	inet_ntop(AF_INET, d + IPV4_HDR + 12, from, sizeof(from));
	inet_ntop(AF_INET, d + IPV4_HDR + 16, to, sizeof(to));
	fprintf(stderr, " %s > %s length %u id %04x ttl %u checksum %04x ", from, to,
		frame_u16(frame, IPV4_HDR + 2), frame_u16(frame, IPV4_HDR + 4), d[IPV4_HDR + 8],
		frame_u16(frame, IPV4_HDR + 10));
	print_layer4(frame);
}

bool frames_equal(const struct frame *expected, const struct frame *got)
{
	size_t at = 0;

	if (expected->length == got->length && !memcmp(expected->data, got->data, got->length))
		return true;
	while (at < expected->length && at < got->length && expected->data[at] == got->data[at])
		at++;
	frame_print("expected", expected);
	frame_print("got     ", got);
	fprintf(stderr, "first difference at byte %zu: expected %02x, got %02x\n", at,
		expected->data[at % FRAME_SIZE], got->data[at % FRAME_SIZE]);
	return false;
}
