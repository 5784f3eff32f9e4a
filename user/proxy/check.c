/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/addr.h"
#include "lib/log.h"

#define ANSWER_LIMIT (1024 * 1024)
#define URL_SIZE     4096

struct checks {
	struct loop *loop;
	struct http *http;
	struct check *all;
};

static void conclude(struct check *check, bool well, const char *why)
{
	char addr[ADDR_TEXT_SIZE];
	bool down = atomic_load(&check->down);

	if (well) {
		check->failures = 0;
		if (down)
			log_info("%s port %u passes its health check again",
				 addr_text(&check->addr, addr), check->port);
		atomic_store(&check->down, false);
	} else if (++check->failures >= CHECK_FAILURES && !down) {
		log_warning("%s port %u fails its health check, %s: %s",
			    addr_text(&check->addr, addr), check->port, check->path, why);
		atomic_store(&check->down, true);
	}
	loop_arm(check->checks->loop, &check->timer, check->interval_ms);
}

static void answered(void *context, const struct http_answer *answer)
{
	struct check *check = context;
	bool well = check->status ? answer->status == check->status
				  : answer->status >= 200 && answer->status < 400;
	char why[64];

	check->request = NULL;
	snprintf(why, sizeof(why), "answered with %ld", answer->status);
	conclude(check, well, answer->status ? why : answer->error);
}

static void ask(struct loop_timer *timer)
{
	struct check *check = container_of(timer, struct check, timer);
	char url[URL_SIZE], target[ADDR_TEXT_SIZE + 10], addr[ADDR_TEXT_SIZE];
	struct http_query query = {
		.url = url,
		.method = check->method,
		.connect_to = target,
		.limit = ANSWER_LIMIT,
		.timeout_ms = check->timeout_ms,
		.done = answered,
		.context = check,
	};
	bool v4 = skep_addr_is_v4(&check->addr);
	struct skep_error error;

	addr_text(&check->addr, addr);
	snprintf(target, sizeof(target), v4 ? "%s:%u" : "[%s]:%u", addr, check->port);
	if (snprintf(url, sizeof(url), "http://%s%s%s", check->host ? check->host : target,
		     *check->path == '/' ? "" : "/", check->path) >= (int)sizeof(url))
		conclude(check, false, "its path is too long");
	else if (http_start(check->checks->http, &query, &check->request, &error))
		conclude(check, false, error.text);
}

int checks_open(struct checks **result, struct loop *loop, struct http *http,
		struct skep_error *error)
{
	struct checks *checks = calloc(1, sizeof(*checks));

	if (!checks)
		return error_errno(error, -ENOMEM, "cannot check tasks' health");
	checks->loop = loop;
	checks->http = http;
	*result = checks;
	return 0;
}

static void check_free(struct check *check)
{
	http_cancel(check->request);
	loop_disarm(check->checks->loop, &check->timer);
	free(check->path);
	free(check->host);
	free(check);
}

void checks_close(struct checks *checks)
{
	if (!checks)
		return;
	while (checks->all) {
		struct check *check = checks->all;

		checks->all = check->next;
		check_free(check);
	}
	free(checks);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_of(const struct check *check, const struct check *like)
{
	return check->port == like->port && skep_addr_equal(&check->addr, &like->addr) &&
	       check->status == like->status && check->interval_ms == like->interval_ms &&
	       check->timeout_ms == like->timeout_ms && same_text(check->path, like->path) &&
	       same_text(check->host, like->host) && strcmp(check->method, like->method) == 0;
}

int checks_want(struct checks *checks, const struct route_check *want, const struct skep_addr *addr,
		uint16_t port, const struct check **result)
{
	struct check like = {
		.checks = checks,
		.users = 1,
		.addr = *addr,
		.port = want->port ? want->port : port,
		.path = (char *)want->path,
		.host = (char *)want->host,
		.status = want->status,
		.interval_ms = want->interval_ms ? want->interval_ms : CHECK_INTERVAL_MS,
		.timeout_ms = want->timeout_ms ? want->timeout_ms : CHECK_TIMEOUT_MS,
		.timer = {.expired = ask},
	};
	struct check *check;

	snprintf(like.method, sizeof(like.method), "%s", want->method ? want->method : "GET");
	for (check = checks->all; check; check = check->next)
		if (is_of(check, &like)) {
			check->users++;
			*result = check;
			return 0;
		}
	check = malloc(sizeof(*check));
	if (!check)
		return -ENOMEM;
	*check = like;
	check->path = strdup(want->path);
	check->host = want->host ? strdup(want->host) : NULL;
	if (!check->path || (want->host && !check->host)) {
		free(check->path);
		free(check->host);
		free(check);
		return -ENOMEM;
	}
	check->next = checks->all;
	checks->all = check;
	loop_arm(checks->loop, &check->timer, 0);
	*result = check;
	return 0;
}

void checks_unwant(struct checks *checks, const struct check *unwanted)
{
	struct check **place, *check;

	if (!unwanted)
		return;
	for (place = &checks->all; *place != unwanted; place = &(*place)->next)
		;
	check = *place;
	if (--check->users)
		return;
	*place = check->next;
	check_free(check);
}
