/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A manager's Engine API as a source. Swarm has events for services, nodes and networks, none for
 * tasks: so it is asked again and again, often while tasks are on their way, else now and then.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/log.h"
#include "source/engine.h"
#include "source/source.h"
#include "source/swarm_convert.h"

#define ANSWER_LIMIT ((size_t)512 << 20)
#define TIMEOUT_MS   60000
#define FAST_MS	     250
#define QUIET_MS     3000
#define STAY_FAST_MS 5000 /* after the last change */
#define SLOWEST_MS   15000
/*
 * The time between polls is as many times that of a poll: when all is quiet, and while something
 * changes. A task that is about to end is stopped two seconds after Swarm says so; until then every
 * node must have heard.
 */
#define QUIET_SHARE   10
#define CHANGE_SHARE  1
#define NS_PER_MS     1000000ULL
#define EVENT_FILTERS "{\"scope\":[\"swarm\"],\"type\":[\"service\",\"node\",\"network\"]}"

enum {
	SWARM,
	NODES,
	NETWORKS,
	SERVICES,
	TASKS,
	ANSWERS
};
static const char *const paths[ANSWERS] = {
	[SWARM] = "/swarm",
	[NODES] = "/nodes",
	[NETWORKS] = "/networks?filters=%7B%22scope%22%3A%5B%22swarm%22%5D%7D",
	[SERVICES] = "/services",
	[TASKS] = "/tasks",
};

struct question { /* one of the requests of a poll */
	struct swarm *swarm;
	struct http_request *request;
	char *text;
	size_t size;
};

struct swarm {
	struct source source;
	struct loop *loop;
	struct http *http;
	char *socket_path;
	struct source_receiver receiver;
	struct engine_events *events;
	struct question questions[ANSWERS];
	unsigned int n_asked; /* questions not answered yet */
	struct loop_timer timer;
	uint64_t began_ns, ended_ns; /* the last poll */
	uint64_t fast_until_ns;
	uint64_t retry_ms;
	bool again;	   /* something happened during the poll */
	uint64_t heard;	   /* hash of what the Engine answered last */
	bool changing;	   /* as of that */
	uint64_t reported; /* hash of the model's text that was reported last */
	bool has_reported;
	json_t *warnings; /* of the last conversion */
	enum source_state state;
	struct skep_error problem;
};

static uint64_t elapsed_ms(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? (to_ns - from_ns) / NS_PER_MS : 0;
}

static void forget_answers(struct swarm *swarm)
{
	for (int i = 0; i < ANSWERS; i++) {
		struct question *question = &swarm->questions[i];
		http_cancel(question->request);
		question->request = NULL;
		free(question->text);
		question->text = NULL;
	}
	swarm->n_asked = 0;
}

static void poll_failed(struct swarm *swarm, const char *why)
{
	forget_answers(swarm);
	swarm->ended_ns = loop_now_ns();
	/* Once for each new reason; the status has it all the time. */
	if (strcmp(swarm->problem.text, why) != 0)
		log_warning("%s; trying again", why);
	error_set(&swarm->problem, 0, "%s", why);
	if (swarm->has_reported)
		swarm->state = SOURCE_STALE;
	swarm->again = false;
	swarm->retry_ms = engine_retry_next(swarm->retry_ms);
	loop_arm(swarm->loop, &swarm->timer, swarm->retry_ms);
}

/* As soon as wanted_ms after the last poll, but never so that polling takes more than its share of
 * the time. */
static void schedule(struct swarm *swarm, uint64_t wanted_ms)
{
	uint64_t took_ms = elapsed_ms(swarm->began_ns, swarm->ended_ns);
	uint64_t since_ms = elapsed_ms(swarm->ended_ns, loop_now_ns());
	uint64_t delay_ms = took_ms * (wanted_ms < QUIET_MS ? CHANGE_SHARE : QUIET_SHARE);

	if (delay_ms > SLOWEST_MS)
		delay_ms = SLOWEST_MS;
	if (delay_ms < wanted_ms)
		delay_ms = wanted_ms;
	loop_arm(swarm->loop, &swarm->timer, delay_ms > since_ms ? delay_ms - since_ms : 0);
}

