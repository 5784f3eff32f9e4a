/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one order over all rules of all services: of those that match, the first takes the request.
 * Explicit priority, exact path, longest prefix, most other conditions, the host told most exactly,
 * oldest service, name; Traefik's rules keep the order that Traefik gives them (docs/design.md).
 */
#ifndef SKEP_ROUTE_ORDER_H
#define SKEP_ROUTE_ORDER_H

#include "route/rule.h"

/* Fills order from the conditions, but for its priority. */
void route_order_weigh(struct route_rule *rule);

/* Sorts rules and numbers them (rank). */
void route_order_sort(struct route_rule **rules, size_t n);

#endif
