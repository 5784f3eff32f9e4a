/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * skep's own labels: skep.http.KEY, and skep.http.NAME.KEY where a service has several rules. What
 * is said without a name then holds for all of them that do not say otherwise.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/check.h"
#include "route/build.h"

#define PREFIX	      "skep.http."
#define NAME_MAX_SIZE 63
#define PRIORITY_MAX  1000000
#define REDIRECT_CODE 307 /* nothing remembers it, and the method stays */

struct reading {
	struct route_draft draft;
	struct route_match *paths[ROUTE_LIST_MAX];
	size_t n_paths;
	bool has_host;
	bool strip;
};

static struct route_match *any_of(struct route_draft *draft)
{
	struct route_match *any = route_match_new(draft->build, ROUTE_ANY);

	route_require(draft, any);
	return any;
}

/* An ANY of one leaf of this kind for each element that check() lets pass. */
static void read_texts(struct reading *reading, const char *value, enum route_match_kind kind,
		       bool (*check)(struct route_text), const char *what)
{
	struct route_list list = {.draft = &reading->draft, .at = value, .separator = ','};
	struct route_match *any = any_of(&reading->draft);
	struct route_text element;
	char quoted[QUOTE_SIZE];

	while (any && route_list_next(&list, &element)) {
		struct route_match *match;

		if (!check(element)) {
			route_refuse(&reading->draft, "%s is no %s", route_quote(element, quoted),
				     what);
			continue;
		}
		match = route_match_text(reading->draft.build, kind, element);
		if (match)
			route_match_add(any, match);
	}
}

static void read_port(struct reading *reading, const char *value)
{
	route_read_port(&reading->draft, route_text_of(value), &reading->draft.rule.port);
}

static void read_host(struct reading *reading, const char *value)
{
	struct route_list list = {.draft = &reading->draft, .at = value, .separator = ','};
	struct route_match *any = route_match_new(reading->draft.build, ROUTE_ANY);
	bool everything = false;
	struct route_text element;

	reading->has_host = true;
	while (any && route_list_next(&list, &element)) {
		bool under = element.size > 1 && strncmp(element.data, "*.", 2) == 0;
		struct route_match *match;
		const char *host;

		if (element.size == 1 && *element.data == '*') {
			everything = true;
			continue;
		}
		/* The dot stays, so that the name in front has an end. */
		element.data += under * 2;
		element.size -= under * 2;
		if (!route_read_host(&reading->draft, element, &host))
			continue;
		match = route_match_new(reading->draft.build,
					under ? ROUTE_HOST_UNDER : ROUTE_HOST);
		if (!match)
			return;
		if (under) {
			char dotted[ROUTE_TEXT_MAX];

			snprintf(dotted, sizeof(dotted), ".%s", host);
			host = route_copy(reading->draft.build, route_text_of(dotted));
		}
		match->text = host;
		match->size = host ? strlen(host) : 0;
		route_match_add(any, match);
	}
	if (!everything)
		route_require(&reading->draft, any);
}

static bool add_path(struct reading *reading, struct route_match *match)
{
	if (!match || reading->n_paths == ROUTE_LIST_MAX)
		return false;
	reading->paths[reading->n_paths++] = match;
	return true;
}

static void read_path(struct reading *reading, const char *value)
{
	struct route_list list = {.draft = &reading->draft, .at = value, .separator = ','};
	struct route_build *build = reading->draft.build;
	struct route_text element;

	while (route_list_next(&list, &element)) {
		const struct route_regex *regex;
		struct route_match *match;
		struct route_text path;
		bool exact = element.size && *element.data == '=';

		if (element.size && *element.data == '~') {
			/* To the end of the label: a comma may be the expression's own. */
			if (!route_read_regex(&reading->draft, route_text_of(element.data + 1),
					      false, &regex))
				return;
			match = route_match_new(build, ROUTE_PATH_REGEX);
			if (match)
				match->regex = regex;
			add_path(reading, match);
			return;
		}
		if (!route_read_path(
			    &reading->draft,
			    (struct route_text){element.data + exact, element.size - exact}, &path))
			continue;
		/* `/a/` takes what `/a` takes. */
		while (!exact && path.size > 1 && path.data[path.size - 1] == '/')
			path.size--;
		add_path(reading,
			 route_match_text(build, exact ? ROUTE_PATH : ROUTE_PATH_UNDER, path));
	}
}

