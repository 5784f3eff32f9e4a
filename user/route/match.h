/* SPDX-License-Identifier: GPL-2.0-only */
/* Does a request have what a tree of questions asks for? */
#ifndef SKEP_ROUTE_MATCH_H
#define SKEP_ROUTE_MATCH_H

#include "route/request.h"
#include "route/rule.h"

/*
 * ROUTE_GAVE_UP: a regular expression had no answer, and it bears on the whole: neither a yes nor a
 * no, lest a path that was made for it get round an exclusion or a rule that asks for a password.
 */
enum route_found route_matches(const struct route_match *match, const struct route_request *request,
			       struct route_scratch *scratch);

/*
 * What to blame for it: a node within match of which the request has not what it asks for, the
 * first one; NULL: route_matches() would not say no.
 */
const struct route_match *route_mismatch(const struct route_match *match,
					 const struct route_request *request,
					 struct route_scratch *scratch);

/* Does path begin with prefix, up to the end of an element? `/a`: of /a and /a/b, not of /ab. */
bool route_path_is_under(struct route_text path, struct route_text prefix);

#endif
