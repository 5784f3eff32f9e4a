/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The managers' agents as a source: a long poll of one that answers. What the URL's host says,
 * swarm-manager, is what the server's certificate must be named: Swarm gives that name to managers
 * only.
 */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/hash.h"
#include "lib/log.h"
#include "source/engine.h"
#include "source/source.h"

#define ANSWER_LIMIT	 ((size_t)256 << 20)
#define LONG_TIMEOUT_MS	 60000 /* the server answers within 30 s; then the model may be large */
#define NUDGE_TIMEOUT_MS 2000
/* A server that answers at once that nothing is new does not wait as it should. */
#define SPACING_MS 100
#define NS_PER_MS  1000000ULL

struct feed {
	struct source source;
	struct loop *loop;
	struct http *http;
	struct source_receiver receiver;
	uint16_t port;
	char *files[3]; /* CA, certificate, key */
	struct http_tls tls;
	char **managers;
	size_t n_managers;
	size_t current; /* which one is asked */
	struct http_request *request;
	struct http_request *nudge;
	bool nudge_again;
	struct loop_timer timer;
	uint64_t asked_ns;
	uint64_t retry_ms;
	bool is_followed; /* the manager has answered: ask it with patience */
	char version[HASH_TEXT_SIZE];
	bool has_reported;
	struct skep_error problem; /* "": none */
};

static void ask_next(struct feed *feed, uint64_t delay_ms)
{
	loop_arm(feed->loop, &feed->timer, delay_ms);
}

static void manager_text(const struct feed *feed, char *text, size_t size)
{
	snprintf(text, size, "%s:%u", feed->managers[feed->current], feed->port);
}

static void failed(struct feed *feed, const char *why)
{
	struct skep_error problem;
	char manager[64];

	manager_text(feed, manager, sizeof(manager));
	error_set(&problem, 0, "%s: %s", manager, why);
	if (feed->is_followed || (!feed->problem.text[0] && feed->has_reported))
		log_warning("lost the manager's agent at %s; trying the next", problem.text);
	else
		log_debug("no manager's agent at %s", problem.text);
	feed->problem = problem;
	feed->is_followed = false;
	feed->current = (feed->current + 1) % feed->n_managers;
	feed->retry_ms = engine_retry_next(feed->retry_ms);
	ask_next(feed, feed->retry_ms);
}

static int take_model(struct feed *feed, const struct http_answer *answer, struct skep_error *error)
{
	struct model *model;
	char version[HASH_TEXT_SIZE];
	int err;

	hash_text(hash_bytes(HASH_START, answer->body, answer->size), version);
	if (feed->has_reported && strcmp(version, feed->version) == 0)
		return 0;
	err = model_parse(answer->body, answer->size, &model, error);
	if (err)
		return error_prefix(error, err, "its model makes no sense");
	memcpy(feed->version, version, sizeof(version));
	feed->has_reported = true;
	feed->receiver.model(feed->receiver.context, model);
	return 0;
}

static void describe_refusal(const struct http_answer *answer, struct skep_error *error)
{
	json_t *root = answer->status ? json_loadb(answer->body, answer->size, 0, NULL) : NULL;
	const char *reason = json_string_value(json_object_get(root, "error"));

	if (answer->status == 0)
		error_set(error, -EIO, "%s", answer->error);
	else
		error_set(error, -EIO, "%s (HTTP %ld)", reason ? reason : "no reason given",
			  answer->status);
	json_decref(root);
}

static void answered(void *context, const struct http_answer *answer)
{
	struct feed *feed = context;
	struct skep_error error;
	int err = 0;

	feed->request = NULL;
	if (answer->status == 200)
		err = take_model(feed, answer, &error);
	else if (answer->status != 304 || !feed->has_reported) {
		err = -EIO;
		describe_refusal(answer, &error);
	}
	if (err) {
		failed(feed, error.text);
		return;
	}
	if (!feed->is_followed) {
		char manager[64];
		manager_text(feed, manager, sizeof(manager));
		log_info("following the manager's agent at %s", manager);
		feed->is_followed = true;
	}
	feed->problem.text[0] = '\0';
	feed->retry_ms = 0;
	uint64_t took_ms = (loop_now_ns() - feed->asked_ns) / NS_PER_MS;
	ask_next(feed, took_ms < SPACING_MS ? SPACING_MS - took_ms : 0);
}

static int start(struct feed *feed, const char *page, const char *method, long timeout_ms,
		 void (*done)(void *, const struct http_answer *), struct http_request **request,
		 struct skep_error *error)
{
	char url[256], manager[64];
	const struct http_query query = {
		.url = url,
		.method = method,
		.connect_to = manager,
		.tls = &feed->tls,
		.limit = ANSWER_LIMIT,
		.timeout_ms = timeout_ms,
		.done = done,
		.context = feed,
	};

	snprintf(url, sizeof(url), "https://swarm-manager:%u%s", feed->port, page);
	manager_text(feed, manager, sizeof(manager));
	return http_start(feed->http, &query, request, error);
}

static void ask(struct feed *feed)
{
	struct skep_error error;
	char page[128];

	if (feed->request || feed->n_managers == 0)
		return;
	/* One that is new to us says at once what it has, so that we know that it is there. */
	if (feed->has_reported)
		snprintf(page, sizeof(page), "/v1/model?version=%s%s", feed->version,
			 feed->is_followed ? "" : "&wait=0");
	else
		snprintf(page, sizeof(page), "/v1/model");
	feed->asked_ns = loop_now_ns();
	if (start(feed, page, NULL, LONG_TIMEOUT_MS, answered, &feed->request, &error))
		failed(feed, error.text);
}