static void read_method(struct reading *reading, const char *value)
{
	char upper[ROUTE_TEXT_MAX];
	size_t n = strlen(value);

	if (n >= sizeof(upper)) {
		route_refuse(&reading->draft, "is longer than %d bytes", ROUTE_TEXT_MAX);
		return;
	}
	for (size_t i = 0; i <= n; i++)
		upper[i] = (char)(value[i] >= 'a' && value[i] <= 'z' ? value[i] - 32 : value[i]);
	read_texts(reading, upper, ROUTE_METHOD, route_is_token, "method");
}

static void read_header(struct reading *reading, const char *value)
{
	struct route_list list = {.draft = &reading->draft, .at = value, .separator = ','};
	struct route_text element;
	char quoted[QUOTE_SIZE];

	while (route_list_next(&list, &element)) {
		const char *colon = element.size ? memchr(element.data, ':', element.size) : NULL;
		size_t size = colon ? (size_t)(colon - element.data) : 0;
		struct route_text name = {element.data, size}, rest = {colon ? colon + 1 : "", 0};
		struct route_match *match;

		if (colon)
			rest.size = element.size - size - 1;
		while (rest.size && (*rest.data == ' ' || *rest.data == '\t'))
			rest.data++, rest.size--;
		if (!colon || !route_is_token(name) || !route_is_field_value(rest)) {
			route_refuse(&reading->draft, "%s is no NAME:VALUE of a header field",
				     route_quote(element, quoted));
			continue;
		}
		match = route_match_text(reading->draft.build, ROUTE_FIELD, rest);
		if (match)
			match->name = route_copy(reading->draft.build, name);
		route_require(&reading->draft, match);
	}
}

static void read_strip(struct reading *reading, const char *value)
{
	if (route_read_bool(&reading->draft, route_text_of(value), &reading->strip) &&
	    reading->strip)
		route_step_new(&reading->draft, ROUTE_STRIP);
}

/* The last comma: a regular expression has some more often than what replaces it. */
static void read_rewrite(struct reading *reading, const char *value)
{
	struct route_draft *draft = &reading->draft;
	const struct route_replacement *replacement;
	const char *comma = strrchr(value, ',');
	const struct route_regex *regex;
	struct route_step *step;
	struct skep_error error;

	if (!comma) {
		route_refuse(draft, "is not REGEX,REPLACEMENT");
		return;
	}
	if (!route_read_regex(draft, (struct route_text){value, (size_t)(comma - value)}, false,
			      &regex))
		return;
	if (route_replacement_compile(draft->build->arena, regex, route_text_of(comma + 1), false,
				      route_path_characters, &replacement, &error)) {
		route_refuse(draft, "%s", error.text);
		return;
	}
	step = route_step_new(draft, ROUTE_REWRITE);
	if (step) {
		step->regex = regex;
		step->replacement = replacement;
	}
}

static void read_redirect(struct reading *reading, const char *value)
{
	struct route_draft *draft = &reading->draft;
	bool https = strcmp(value, "https") == 0;
	struct route_step *step;
	const char *url = value;

	if (!https && !route_read_url(draft, route_text_of(value), &url))
		return;
	step = route_step_new(draft, https ? ROUTE_REDIRECT_SCHEME : ROUTE_REDIRECT);
	if (!step)
		return;
	step->status = REDIRECT_CODE;
	step->text = https ? "https" : url;
	step->size = strlen(step->text);
	/* A URL without a path of its own gets the request's. */
	step->whole = !https && strchr(strstr(url, "://") + 3, '/') != NULL;
	if (https)
		step->when = route_unless_scheme(draft, true);
}

