/* SPDX-License-Identifier: GPL-2.0-only */
#include "lib/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define V4_BITS_BEFORE 96

int addr_parse(const char *text, struct skep_addr *addr)
{
	struct in_addr v4;

	/* inet_pton() takes four decimal numbers only, and no leading zeros: nothing octal, nothing
	 * short. */
	if (inet_pton(AF_INET, text, &v4) == 1) {
		*addr = skep_addr_v4(v4.s_addr);
		return 0;
	}
	return inet_pton(AF_INET6, text, addr) == 1 ? 0 : -EINVAL;
}

static int length_parse(const char *text, unsigned int *length)
{
	unsigned int value = 0;
	size_t digits = strspn(text, "0123456789");

	if (digits < 1 || digits > 3 || text[digits] || (text[0] == '0' && digits > 1))
		return -EINVAL;
	for (size_t i = 0; i < digits; i++)
		value = value * 10 + (unsigned int)(text[i] - '0');
	*length = value;
	return 0;
}

/* The first length bits; the rest zero. */
static struct skep_addr network_part(const struct skep_addr *addr, unsigned int length)
{
	struct skep_addr part = {{0}};

	for (unsigned int i = 0; i < 4; i++) {
		unsigned int bits = length > 32 * i ? length - 32 * i : 0;
		if (bits >= 32)
			part.word[i] = addr->word[i];
		else if (bits)
			part.word[i] = addr->word[i] & htonl(~0U << (32 - bits));
	}
	return part;
}

int addr_prefix_parse(const char *text, struct addr_prefix *prefix)
{
	const char *slash = strchr(text, '/');
	char addr_part[ADDR_TEXT_SIZE];
	struct addr_prefix parsed;
	struct skep_addr part;
	unsigned int length;

	if (!slash || (size_t)(slash - text) >= sizeof(addr_part))
		return -EINVAL;
	memcpy(addr_part, text, (size_t)(slash - text));
	addr_part[slash - text] = '\0';
	if (addr_parse(addr_part, &parsed.addr) || length_parse(slash + 1, &length))
		return -EINVAL;

	/* In dotted form the length counts from the IPv4 address on. */
	if (!strchr(addr_part, ':')) {
		if (length > 32)
			return -EINVAL;
		length += V4_BITS_BEFORE;
	}
	if (length > 128)
		return -EINVAL;
	parsed.length = length;
	part = network_part(&parsed.addr, length);
	if (!skep_addr_equal(&part, &parsed.addr))
		return -EINVAL;
	*prefix = parsed;
	return 0;
}

bool addr_prefix_contains(const struct addr_prefix *prefix, const struct skep_addr *addr)
{
	struct skep_addr part = network_part(addr, prefix->length);

	/* ::/0 is all of IPv6, but no IPv4 address is meant by it. */
	return skep_addr_is_v4(addr) == skep_addr_is_v4(&prefix->addr) &&
	       skep_addr_equal(&part, &prefix->addr);
}

/* As inet_ntop() writes it, which takes printf() for this. */
static void v4_text(const uint8_t bytes[4], char *at)
{
	for (int i = 0; i < 4; i++) {
		unsigned int byte = bytes[i];

		if (byte >= 100)
			*at++ = (char)('0' + byte / 100);
		if (byte >= 10)
			*at++ = (char)('0' + byte / 10 % 10);
		*at++ = (char)('0' + byte % 10);
		*at++ = i < 3 ? '.' : '\0';
	}
}

const char *addr_text(const struct skep_addr *addr, char buffer[ADDR_TEXT_SIZE])
{
	if (skep_addr_is_v4(addr)) {
		v4_text((const uint8_t *)&addr->word[3], buffer);
	} else if (skep_addr_is_outside(addr) && addr->word[2] <= UINT16_MAX) {
		v4_text((const uint8_t *)&addr->word[3], buffer);
		snprintf(buffer + strlen(buffer), ADDR_TEXT_SIZE - strlen(buffer), ":%u",
			 ntohs((uint16_t)addr->word[2]));
	} else {
		inet_ntop(AF_INET6, addr, buffer, ADDR_TEXT_SIZE);
	}
	return buffer;
}

int addr_compare(const struct skep_addr *a, const struct skep_addr *b)
{
	return memcmp(a, b, sizeof(*a));
}
