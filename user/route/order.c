/* SPDX-License-Identifier: GPL-2.0-only */
#include "route/order.h"

#include <stdlib.h>
#include <string.h>

#define HOST_EXACT 100000U /* above any length */

/* What a tree surely asks of the path, the rest of it, and how exactly of the host. */
struct weight {
	bool exact, regex;
	uint32_t length;
	uint32_t conditions;
	uint32_t host;
};

static int compare_paths(const struct weight *a, const struct weight *b)
{
	if (a->exact != b->exact)
		return a->exact ? 1 : -1;
	if (a->length != b->length)
		return a->length > b->length ? 1 : -1;
	return a->regex - b->regex;
}

static void take_path(struct weight *to, const struct weight *from)
{
	to->exact = from->exact;
	to->length = from->length;
	to->regex = from->regex;
}

static struct weight weigh_leaf(const struct route_match *match)
{
	uint32_t size = (uint32_t)match->size;

	switch (match->kind) {
	case ROUTE_PATH:
		return (struct weight){.exact = true, .length = size};
	case ROUTE_PATH_UNDER:
	case ROUTE_PATH_BEGINS:
		return (struct weight){.length = size};
	case ROUTE_PATH_REGEX:
		size = (uint32_t)route_regex_literal(match->regex).size;
		/* Every path begins with `/`, whether the expression says so or not. */
		return (struct weight){.length = size ? size : 1, .regex = true};
	case ROUTE_HOST:
		return (struct weight){.conditions = 1, .host = HOST_EXACT + size};
	case ROUTE_HOST_UNDER:
	case ROUTE_HOST_CHILD:
	case ROUTE_HOST_BEGINS:
	case ROUTE_HOST_ENDS:
	case ROUTE_HOST_DOMAIN:
		return (struct weight){.conditions = 1, .host = size};
	default:
		return (struct weight){.conditions = 1};
	}
}

static struct weight weigh(const struct route_match *match)
{
	struct weight sum = {0};
	bool first = true;

	if (match->kind == ROUTE_NOT)
		return (struct weight){.conditions = 1};
	if (match->kind != ROUTE_ALL && match->kind != ROUTE_ANY)
		return weigh_leaf(match);
	for (const struct route_match *child = match->children; child; child = child->next) {
		struct weight one = weigh(child);

		if (match->kind == ROUTE_ALL) {
			sum.conditions += one.conditions;
			if (compare_paths(&one, &sum) > 0)
				take_path(&sum, &one);
			if (one.host > sum.host)
				sum.host = one.host;
		} else { /* whichever holds: the least */
			if (first || one.conditions < sum.conditions)
				sum.conditions = one.conditions;
			if (first || compare_paths(&one, &sum) < 0)
				take_path(&sum, &one);
			if (first || one.host < sum.host)
				sum.host = one.host;
		}
		first = false;
	}
	return sum;
}

void route_order_weigh(struct route_rule *rule)
{
	struct weight weight = weigh(rule->match);

	rule->order.exact = weight.exact;
	/* No path is as good as `/`. */
	rule->order.length = weight.length ? weight.length : 1;
	rule->order.regex = weight.regex;
	rule->order.conditions = weight.conditions;
	rule->order.host = weight.host;
}

static int descending(int64_t a, int64_t b)
{
	return a == b ? 0 : a > b ? -1 : 1;
}

static int64_t age(const struct route_rule *rule)
{
	return rule->created_ms ? rule->created_ms : INT64_MAX;
}

/* As if there were no order of Traefik's own. */
static int compare_places(const struct route_rule *a, const struct route_rule *b)
{
	int order = descending(a->order.priority, b->order.priority);

	if (!order)
		order = descending(a->order.exact, b->order.exact);
	if (!order)
		order = descending(a->order.length, b->order.length);
	if (!order)
		order = descending(a->order.regex, b->order.regex);
	if (!order)
		order = descending(a->order.conditions, b->order.conditions);
	if (!order)
		order = descending(a->order.host, b->order.host);
	if (!order)
		order = descending(age(b), age(a));
	if (!order)
		order = strcmp(a->service, b->service);
	if (!order)
		order = strcmp(a->service_id, b->service_id);
	return order ? order : descending(b->part, a->part);
}

static int compare_own(const void *a, const void *b)
{
	const struct route_rule *first = *(struct route_rule *const *)a;
	const struct route_rule *second = *(struct route_rule *const *)b;
	int order = descending(first->own_order, second->own_order);

	return order ? order : compare_places(first, second);
}

/*
 * Places are of rules that differ in them, so rules of one place stand together there, and within
 * it by their own order: this is a total order.
 */
static int compare(const void *a, const void *b)
{
	const struct route_rule *first = *(struct route_rule *const *)a;
	const struct route_rule *second = *(struct route_rule *const *)b;
	int order = compare_places(first->beside, second->beside);

	return order ? order : compare_own(a, b);
}

/*
 * Traefik orders its rules by a number of their own, and that must hold: so one whose own place is
 * behind that of a rule it goes before has that rule's place.
 */
static void place_traefik(struct route_rule **rules, size_t n)
{
	const struct route_rule *first = NULL;

	qsort(rules, n, sizeof(void *), compare_own);
	for (size_t i = n; i-- > 0;) {
		if (!first || compare_places(rules[i], first) < 0)
			first = rules[i];
		rules[i]->beside = first;
	}
}

void route_order_sort(struct route_rule **rules, size_t n)
{
	size_t n_traefik = 0;

	/* Traefik's to the front. */
	for (size_t i = 0; i < n; i++)
		if (rules[i]->vocabulary == ROUTE_TRAEFIK) {
			struct route_rule *rule = rules[i];

			rules[i] = rules[n_traefik];
			rules[n_traefik++] = rule;
		}
	if (n_traefik)
		place_traefik(rules, n_traefik);
	if (n)
		qsort(rules, n, sizeof(void *), compare);
	for (size_t i = 0; i < n; i++)
		rules[i]->rank = (uint32_t)i;
}
