/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Services with any labels: a line KEY=VALUE each, `-` between two services; a line with a `?`
 * first is a request, HOST and what follows its first `/`.
 */
#include "routes.h"

#define SERVICES 4
#define LABELS	 32

struct services {
	struct model_service items[SERVICES];
	struct model_label labels[SERVICES][LABELS];
	size_t n;
};

static int compare_keys(const void *a, const void *b)
{
	return strcmp(((const struct model_label *)a)->key, ((const struct model_label *)b)->key);
}

/* As a model has them: sorted, each key once. */
static void add_label(struct services *services, char *line)
{
	struct model_service *service = &services->items[services->n - 1];
	char *equals = strchr(line, '=');

	if (!equals || equals == line || service->n_labels == LABELS)
		return;
	*equals = '\0';
	for (size_t i = 0; i < service->n_labels; i++)
		if (strcmp(service->labels[i].key, line) == 0)
			return;
	service->labels[service->n_labels++] = (struct model_label){line, equals + 1};
	qsort(service->labels, service->n_labels, sizeof(*service->labels), compare_keys);
}

static void add_service(struct services *services)
{
	static const char *const names[SERVICES] = {"a", "b", "c_d", "e"};
	struct model_service *service;

	if (services->n == SERVICES)
		return;
	service = &services->items[services->n];
	service->id = service->name = names[services->n];
	service->labels = services->labels[services->n];
	services->n++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *at = text, *line, *asked = NULL;
	struct services *services = calloc(1, sizeof(*services));
	struct model model = {.cluster = "", .services = services->items};
	struct route_table *table;
	struct skep_error error;

	MUST(text && services);
	memcpy(text, data, size);
	text[size] = '\0';
	add_service(services);
	while ((line = fuzz_line(&at))) {
		if (strcmp(line, "-") == 0)
			add_service(services);
		else if (*line == '?')
			asked = line + 1;
		else
			add_label(services, line);
	}
	model.n_services = services->n;
	MUST(route_table_build(&table, &model, &error) == 0);
	MUST(route_table_is_of(table, &model));
	fuzz_describe(table);
	if (asked) {
		char host[256] = "";
		struct fuzz_request made;

		snprintf(host, sizeof(host), "%.*s", (int)strcspn(asked, "/"), asked);
		fuzz_request(&made, host, asked + strcspn(asked, "/"), "q=1", NULL);
		fuzz_ask(table, &made.request);
		free(made.room);
	}
	route_table_free(table);
	free(services);
	free(text);
	return 0;
}
