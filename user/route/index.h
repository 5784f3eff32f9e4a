/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds the few rules that a request's host and path leave, among thousands.
 *
 * Each rule is filed under every host that its conditions allow (exact, what the name begins or
 * ends with, or any) and under every beginning of a path that they allow; a request looks under
 * what its own host and path have of these. So every rule that matches is among the candidates
 * (what a condition cannot tell is filed under "any"), and the first of the candidates that match
 * is the first of all.
 */
#ifndef SKEP_ROUTE_INDEX_H
#define SKEP_ROUTE_INDEX_H

#include "model/arena.h"
#include "route/request.h"
#include "route/rule.h"

struct route_index;

/* rules by rank. NULL: no memory. */
const struct route_index *route_index_build(struct arena *arena, struct route_rule *const *rules,
					    size_t n);

/*
 * Calls visit() with candidates' ranks, ascending in each of several lists. It returns the rank
 * from which on none is of interest, at first limit.
 */
void route_index_candidates(const struct route_index *index, const struct route_request *request,
			    uint32_t limit, uint32_t (*visit)(void *context, uint32_t rank),
			    void *context);

#endif
