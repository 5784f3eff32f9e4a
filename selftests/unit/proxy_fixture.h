/* SPDX-License-Identifier: GPL-2.0-only */
/* A worker without a thread: what the proxy's parts need of one. */
#ifndef SKEP_TEST_PROXY_FIXTURE_H
#define SKEP_TEST_PROXY_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "proxy/check.h"
#include "proxy/config.h"
#include "proxy/view.h"
#include "proxy/watch.h"
#include "proxy/worker.h"

struct fixture {
	struct proxy_config config;
	struct worker worker;
};

static inline struct fixture *fixture_new(void)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	if (!fixture)
		abort();
	fixture->config.pool = 8;
	fixture->config.pool_time_ms = 30000;
	fixture->worker.config = &fixture->config;
	fixture->worker.random = 88172645463325252ULL;
	fixture->worker.now_ms = 1000000;
	fixture->worker.epoll_fd = -1;
	wheel_init(&fixture->worker.wheel, fixture->worker.now_ms);
	return fixture;
}

static inline void fixture_free(struct fixture *fixture)
{
	balance_close(&fixture->worker);
	backends_free(&fixture->worker);
	buffers_free(&fixture->worker.buffers);
	pipes_free(&fixture->worker.pipes);
	free(fixture);
}

/* A view of a model told as JSON, with ' for ". Aborts on what a test should not say. */
static inline struct view *fixture_view(struct views *views, const char *text)
{
	struct watch_news news = {0};
	struct skep_error error;
	struct view *view;
	char *json = strdup(text);

	if (!json)
		abort();
	for (char *at = json; *at; at++)
		if (*at == '\'')
			*at = '"';
	if (model_parse(json, strlen(json), &news.model, &error) ||
	    view_make(views, &news, &view, &error)) {
		fprintf(stderr, "%s\n", error.text);
		abort();
	}
	free(json);
	return view;
}

#endif