/* Each warning once, for as long as it holds. */
static void log_new_warnings(struct swarm *swarm, json_t *warnings)
{
	json_t *now = json_object(), *warning;
	size_t i;

	json_array_foreach (warnings, i, warning) {
		const char *text = json_string_value(warning);
		if (!json_object_get(swarm->warnings, text))
			log_warning("%s", text);
		(void)json_object_set_new(now, text, json_true()); /* if not, it is logged again */
	}
	json_decref(swarm->warnings);
	swarm->warnings = now;
}

/* Reports the model if it is another one than the last. */
static int report(struct swarm *swarm, const json_t *root, struct skep_error *error)
{
	struct model *model = NULL;
	json_t *form = NULL;
	char *text = NULL;
	int err = model_from_json(root, &model, error);

	if (err)
		return err;
	form = model_to_json(model);
	text = form ? json_dumps(form, JSON_COMPACT) : NULL;
	json_decref(form);
	if (!text) {
		model_free(model);
		return error_errno(error, -ENOMEM, "cannot compare models");
	}
	uint64_t hash = hash_bytes(HASH_START, text, strlen(text));
	free(text);
	if (swarm->has_reported && hash == swarm->reported) {
		model_free(model);
		return 0;
	}
	swarm->reported = hash;
	swarm->has_reported = true;
	swarm->fast_until_ns = loop_now_ns() + STAY_FAST_MS * NS_PER_MS;
	swarm->receiver.model(swarm->receiver.context, model);
	return 0;
}

static int convert(struct swarm *swarm, struct skep_error *error)
{
	json_t *parsed[ANSWERS] = {NULL};
	struct swarm_conversion conversion = {0};
	int err = 0;

	for (int i = 0; i < ANSWERS && !err; i++) {
		struct question *question = &swarm->questions[i];
		parsed[i] = engine_parse(swarm->socket_path, question->text, question->size, error);
		err = parsed[i] ? 0 : error_prefix(error, -EINVAL, "GET %s", paths[i]);
		free(question->text);
		question->text = NULL;
	}
	if (!err)
		err = swarm_convert(&(struct swarm_answers){.swarm = parsed[SWARM],
							    .nodes = parsed[NODES],
							    .networks = parsed[NETWORKS],
							    .services = parsed[SERVICES],
							    .tasks = parsed[TASKS]},
				    &conversion, error);
	/* Many times the size of the texts in a large Swarm: gone before the model is built. */
	for (int i = 0; i < ANSWERS; i++)
		json_decref(parsed[i]);
	if (!err) {
		swarm->changing = conversion.changing;
		log_new_warnings(swarm, conversion.warnings);
		err = report(swarm, conversion.model, error);
	}
	swarm_conversion_free(&conversion);
	return err;
}

static void poll_ended(struct swarm *swarm)
{
	struct skep_error error;
	uint64_t heard = HASH_START;

	for (int i = 0; i < ANSWERS; i++)
		heard = hash_bytes(heard, swarm->questions[i].text, swarm->questions[i].size);
	/* The very same answers make the very same model. */
	if (!swarm->has_reported || heard != swarm->heard) {
		if (convert(swarm, &error)) {
			poll_failed(swarm, error.text);
			return;
		}
		swarm->heard = heard;
	}
	forget_answers(swarm);
	swarm->ended_ns = loop_now_ns();
	if (swarm->problem.text[0])
		log_info("Docker at %s answers for the Swarm again", swarm->socket_path);
	swarm->problem.text[0] = '\0';
	swarm->retry_ms = 0;
	swarm->state = SOURCE_CURRENT;

	bool fast = swarm->changing || loop_now_ns() < swarm->fast_until_ns;
	schedule(swarm, swarm->again ? 0 : fast ? FAST_MS : QUIET_MS);
	swarm->again = false;
}

static void answered(void *context, const struct http_answer *answer)
{
	struct question *question = context;
	struct swarm *swarm = question->swarm;
	struct skep_error error;

	question->request = NULL;
	swarm->n_asked--;
	/* 503 is a worker's answer, and a manager's when no leader is to be had. */
	if (engine_check(swarm->socket_path, answer, &error)) {
		poll_failed(swarm, error.text);
		return;
	}
	question->text = malloc(answer->size + 1);
	if (!question->text) {
		poll_failed(swarm, "no memory for Docker's answers");
		return;
	}
	memcpy(question->text, answer->body, answer->size);
	question->text[answer->size] = '\0';
	question->size = answer->size;
	if (swarm->n_asked == 0)
		poll_ended(swarm);
}

