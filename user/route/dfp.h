/* SPDX-License-Identifier: GPL-2.0-only */
/* The parts of the reader of Docker Flow Proxy's labels. Not for others. */
#ifndef SKEP_ROUTE_DFP_H
#define SKEP_ROUTE_DFP_H

#include "route/build.h"

#define DFP_PREFIX "com.df."

struct dfp { /* a destination being read */
	struct route_draft draft;
	int index;  /* 0: of labels without a number */
	bool https; /* that of httpsPort */
	enum route_mode mode;
	enum route_match_kind path_kind;
	struct route_match *paths[ROUTE_LIST_MAX];
	size_t n_paths;
	const char *first_domain;
};

/* Of the numbered label, else of that without; NULL: neither has a value. The draft's label is it.
 */
const char *dfp_value(struct dfp *dfp, const char *key);
bool dfp_is_true(struct dfp *dfp, const char *key);

/* dfp_domain.c */
void dfp_read_domains(struct dfp *dfp);
/* Rules of their own: redirectFromDomain. */
void dfp_add_redirects(struct dfp *dfp);

/* dfp_actions.c: what is done to requests */
void dfp_read_actions(struct dfp *dfp);
void dfp_read_tunnel_time(struct dfp *dfp);

/* dfp_known.c: labels that have no effect, or cannot be honoured whatever they say */
void dfp_refuse_unsupported(struct dfp *dfp);
/* Of a connection that is relayed as it is: labels that would look into it. */
void dfp_refuse_http(struct dfp *dfp);
void dfp_note_ineffective(struct route_build *build, int n_indexes);

#endif
