/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests for tests of routing, and tables from services told in a few words. */
#ifndef SKEP_TEST_ROUTE_FIXTURE_H
#define SKEP_TEST_ROUTE_FIXTURE_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "route/apply.h"
#include "route/describe.h"
#include "route/table.h"

#define ASK_FIELDS_MAX 16

/* A request told by a URL, its text kept until the next. */
struct ask {
	struct route_request request;
	char text[8192];
	char lines[ASK_FIELDS_MAX][512]; /* "Name: value" */
	size_t n_fields;
};

static inline bool ask_field(void *context, const char *name, size_t index,
			     struct route_text *value)
{
	const struct ask *ask = context;
	size_t size = strlen(name);

	for (size_t i = 0; i < ask->n_fields; i++) {
		const char *line = ask->lines[i];

		if (strncasecmp(line, name, size) != 0 || line[size] != ':' || index-- > 0)
			continue;
		value->data = line + size + 1 + strspn(line + size + 1, " ");
		value->size = strlen(value->data);
		return true;
	}
	return false;
}

static inline struct route_text ask_text(char *text)
{
	return (struct route_text){text, strlen(text)};
}

/* url: scheme://[host[:port]]/path[?query]. Aborts on what a test should not say. */
static inline void ask_begin(struct ask *ask, const char *method, const char *url)
{
	char *host, *path, *query, *port;

	memset(ask, 0, sizeof(*ask));
	ask->request.entry = "http";
	ask->request.context = ask;
	ask->request.field = ask_field;
	if (snprintf(ask->text, sizeof(ask->text), "%s %s", method, url) >= (int)sizeof(ask->text))
		abort();
	ask->text[strlen(method)] = '\0';
	ask->request.method = ask_text(ask->text);
	host = strstr(ask->text + strlen(method) + 1, "://");
	if (!host)
		abort();
	ask->request.tls = strncmp(ask->text + strlen(method) + 1, "https", 5) == 0;
	ask->request.port = ask->request.tls ? 443 : 80;
	host += 3;
	path = strchr(host, '/');
	if (!path)
		abort();
	/* Room for the NUL between host and path: the host moves one to the left. */
	memmove(host - 1, host, (size_t)(path - host));
	host--;
	path[-1] = '\0';
	query = strchr(path, '?');
	if (query)
		*query++ = '\0';
	port = strchr(host, ':');
	if (port) {
		*port++ = '\0';
		ask->request.port = (uint16_t)strtoul(port, NULL, 10);
	}
	ask->request.host = ask_text(host);
	ask->request.path = ask_text(path);
	ask->request.query = query ? ask_text(query) : (struct route_text){"", 0};
	if (addr_parse("192.0.2.1", &ask->request.client))
		abort();
}

static inline void ask_add_field(struct ask *ask, const char *line)
{
	if (ask->n_fields == ASK_FIELDS_MAX ||
	    snprintf(ask->lines[ask->n_fields++], sizeof(ask->lines[0]), "%s", line) >=
		    (int)sizeof(ask->lines[0]))
		abort();
}

/* From {"id": …, "labels": …} elements. */
static inline struct route_table *table_of(json_t *services)
{
	json_t *root = json_pack("{s:o}", "services", services);
	struct route_table *table = NULL;
	struct model *model = NULL;
	struct skep_error error;

	if (model_from_json(root, &model, &error) || route_table_build(&table, model, &error)) {
		fprintf(stderr, "the test's model: %s\n", error.text);
		abort();
	}
	model_free(model);
	json_decref(root);
	return table;
}

#endif
