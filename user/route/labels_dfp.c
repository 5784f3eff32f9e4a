/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Docker Flow Proxy's labels, com.df.*, with its meanings (its docs/usage.md, proxy/types.go and
 * proxy/template.go), but for the order, which is skep's. A service has one destination, or up to
 * ten with numbered labels.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/check.h"
#include "route/build.h"
#include "route/dfp.h"

#define INDEX_MAX 10

static const char *label_of(struct route_build *build, const char *key, int index,
			    const char **label)
{
	char full[128];
	const char *value;

	if (index)
		snprintf(full, sizeof(full), DFP_PREFIX "%s.%d", key, index);
	else
		snprintf(full, sizeof(full), DFP_PREFIX "%s", key);
	value = model_label(build->service, full);
	/* Empty is not there, for Docker Flow Proxy. */
	if (!value || !*value)
		return NULL;
	if (label) {
		*label = route_copy(build, route_text_of(full));
		if (!*label)
			return NULL;
	}
	return value;
}

const char *dfp_value(struct dfp *dfp, const char *key)
{
	struct route_build *build = dfp->draft.build;
	const char *value = dfp->index ? label_of(build, key, dfp->index, &dfp->draft.label) : NULL;

	if (!value)
		value = label_of(build, key, 0, &dfp->draft.label);
	return value;
}

bool dfp_is_true(struct dfp *dfp, const char *key)
{
	const char *value = dfp_value(dfp, key);
	bool result = false;

	if (!value)
		return false;
	/* As Go's strconv.ParseBool. */
	if (strcmp(value, "1") == 0 || strcmp(value, "t") == 0 || strcmp(value, "T") == 0)
		return true;
	if (strcmp(value, "0") == 0 || strcmp(value, "f") == 0 || strcmp(value, "F") == 0)
		return false;
	route_read_bool(&dfp->draft, route_text_of(value), &result);
	return result;
}

/* A path or an expression, as pathType says. */
static struct route_match *read_one_path(struct dfp *dfp, struct route_text text)
{
	struct route_build *build = dfp->draft.build;
	const struct route_regex *regex;
	struct route_match *match;

	if (dfp->path_kind == ROUTE_PATH_REGEX) {
		if (!route_read_regex(&dfp->draft, text, false, &regex))
			return NULL;
		match = route_match_new(build, ROUTE_PATH_REGEX);
		if (match)
			match->regex = regex;
		return match;
	}
	if (!route_read_path(&dfp->draft, text, &text))
		return NULL;
	return route_match_text(build, dfp->path_kind, text);
}

static void read_path_type(struct dfp *dfp)
{
	const char *value = dfp_value(dfp, "pathType");

	dfp->path_kind = ROUTE_PATH_BEGINS;
	if (!value || strcmp(value, "path_beg") == 0)
		return;
	if (strcmp(value, "path_reg") == 0)
		dfp->path_kind = ROUTE_PATH_REGEX;
	else if (strcmp(value, "path") == 0)
		dfp->path_kind = ROUTE_PATH;
	else
		route_refuse(&dfp->draft, "only path_beg, path_reg and path are supported");
}

static void read_paths(struct dfp *dfp)
{
	struct route_list list = {.draft = &dfp->draft, .separator = ','};
	struct route_text element;

	list.at = dfp_value(dfp, "servicePath");
	/* A domain alone is all of it. */
	if (!list.at && dfp_value(dfp, "serviceDomain"))
		dfp->paths[dfp->n_paths++] =
			route_match_text(dfp->draft.build, ROUTE_PATH_BEGINS, route_text_of("/"));
	while (route_list_next(&list, &element)) {
		struct route_match *match = read_one_path(dfp, element);

		if (match && dfp->n_paths < ROUTE_LIST_MAX)
			dfp->paths[dfp->n_paths++] = match;
	}
}

static void read_exclusions(struct dfp *dfp)
{
	struct route_list list = {.draft = &dfp->draft, .separator = ','};
	struct route_match *any, *not ;
	struct route_text element;

	list.at = dfp_value(dfp, "servicePathExclude");
	if (!list.at)
		return;
	any = route_match_new(dfp->draft.build, ROUTE_ANY);
	not = route_match_new(dfp->draft.build, ROUTE_NOT);
	while (any && route_list_next(&list, &element)) {
		struct route_match *match = read_one_path(dfp, element);

		if (match)
			route_match_add(any, match);
	}
	if (not )
		not ->children = any;
	route_require(&dfp->draft, any ? not : NULL);
}

