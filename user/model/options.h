/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a service's labels ask of the mesh: `skep.policy`, `skep.allow` and the like (skep(8),
 * "LABELS").
 *
 * Docker takes any text as a label, so what cannot be honoured is found out here. It is told, and
 * concerns that one label: the rest of the service goes on. What restricts (allow, bind) then
 * restricts by what is left of it, down to nobody and nowhere, since a slip of the pen must not
 * open a service.
 */
#ifndef SKEP_MODEL_OPTIONS_H
#define SKEP_MODEL_OPTIONS_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "model/model.h"
#include "skep/maps.h"

#define OPTIONS_LIST_MAX    64		  /* entries of one label */
#define OPTIONS_SECONDS_MAX (365 * 86400) /* of times */
#define OPTIONS_UDP_IDLE_S  30
#define OPTIONS_AFFINITY_S  10800

enum options_return {
	OPTIONS_RETURN_DEFAULT,
	OPTIONS_RETURN_TUNNEL,
	OPTIONS_RETURN_DSR
};

#define OPTIONS_WHY_SIZE 256 /* of a problem's text, with its NUL */

struct options_bind {	       /* an address, or an interface's name */
	struct skep_addr addr; /* zero: interface */
	char interface[IF_NAMESIZE];
};

struct options {
	enum skep_policy policy;	 /* skep.policy */
	bool prefer_local;		 /* skep.prefer=local */
	enum options_return return_mode; /* skep.return */
	uint32_t affinity_s;		 /* skep.affinity-time, 1 and more */
	uint32_t idle_s;		 /* skep.idle, of TCP; 0: never */
	uint32_t udp_idle_s;		 /* skep.udp-idle, 1 and more */
	bool has_allow;			 /* skep.allow: only clients in these */
	struct addr_prefix allow[OPTIONS_LIST_MAX];
	size_t n_allow;
	bool has_bind; /* skep.bind: answers only there */
	struct options_bind bind[OPTIONS_LIST_MAX];
	size_t n_bind;
};

/*
 * Reads the labels that begin with `skep.`, except those of other readers (`skep.http.`,
 * `skep.override.`). problem(): one call for each label that cannot be honoured, or not wholly, in
 * the order of the keys; why is one line of printable ASCII that says what would be right and what
 * is in force instead. NULL: nobody wants to know. Of the lists only what the counts say is filled.
 */
void options_read(const struct model_service *service, struct options *options,
		  void (*problem)(void *context, const char *key, const char *why), void *context);

/* by_default: what the agent's --return says. */
bool options_dsr(const struct options *options, bool by_default);
const char *options_policy_name(enum skep_policy policy);  /* "round-robin", … */
const char *options_return_name(enum options_return mode); /* "tunnel", "dsr"; NULL: default */

#endif
