/* SPDX-License-Identifier: GPL-2.0-only */
/* Traefik's middlewares, to steps: those that concern routing, paths, headers and passwords. */
#include <stdio.h>
#include <string.h>

#include "model/check.h"
#include "route/traefik.h"

#define PREFIX	  "traefik.http.middlewares"
#define CHAIN_MAX 8  /* chains within chains */
#define ALL_MAX	  64 /* middlewares of one router */

struct reading {
	struct route_draft *draft;
	struct route_text name; /* of the middleware */
	unsigned int depth, n;
};

static void read_list(struct reading *reading, const char *list);

static const char *value_of(struct reading *reading, const char *option)
{
	return traefik_value(reading->draft, PREFIX, reading->name, option);
}

/* It must be there; NULL: refused. */
static const char *required(struct reading *reading, const char *option)
{
	const char *value = value_of(reading, option);
	char label[512];

	if (value)
		return value;
	snprintf(label, sizeof(label), PREFIX ".%.*s.%s",
		 reading->name.size < 128 ? (int)reading->name.size : 128, reading->name.data,
		 option);
	reading->draft->label = label;
	route_refuse(reading->draft, "is missing");
	reading->draft->label = "";
	return NULL;
}

static bool is_true(struct reading *reading, const char *option)
{
	const char *value = value_of(reading, option);
	bool result = false;

	if (value)
		route_read_bool(reading->draft, route_text_of(value), &result);
	return result;
}

static void read_strip_prefix(struct reading *reading)
{
	struct route_list list = {.draft = reading->draft, .separator = ','};
	struct route_step *last = NULL;
	struct route_text element, path;

	list.at = required(reading, "stripprefix.prefixes");
	while (route_list_next(&list, &element)) {
		if (!route_read_path(reading->draft, element, &path))
			continue;
		if (last)
			last->more = true;
		last = route_step_new(reading->draft, ROUTE_STRIP);
		if (!last)
			return;
		last->text = path.data;
		last->size = path.size;
		last->tell = true;
	}
}

static void add_path_step(struct reading *reading, const char *option, enum route_step_kind kind)
{
	const char *value = required(reading, option);
	struct route_text path;
	struct route_step *step;

	if (!value || !route_read_path(reading->draft, route_text_of(value), &path))
		return;
	step = route_step_new(reading->draft, kind);
	if (step) {
		step->text = path.data;
		step->size = path.size;
		step->tell = true;
	}
}

static void read_add_prefix(struct reading *reading)
{
	add_path_step(reading, "addprefix.prefix", ROUTE_ADD_PREFIX);
}

static void read_replace_path(struct reading *reading)
{
	add_path_step(reading, "replacepath.path", ROUTE_SET_PATH);
}

static struct route_step *read_replacement(struct reading *reading, const char *regex_option,
					   const char *option, enum route_step_kind kind,
					   const char *allowed)
{
	const char *pattern = required(reading, regex_option), *value;
	const struct route_replacement *replacement;
	struct route_draft *draft = reading->draft;
	const struct route_regex *regex;
	struct skep_error error;
	struct route_step *step;

	if (!pattern || !route_read_regex(draft, route_text_of(pattern), false, &regex))
		return NULL;
	value = value_of(reading, option);
	if (route_replacement_compile(draft->build->arena, regex, route_text_of(value ? value : ""),
				      false, allowed, &replacement, &error)) {
		route_refuse(draft, "%s", error.text);
		return NULL;
	}
	step = route_step_new(draft, kind);
	if (!step)
		return NULL;
	step->regex = regex;
	step->replacement = replacement;
	step->every = true;
	return step;
}

static void read_replace_path_regex(struct reading *reading)
{
	struct route_step *step =
		read_replacement(reading, "replacepathregex.regex", "replacepathregex.replacement",
				 ROUTE_REWRITE, route_path_characters);

	if (step)
		step->tell = true;
}

/* GET may become another method by 301 and 302, the rest may not. */
static void set_status(struct route_step *step, bool permanent)
{
	step->status = permanent ? 301 : 302;
	step->by_method = true;
}

