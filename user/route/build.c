/* SPDX-License-Identifier: GPL-2.0-only */
#include "route/build.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct route_text route_text_of(const char *text)
{
	return (struct route_text){text, strlen(text)};
}

const char *route_copy(struct route_build *build, struct route_text text)
{
	const char *copy = arena_string(build->arena, text.data, text.size);

	build->no_memory = build->no_memory || !copy;
	return copy;
}

static void tell(struct route_draft *draft, bool note, const char *format, va_list arguments)
	__attribute__((format(printf, 3, 0)));

static void tell(struct route_draft *draft, bool note, const char *format, va_list arguments)
{
	struct route_build *build = draft->build;
	struct route_problem *problem = array_add(&build->problems, sizeof(*problem));
	char why[384];

	vsnprintf(why, sizeof(why), format, arguments);
	/* Labels may hold anything; a problem is a line of a log and of a table. */
	for (char *at = why; *at; at++)
		if ((unsigned char)*at < ' ' || (unsigned char)*at > '~')
			*at = '?';
	if (!problem) {
		build->no_memory = true;
		return;
	}
	*problem = (struct route_problem){
		.service = build->service_name,
		.vocabulary = build->vocabulary,
		.rule = draft->name,
		.label = route_copy(build, route_text_of(draft->label)),
		.why = route_copy(build, route_text_of(why)),
		.note = note,
	};
}

bool route_refuse(struct route_draft *draft, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	tell(draft, false, format, arguments);
	va_end(arguments);
	draft->failed = true;
	return false;
}

void route_note(struct route_draft *draft, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	tell(draft, true, format, arguments);
	va_end(arguments);
}

void route_draft_begin(struct route_draft *draft, struct route_build *build, const char *name)
{
	memset(draft, 0, sizeof(*draft));
	draft->build = build;
	draft->label = "";
	draft->name = name;
	draft->all = route_match_new(build, ROUTE_ALL);
	draft->steps_end = &draft->rule.steps;
	draft->fields_end = &draft->rule.fields;
	draft->rule.service = build->service_name;
	draft->rule.service_id = build->service_id;
	draft->rule.created_ms = build->service->created_ms;
	draft->rule.vocabulary = build->vocabulary;
	draft->rule.name = name;
	draft->failed = !draft->all;
}

static void *add(struct route_build *build, size_t size)
{
	void *made = arena_alloc(build->arena, size);

	build->no_memory = build->no_memory || !made;
	return made;
}

struct route_match *route_match_new(struct route_build *build, enum route_match_kind kind)
{
	struct route_match *match = add(build, sizeof(*match));

	if (match)
		match->kind = kind;
	return match;
}

struct route_match *route_match_text(struct route_build *build, enum route_match_kind kind,
				     struct route_text text)
{
	struct route_match *match = route_match_new(build, kind);

	if (!match)
		return NULL;
	match->text = route_copy(build, text);
	match->size = text.size;
	return match->text ? match : NULL;
}

void route_match_add(struct route_match *parent, struct route_match *child)
{
	const struct route_match **end = &parent->children;

	/* Lists are short (ROUTE_LIST_MAX), and these are nobody's but the reader's yet. */
	while (*end)
		end = (const struct route_match **)&(*end)->next;
	*end = child;
}

void route_require(struct route_draft *draft, struct route_match *match)
{
	if (match && draft->all)
		route_match_add(draft->all, match);
	else
		draft->failed = true;
}

struct route_step *route_step_new(struct route_draft *draft, enum route_step_kind kind)
{
	struct route_step *step = add(draft->build, sizeof(*step));

	if (!step) {
		draft->failed = true;
		return NULL;
	}
	step->kind = kind;
	*draft->steps_end = step;
	draft->steps_end = &step->next;
	return step;
}

struct route_field *route_field_new(struct route_draft *draft, enum route_field_action action,
				    bool response, struct route_text name, struct route_text value)
{
	struct route_field *field = add(draft->build, sizeof(*field));

	if (!field) {
		draft->failed = true;
		return NULL;
	}
	*field = (struct route_field){
		.action = action,
		.response = response,
		.name = route_copy(draft->build, name),
		.value = route_copy(draft->build, value),
	};
	*draft->fields_end = field;
	draft->fields_end = &field->next;
	return field;
}

/* The path's question first: it says no the soonest where an index has not asked it already. */
static struct route_match *with_path(struct route_draft *draft, struct route_match *path)
{
	struct route_match *all = route_match_new(draft->build, ROUTE_ALL);

	if (!all)
		return NULL;
	all->children = draft->all->children;
	if (path) {
		path->next = all->children;
		all->children = path;
	}
	return all;
}

static void read_proxy_protocol(struct route_draft *draft)
{
	const struct model_service *service = draft->build->service;
	char named[128] = "";
	const char *value = NULL;

	/* A rule of skep's own may say otherwise. */
	if (draft->build->vocabulary == ROUTE_SKEP && *draft->name) {
		snprintf(named, sizeof(named), "skep.http.%s.proxy-protocol", draft->name);
		value = model_label(service, named);
	}
	draft->label =
		value ? route_copy(draft->build, route_text_of(named)) : ROUTE_PROXY_PROTOCOL;
	if (!value)
		value = model_label(service, ROUTE_PROXY_PROTOCOL);
	if (!value || !draft->label)
		return;
	if (strcmp(value, "v1") != 0 && strcmp(value, "v2") != 0)
		route_refuse(draft, "is neither v1 nor v2");
	draft->rule.proxy_protocol = value[0] == 'v' && value[1] == '1' ? 1 : 2;
}

void route_draft_add(struct route_draft *draft, struct route_match *path)
{
	struct route_build *build = draft->build;
	struct route_rule **slot, *rule;

	if (!draft->failed)
		read_proxy_protocol(draft);
	if (draft->failed || build->no_memory)
		return;
	if (build->n_rules == ROUTE_RULES_MAX) {
		route_refuse(draft,
			     "the service has more than %d rules; this and what follows is "
			     "left out",
			     ROUTE_RULES_MAX);
		return;
	}
	rule = add(build, sizeof(*rule));
	slot = rule ? array_add(&build->rules, sizeof(void *)) : NULL;
	if (!slot) {
		build->no_memory = true;
		return;
	}
	*rule = draft->rule;
	rule->part = (unsigned int)build->n_rules++;
	rule->match = with_path(draft, path);
	if (path && path->text)
		rule->prefix = (struct route_text){path->text, path->size};
	rule->beside = rule;
	*slot = rule;
}

struct route_match *route_unless_scheme(struct route_draft *draft, bool https)
{
	struct route_build *build = draft->build;
	struct route_match *not_ = route_match_new(build, ROUTE_NOT);
	struct route_match *any = route_match_new(build, ROUTE_ANY);
	struct route_match *direct = route_match_new(build, https ? ROUTE_TLS : ROUTE_NOT);
	struct route_match *told =
		route_match_text(build, ROUTE_FIELD, route_text_of(https ? "https" : "http"));

	if (direct && !https)
		direct->children = route_match_new(build, ROUTE_TLS);
	if (!not_ || !any || !direct || !told || (!https && !direct->children)) {
		draft->failed = true;
		return NULL;
	}
	told->name = "X-Forwarded-Proto";
	any->children = direct;
	direct->next = told;
	not_->children = any;
	return not_;
}
