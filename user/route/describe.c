/* SPDX-License-Identifier: GPL-2.0-only */
#include "route/describe.h"

#include <string.h>

#include "lib/addr.h"

void describe_origin(enum route_vocabulary vocabulary, const char *name, FILE *out)
{
	static const char *const prefixes[ROUTE_VOCABULARIES] = {
		[ROUTE_SKEP] = "skep.http",
		[ROUTE_DFP] = "com.df",
		[ROUTE_TRAEFIK] = "traefik.http.routers",
	};

	fprintf(out, "%s%s%s", prefixes[vocabulary],
		!*name			  ? ""
		: vocabulary == ROUTE_DFP ? " ."
					  : ".",
		name);
}

/* What is asked, and what stands around the text. */
static const struct {
	const char *subject, *before, *after;
} words[] = {
	[ROUTE_MODE] = {"mode", "", ""},
	[ROUTE_ENTRY] = {"entry", "", ""},
	[ROUTE_PORT] = {"port", "", ""},
	[ROUTE_HOST] = {"host", "", ""},
	[ROUTE_HOST_UNDER] = {"host", "*", ""},
	[ROUTE_HOST_CHILD] = {"host", "?", ""},
	[ROUTE_HOST_BEGINS] = {"host", "", "…"},
	[ROUTE_HOST_ENDS] = {"host", "…", ""},
	[ROUTE_HOST_DOMAIN] = {"host", "(", ")"},
	[ROUTE_HOST_REGEX] = {"host", "~", ""},
	[ROUTE_PATH] = {"path", "=", ""},
	[ROUTE_PATH_UNDER] = {"path", "", ""},
	[ROUTE_PATH_BEGINS] = {"path", "", "…"},
	[ROUTE_PATH_REGEX] = {"path", "~", ""},
	[ROUTE_METHOD] = {"method", "", ""},
	[ROUTE_FIELD] = {"header", ": ", ""},
	[ROUTE_FIELD_ELEMENT] = {"header", ": (…,)", "(,…)"},
	[ROUTE_FIELD_CONTAINS] = {"header", ": …", "…"},
	[ROUTE_FIELD_REGEX] = {"header", ": ~", ""},
	[ROUTE_QUERY] = {"query", "=", ""},
	[ROUTE_QUERY_REGEX] = {"query", "=~", ""},
	[ROUTE_CLIENT] = {"client", "", ""},
};

static bool is_leaf(const struct route_match *match)
{
	return match->kind != ROUTE_ALL && match->kind != ROUTE_ANY && match->kind != ROUTE_NOT;
}

static void print_value(const struct route_match *match, FILE *out)
{
	const unsigned int before =
		match->kind == ROUTE_CLIENT && skep_addr_is_v4(&match->prefix.addr) ? 96 : 0;
	char addr[ADDR_TEXT_SIZE];

	fprintf(out, "%s%s", match->name ? match->name : "", words[match->kind].before);
	if (match->kind == ROUTE_MODE)
		fputs(match->number == ROUTE_TCP ? "tcp" : "sni", out);
	else if (match->kind == ROUTE_PORT)
		fprintf(out, "%u", match->number);
	else if (match->kind == ROUTE_CLIENT)
		fprintf(out, "%s/%u", addr_text(&match->prefix.addr, addr),
			match->prefix.length - before);
	else
		fputs(match->regex ? route_regex_pattern(match->regex) : match->text, out);
	fputs(words[match->kind].after, out);
}

/* Leaves that ask the same thing, of which any will do: its name is said once. */
static const char *common_subject(const struct route_match *any)
{
	const char *subject = NULL;

	for (const struct route_match *child = any->children; child; child = child->next) {
		if (!is_leaf(child) || child->kind == ROUTE_TLS ||
		    (subject && strcmp(subject, words[child->kind].subject) != 0))
			return NULL;
		subject = words[child->kind].subject;
	}
	return subject;
}

static void print_children(const struct route_match *match, const char *between, bool values,
			   FILE *out)
{
	for (const struct route_match *child = match->children; child; child = child->next) {
		bool parentheses = !values && !is_leaf(child) && child->kind != ROUTE_NOT &&
				   !(child->kind == ROUTE_ANY && common_subject(child));

		if (child != match->children)
			fputs(between, out);
		if (parentheses)
			fputc('(', out);
		if (values)
			print_value(child, out);
		else
			describe_match(child, out);
		if (parentheses)
			fputc(')', out);
	}
}

