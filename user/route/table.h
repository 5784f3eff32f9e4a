/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All HTTP routes of a model, read from the labels of its services, in their order, with an index.
 *
 * A value: built whole, never changed, freed whole, and independent of the model it was made from.
 * Any number of threads may use one, each with its own scratch.
 */
#ifndef SKEP_ROUTE_TABLE_H
#define SKEP_ROUTE_TABLE_H

#include "lib/error.h"
#include "model/model.h"
#include "route/match.h"
#include "route/request.h"
#include "route/rule.h"

struct route_table;

/* Labels that make no sense are no error, but problems of the table. -ENOMEM. */
int route_table_build(struct route_table **table, const struct model *model,
		      struct skep_error *error);
void route_table_free(struct route_table *table); /* NULL is fine */

/* Would model give the same table? Tasks come and go far more often than labels. */
bool route_table_is_of(const struct route_table *table, const struct model *model);

/* By rank: the first that matches takes the request. */
const struct route_rule *const *route_table_rules(const struct route_table *table, size_t *n);
/* Of the rules for this port that are not for HTTP: a bit for each mode, 1 << ROUTE_…. */
unsigned int route_table_modes(const struct route_table *table, uint16_t port);
/* By service, in the order in which they were found. */
const struct route_problem *route_table_problems(const struct route_table *table, size_t *n);

/*
 * The rule that takes the request, NULL: none. *gave_up: it is the rule whose regular expression
 * gave no answer, so that neither it nor a later one may have the request.
 */
const struct route_rule *route_table_find(const struct route_table *table,
					  const struct route_request *request,
					  struct route_scratch *scratch, bool *gave_up);

#endif