static void timer_expired(struct loop_timer *timer)
{
	struct swarm *swarm = container_of(timer, struct swarm, timer);
	struct skep_error error;

	if (swarm->n_asked)
		return;
	swarm->began_ns = loop_now_ns();
	for (int i = 0; i < ANSWERS; i++) {
		struct question *question = &swarm->questions[i];
		if (engine_get(swarm->http, swarm->socket_path, paths[i], ANSWER_LIMIT, TIMEOUT_MS,
			       answered, question, &question->request, &error)) {
			poll_failed(swarm, error.text);
			return;
		}
		swarm->n_asked++;
	}
}

static void swarm_refresh(struct source *source)
{
	struct swarm *swarm = container_of(source, struct swarm, source);

	swarm->fast_until_ns = loop_now_ns() + STAY_FAST_MS * NS_PER_MS;
	if (swarm->n_asked)
		swarm->again = true;
	else if (!swarm->retry_ms)
		schedule(swarm, 0);
}

static void events_connected(void *context)
{
	struct swarm *swarm = context;

	/* Docker is there (again): ask now, whatever the last failure's delay. */
	swarm->retry_ms = 0;
	swarm_refresh(&swarm->source);
}

static void events_event(void *context, const json_t *event)
{
	struct swarm *swarm = context;

	(void)event;
	swarm_refresh(&swarm->source);
}

/* The polls go on, and say what is wrong if they fail too. */
static void events_failed(void *context, const char *why)
{
	(void)context;
	log_debug("%s; trying again", why);
}

static void swarm_status(const struct source *source, struct source_status *status)
{
	const struct swarm *swarm = container_of(source, struct swarm, source);

	status->state = swarm->state;
	if (swarm->problem.text[0])
		snprintf(status->text, sizeof(status->text), "%.*s; trying again",
			 (int)sizeof(status->text) - 16, swarm->problem.text);
	else if (swarm->state == SOURCE_STARTING)
		snprintf(status->text, sizeof(status->text), "asking Docker at %.*s",
			 (int)sizeof(status->text) - 32, swarm->socket_path);
	else
		snprintf(status->text, sizeof(status->text), "Docker at %.*s",
			 (int)sizeof(status->text) - 32, swarm->socket_path);
}

static void swarm_close(struct source *source)
{
	struct swarm *swarm = container_of(source, struct swarm, source);

	engine_events_close(swarm->events);
	forget_answers(swarm);
	loop_disarm(swarm->loop, &swarm->timer);
	json_decref(swarm->warnings);
	free(swarm->socket_path);
	free(swarm);
}

static const struct source_operations operations = {
	.status = swarm_status,
	.refresh = swarm_refresh,
	.close = swarm_close,
};

int source_swarm_open(struct source **source, struct loop *loop, struct http *http,
		      const char *docker_socket, const struct source_receiver *receiver,
		      struct skep_error *error)
{
	struct swarm *swarm = calloc(1, sizeof(*swarm));
	int err;

	if (swarm)
		swarm->socket_path = strdup(docker_socket);
	if (!swarm || !swarm->socket_path) {
		free(swarm);
		return error_errno(error, -ENOMEM, "cannot follow the Swarm");
	}
	swarm->source.operations = &operations;
	swarm->loop = loop;
	swarm->http = http;
	swarm->receiver = *receiver;
	swarm->timer.expired = timer_expired;
	for (int i = 0; i < ANSWERS; i++)
		swarm->questions[i].swarm = swarm;
	err = engine_events_open(&swarm->events, loop, http, docker_socket, EVENT_FILTERS,
				 &(struct engine_event_receiver){events_connected, events_event,
								 events_failed, swarm},
				 error);
	if (err) {
		swarm_close(&swarm->source);
		return err;
	}
	loop_arm(loop, &swarm->timer, 0);
	*source = &swarm->source;
	return 0;
}
