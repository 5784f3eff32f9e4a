/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Traefik's labels, as its provider for Swarm reads them: routers, services and middlewares that
 * refer to each other within one service's labels.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/check.h"
#include "route/traefik.h"

#define PREFIX	 "traefik."
#define ROUTERS	 "traefik.http.routers"
#define SERVICES "traefik.http.services"

static bool begins(const char *text, const char *with)
{
	return strncasecmp(text, with, strlen(with)) == 0;
}

const char *traefik_option(const char *key, const char *prefix, struct route_text name)
{
	size_t size = strlen(prefix);

	if (!begins(key, prefix) || key[size] != '.' ||
	    strncasecmp(key + size + 1, name.data, name.size) != 0 ||
	    key[size + 1 + name.size] != '.')
		return NULL;
	return key + size + 1 + name.size + 1;
}

const char *traefik_value(struct route_draft *draft, const char *prefix, struct route_text name,
			  const char *option)
{
	const struct model_service *service = draft->build->service;

	for (size_t i = 0; i < service->n_labels; i++) {
		const char *found = traefik_option(service->labels[i].key, prefix, name);

		if (found && strcasecmp(found, option) == 0) {
			draft->label = service->labels[i].key;
			return service->labels[i].value;
		}
	}
	return NULL;
}

bool traefik_reference(struct route_draft *draft, struct route_text *name)
{
	const char *at = name->size ? memchr(name->data, '@', name->size) : NULL;
	struct route_text provider = {at, 0};
	char quoted[QUOTE_SIZE];

	if (at) {
		provider.data++;
		provider.size = name->size - (size_t)(at - name->data) - 1;
		if ((provider.size != 5 || strncasecmp(provider.data, "swarm", 5) != 0) &&
		    (provider.size != 6 || strncasecmp(provider.data, "docker", 6) != 0))
			return route_refuse(draft, "%s is not among the labels of Swarm's services",
					    route_quote(*name, quoted));
		name->size = (size_t)(at - name->data);
	}
	if (!route_is_name(*name, ".", 128))
		return route_refuse(draft, "%s is no name", route_quote(*name, quoted));
	return true;
}

struct router {
	struct route_draft draft;
	const char *service; /* as named, NULL: not named */
	const char *rule;
	const char *rule_label;
	bool tls;
	int64_t priority;
};

static struct route_match *entry_named(struct router *router, struct route_text name)
{
	return route_match_text(router->draft.build, ROUTE_ENTRY, name);
}

/* Traefik's usual names for its entry points are skep's for the same. */
static void read_entries(struct router *router, const char *value)
{
	struct route_list list = {.draft = &router->draft, .at = value, .separator = ','};
	struct route_match *any = route_match_new(router->draft.build, ROUTE_ANY);
	struct route_text element;
	char quoted[QUOTE_SIZE];

	while (any && route_list_next(&list, &element)) {
		const char *other = element.size == 3 && begins(element.data, "web") ? "http"
				    : element.size == 9 && begins(element.data, "websecure")
					    ? "https"
					    : NULL;
		struct route_match *match = entry_named(router, element);

		if (!route_is_name(element, "", 31)) {
			route_refuse(&router->draft, "%s is no name of an entry",
				     route_quote(element, quoted));
			continue;
		}
		if (match)
			route_match_add(any, match);
		match = other ? entry_named(router, route_text_of(other)) : NULL;
		if (match)
			route_match_add(any, match);
	}
	route_require(&router->draft, any);
}

static void read_rule(struct router *router, const char *value)
{
	router->rule = value;
	router->rule_label = router->draft.label;
}

static void read_syntax(struct router *router, const char *value)
{
	if (strcasecmp(value, "v3") != 0)
		route_refuse(&router->draft, "only the syntax v3 is supported");
}

static void read_middlewares(struct router *router, const char *value)
{
	traefik_read_middlewares(&router->draft, value);
}

static void read_service_name(struct router *router, const char *value)
{
	router->service = value;
}

static void read_priority(struct router *router, const char *value)
{
	route_read_number(&router->draft, route_text_of(value), INT64_MIN / 2, INT64_MAX / 2,
			  &router->priority);
}