static void read_users(struct reading *reading, const char *value)
{
	const struct route_users *users = route_read_users(&reading->draft, value, false);
	struct route_step *step =
		users ? route_step_new(&reading->draft, ROUTE_AUTHENTICATE) : NULL;

	if (step)
		step->users = users;
}

static void read_sticky(struct reading *reading, const char *value)
{
	struct route_draft *draft = &reading->draft;
	const char *name = strncmp(value, "cookie:", 7) == 0 ? value + 7 : "skep";

	if (strcmp(value, "cookie") != 0 && strncmp(value, "cookie:", 7) != 0)
		route_refuse(draft, "is neither cookie nor cookie:NAME");
	else if (!route_is_token(route_text_of(name)))
		route_refuse(draft, "the cookie's name is no token (RFC 6265)");
	else
		draft->rule.sticky = (struct route_sticky){
			.cookie = route_copy(draft->build, route_text_of(name)),
			.http_only = true,
		};
}

static void read_tunnel_timeout(struct reading *reading, const char *value)
{
	route_read_time(&reading->draft, route_text_of(value), &reading->draft.rule.tunnel_ms);
}

static void read_timeout(struct reading *reading, const char *value)
{
	route_read_time(&reading->draft, route_text_of(value), &reading->draft.rule.timeout_ms);
}

static void read_check(struct reading *reading, const char *value)
{
	struct route_text path;

	if (route_read_path(&reading->draft, route_text_of(value), &path))
		reading->draft.rule.check.path = path.data;
}

static bool is_entry(struct route_text text)
{
	return route_is_name(text, "", 31);
}

static void read_entry(struct reading *reading, const char *value)
{
	read_texts(reading, value, ROUTE_ENTRY, is_entry, "name of an entry");
}

static void read_priority(struct reading *reading, const char *value)
{
	int64_t priority;

	if (route_read_number(&reading->draft, route_text_of(value), -PRIORITY_MAX, PRIORITY_MAX,
			      &priority))
		reading->draft.rule.order.priority = (int32_t)priority;
}

/* Of all vocabularies, in route_draft_add(). */
static void read_nothing(struct reading *reading, const char *value)
{
	(void)reading;
	(void)value;
}

/* In the order in which their steps are taken. */
static const struct {
	const char *key;
	void (*read)(struct reading *reading, const char *value);
} keys[] = {
	{"redirect", read_redirect},
	{"users", read_users},
	{"strip", read_strip},
	{"rewrite", read_rewrite},
	{"port", read_port},
	{"host", read_host},
	{"path", read_path},
	{"method", read_method},
	{"header", read_header},
	{"sticky", read_sticky},
	{"timeout", read_timeout},
	{"check", read_check},
	{"entry", read_entry},
	{"priority", read_priority},
	{"tunnel-timeout", read_tunnel_timeout},
	{"proxy-protocol", read_nothing},
};
#define N_KEYS (sizeof(keys) / sizeof(*keys))

static bool is_key(const char *text, size_t size)
{
	for (size_t i = 0; i < N_KEYS; i++)
		if (strlen(keys[i].key) == size && strncmp(keys[i].key, text, size) == 0)
			return true;
	return false;
}

/* The label of this rule for a key, else that of all rules; NULL: neither. */
static const char *find_label(struct reading *reading, const char *key)
{
	char label[sizeof(PREFIX) + NAME_MAX_SIZE + 32];
	const char *value = NULL;

	if (*reading->draft.name) {
		snprintf(label, sizeof(label), PREFIX "%s.%s", reading->draft.name, key);
		value = model_label(reading->draft.build->service, label);
	}
	if (!value) {
		snprintf(label, sizeof(label), PREFIX "%s", key);
		value = model_label(reading->draft.build->service, label);
	}
	reading->draft.label = value ? route_copy(reading->draft.build, route_text_of(label)) : "";
	return reading->draft.label ? value : NULL;
}

