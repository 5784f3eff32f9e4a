/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of the reader of Traefik's labels. Keys and names in them have no case, for Traefik.
 * Not for others.
 */
#ifndef SKEP_ROUTE_TRAEFIK_H
#define SKEP_ROUTE_TRAEFIK_H

#include "route/build.h"

/* What a key has behind "PREFIX.NAME.", as "loadbalancer.server.port"; NULL: it is another's. */
const char *traefik_option(const char *key, const char *prefix, struct route_text name);
/* The value of that option; NULL: there is none. The draft's label is its key. */
const char *traefik_value(struct route_draft *draft, const char *prefix, struct route_text name,
			  const char *option);
/* A reference without the provider's name behind `@`, if that is Swarm. False: another's (refused).
 */
bool traefik_reference(struct route_draft *draft, struct route_text *name);

/* traefik_rule.c: an expression of Host(`…`) && … NULL: refused. */
struct route_match *traefik_parse_rule(struct route_draft *draft, const char *text);

/* traefik_middleware.c: adds what a list of middlewares does. */
void traefik_read_middlewares(struct route_draft *draft, const char *list);

/* traefik_service.c: where the requests of a router go. */
void traefik_read_service(struct route_draft *draft, struct route_text name);

#endif
