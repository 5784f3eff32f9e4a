/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/routes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/route_request.h"
#include "agent/views_routes.h"
#include "lib/log.h"
#include "route/describe.h"
#include "route/explain.h"

/* Lines of one change before the rest is only counted. */
#define LINES_MAX 20

struct routes {
	struct route_table *table; /* NULL: there was no model yet */
	struct route_scratch *scratch;
	struct auth_cache *cache;
	char buffer[ROUTE_BUFFER_SIZE];
};

int routes_open(struct routes **result, struct skep_error *error)
{
	struct routes *routes = calloc(1, sizeof(*routes));

	if (routes) {
		routes->scratch = route_scratch_new();
		routes->cache = auth_cache_new();
	}
	if (!routes || !routes->scratch || !routes->cache) {
		routes_close(routes);
		return error_errno(error, -ENOMEM, "cannot keep routes");
	}
	*result = routes;
	return 0;
}

void routes_close(struct routes *routes)
{
	if (!routes)
		return;
	route_table_free(routes->table);
	route_scratch_free(routes->scratch);
	auth_cache_free(routes->cache);
	free(routes);
}

/* A problem as the log has it. */
struct line {
	char *text;
	bool note;
};

static char *problem_text(const struct route_problem *problem)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fprintf(out, "service %s, %s: %s", problem->service, problem->label, problem->why);
	if (!problem->note) {
		fputs("; the rule ", out);
		describe_origin(problem->vocabulary, problem->rule, out);
		fputs(" is not in force", out);
	}
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->text, ((const struct line *)b)->text);
}

/* Sorted. NULL: none, or no memory, and then the log is poorer. */
static struct line *list_lines(const struct route_table *table, size_t *n)
{
	const struct route_problem *problems;
	struct line *lines;
	size_t all = 0;

	*n = 0;
	problems = table ? route_table_problems(table, &all) : NULL;
	lines = all ? calloc(all, sizeof(*lines)) : NULL;
	for (size_t i = 0; lines && i < all; i++) {
		lines[*n].text = problem_text(&problems[i]);
		lines[*n].note = problems[i].note;
		*n += lines[*n].text != NULL;
	}
	if (*n)
		qsort(lines, *n, sizeof(*lines), compare_lines);
	return lines;
}

static void free_lines(struct line *lines, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(lines[i].text);
	free(lines);
}

static void log_line(const struct line *line, bool gone, size_t *logged)
{
	if ((*logged)++ >= LINES_MAX)
		return;
	if (gone)
		log_info("no longer: %s", line->text);
	else if (line->note)
		log_info("%s", line->text);
	else
		log_warning("%s", line->text);
}

static void log_changes(const struct route_table *before, const struct route_table *after)
{
	size_t n_old, n_new, i = 0, j = 0, logged = 0;
	struct line *old = list_lines(before, &n_old), *new = list_lines(after, &n_new);

	while (i < n_old || j < n_new) {
		int order = i == n_old ? 1 : j == n_new ? -1 : strcmp(old[i].text, new[j].text);

		if (order)
			log_line(order < 0 ? &old[i] : &new[j], order < 0, &logged);
		i += order <= 0;
		j += order >= 0;
	}
	if (logged > LINES_MAX)
		log_warning("routes: %zu more such lines; skep routes lists all problems",
			    logged - LINES_MAX);
	free_lines(old, n_old);
	free_lines(new, n_new);
}

int routes_update(struct routes *routes, const struct model *model, struct skep_error *error)
{
	struct route_table *table;
	int err;

	if (routes->table && route_table_is_of(routes->table, model))
		return 0;
	err = route_table_build(&table, model, error);
	if (err)
		return err;
	log_changes(routes->table, table);
	route_table_free(routes->table);
	routes->table = table;
	return 0;
}

json_t *routes_json(const struct routes *routes)
{
	return views_routes(routes->table);
}

int routes_explain(struct routes *routes, const json_t *json, json_t **answer,
		   struct skep_error *error)
{
	const struct route_rule *rule;
	struct route_reason *reasons;
	struct route_result result;
	struct asked asked;
	bool gave_up;
	size_t n;
	int err = asked_parse(&asked, json, error);

	if (err)
		return err;
	if (!routes->table) {
		err = error_set(error, -EAGAIN, "there is no model yet");
		goto cleanup;
	}
	reasons = route_explain(routes->table, &asked.request, routes->scratch, &n);
	if (!reasons) {
		err = error_errno(error, -ENOMEM, "cannot explain");
		goto cleanup;
	}
	rule = route_table_find(routes->table, &asked.request, routes->scratch, &gave_up);
	if (rule && !gave_up)
		route_apply(rule, &asked.request, routes->scratch, routes->cache, routes->buffer,
			    &result);
	*answer = views_route(&asked.request, gave_up ? NULL : rule, &result, reasons, n,
			      asked.limit);
	free(reasons);
cleanup:
	asked_free(&asked);
	return err;
}
