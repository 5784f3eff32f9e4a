/* SPDX-License-Identifier: GPL-2.0-only */
/* Why a request goes where it goes, and why not elsewhere. */
#ifndef SKEP_ROUTE_EXPLAIN_H
#define SKEP_ROUTE_EXPLAIN_H

#include "route/table.h"

enum route_verdict {
	ROUTE_TAKES,	/* this rule takes it */
	ROUTE_IS_LATER, /* it matches, but another comes first */
	ROUTE_DIFFERS,	/* mismatch says in what */
	ROUTE_UNDECIDED /* its expression gave up; if it is the first: nobody takes the request */
};

struct route_reason {
	const struct route_rule *rule;
	enum route_verdict verdict;
	const struct route_match *mismatch; /* the first condition that the request has not */
	size_t n_mismatches;		    /* of the rule's conditions */
};

/*
 * One for each rule, *n of them: the rule that takes the request, then those that match, then by
 * how little is missing. malloc'ed; NULL: no memory.
 */
struct route_reason *route_explain(const struct route_table *table,
				   const struct route_request *request,
				   struct route_scratch *scratch, size_t *n);

#endif
