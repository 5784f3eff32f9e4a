/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Small numbers lent out: service ids and indexes of counters. A number that was given back rests
 * for as long as the pool allows, since flows in the kernel may still name it.
 */
#ifndef SKEP_DATAPATH_POOL_H
#define SKEP_DATAPATH_POOL_H

#include <stdbool.h>
#include <stdint.h>

struct pool {
	uint32_t first, size; /* numbers first … size - 1 */
	uint32_t next;	      /* where the search for a free one begins */
	unsigned char *state; /* POOL_* of each */
};

int pool_init(struct pool *pool, uint32_t first, uint32_t size); /* -ENOMEM */
void pool_free(struct pool *pool);

/* Marks a number as lent: one that an earlier agent lent. -EINVAL if it is none of the pool's,
 * -EEXIST if it is lent already. */
int pool_claim(struct pool *pool, uint32_t number);

/* Lends one. *used_before: somebody had it, what is kept under it is to be cleared. -ENOSPC. */
int pool_take(struct pool *pool, uint32_t *number, bool *used_before);
void pool_give_back(struct pool *pool, uint32_t number);

/* All free numbers count as used before: the pool was taken over. */
void pool_distrust(struct pool *pool);

#endif