static void read_tls(struct router *router, const char *value)
{
	route_read_bool(&router->draft, route_text_of(value), &router->tls);
}

static void read_tls_option(struct router *router, const char *value)
{
	(void)value;
	router->tls = true;
	route_note(&router->draft, "has no effect but that the router is for TLS alone");
}

static void pass_over(struct router *router, const char *value)
{
	(void)value;
	route_note(&router->draft, "has no effect");
}

static const struct {
	const char *option;
	bool more; /* what begins so */
	void (*read)(struct router *router, const char *value);
} options[] = {
	{"entrypoints", false, read_entries},
	{"middlewares", false, read_middlewares},
	{"observability.", true, pass_over},
	{"priority", false, read_priority},
	{"rule", false, read_rule},
	{"rulesyntax", false, read_syntax},
	{"service", false, read_service_name},
	{"tls", false, read_tls},
	{"tls.certresolver", false, read_tls_option},
	{"tls.domains", true, read_tls_option},
	{"tls.options", false, read_tls_option},
};

static void read_option(struct router *router, const char *option, const char *value)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (options[i].more ? begins(option, options[i].option)
				    : strcasecmp(option, options[i].option) == 0) {
			options[i].read(router, value);
			return;
		}
	route_refuse(&router->draft, "is not supported");
}

/* The names of routers or services, each once, in lower case. */
static size_t list_names(struct route_build *build, const char *prefix, const char **names,
			 size_t most)
{
	const struct model_service *service = build->service;
	size_t n = 0, size = strlen(prefix);

	for (size_t i = 0; i < service->n_labels; i++) {
		const char *start = service->labels[i].key + size + 1, *end;
		char name[129];
		size_t j = 0;

		if (!begins(service->labels[i].key, prefix) || start[-1] != '.')
			continue;
		end = strchr(start, '.');
		if (!end || end == start || end - start >= (long)sizeof(name) || n == most)
			continue;
		for (size_t k = 0; start + k < end; k++)
			name[k] = (char)tolower((unsigned char)start[k]);
		name[end - start] = '\0';
		while (j < n && strcmp(names[j], name) != 0)
			j++;
		if (j < n)
			continue;
		names[n] = route_copy(build, route_text_of(name));
		if (!names[n])
			break;
		n++;
	}
	return n;
}

/* The service's name as a host, where a router has no rule: Traefik's defaultRule. */
static const char *default_rule(struct route_build *build)
{
	char rule[300];
	size_t n = (size_t)snprintf(rule, sizeof(rule), "Host(`");

	for (const char *at = build->service_name; *at && n < sizeof(rule) - 4; at++)
		rule[n++] = (char)(isalnum((unsigned char)*at) ? *at : '-');
	snprintf(rule + n, sizeof(rule) - n, "`)");
	return route_copy(build, route_text_of(rule));
}

static void require_rule(struct router *router)
{
	struct route_draft *draft = &router->draft;
	struct route_match *match;

	if (!router->rule) {
		router->rule = default_rule(draft->build);
		router->rule_label = ROUTERS;
	}
	draft->label = router->rule_label;
	match = router->rule ? traefik_parse_rule(draft, router->rule) : NULL;
	if (!match) {
		draft->failed = true;
		return;
	}
	draft->rule.own_order = router->priority ? router->priority : (int64_t)strlen(router->rule);
	if (match->kind != ROUTE_ALL) {
		route_require(draft, match);
		return;
	}
	/* Its parts one by one, so that each has its column, and its own reason why not. */
	for (struct route_match *child = (struct route_match *)match->children; child;) {
		struct route_match *next = (struct route_match *)child->next;

		child->next = NULL;
		route_require(draft, child);
		child = next;
	}
}

static void require_service(struct router *router, const char *const *services, size_t n)
{
	struct route_draft *draft = &router->draft;
	struct route_text name;

	if (!router->service && n > 1) {
		draft->label = ROUTERS;
		route_refuse(draft, "there are several services: the router must name one");
		return;
	}
	/* Without any, it is the one that Traefik makes up, whose port must be said, too. */
	name = route_text_of(router->service ? router->service
			     : n	     ? services[0]
					     : draft->rule.service);
	traefik_value(draft, ROUTERS, route_text_of(draft->name), "service");
	if (traefik_reference(draft, &name))
		traefik_read_service(draft, name);
}