/* What is no label at all, or not of a rule that has a name, concerns every rule. */
static void refuse_unknown(struct reading *reading)
{
	const struct model_service *service = reading->draft.build->service;
	struct route_draft *draft = &reading->draft;
	size_t n = strlen(draft->name);

	for (size_t i = 0; i < service->n_labels; i++) {
		const char *key = service->labels[i].key + strlen(PREFIX);
		const char *dot;

		if (strncmp(service->labels[i].key, PREFIX, strlen(PREFIX)) != 0)
			continue;
		draft->label = service->labels[i].key;
		dot = strchr(key, '.');
		if (dot && is_key(key, (size_t)(dot - key)))
			route_refuse(draft, "%.*s is a label's own word and names no rule",
				     (int)(dot - key), key);
		else if (dot && !route_is_name((struct route_text){key, (size_t)(dot - key)}, "",
					       NAME_MAX_SIZE))
			route_refuse(draft,
				     "a rule's name has 1 to %d letters, digits, `-` or `_`, as in "
				     "skep.http.NAME.path",
				     NAME_MAX_SIZE);
		else if (dot ? (size_t)(dot - key) == n && strncmp(key, draft->name, n) == 0 &&
					 !is_key(dot + 1, strlen(dot + 1))
			     : !is_key(key, strlen(key)))
			route_refuse(draft, "there is no such label; skep(8) lists them");
	}
	draft->label = PREFIX "*";
}

static void read_rule(struct route_build *build, const char *name)
{
	struct reading *reading = calloc(1, sizeof(*reading));
	struct route_draft *draft = reading ? &reading->draft : NULL;

	if (!reading) {
		build->no_memory = true;
		return;
	}
	route_draft_begin(draft, build, name);
	refuse_unknown(reading);
	for (size_t i = 0; i < N_KEYS; i++) {
		const char *value = find_label(reading, keys[i].key);

		if (value)
			keys[i].read(reading, value);
	}
	draft->label = PREFIX "port";
	if (!draft->rule.port && !model_label(build->service, draft->label) && !draft->failed)
		route_refuse(draft, "is missing: at which port do the tasks serve HTTP?");
	draft->label = PREFIX "path";
	if (!reading->n_paths && !reading->has_host && !draft->failed)
		route_refuse(draft,
			     "neither path nor host is there; a path of / takes every request");
	draft->label = PREFIX "strip";
	for (size_t i = 0; reading->strip && i < reading->n_paths; i++)
		if (reading->paths[i]->kind == ROUTE_PATH_REGEX)
			route_refuse(draft,
				     "a regular expression has no prefix that could be taken "
				     "off; use rewrite");
	for (size_t i = 0; i < reading->n_paths; i++)
		route_draft_add(draft, reading->paths[i]);
	if (!reading->n_paths)
		route_draft_add(draft, NULL);
	free(reading);
}

void route_read_skep(struct route_build *build)
{
	const struct model_service *service = build->service;
	const char *last = NULL;
	size_t n_last = 0;
	bool any = false;

	/* Labels are sorted, so all of one name stand together. */
	for (size_t i = 0; i < service->n_labels; i++) {
		const char *key = service->labels[i].key + strlen(PREFIX), *dot;
		struct route_text name;

		if (strncmp(service->labels[i].key, PREFIX, strlen(PREFIX)) != 0)
			continue;
		/* It speaks of the tasks, which other labels may have rules for. */
		any = any || strcmp(service->labels[i].key, ROUTE_PROXY_PROTOCOL) != 0;
		dot = strchr(key, '.');
		name = (struct route_text){key, dot ? (size_t)(dot - key) : 0};
		if (!dot || is_key(key, name.size) || !route_is_name(name, "", NAME_MAX_SIZE) ||
		    (last && name.size == n_last && strncmp(last, key, n_last) == 0))
			continue;
		last = key;
		n_last = name.size;
		const char *copy = route_copy(build, name);
		if (copy)
			read_rule(build, copy);
	}
	if (any && !last)
		read_rule(build, "");
}