static void timer_expired(struct loop_timer *timer)
{
	ask(container_of(timer, struct feed, timer));
}

static void nudged(void *context, const struct http_answer *answer)
{
	struct feed *feed = context;

	feed->nudge = NULL;
	/* The manager looks by itself, if later. */
	if (answer->status != 204)
		log_debug("a nudge was lost: %s (HTTP %ld)", answer->error, answer->status);
	if (feed->nudge_again) {
		feed->nudge_again = false;
		source_feed_nudge(&feed->source);
	}
}

void source_feed_nudge(struct source *source)
{
	struct feed *feed = container_of(source, struct feed, source);
	struct skep_error error;

	if (feed->nudge) {
		feed->nudge_again = true;
		return;
	}
	if (feed->is_followed &&
	    start(feed, "/v1/nudge", "POST", NUDGE_TIMEOUT_MS, nudged, &feed->nudge, &error))
		log_debug("a nudge was lost: %s", error.text);
}

static void free_managers(char **managers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(managers[i]);
	free(managers);
}

void source_feed_managers(struct source *source, const char *const *addresses, size_t n)
{
	struct feed *feed = container_of(source, struct feed, source);
	const char *followed = feed->n_managers ? feed->managers[feed->current] : NULL;
	char **managers = calloc(n + 1, sizeof(*managers));
	bool keeps = false;
	size_t current = 0;

	for (size_t i = 0; managers && i < n; i++) {
		managers[i] = strdup(addresses[i]);
		if (!managers[i]) {
			free_managers(managers, i);
			managers = NULL;
		}
	}
	if (!managers) {
		log_warning("no memory for the managers' new addresses; keeping the old ones");
		return;
	}
	/* Workers that start together are not all to ask the same manager. */
	if (n && getrandom(&current, sizeof(current), GRND_NONBLOCK) == sizeof(current))
		current %= n;
	else
		current = 0;
	for (size_t i = 0; followed && !keeps && i < n; i++) {
		keeps = strcmp(managers[i], followed) == 0;
		if (keeps)
			current = i;
	}
	free_managers(feed->managers, feed->n_managers);
	feed->managers = managers;
	feed->n_managers = n;
	feed->current = current;
	if (keeps)
		return;
	http_cancel(feed->request);
	feed->request = NULL;
	http_cancel(feed->nudge);
	feed->nudge = NULL;
	feed->nudge_again = false;
	feed->is_followed = false;
	feed->problem.text[0] = '\0';
	feed->retry_ms = 0;
	ask_next(feed, 0);
}

static void feed_refresh(struct source *source)
{
	struct feed *feed = container_of(source, struct feed, source);

	if (!feed->request)
		ask_next(feed, 0);
}

static void feed_status(const struct source *source, struct source_status *status)
{
	const struct feed *feed = container_of(source, struct feed, source);
	const char *waiting =
		feed->has_reported ? "lost the managers' agents" : "waiting for a manager's agent";
	char manager[64];

	status->state = !feed->has_reported ? SOURCE_STARTING
			: feed->is_followed ? SOURCE_CURRENT
					    : SOURCE_STALE;
	if (feed->n_managers == 0) {
		snprintf(status->text, sizeof(status->text), "%s: Docker names no manager yet",
			 waiting);
		return;
	}
	manager_text(feed, manager, sizeof(manager));
	if (feed->is_followed)
		snprintf(status->text, sizeof(status->text), "the manager's agent at %s", manager);
	else if (feed->problem.text[0])
		snprintf(status->text, sizeof(status->text), "%s: %.*s; trying %s", waiting, 384,
			 feed->problem.text, feed->n_managers > 1 ? "the next" : "again");
	else
		snprintf(status->text, sizeof(status->text), "%s: asking %s", waiting, manager);
}

static void feed_close(struct source *source)
{
	struct feed *feed = container_of(source, struct feed, source);

	http_cancel(feed->request);
	http_cancel(feed->nudge);
	loop_disarm(feed->loop, &feed->timer);
	free_managers(feed->managers, feed->n_managers);
	for (int i = 0; i < 3; i++)
		free(feed->files[i]);
	free(feed);
}

static const struct source_operations operations = {
	.status = feed_status,
	.refresh = feed_refresh,
	.close = feed_close,
};

int source_feed_open(struct source **source, struct loop *loop, struct http *http,
		     const struct source_feed_config *config,
		     const struct source_receiver *receiver, struct skep_error *error)
{
	static const char *const names[] = {"swarm-root-ca.crt", "swarm-node.crt",
					    "swarm-node.key"};
	struct feed *feed = calloc(1, sizeof(*feed));
	int err = feed ? 0 : -ENOMEM;

	for (int i = 0; !err && i < 3; i++) {
		if (asprintf(&feed->files[i], "%s/%s", config->certificates, names[i]) < 0) {
			feed->files[i] = NULL;
			err = -ENOMEM;
		}
	}
	if (err) {
		for (int i = 0; feed && i < 3; i++)
			free(feed->files[i]);
		free(feed);
		return error_errno(error, err, "cannot follow the managers' agents");
	}
	feed->source.operations = &operations;
	feed->loop = loop;
	feed->http = http;
	feed->receiver = *receiver;
	feed->port = config->port;
	feed->tls = (struct http_tls){feed->files[0], feed->files[1], feed->files[2]};
	feed->timer.expired = timer_expired;
	*source = &feed->source;
	return 0;
}