/* As deep as the tree: ROUTE_DEPTH_MAX. */
void describe_match(const struct route_match *match, FILE *out)
{
	const char *subject;

	switch (match->kind) {
	case ROUTE_ALL:
		print_children(match, " and ", false, out);
		break;
	case ROUTE_ANY:
		subject = common_subject(match);
		if (subject)
			fprintf(out, "%s ", subject);
		print_children(match, " or ", subject != NULL, out);
		break;
	case ROUTE_NOT:
		fputs("not (", out);
		print_children(match, "", false, out);
		fputc(')', out);
		break;
	case ROUTE_TLS:
		fputs("TLS", out);
		break;
	default:
		fprintf(out, "%s ", words[match->kind].subject);
		print_value(match, out);
	}
}

static enum describe_column column_of(const struct route_match *match)
{
	const char *subject = match->kind == ROUTE_ANY ? common_subject(match)
			      : is_leaf(match) && match->kind != ROUTE_TLS
				      ? words[match->kind].subject
				      : NULL;

	if (!subject)
		return DESCRIBE_OTHERS;
	if (strcmp(subject, "entry") == 0)
		return DESCRIBE_ENTRY;
	if (strcmp(subject, "host") == 0)
		return DESCRIBE_HOST;
	return strcmp(subject, "path") == 0 ? DESCRIBE_PATH : DESCRIBE_OTHERS;
}

void describe_conditions(const struct route_rule *rule, enum describe_column column, FILE *out)
{
	const char *between = "";

	for (const struct route_match *child = rule->match->children; child; child = child->next) {
		if (column_of(child) != column)
			continue;
		fputs(between, out);
		between = " and ";
		if (column == DESCRIBE_OTHERS)
			describe_match(child, out);
		else if (child->kind == ROUTE_ANY)
			print_children(child, ",", true, out);
		else
			print_value(child, out);
	}
}

static void print_step(const struct route_rule *rule, const struct route_step *step, FILE *out)
{
	const char *text = step->text ? step->text : "";

	switch (step->kind) {
	case ROUTE_STRIP:
		fprintf(out, "strip %.*s", (int)(step->text ? step->size : rule->prefix.size),
			step->text ? text : rule->prefix.data);
		break;
	case ROUTE_ADD_PREFIX:
		fprintf(out, "add prefix %s", text);
		break;
	case ROUTE_SET_PATH:
		fprintf(out, "path becomes %s", text);
		break;
	case ROUTE_REWRITE:
		fprintf(out, "rewrite %s to %s", route_regex_pattern(step->regex),
			route_replacement_text(step->replacement));
		break;
	case ROUTE_REDIRECT_SCHEME:
	case ROUTE_REDIRECT:
		fprintf(out, "redirect (%u) to %s", step->status, text);
		break;
	case ROUTE_REDIRECT_REGEX:
		fprintf(out, "redirect (%u) %s to %s", step->status,
			route_regex_pattern(step->regex),
			route_replacement_text(step->replacement));
		break;
	case ROUTE_AUTHENTICATE:
		fputs("ask for a password", out);
		break;
	default:
		fprintf(out, "answer %u", step->status);
	}
	if (step->when) {
		fputs(" if ", out);
		describe_match(step->when, out);
	}
}

static void print_field(const struct route_field *field, FILE *out)
{
	static const char *const names[] = {[ROUTE_FIELD_SET] = "set",
					    [ROUTE_FIELD_ADD] = "add",
					    [ROUTE_FIELD_REMOVE] = "remove"};

	fprintf(out, "%s %s%s", names[field->action], field->response ? "response " : "",
		field->name);
}

void describe_actions(const struct route_rule *rule, FILE *out)
{
	const char *between = "";

	for (const struct route_step *step = rule->steps; step; step = step->next) {
		fputs(between, out);
		print_step(rule, step, out);
		between = ", ";
	}
	for (const struct route_field *field = rule->fields; field; field = field->next) {
		fputs(between, out);
		print_field(field, out);
		between = ", ";
	}
	if (rule->sticky.cookie) {
		fprintf(out, "%ssticky by cookie %s", between, rule->sticky.cookie);
		between = ", ";
	}
	if (rule->timeout_ms) {
		fprintf(out, "%stimeout %g s", between, rule->timeout_ms / 1000.0);
		between = ", ";
	}
	if (rule->tunnel_ms) {
		fprintf(out, "%stunnels %g s", between, rule->tunnel_ms / 1000.0);
		between = ", ";
	}
	if (rule->check.path) {
		fprintf(out, "%scheck %s", between, rule->check.path);
		between = ", ";
	}
	if (rule->proxy_protocol) {
		fprintf(out, "%sPROXY protocol v%u", between, rule->proxy_protocol);
		between = ", ";
	}
	if (rule->network)
		fprintf(out, "%sby network %s", between, rule->network);
}
