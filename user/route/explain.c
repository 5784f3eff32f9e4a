/* SPDX-License-Identifier: GPL-2.0-only */
#include "route/explain.h"

#include <stdlib.h>

static void explain_rule(struct route_reason *reason, const struct route_request *request,
			 struct route_scratch *scratch)
{
	const struct route_match *match = reason->rule->match;

	switch (route_matches(match, request, scratch)) {
	case ROUTE_FOUND:
		reason->verdict = ROUTE_IS_LATER;
		return;
	case ROUTE_GAVE_UP:
		reason->verdict = ROUTE_UNDECIDED;
		return;
	default:
		reason->verdict = ROUTE_DIFFERS;
	}
	for (const struct route_match *child = match->children; child; child = child->next) {
		const struct route_match *mismatch = route_mismatch(child, request, scratch);

		if (!mismatch)
			continue;
		reason->n_mismatches++;
		if (!reason->mismatch)
			reason->mismatch = mismatch;
	}
}

static int compare_reasons(const void *a, const void *b)
{
	const struct route_reason *first = a, *second = b;
	bool first_takes = first->verdict == ROUTE_TAKES,
	     second_takes = second->verdict == ROUTE_TAKES;

	if (first_takes != second_takes)
		return first_takes ? -1 : 1;
	if (first->n_mismatches != second->n_mismatches)
		return first->n_mismatches < second->n_mismatches ? -1 : 1;
	return first->rule->rank < second->rule->rank ? -1 : 1;
}

struct route_reason *route_explain(const struct route_table *table,
				   const struct route_request *request,
				   struct route_scratch *scratch, size_t *n)
{
	const struct route_rule *const *rules = route_table_rules(table, n);
	struct route_reason *reasons = calloc(*n + 1, sizeof(*reasons));
	bool decided = false;

	if (!reasons)
		return NULL;
	for (size_t i = 0; i < *n; i++) {
		reasons[i].rule = rules[i];
		explain_rule(&reasons[i], request, scratch);
		if (reasons[i].verdict == ROUTE_DIFFERS || decided)
			continue;
		if (reasons[i].verdict == ROUTE_IS_LATER)
			reasons[i].verdict = ROUTE_TAKES;
		decided = true;
	}
	qsort(reasons, *n, sizeof(*reasons), compare_reasons);
	return reasons;
}