static void read_headers(struct dfp *dfp)
{
	struct route_list list = {.draft = &dfp->draft, .separator = ','};
	struct route_text element;
	char quoted[QUOTE_SIZE];

	list.at = dfp_value(dfp, "serviceHeader");
	while (route_list_next(&list, &element)) {
		const char *colon = element.size ? memchr(element.data, ':', element.size) : NULL;
		size_t size = colon ? (size_t)(colon - element.data) : 0;
		struct route_text name = {element.data, size}, value = {colon ? colon + 1 : "", 0};
		struct route_match *match;

		if (colon)
			value.size = element.size - size - 1;
		while (name.size && name.data[name.size - 1] == ' ')
			name.size--;
		while (value.size && *value.data == ' ')
			value.data++, value.size--;
		if (!colon || !route_is_token(name) || !route_is_field_value(value) ||
		    memchr(value.data, ':', value.size)) {
			route_refuse(&dfp->draft, "%s is no NAME:VALUE of a header field",
				     route_quote(element, quoted));
			continue;
		}
		match = route_match_text(dfp->draft.build, ROUTE_FIELD_ELEMENT, value);
		if (match)
			match->name = route_copy(dfp->draft.build, name);
		route_require(&dfp->draft, match);
	}
}

static void read_user_agents(struct dfp *dfp)
{
	struct route_list list = {.draft = &dfp->draft, .separator = ','};
	struct route_match *any;
	struct route_text element;

	list.at = dfp_value(dfp, "userAgent");
	if (!list.at)
		return;
	any = route_match_new(dfp->draft.build, ROUTE_ANY);
	while (any && route_list_next(&list, &element)) {
		struct route_match *match =
			route_match_text(dfp->draft.build, ROUTE_FIELD_CONTAINS, element);

		if (element.size == 0)
			route_refuse(&dfp->draft, "one of the user agents is empty");
		if (!match)
			return;
		match->name = "User-Agent";
		route_match_add(any, match);
	}
	route_require(&dfp->draft, any);
}

static void require_port(struct dfp *dfp, uint16_t port)
{
	struct route_match *match = route_match_new(dfp->draft.build, ROUTE_PORT);

	if (match)
		match->number = port;
	route_require(&dfp->draft, match);
}

static void read_source_port(struct dfp *dfp)
{
	const char *value = dfp_value(dfp, dfp->https ? "srcHttpsPort" : "srcPort");
	uint16_t port = 0;

	if (value)
		route_read_port(&dfp->draft, route_text_of(value), &port);
	else if (dfp->https)
		port = 443;
	else if (dfp_value(dfp, "httpsPort"))
		port = 80;
	if (port) {
		require_port(dfp, port);
	} else if (dfp->index && !value) {
		dfp->draft.label = DFP_PREFIX "srcPort";
		route_refuse(&dfp->draft, "is required where labels are numbered");
	}
}

static void read_target(struct dfp *dfp)
{
	const char *value = dfp_value(dfp, dfp->https ? "httpsPort" : "port");

	if (value) {
		route_read_port(&dfp->draft, route_text_of(value), &dfp->draft.rule.port);
		return;
	}
	dfp->draft.label = DFP_PREFIX "port";
	route_refuse(&dfp->draft, "is missing: at which port do the tasks serve HTTP?");
}

static void read_mode(struct dfp *dfp)
{
	const char *value = dfp_value(dfp, "reqMode");
	char quoted[QUOTE_SIZE];

	if (!value || strcasecmp(value, "http") == 0)
		return;
	if (strcasecmp(value, "tcp") == 0)
		dfp->mode = ROUTE_TCP;
	else if (strcasecmp(value, "sni") == 0)
		dfp->mode = ROUTE_SNI;
	else
		route_refuse(&dfp->draft, "the mode %s is none of http, tcp and sni",
			     route_quote(route_text_of(value), quoted));
}

