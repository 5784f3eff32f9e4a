/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/pool.h"

#include <errno.h>
#include <stdlib.h>

enum {
	POOL_NEVER_USED,
	POOL_LENT,
	POOL_USED_BEFORE
};

int pool_init(struct pool *pool, uint32_t first, uint32_t size)
{
	*pool = (struct pool){.first = first, .size = size, .next = first};
	pool->state = calloc(size, 1);
	return pool->state ? 0 : -ENOMEM;
}

void pool_free(struct pool *pool)
{
	free(pool->state);
	pool->state = NULL;
}

int pool_claim(struct pool *pool, uint32_t number)
{
	if (number < pool->first || number >= pool->size)
		return -EINVAL;
	if (pool->state[number] == POOL_LENT)
		return -EEXIST;
	pool->state[number] = POOL_LENT;
	if (number >= pool->next)
		pool->next = number + 1;
	return 0;
}

int pool_take(struct pool *pool, uint32_t *number, bool *used_before)
{
	for (uint32_t tried = pool->first; tried < pool->size; tried++) {
		if (pool->next >= pool->size)
			pool->next = pool->first;
		*number = pool->next++;
		if (pool->state[*number] == POOL_LENT)
			continue;
		*used_before = pool->state[*number] == POOL_USED_BEFORE;
		pool->state[*number] = POOL_LENT;
		return 0;
	}
	return -ENOSPC;
}

void pool_give_back(struct pool *pool, uint32_t number)
{
	if (number >= pool->first && number < pool->size)
		pool->state[number] = POOL_USED_BEFORE;
}

void pool_distrust(struct pool *pool)
{
	for (uint32_t number = pool->first; number < pool->size; number++)
		if (pool->state[number] == POOL_NEVER_USED)
			pool->state[number] = POOL_USED_BEFORE;
}
