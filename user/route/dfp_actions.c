/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/check.h"
#include "route/dfp.h"

#define DAY_S 86400

static struct route_match *not_of(struct dfp *dfp, struct route_match *match)
{
	struct route_match *not = match ? route_match_new(dfp->draft.build, ROUTE_NOT) : NULL;

	if (not )
		not ->children = match;
	dfp->draft.failed = dfp->draft.failed || !not ;
	return not ;
}

static uint16_t redirect_code(struct dfp *dfp)
{
	static const char *const codes[] = {"301", "302", "303", "307", "308"};
	const char *value = dfp_value(dfp, "httpsRedirectCode");

	for (size_t i = 0; value && i < sizeof(codes) / sizeof(*codes); i++)
		if (strcmp(value, codes[i]) == 0)
			return (uint16_t)strtoul(value, NULL, 10);
	if (value)
		route_refuse(&dfp->draft, "is none of 301, 302, 303, 307, 308");
	return 302;
}

static void redirect_to_https(struct dfp *dfp, const struct route_match *when)
{
	struct route_step *step = when ? route_step_new(&dfp->draft, ROUTE_REDIRECT_SCHEME) : NULL;

	if (!step)
		return;
	step->when = when;
	step->status = redirect_code(dfp);
	step->text = "https";
	step->size = strlen(step->text);
}

static struct route_match *proto_is(struct dfp *dfp, const char *proto)
{
	struct route_match *match =
		route_match_text(dfp->draft.build, ROUTE_FIELD_ELEMENT, route_text_of(proto));

	if (match)
		match->name = "X-Forwarded-Proto";
	return match;
}

static void read_redirects(struct dfp *dfp)
{
	struct route_build *build = dfp->draft.build;

	/* All but the last are of the destination for HTTP, as in its templates. */
	if (dfp->https)
		return;
	if (dfp_is_true(dfp, "redirectWhenHttpProto"))
		redirect_to_https(dfp, proto_is(dfp, "http"));
	if (dfp_is_true(dfp, "redirectUnlessHttpsProto"))
		redirect_to_https(dfp, not_of(dfp, proto_is(dfp, "https")));
	if (dfp_is_true(dfp, "httpsOnly"))
		redirect_to_https(dfp, not_of(dfp, route_match_new(build, ROUTE_TLS)));
}

static void refuse_when(struct dfp *dfp, const struct route_match *when)
{
	struct route_step *step = when ? route_step_new(&dfp->draft, ROUTE_REFUSE) : NULL;

	if (step) {
		step->when = when;
		step->status = 403;
	}
}

static struct route_match *read_methods(struct dfp *dfp, const char *key)
{
	struct route_list list = {.draft = &dfp->draft, .separator = ','};
	struct route_match *any;
	struct route_text element;
	char quoted[QUOTE_SIZE];

	list.at = dfp_value(dfp, key);
	if (!list.at)
		return NULL;
	any = route_match_new(dfp->draft.build, ROUTE_ANY);
	while (any && route_list_next(&list, &element)) {
		struct route_match *match =
			route_match_text(dfp->draft.build, ROUTE_METHOD, element);

		if (!route_is_token(element))
			route_refuse(&dfp->draft, "%s is no method", route_quote(element, quoted));
		if (match)
			route_match_add(any, match);
	}
	return any;
}

static void read_denials(struct dfp *dfp)
{
	struct route_match *allowed = read_methods(dfp, "allowedMethods");

	if (allowed)
		refuse_when(dfp, not_of(dfp, allowed));
	refuse_when(dfp, read_methods(dfp, "deniedMethods"));
	if (!dfp->https && dfp_is_true(dfp, "denyHttp"))
		refuse_when(dfp, not_of(dfp, route_match_new(dfp->draft.build, ROUTE_TLS)));
}

static void read_users(struct dfp *dfp)
{
	bool plain = !dfp_is_true(dfp, "usersPassEncrypted");
	const char *value = dfp_value(dfp, "users");
	const struct route_users *users;
	struct route_step *step;

	/* usersSecret is refused elsewhere: who asks for a password must not be left without. */
	if (!value || dfp_is_true(dfp, "ignoreAuthorization"))
		return;
	dfp_value(dfp, "users"); /* the label to blame */
	users = route_read_users(&dfp->draft, value, plain);
	step = users ? route_step_new(&dfp->draft, ROUTE_AUTHENTICATE) : NULL;
	if (step)
		step->users = users;
}

/* SEARCH,REPLACE[,FLAGS] as HAProxy's regsub() takes it. */
static void read_one_rewriting(struct dfp *dfp, struct route_text text)
{
	const char *first = text.size ? memchr(text.data, ',', text.size) : NULL;
	struct route_text search, replace, flags = {"", 0};
	const struct route_replacement *replacement;
	const struct route_regex *regex;
	struct route_step *step;
	struct skep_error error;
	const char *second;

	if (!first) {
		route_refuse(&dfp->draft, "is not SEARCH,REPLACE[:SEARCH,REPLACE…]");
		return;
	}
	search = (struct route_text){text.data, (size_t)(first - text.data)};
	replace = (struct route_text){first + 1, text.size - search.size - 1};
	second = replace.size ? memchr(replace.data, ',', replace.size) : NULL;
	if (second) {
		flags = (struct route_text){second + 1,
					    (size_t)(replace.data + replace.size - second - 1)};
		replace.size = (size_t)(second - replace.data);
	}
	for (size_t i = 0; i < flags.size; i++)
		if (!strchr("gi", flags.data[i])) {
			route_refuse(&dfp->draft,
				     "has more than SEARCH,REPLACE between two colons");
			return;
		}
	if (!route_read_regex(&dfp->draft, search,
			      flags.size && memchr(flags.data, 'i', flags.size), &regex))
		return;
	if (route_replacement_compile(dfp->draft.build->arena, regex, replace, true,
				      route_path_characters, &replacement, &error)) {
		route_refuse(&dfp->draft, "%s", error.text);
		return;
	}
	step = route_step_new(&dfp->draft, ROUTE_REWRITE);
	if (step) {
		step->regex = regex;
		step->replacement = replacement;
		step->every = flags.size && memchr(flags.data, 'g', flags.size);
	}
}

