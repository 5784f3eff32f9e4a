/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/views_routes.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/json.h"
#include "route/describe.h"

/* What a function prints, as JSON; null if that is nothing. */
#define PRINTED(print)                                                                             \
	({                                                                                         \
		char *text = NULL;                                                                 \
		size_t size = 0;                                                                   \
		FILE *out = open_memstream(&text, &size);                                          \
		json_t *json = NULL;                                                               \
		if (out) {                                                                         \
			print;                                                                     \
			if (!fclose(out))                                                          \
				json = json_from_text(size ? text : NULL);                         \
		}                                                                                  \
		free(text);                                                                        \
		json;                                                                              \
	})

static json_t *origin_json(enum route_vocabulary vocabulary, const char *name)
{
	return PRINTED(describe_origin(vocabulary, name, out));
}

static json_t *column_json(const struct route_rule *rule, enum describe_column column)
{
	return PRINTED(describe_conditions(rule, column, out));
}

static json_t *rule_json(const struct route_rule *rule)
{
	return json_pack("{s:s, s:i, s:s?, s:s, s:o, s:i, s:o, s:o, s:o, s:o, s:o}", "service",
			 rule->service, "port", rule->port, "network", rule->network, "vocabulary",
			 route_vocabulary_name(rule->vocabulary), "origin",
			 origin_json(rule->vocabulary, rule->name), "priority",
			 (int)rule->order.priority, "entry", column_json(rule, DESCRIBE_ENTRY),
			 "host", column_json(rule, DESCRIBE_HOST), "path",
			 column_json(rule, DESCRIBE_PATH), "conditions",
			 column_json(rule, DESCRIBE_OTHERS), "actions",
			 PRINTED(describe_actions(rule, out)));
}

static json_t *problem_json(const struct route_problem *problem)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:b}", "service", problem->service, "origin",
			 origin_json(problem->vocabulary, problem->rule), "label",
			 json_from_text(problem->label), "why", json_from_text(problem->why),
			 "note", problem->note);
}

static bool append(json_t *rows, json_t *row)
{
	return row && json_array_append_new(rows, row) == 0;
}

json_t *views_routes(const struct route_table *table)
{
	size_t n_rules = 0, n_problems = 0;
	const struct route_rule *const *rules = table ? route_table_rules(table, &n_rules) : NULL;
	const struct route_problem *problems =
		table ? route_table_problems(table, &n_problems) : NULL;
	json_t *rule_rows = json_array(), *problem_rows = json_array();
	bool good = rule_rows && problem_rows;

	for (size_t i = 0; good && i < n_rules; i++)
		good = append(rule_rows, rule_json(rules[i]));
	for (size_t i = 0; good && i < n_problems; i++)
		good = append(problem_rows, problem_json(&problems[i]));
	if (good)
		return json_pack("{s:o, s:o}", "rules", rule_rows, "problems", problem_rows);
	json_decref(rule_rows);
	json_decref(problem_rows);
	return NULL;
}

static json_t *text_json(struct route_text text)
{
	json_t *json = text.size ? json_stringn(text.data, text.size) : json_null();

	/* Only a path or a host may come here, which are ASCII; a URL that somebody typed may not.
	 */
	return json ? json : json_string("?");
}

static json_t *outcome_json(const struct route_result *result)
{
	static const char *const names[] = {[ROUTE_FORWARD] = "forward",
					    [ROUTE_ANSWER] = "answer",
					    [ROUTE_REDIRECTION] = "redirect",
					    [ROUTE_CHALLENGE] = "challenge"};

	return json_pack("{s:s, s:o, s:o, s:o}", "kind", names[result->outcome], "status",
			 result->status ? json_integer(result->status) : json_null(), "path",
			 text_json(result->path), "location", text_json(result->location));
}

static json_t *reason_json(const struct route_reason *reason)
{
	static const char *const verdicts[] = {[ROUTE_TAKES] = "takes",
					       [ROUTE_IS_LATER] = "later",
					       [ROUTE_DIFFERS] = "differs",
					       [ROUTE_UNDECIDED] = "undecided"};

	return json_pack("{s:s, s:o, s:o}", "verdict", verdicts[reason->verdict], "wants",
			 reason->mismatch ? PRINTED(describe_match(reason->mismatch, out))
					  : json_null(),
			 "rule", rule_json(reason->rule));
}

json_t *views_route(const struct route_request *request, const struct route_rule *rule,
		    const struct route_result *result, const struct route_reason *reasons, size_t n,
		    size_t limit)
{
	json_t *rows = json_array();
	bool good = rows != NULL;
	size_t told = 0;

	for (size_t i = 0; good && i < n && told < limit; i++) {
		if (reasons[i].rule == rule)
			continue;
		good = append(rows, reason_json(&reasons[i]));
		told++;
	}
	if (!good) {
		json_decref(rows);
		return NULL;
	}
	return json_pack("{s:{s:o, s:o, s:s, s:i}, s:o, s:o, s:o, s:I}", "request", "host",
			 text_json(request->host), "path", text_json(request->path), "entry",
			 request->entry, "port", request->port, "rule",
			 rule ? rule_json(rule) : json_null(), "outcome",
			 rule ? outcome_json(result) : json_null(), "others", rows, "others_total",
			 (json_int_t)(n - (rule != NULL)));
}