static const char *find_network(const struct model_service *service)
{
	const char *network = NULL;

	for (size_t i = 0; i < service->n_labels; i++)
		if (strcasecmp(service->labels[i].key, "traefik.swarm.network") == 0 ||
		    (!network && strcasecmp(service->labels[i].key, "traefik.docker.network") == 0))
			network = service->labels[i].value;
	return network;
}

static void read_router(struct route_build *build, const char *name, const char *const *services,
			size_t n_services)
{
	const struct model_service *service = build->service;
	struct router *router = calloc(1, sizeof(*router));
	const char *network = find_network(service);
	struct route_draft *draft;

	if (!router) {
		build->no_memory = true;
		return;
	}
	draft = &router->draft;
	route_draft_begin(draft, build, name);
	for (size_t i = 0; i < service->n_labels; i++) {
		const char *option =
			traefik_option(service->labels[i].key, ROUTERS, route_text_of(name));

		if (!option)
			continue;
		draft->label = service->labels[i].key;
		read_option(router, option, service->labels[i].value);
	}
	require_rule(router);
	require_service(router, services, n_services);
	if (router->tls)
		route_require(draft, route_match_new(build, ROUTE_TLS));
	if (network)
		draft->rule.network = route_copy(build, route_text_of(network));
	route_draft_add(draft, NULL);
	free(router);
}

/* What is neither router, service nor middleware of HTTP. */
static void check_others(struct route_build *build)
{
	static const char *const known[] = {ROUTERS ".",
					    SERVICES ".",
					    "traefik.http.middlewares.",
					    "traefik.enable",
					    "traefik.swarm.network",
					    "traefik.docker.network",
					    "traefik.swarm.lbswarm",
					    "traefik.docker.lbswarm"};
	const struct model_service *service = build->service;
	struct route_draft draft;

	route_draft_begin(&draft, build, "");
	for (size_t i = 0; i < service->n_labels; i++) {
		size_t j = 0;

		draft.label = service->labels[i].key;
		if (!begins(draft.label, PREFIX))
			continue;
		while (j < sizeof(known) / sizeof(*known) && !begins(draft.label, known[j]))
			j++;
		if (j == sizeof(known) / sizeof(*known))
			route_refuse(&draft, "is not supported: only routers, services and "
					     "middlewares of traefik.http are");
		else if (strcasestr(draft.label, "lbswarm") &&
			 strcasecmp(service->labels[i].value, "true") == 0)
			route_note(&draft, "has no effect: tasks are balanced, not Swarm's VIP");
	}
}

static bool is_enabled(struct route_build *build)
{
	const struct model_service *service = build->service;
	struct route_draft draft;
	bool enabled = true, any = false;

	route_draft_begin(&draft, build, "");
	for (size_t i = 0; i < service->n_labels; i++) {
		draft.label = service->labels[i].key;
		any = any || begins(draft.label, PREFIX);
		if (strcasecmp(draft.label, "traefik.enable") == 0 &&
		    !route_read_bool(&draft, route_text_of(service->labels[i].value), &enabled))
			return false;
	}
	return any && enabled;
}

void route_read_traefik(struct route_build *build)
{
	const char *routers[MODEL_MAX_LABELS], *services[MODEL_MAX_LABELS];
	size_t n_routers, n_services;

	if (!is_enabled(build))
		return;
	check_others(build);
	n_routers = list_names(build, ROUTERS, routers, MODEL_MAX_LABELS);
	n_services = list_names(build, SERVICES, services, MODEL_MAX_LABELS);
	for (size_t i = 0; i < n_routers && !build->no_memory; i++)
		read_router(build, routers[i], services, n_services);
	/* Traefik makes up a router, too, for a service that has none. */
	if (!n_routers && n_services)
		read_router(build, build->service_name, services, n_services);
}
