/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses as text. */
#ifndef SKEP_LIB_ADDR_H
#define SKEP_LIB_ADDR_H

#include <stdbool.h>

#include "skep/addr.h"

#define ADDR_TEXT_SIZE 46 /* INET6_ADDRSTRLEN */

struct addr_prefix {
	struct skep_addr addr; /* host bits zero */
	unsigned int length;   /* of the v4-mapped form: 96 + the IPv4 length */
};

/* IPv4 dotted or IPv6 text, nothing else around it. -EINVAL. */
int addr_parse(const char *text, struct skep_addr *addr);

/* "10.0.0.0/24" or "fd00::/64"; host bits must be zero. -EINVAL. */
int addr_prefix_parse(const char *text, struct addr_prefix *prefix);
bool addr_prefix_contains(const struct addr_prefix *prefix, const struct skep_addr *addr);

/* IPv4 dotted if v4-mapped, with a port if it is outside (skep/addr.h), else IPv6; returns buffer.
 */
const char *addr_text(const struct skep_addr *addr, char buffer[ADDR_TEXT_SIZE]);

/* As memcmp: the order of every sorted list of addresses. */
int addr_compare(const struct skep_addr *a, const struct skep_addr *b);

#endif
