/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Addresses as kernel and user space both see them.
 *
 * One form for both families: 16 bytes in network order, IPv4 as v4-mapped (::ffff:a.b.c.d, RFC
 * 4291 section 2.5.5.2), so that one set of maps and one code path serve both.
 */
#ifndef SKEP_ADDR_H
#define SKEP_ADDR_H

#include <linux/types.h>

struct skep_addr {
	__be32 word[4];
};

_Static_assert(sizeof(struct skep_addr) == 16, "an address is 16 bytes");

/* 0x0000ffff in network order, on either kind of machine. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define SKEP_V4_MAPPED ((__be32)0xffff0000U)
#else
#define SKEP_V4_MAPPED ((__be32)0x0000ffffU)
#endif

static inline struct skep_addr skep_addr_v4(__be32 addr)
{
	return (struct skep_addr){{0, 0, SKEP_V4_MAPPED, addr}};
}

static inline int skep_addr_is_v4(const struct skep_addr *addr)
{
	return !addr->word[0] && !addr->word[1] && addr->word[2] == SKEP_V4_MAPPED;
}

static inline int skep_addr_equal(const struct skep_addr *a, const struct skep_addr *b)
{
	return a->word[0] == b->word[0] && a->word[1] == b->word[1] && a->word[2] == b->word[2] &&
	       a->word[3] == b->word[3];
}

/* The unspecified address: 16 zero bytes. */
static inline int skep_addr_is_zero(const struct skep_addr *addr)
{
	return !addr->word[0] && !addr->word[1] && !addr->word[2] && !addr->word[3];
}

/*
 * What stands for a back end outside the Swarm where tasks are named: no address that a task can
 * have, since it begins as a multicast one. One for each service, so that a back end may serve two.
 */
#define SKEP_OUTSIDE 0xffffffffU

static inline struct skep_addr skep_addr_outside(__u32 service_id, __be32 addr, __be16 port)
{
	return (struct skep_addr){{SKEP_OUTSIDE, service_id, port, addr}};
}

static inline int skep_addr_is_outside(const struct skep_addr *addr)
{
	return addr->word[0] == SKEP_OUTSIDE;
}

#endif