static void read_redirect_regex(struct reading *reading)
{
	bool permanent = is_true(reading, "redirectregex.permanent");
	struct route_step *step =
		read_replacement(reading, "redirectregex.regex", "redirectregex.replacement",
				 ROUTE_REDIRECT_REGEX, route_url_characters);

	if (step)
		set_status(step, permanent);
}

static void read_redirect_scheme(struct reading *reading)
{
	const char *scheme = required(reading, "redirectscheme.scheme"), *port;
	bool permanent = is_true(reading, "redirectscheme.permanent");
	struct route_draft *draft = reading->draft;
	struct route_step *step;
	bool https;

	if (!scheme)
		return;
	https = strcasecmp(scheme, "https") == 0;
	if (!https && strcasecmp(scheme, "http") != 0) {
		value_of(reading, "redirectscheme.scheme");
		route_refuse(draft, "is neither http nor https");
		return;
	}
	step = route_step_new(draft, ROUTE_REDIRECT_SCHEME);
	if (!step)
		return;
	set_status(step, permanent);
	step->text = https ? "https" : "http";
	step->size = strlen(step->text);
	step->when = route_unless_scheme(draft, https);
	port = value_of(reading, "redirectscheme.port");
	if (port && route_read_port(draft, route_text_of(port), &step->port) &&
	    step->port == (https ? 443 : 80))
		step->port = 0;
}

static void read_basic_auth(struct reading *reading)
{
	const char *users = required(reading, "basicauth.users");
	const char *realm = value_of(reading, "basicauth.realm");
	struct route_draft *draft = reading->draft;
	struct route_users *made;
	struct route_step *step;

	if (realm && (!*realm || strpbrk(realm, "\"\\") || strlen(realm) > 128 ||
		      !route_is_field_value(route_text_of(realm))))
		route_refuse(draft, "is no realm that can be sent");
	if (!users)
		return;
	value_of(reading, "basicauth.users"); /* the label to blame */
	made = (struct route_users *)route_read_users(draft, users, false);
	step = made ? route_step_new(draft, ROUTE_AUTHENTICATE) : NULL;
	if (!step)
		return;
	made->realm = route_copy(draft->build, route_text_of(realm ? realm : "traefik"));
	made->keep_field = !is_true(reading, "basicauth.removeheader");
	step->users = made;
}

static void read_chain(struct reading *reading)
{
	const char *list = required(reading, "chain.middlewares");

	if (!list)
		return;
	if (reading->depth == CHAIN_MAX) {
		route_refuse(reading->draft, "chains are nested too deeply");
		return;
	}
	reading->depth++;
	read_list(reading, list);
	reading->depth--;
}

static void add_field(struct reading *reading, bool response, const char *name, const char *value)
{
	struct route_text name_text = route_text_of(name), value_text = route_text_of(value);
	struct route_draft *draft = reading->draft;

	if (!route_is_token(name_text) || !route_is_field_value(value_text))
		route_refuse(draft, "is no header field that can be sent");
	else if (!response && strcasecmp(name, "host") == 0)
		route_refuse(draft, "tasks get the Host that the client sent");
	else
		route_field_new(draft, *value ? ROUTE_FIELD_SET : ROUTE_FIELD_REMOVE, response,
				name_text, value_text);
}

/* Options that stand for one field of the answer. true: that value if the option is. */
static const struct {
	const char *option, *name, *if_true;
} security[] = {
	{"framedeny", "X-Frame-Options", "DENY"},
	{"customframeoptionsvalue", "X-Frame-Options", NULL},
	{"contenttypenosniff", "X-Content-Type-Options", "nosniff"},
	{"browserxssfilter", "X-XSS-Protection", "1; mode=block"},
	{"custombrowserxssvalue", "X-XSS-Protection", NULL},
	{"contentsecuritypolicy", "Content-Security-Policy", NULL},
	{"referrerpolicy", "Referrer-Policy", NULL},
	{"permissionspolicy", "Permissions-Policy", NULL},
};

