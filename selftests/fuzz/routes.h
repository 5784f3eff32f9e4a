/* SPDX-License-Identifier: GPL-2.0-only */
/* What the targets of routing share: a table of labels, a request, and what must hold of both. */
#ifndef SKEP_FUZZ_ROUTES_H
#define SKEP_FUZZ_ROUTES_H

#include "fuzz.h"

#include <ctype.h>
#include <strings.h>

#include "http/path.h"
#include "route/apply.h"
#include "route/describe.h"
#include "route/explain.h"
#include "route/table.h"

/* The next line at *at, ended in place; NULL at the end. */
static inline char *fuzz_line(char **at)
{
	char *line = *at, *end = line ? strchr(line, '\n') : NULL;

	*at = end ? end + 1 : NULL;
	if (end)
		*end = '\0';
	return line;
}

struct fuzz_request {
	struct route_request request;
	char *field; /* "Name: value", or NULL */
	char *room;  /* what the path may be in */
};

static inline bool fuzz_field(void *context, const char *name, size_t index,
			      struct route_text *value)
{
	const struct fuzz_request *made = context;
	size_t size = strlen(name);

	if (index || !made->field || strncasecmp(made->field, name, size) != 0 ||
	    made->field[size] != ':')
		return false;
	value->data = made->field + size + 1;
	value->size = strlen(value->data);
	return true;
}

/* A request of these parts; the path is normalised, as it is when routes see it. */
static inline void fuzz_request(struct fuzz_request *made, const char *host, const char *path,
				const char *query, char *field)
{
	struct http_text normal = HTTP_TEXT("/");

	made->room = malloc(strlen(path) + 1);
	MUST(made->room);
	if (http_path_normalise((struct http_text){path, strlen(path)}, made->room, &normal))
		normal = HTTP_TEXT("/");
	made->field = field;
	made->request = (struct route_request){
		.entry = "http",
		.port = 80,
		.method = {"GET", 3},
		.host = {host, strlen(host)},
		.path = {normal.at, normal.size},
		.query = {query, strlen(query)},
		.field = fuzz_field,
		.context = made,
	};
	MUST(addr_parse("192.0.2.1", &made->request.client) == 0);
}

/* What goes to a task or a client can be neither cut nor split by what is in it. */
static inline void fuzz_must_be_sendable(struct route_text text)
{
	for (size_t i = 0; i < text.size; i++)
		MUST(text.data[i] > ' ' && text.data[i] < 0x7f);
}

/* The index agrees with all rules in order, the explanation with both; what is made can be sent. */
static inline void fuzz_ask(const struct route_table *table, const struct route_request *request)
{
	struct route_scratch *scratch = route_scratch_new();
	struct auth_cache *cache = auth_cache_new();
	char *buffer = malloc(ROUTE_BUFFER_SIZE);
	const struct route_rule *found, *first = NULL;
	struct route_reason *reasons;
	struct route_result result;
	bool gave_up;
	size_t n;
	const struct route_rule *const *rules = route_table_rules(table, &n);

	MUST(scratch && cache && buffer);
	found = route_table_find(table, request, scratch, &gave_up);
	for (size_t i = 0; i < n && !first; i++)
		if (route_matches(rules[i]->match, request, scratch) != ROUTE_NOT_FOUND)
			first = rules[i];
	MUST(found == first);
	reasons = route_explain(table, request, scratch, &n);
	MUST(reasons);
	for (size_t i = 0; i < n; i++)
		MUST((reasons[i].verdict == ROUTE_TAKES) ==
			     (reasons[i].rule == found && !gave_up) &&
		     (reasons[i].mismatch != NULL) == (reasons[i].verdict == ROUTE_DIFFERS));
	free(reasons);
	if (found && !gave_up) {
		route_apply(found, request, scratch, cache, buffer, &result);
		fuzz_must_be_sendable(result.path);
		fuzz_must_be_sendable(result.location);
		if (result.outcome == ROUTE_FORWARD)
			MUST(result.path.size > 0 && *result.path.data == '/');
	}
	free(buffer);
	auth_cache_free(cache);
	route_scratch_free(scratch);
}

/* Each can be told to people, problems in one line. */
static inline void fuzz_describe(const struct route_table *table)
{
	size_t n;
	const struct route_rule *const *rules = route_table_rules(table, &n);
	const struct route_problem *problems;
	FILE *out = fopen("/dev/null", "w");

	MUST(out);
	for (size_t i = 0; i < n; i++) {
		MUST(rules[i]->rank == i && rules[i]->port > 0);
		describe_match(rules[i]->match, out);
		describe_actions(rules[i], out);
	}
	problems = route_table_problems(table, &n);
	for (size_t i = 0; i < n; i++) {
		MUST(strlen(problems[i].why) > 0 && strlen(problems[i].why) < 400);
		for (const char *at = problems[i].why; *at; at++)
			MUST(*at >= ' ' && *at <= '~');
	}
	fclose(out);
}

#endif