/* What comes in at a port is relayed as it is. */
static void read_raw(struct dfp *dfp)
{
	struct route_match *mode = route_match_new(dfp->draft.build, ROUTE_MODE);
	const char *value = dfp_value(dfp, "srcPort");
	uint16_t port = 0;

	if (value)
		route_read_port(&dfp->draft, route_text_of(value), &port);
	else if (dfp->mode == ROUTE_SNI)
		port = 443;
	if (!port && !value) {
		dfp->draft.label = DFP_PREFIX "srcPort";
		route_refuse(&dfp->draft, "is missing: at which port of the proxy do connections "
					  "come in?");
	}
	dfp->draft.rule.mode = dfp->mode;
	dfp->draft.rule.entry_port = port;
	if (mode)
		mode->number = (uint16_t)dfp->mode;
	route_require(&dfp->draft, mode);
	require_port(dfp, port);
	/* Without one it would take TLS from all others at its port. */
	if (dfp->mode == ROUTE_SNI && !dfp_value(dfp, "serviceDomain")) {
		dfp->draft.label = DFP_PREFIX "serviceDomain";
		route_refuse(&dfp->draft, "is missing: which hosts are its clients to name?");
	} else if (dfp->mode == ROUTE_SNI) {
		dfp_read_domains(dfp);
	}
	dfp_refuse_http(dfp);
	dfp_read_tunnel_time(dfp);
	route_draft_add(&dfp->draft, NULL);
}

static void add_rules(struct dfp *dfp)
{
	bool is_default = !dfp->https && dfp_is_true(dfp, "isDefaultBackend");

	if (!dfp->n_paths && !is_default && !dfp->draft.failed) {
		dfp->draft.label = DFP_PREFIX "servicePath";
		route_refuse(&dfp->draft, "neither servicePath nor serviceDomain is there");
	}
	for (size_t i = 0; i < dfp->n_paths; i++)
		route_draft_add(&dfp->draft, dfp->paths[i]);
	dfp_add_redirects(dfp);
	if (!is_default)
		return;
	/* Takes whatever no other rule does. */
	dfp->draft.all = route_match_new(dfp->draft.build, ROUTE_ALL);
	dfp->draft.failed = dfp->draft.failed || !dfp->draft.all;
	dfp->draft.rule.order.priority = INT32_MIN;
	route_draft_add(&dfp->draft, NULL);
}

static void read_destination(struct route_build *build, int index, bool https)
{
	struct dfp *dfp = calloc(1, sizeof(*dfp));
	char name[16] = "";

	if (index)
		snprintf(name, sizeof(name), "%d", index);
	const char *copy = route_copy(build, route_text_of(name));
	if (!dfp || !copy) {
		build->no_memory = true;
		free(dfp);
		return;
	}
	route_draft_begin(&dfp->draft, build, copy);
	dfp->index = index;
	dfp->https = https;
	read_mode(dfp);
	dfp_refuse_unsupported(dfp);
	if (dfp->mode != ROUTE_HTTP) {
		if (!https) {
			read_target(dfp);
			read_raw(dfp);
		}
		free(dfp);
		return;
	}
	read_target(dfp);
	read_source_port(dfp);
	read_path_type(dfp);
	read_paths(dfp);
	dfp_read_domains(dfp);
	read_exclusions(dfp);
	if (!https)
		read_headers(dfp);
	read_user_agents(dfp);
	dfp_read_actions(dfp);
	add_rules(dfp);
	free(dfp);
}

static bool is_there(struct route_build *build, int index)
{
	return label_of(build, "servicePath", index, NULL) ||
	       label_of(build, "port", index, NULL) ||
	       label_of(build, "serviceDomain", index, NULL) ||
	       label_of(build, "httpsPort", index, NULL);
}

static void read_both(struct route_build *build, int index)
{
	bool https =
		label_of(build, "httpsPort", index, NULL) || label_of(build, "httpsPort", 0, NULL);

	if (!https || label_of(build, "port", index, NULL) || label_of(build, "port", 0, NULL))
		read_destination(build, index, false);
	if (https)
		read_destination(build, index, true);
}

/* The listener passes on services that say exactly this. */
static bool is_notified(struct route_build *build)
{
	const char *notify = model_label(build->service, DFP_PREFIX "notify");
	struct route_draft draft;

	if (notify && strcmp(notify, "true") == 0)
		return true;
	if ((notify && strcmp(notify, "false") == 0) ||
	    (!is_there(build, 0) && !is_there(build, 1)))
		return false;
	route_draft_begin(&draft, build, "");
	draft.label = DFP_PREFIX "notify";
	route_refuse(&draft, "%s; without it being exactly true the other labels have no effect",
		     notify ? "is something else" : "is missing");
	return false;
}

void route_read_dfp(struct route_build *build)
{
	int n = 0;

	/* Other tools share the prefix, so that there is any such label says nothing yet. */
	if (!is_notified(build))
		return;
	while (n < INDEX_MAX && is_there(build, n + 1))
		n++;
	dfp_note_ineffective(build, n);
	for (int i = 1; i <= n; i++)
		read_both(build, i);
	if (!n && (is_there(build, 0) || label_of(build, "isDefaultBackend", 0, NULL)))
		read_both(build, 0);
}
