/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules and requests: lines of host, path, query, a header field, and then rules: `/…`, `=…` or
 * `~…` as skep's paths, `^…` as a rewriting, all else as Traefik's expressions.
 */
#include "routes.h"

#define RULES 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *at = text, *line;
	char *host, *path, *query, *field;
	struct model_service services[RULES] = {0};
	struct model_label labels[RULES][3];
	struct model model = {.cluster = "", .services = services};
	struct fuzz_request made;
	struct route_table *table;
	struct skep_error error;

	MUST(text);
	memcpy(text, data, size);
	text[size] = '\0';
	host = fuzz_line(&at);
	path = fuzz_line(&at);
	query = fuzz_line(&at);
	field = fuzz_line(&at);
	while (model.n_services < RULES && (line = fuzz_line(&at))) {
		static const char *const names[RULES] = {"a", "b", "c", "d", "e", "f", "g", "h"};
		size_t i = model.n_services++;

		services[i] = (struct model_service){
			.id = names[i], .name = names[i], .labels = labels[i], .n_labels = 2};
		if (*line && strchr("/=~", *line)) {
			labels[i][0] = (struct model_label){"skep.http.path", line};
			labels[i][1] = (struct model_label){"skep.http.port", "80"};
		} else if (*line == '^') {
			labels[i][0] = (struct model_label){"skep.http.path", "/"};
			labels[i][1] = (struct model_label){"skep.http.port", "80"};
			labels[i][2] = (struct model_label){"skep.http.rewrite", line};
			services[i].n_labels = 3;
		} else {
			labels[i][0] = (struct model_label){"traefik.http.routers.r.rule", line};
			labels[i][1] = (struct model_label){
				"traefik.http.services.s.loadbalancer.server.port", "80"};
		}
	}
	MUST(route_table_build(&table, &model, &error) == 0);
	fuzz_describe(table);
	fuzz_request(&made, host, path ? path : "", query ? query : "", field);
	fuzz_ask(table, &made.request);
	free(made.room);
	route_table_free(table);
	free(text);
	return 0;
}