static void read_header_option(struct reading *reading, const char *option, const char *value)
{
	static const char request[] = "customrequestheaders.",
			  response[] = "customresponseheaders.";

	if (strncasecmp(option, request, sizeof(request) - 1) == 0) {
		add_field(reading, false, option + sizeof(request) - 1, value);
		return;
	}
	if (strncasecmp(option, response, sizeof(response) - 1) == 0) {
		add_field(reading, true, option + sizeof(response) - 1, value);
		return;
	}
	for (size_t i = 0; i < sizeof(security) / sizeof(*security); i++) {
		bool wanted = true;

		if (strcasecmp(security[i].option, option) != 0)
			continue;
		if (security[i].if_true &&
		    !route_read_bool(reading->draft, route_text_of(value), &wanted))
			return;
		if (wanted)
			add_field(reading, true, security[i].name,
				  security[i].if_true ? security[i].if_true : value);
		return;
	}
	route_refuse(reading->draft, "is not supported");
}

static void read_headers(struct reading *reading)
{
	const struct model_service *service = reading->draft->build->service;

	for (size_t i = 0; i < service->n_labels; i++) {
		const char *option = traefik_option(service->labels[i].key, PREFIX, reading->name);

		if (!option || strncasecmp(option, "headers.", 8) != 0)
			continue;
		reading->draft->label = service->labels[i].key;
		read_header_option(reading, option + 8, service->labels[i].value);
	}
}

/* options: all that there are, NULL: read() looks at them itself. */
static const struct type {
	const char *name;
	void (*read)(struct reading *reading);
	const char *options[4];
} types[] = {
	{"stripprefix", read_strip_prefix, {"prefixes", "forceslash"}},
	{"addprefix", read_add_prefix, {"prefix"}},
	{"replacepath", read_replace_path, {"path"}},
	{"replacepathregex", read_replace_path_regex, {"regex", "replacement"}},
	{"redirectscheme", read_redirect_scheme, {"scheme", "port", "permanent"}},
	{"redirectregex", read_redirect_regex, {"regex", "replacement", "permanent"}},
	{"basicauth", read_basic_auth, {"users", "realm", "removeheader"}},
	{"chain", read_chain, {"middlewares"}},
	{"headers", read_headers, {NULL}},
};

/* The type that an option is of; NULL: refused. */
static const struct type *check_option(struct reading *reading, const char *option)
{
	size_t size = strcspn(option, ".");

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		const struct type *type = &types[i];

		if (strlen(type->name) != size || strncasecmp(type->name, option, size) != 0)
			continue;
		if (!type->options[0])
			return type;
		for (size_t j = 0; j < 4 && type->options[j] && option[size]; j++)
			if (strcasecmp(type->options[j], option + size + 1) == 0)
				return type;
		break;
	}
	route_refuse(reading->draft, "is not supported");
	return NULL;
}

static void read_middleware(struct reading *reading)
{
	const struct model_service *service = reading->draft->build->service;
	const struct type *type = NULL;
	bool failed = false, any = false;
	char quoted[QUOTE_SIZE];

	for (size_t i = 0; i < service->n_labels; i++) {
		const char *option = traefik_option(service->labels[i].key, PREFIX, reading->name);
		const struct type *one;

		if (!option)
			continue;
		any = true;
		reading->draft->label = service->labels[i].key;
		one = check_option(reading, option);
		if (one && type && one != type)
			route_refuse(reading->draft, "the middleware is of another type already");
		failed = failed || !one || (type && one != type);
		type = one;
	}
	if (!any)
		route_refuse(reading->draft, "there is no middleware %s among the service's labels",
			     route_quote(reading->name, quoted));
	else if (!failed)
		type->read(reading);
}

static void read_list(struct reading *reading, const char *list)
{
	struct route_list names = {.draft = reading->draft, .at = list, .separator = ','};
	const char *label = reading->draft->label;
	struct route_text name, outer = reading->name;

	while (route_list_next(&names, &name)) {
		reading->draft->label = label;
		if (reading->n++ == ALL_MAX) {
			route_refuse(reading->draft, "there are more than %d middlewares", ALL_MAX);
			break;
		}
		if (!traefik_reference(reading->draft, &name))
			continue;
		reading->name = name;
		read_middleware(reading);
	}
	reading->name = outer;
}

void traefik_read_middlewares(struct route_draft *draft, const char *list)
{
	struct reading reading = {.draft = draft};

	read_list(&reading, list);
}
