/* SPDX-License-Identifier: GPL-2.0-only */
#include "route/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"
#include "route/build.h"
#include "route/index.h"
#include "route/order.h"

struct route_table {
	struct arena *arena;
	uint64_t fingerprint;
	const struct route_rule *const *rules;
	size_t n_rules;
	const struct route_problem *problems;
	size_t n_problems;
	const struct route_rule **raw; /* those that are not for HTTP, few */
	size_t n_raw;
	const struct route_index *index;
};

static const char *const vocabulary_names[ROUTE_VOCABULARIES] = {
	[ROUTE_SKEP] = "skep",
	[ROUTE_DFP] = "dfp",
	[ROUTE_TRAEFIK] = "traefik",
};

static const struct {
	const char *prefix; /* of the labels' keys */
	void (*read)(struct route_build *build);
} readers[ROUTE_VOCABULARIES] = {
	[ROUTE_SKEP] = {"skep.http.", route_read_skep},
	[ROUTE_DFP] = {"com.df.", route_read_dfp},
	[ROUTE_TRAEFIK] = {"traefik.", route_read_traefik},
};

const char *route_vocabulary_name(enum route_vocabulary vocabulary)
{
	return vocabulary_names[vocabulary];
}

/* Traefik's labels have no case, so neither has the prefix here. */
static bool is_ours(const struct model_label *label)
{
	for (size_t i = 0; i < ROUTE_VOCABULARIES; i++)
		if (strncasecmp(label->key, readers[i].prefix, strlen(readers[i].prefix)) == 0)
			return true;
	return false;
}

static uint64_t add_text(uint64_t hash, const char *text)
{
	return hash_bytes(hash, text, strlen(text) + 1);
}

/* Of all that a table is made of. */
static uint64_t fingerprint(const struct model *model)
{
	uint64_t hash = HASH_START;

	for (size_t i = 0; i < model->n_services; i++) {
		const struct model_service *service = &model->services[i];
		bool any = false;

		for (size_t j = 0; j < service->n_labels; j++) {
			if (!is_ours(&service->labels[j]))
				continue;
			hash = add_text(add_text(hash, service->labels[j].key),
					service->labels[j].value);
			any = true;
		}
		if (!any)
			continue;
		hash = add_text(add_text(hash, service->id), service->name);
		hash = hash_bytes(hash, &service->created_ms, sizeof(service->created_ms));
	}
	return hash;
}

static void read_service(struct route_build *build, const struct model_service *service)
{
	bool any = false;

	for (size_t i = 0; i < service->n_labels && !any; i++)
		any = is_ours(&service->labels[i]);
	if (!any)
		return;
	build->service = service;
	build->service_name = route_copy(build, route_text_of(service->name));
	build->service_id = route_copy(build, route_text_of(service->id));
	build->n_rules = 0;
	for (size_t i = 0; i < ROUTE_VOCABULARIES && !build->no_memory; i++) {
		build->vocabulary = (enum route_vocabulary)i;
		readers[i].read(build);
	}
}

static bool take(struct route_table *table, struct route_build *build)
{
	struct route_rule **rules = arena_array(build->arena, build->rules.n + 1, sizeof(void *));
	struct route_problem *problems =
		arena_array(build->arena, build->problems.n + 1, sizeof(*problems));

	if (!rules || !problems)
		return false;
	if (build->rules.n)
		memcpy(rules, build->rules.items, build->rules.n * sizeof(void *));
	if (build->problems.n)
		memcpy(problems, build->problems.items, build->problems.n * sizeof(*problems));
	for (size_t i = 0; i < build->rules.n; i++)
		route_order_weigh(rules[i]);
	route_order_sort(rules, build->rules.n);
	table->rules = (const struct route_rule *const *)rules;
	table->n_rules = build->rules.n;
	table->problems = problems;
	table->n_problems = build->problems.n;
	table->raw = arena_array(build->arena, build->rules.n + 1, sizeof(void *));
	for (size_t i = 0; table->raw && i < build->rules.n; i++)
		if (rules[i]->mode != ROUTE_HTTP)
			table->raw[table->n_raw++] = rules[i];
	table->index = route_index_build(build->arena, rules, build->rules.n);
	return table->raw && table->index;
}

int route_table_build(struct route_table **result, const struct model *model,
		      struct skep_error *error)
{
	struct route_table *table = calloc(1, sizeof(*table));
	struct route_build build = {0};
	bool made;

	if (!table)
		return error_errno(error, -ENOMEM, "cannot build the routes");
	build.arena = table->arena = arena_new();
	build.no_memory = !table->arena;
	table->fingerprint = fingerprint(model);
	for (size_t i = 0; i < model->n_services && !build.no_memory; i++)
		read_service(&build, &model->services[i]);
	made = !build.no_memory && take(table, &build);
	free(build.rules.items);
	free(build.problems.items);
	if (!made) {
		route_table_free(table);
		return error_errno(error, -ENOMEM, "cannot build the routes");
	}
	*result = table;
	return 0;
}

void route_table_free(struct route_table *table)
{
	if (!table)
		return;
	arena_free(table->arena);
	free(table);
}

bool route_table_is_of(const struct route_table *table, const struct model *model)
{
	return table->fingerprint == fingerprint(model);
}

const struct route_rule *const *route_table_rules(const struct route_table *table, size_t *n)
{
	*n = table->n_rules;
	return table->rules;
}

unsigned int route_table_modes(const struct route_table *table, uint16_t port)
{
	unsigned int modes = 0;

	for (size_t i = 0; i < table->n_raw; i++)
		if (table->raw[i]->entry_port == port)
			modes |= 1U << table->raw[i]->mode;
	return modes;
}

const struct route_problem *route_table_problems(const struct route_table *table, size_t *n)
{
	*n = table->n_problems;
	return table->problems;
}

struct search {
	const struct route_table *table;
	const struct route_request *request;
	struct route_scratch *scratch;
	uint32_t best;
	bool gave_up;
};

static uint32_t visit(void *context, uint32_t rank)
{
	struct search *search = context;
	const struct route_rule *rule = search->table->rules[rank];
	enum route_found found;

	if (rule->mode != search->request->mode)
		return search->best;
	found = route_matches(rule->match, search->request, search->scratch);
	if (found != ROUTE_NOT_FOUND) {
		search->best = rank;
		search->gave_up = found == ROUTE_GAVE_UP;
	}
	return search->best;
}

const struct route_rule *route_table_find(const struct route_table *table,
					  const struct route_request *request,
					  struct route_scratch *scratch, bool *gave_up)
{
	struct search search = {table, request, scratch, (uint32_t)table->n_rules, false};

	route_index_candidates(table->index, request, search.best, visit, &search);
	*gave_up = search.gave_up;
	return search.best < table->n_rules ? table->rules[search.best] : NULL;
}