static void read_rewritings(struct dfp *dfp)
{
	struct route_list list = {.draft = &dfp->draft, .separator = ':'};
	const char *search = dfp_value(dfp, "reqPathSearch");
	struct route_text element;

	if (search) { /* the older way to write one */
		const char *replace = dfp_value(dfp, "reqPathReplace");
		char pair[2 * ROUTE_TEXT_MAX];
		int size = snprintf(pair, sizeof(pair), "%s,%s", search, replace ? replace : "");

		if (size >= (int)sizeof(pair))
			route_refuse(&dfp->draft, "is longer than %d bytes", ROUTE_TEXT_MAX);
		else
			read_one_rewriting(dfp, route_text_of(pair));
	}
	list.at = dfp_value(dfp, "reqPathSearchReplace");
	while (route_list_next(&list, &element))
		read_one_rewriting(dfp, element);
}

static void read_one_field(struct dfp *dfp, struct route_text text, enum route_field_action action,
			   bool response)
{
	const char *space = text.size ? memchr(text.data, ' ', text.size) : NULL;
	struct route_text name = {text.data, space ? (size_t)(space - text.data) : text.size};
	struct route_text value = {name.data + name.size, text.size - name.size};
	char quoted[QUOTE_SIZE];

	while (value.size && *value.data == ' ')
		value.data++, value.size--;
	if (!route_is_token(name) || !route_is_field_value(value) ||
	    (action == ROUTE_FIELD_REMOVE) != (value.size == 0)) {
		route_refuse(&dfp->draft, "%s is no %s", route_quote(text, quoted),
			     action == ROUTE_FIELD_REMOVE ? "NAME of a header field"
							  : "NAME VALUE of a header field");
	} else if (value.size && memchr(value.data, '%', value.size)) {
		route_refuse(&dfp->draft, "%s: HAProxy's expressions (%%) are not supported",
			     route_quote(text, quoted));
	} else if (memmem(text.data, text.size, " if ", 4) ||
		   memmem(text.data, text.size, " unless ", 8)) {
		route_refuse(&dfp->draft, "%s: HAProxy's conditions are not supported",
			     route_quote(text, quoted));
	} else {
		route_field_new(&dfp->draft, action, response, name, value);
	}
}

static void read_fields(struct dfp *dfp)
{
	static const struct {
		const char *key, *older;
		enum route_field_action action;
		bool response;
	} labels[] = {
		{"addReqHeader", "addHeader", ROUTE_FIELD_ADD, false},
		{"setReqHeader", "setHeader", ROUTE_FIELD_SET, false},
		{"delReqHeader", NULL, ROUTE_FIELD_REMOVE, false},
		{"addResHeader", NULL, ROUTE_FIELD_ADD, true},
		{"setResHeader", NULL, ROUTE_FIELD_SET, true},
		{"delResHeader", NULL, ROUTE_FIELD_REMOVE, true},
	};

	for (size_t i = 0; i < sizeof(labels) / sizeof(*labels); i++) {
		struct route_list list = {.draft = &dfp->draft, .separator = ','};
		struct route_text element;

		list.at = dfp_value(dfp, labels[i].key);
		if (!list.at && labels[i].older)
			list.at = dfp_value(dfp, labels[i].older);
		while (route_list_next(&list, &element))
			read_one_field(dfp, element, labels[i].action, labels[i].response);
	}
}

static void read_seconds(struct dfp *dfp, const char *key, uint32_t *ms)
{
	const char *value = dfp_value(dfp, key);
	int64_t seconds;

	if (value && route_read_number(&dfp->draft, route_text_of(value), 1, DAY_S, &seconds))
		*ms = (uint32_t)seconds * 1000;
}

static void read_session(struct dfp *dfp)
{
	const char *value = dfp_value(dfp, "sessionType");

	if (!value || strcmp(value, "sticky-server") != 0)
		return; /* dfp_known.c notes it */
	if (!route_is_token(route_text_of(dfp->draft.rule.service)))
		route_refuse(&dfp->draft, "the service's name cannot be that of a cookie");
	else
		dfp->draft.rule.sticky.cookie = dfp->draft.rule.service;
}

void dfp_read_actions(struct dfp *dfp)
{
	read_redirects(dfp);
	read_denials(dfp);
	read_users(dfp);
	read_rewritings(dfp);
	read_fields(dfp);
	read_session(dfp);
	read_seconds(dfp, "timeoutServer", &dfp->draft.rule.timeout_ms);
	dfp_read_tunnel_time(dfp);
}

void dfp_read_tunnel_time(struct dfp *dfp)
{
	read_seconds(dfp, "timeoutTunnel", &dfp->draft.rule.tunnel_ms);
}
