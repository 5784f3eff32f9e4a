/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/upstream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "source/feed_server.h"

/* How long a manager's model may be out of date before workers are told so. */
#define STALE_NS (10ULL * 1000 * 1000 * 1000)

/* How long a source may take to its first model before a person is told. */
#define STARTING_NS (3ULL * 1000 * 1000 * 1000)

/* Between attempts at what failed. */
#define RETRY_NS (5ULL * 1000 * 1000 * 1000)

enum kind {
	KIND_NONE,
	KIND_SWARM,
	KIND_FEED,
	KIND_FILE
};
static const char *const kind_names[] = {NULL, "swarm", "feed", "file"};

struct upstream {
	struct loop *loop;
	struct http *http;
	const struct agent_config *config;
	struct source_receiver receiver;
	char certificates[CONFIG_PATH_SIZE + 32];

	enum kind wanted, kind; /* kind: of the open source */
	struct source *source;	/* NULL: none, and problem says why */
	char problem[512];
	uint64_t source_tried_ns;
	char **managers; /* as the feed source was told */
	size_t n_managers;

	enum source_state logged;
	uint64_t opened_ns;
	bool told;		 /* that it waits */
	uint64_t stale_since_ns; /* 0: it is not */

	bool is_manager;
	struct feed_server *server;
	uint64_t server_tried_ns;
	char server_problem[512];
	bool reported;	/* this source has reported a model */
	bool published; /* the server has it */
	bool withheld;	/* the server was told that there is none to be had */
};

static void receive(void *context, struct model *model)
{
	struct upstream *upstream = context;

	upstream->reported = true;
	upstream->published = false;
	upstream->receiver.model(upstream->receiver.context, model);
}

static void free_managers(char **managers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(managers[i]);
	free(managers);
}

static int copy_managers(const struct docker_node *node, char ***managers)
{
	*managers = calloc(node->n_managers + 1, sizeof(**managers));
	for (size_t i = 0; *managers && i < node->n_managers; i++) {
		(*managers)[i] = strdup(node->managers[i]);
		if (!(*managers)[i]) {
			free_managers(*managers, i);
			return -ENOMEM;
		}
	}
	return *managers ? 0 : -ENOMEM;
}

static bool same_managers(const struct upstream *upstream, const struct docker_node *node)
{
	if (upstream->n_managers != node->n_managers)
		return false;
	for (size_t i = 0; i < node->n_managers; i++)
		if (strcmp(upstream->managers[i], node->managers[i]) != 0)
			return false;
	return true;
}

/* Only a change is passed on: a list given anew may make the source connect anew. */
static void pass_managers(struct upstream *upstream, const struct docker_node *node)
{
	char **managers;

	if (upstream->kind != KIND_FEED || same_managers(upstream, node))
		return;
	if (copy_managers(node, &managers)) {
		log_error("cannot keep the list of managers: %s", strerror(ENOMEM));
		return;
	}
	free_managers(upstream->managers, upstream->n_managers);
	upstream->managers = managers;
	upstream->n_managers = node->n_managers;
	source_feed_managers(upstream->source, (const char *const *)managers, node->n_managers);
}

static void close_source(struct upstream *upstream)
{
	source_close(upstream->source);
	upstream->source = NULL;
	upstream->kind = KIND_NONE;
	upstream->reported = false;
	free_managers(upstream->managers, upstream->n_managers);
	upstream->managers = NULL;
	upstream->n_managers = 0;
}

static int open_source(struct upstream *upstream, struct skep_error *error)
{
	const struct source_receiver receiver = {.model = receive, .context = upstream};
	const struct agent_config *config = upstream->config;
	struct skep_error why;
	int err;

	upstream->source_tried_ns = loop_now_ns();
	switch (upstream->wanted) {
	case KIND_SWARM:
		err = source_swarm_open(&upstream->source, upstream->loop, upstream->http,
					config->docker_socket, &receiver, &why);
		break;
	case KIND_FEED:
		err = source_feed_open(&upstream->source, upstream->loop, upstream->http,
				       &(struct source_feed_config){
					       .port = config->feed_port,
					       .certificates = upstream->certificates,
				       },
				       &receiver, &why);
		break;
	case KIND_FILE:
		err = source_file_open(&upstream->source, upstream->loop, config->source_path,
				       &receiver, &why);
		break;
	default:
		return 0;
	}
	if (!err) {
		upstream->kind = upstream->wanted;
		upstream->logged = SOURCE_STARTING;
		upstream->opened_ns = loop_now_ns();
		upstream->told = false;
		upstream->stale_since_ns = 0;
		*upstream->problem = '\0';
		return 0;
	}
	upstream->source = NULL;
	if (strcmp(upstream->problem, why.text) != 0)
		log_error("source %s: %s", kind_names[upstream->wanted], why.text);
	memcpy(upstream->problem, why.text, sizeof(upstream->problem));
	*error = why;
	return err;
}

static void nudged(void *context)
{
	upstream_refresh(context);
}

/*
 * The feed's files may come later and its port may be taken for a while, so failure is tried again.
 */
static void open_server(struct upstream *upstream)
{
	struct skep_error error;
	int err;

	upstream->server_tried_ns = loop_now_ns();
	err = feed_server_open(&upstream->server, upstream->loop,
			       &(struct feed_server_config){
				       .port = upstream->config->feed_port,
				       .certificates = upstream->certificates,
				       .nudged = nudged,
				       .context = upstream,
			       },
			       &error);
	upstream->published = false;
	upstream->withheld = false;
	if (!err) {
		log_info("serves the feed on port %u", upstream->config->feed_port);
		*upstream->server_problem = '\0';
		return;
	}
	upstream->server = NULL;
	if (strcmp(upstream->server_problem, error.text) != 0)
		log_warning("cannot serve the feed yet: %s", error.text);
	memcpy(upstream->server_problem, error.text, sizeof(upstream->server_problem));
}

static void close_server(struct upstream *upstream, const char *why)
{
	if (upstream->server)
		log_info("serves the feed no longer: %s", why);
	feed_server_close(upstream->server);
	upstream->server = NULL;
	*upstream->server_problem = '\0';
}

static bool has_feed(const struct upstream *upstream)
{
	return upstream->is_manager && upstream->kind == KIND_SWARM;
}

static enum kind wanted_kind(const struct upstream *upstream, const struct docker_node *node)
{
	switch (upstream->config->source) {
	case CONFIG_SOURCE_SWARM:
		return KIND_SWARM;
	case CONFIG_SOURCE_FEED:
		return KIND_FEED;
	case CONFIG_SOURCE_FILE:
		return KIND_FILE;
	default:
		/* A node that is not active now keeps to what it followed when it was. */
		if (!node || !node->active)
			return upstream->wanted;
		return node->manager ? KIND_SWARM : KIND_FEED;
	}
}

int upstream_open(struct upstream **result, struct loop *loop, struct http *http,
		  const struct agent_config *config, const struct source_receiver *receiver,
		  struct skep_error *error)
{
	struct upstream *upstream = calloc(1, sizeof(*upstream));
	int err;

	if (!upstream)
		return error_errno(error, -ENOMEM, "cannot follow a source");
	upstream->loop = loop;
	upstream->http = http;
	upstream->config = config;
	upstream->receiver = *receiver;
	snprintf(upstream->certificates, sizeof(upstream->certificates), "%s/swarm/certificates",
		 config->docker_root);
	upstream->wanted = wanted_kind(upstream, NULL);
	err = open_source(upstream, error);
	if (err) {
		upstream_close(upstream);
		return err;
	}
	*result = upstream;
	return 0;
}

void upstream_close(struct upstream *upstream)
{
	if (!upstream)
		return;
	feed_server_close(upstream->server);
	close_source(upstream);
	free(upstream);
}

void upstream_follow(struct upstream *upstream, const struct docker_node *node)
{
	enum kind wanted = wanted_kind(upstream, node);
	struct skep_error error;

	if (wanted != upstream->wanted) {
		if (upstream->source)
			log_info("this node is %s now: source %s instead of %s",
				 node->manager ? "a manager" : "a worker", kind_names[wanted],
				 kind_names[upstream->kind]);
		else
			log_info("this node is %s: source %s",
				 node->manager ? "a manager" : "a worker", kind_names[wanted]);
		upstream->wanted = wanted;
		close_source(upstream);
		open_source(upstream, &error); /* which logs, and is tried again */
	}
	pass_managers(upstream, node);
	if (node->active)
		upstream->is_manager = node->manager;
	if (has_feed(upstream) && !upstream->server && !*upstream->server_problem)
		open_server(upstream);
	else if (!has_feed(upstream))
		close_server(upstream, "this node is no manager");
}

static void log_state(struct upstream *upstream, const struct source_status *status)
{
	const char *kind = kind_names[upstream->kind];

	if (status->state == SOURCE_STARTING && !upstream->told &&
	    loop_now_ns() - upstream->opened_ns > STARTING_NS) {
		log_warning("source %s has no model yet: %s", kind, status->text);
		upstream->told = true;
	}
	if (status->state == upstream->logged)
		return;
	/* Each source tells what went wrong itself, in its own words. */
	if (status->state == SOURCE_CURRENT)
		log_info("source %s is current: %s", kind, status->text);
	else
		log_warning("source %s is stale: the last model stays in force", kind);
	upstream->logged = status->state;
}

static void withhold_if_stale(struct upstream *upstream, const struct source_status *status)
{
	uint64_t now = loop_now_ns();

	if (status->state != SOURCE_STALE) {
		upstream->stale_since_ns = 0;
		upstream->withheld = false;
		return;
	}
	if (!upstream->stale_since_ns)
		upstream->stale_since_ns = now;
	if (!upstream->server || upstream->withheld || now - upstream->stale_since_ns < STALE_NS)
		return;
	if (feed_server_publish(upstream->server, NULL, 0, status->text))
		return; /* no memory: the next tick tries again */
	upstream->withheld = true;
	upstream->published = false;
}

void upstream_tick(struct upstream *upstream)
{
	uint64_t now = loop_now_ns();
	struct source_status status;
	struct skep_error error;

	if (!upstream->source) {
		if (upstream->wanted != KIND_NONE && now - upstream->source_tried_ns >= RETRY_NS)
			open_source(upstream, &error);
		return;
	}
	if (has_feed(upstream) && !upstream->server && now - upstream->server_tried_ns >= RETRY_NS)
		open_server(upstream);
	source_status(upstream->source, &status);
	log_state(upstream, &status);
	withhold_if_stale(upstream, &status);
}

void upstream_event(struct upstream *upstream)
{
	if (upstream->kind == KIND_FEED)
		source_feed_nudge(upstream->source);
	else
		upstream_refresh(upstream);
}

void upstream_refresh(struct upstream *upstream)
{
	if (upstream->source)
		source_refresh(upstream->source);
}

bool upstream_feeds(const struct upstream *upstream)
{
	return upstream->server && upstream->reported && !upstream->published &&
	       !upstream->withheld;
}

void upstream_publish(struct upstream *upstream, const char *text, size_t size)
{
	int err = feed_server_publish(upstream->server, text, size, NULL);

	if (err)
		log_error("cannot serve the new model: %s", strerror(-err));
	upstream->published = !err;
}

const char *upstream_kind(const struct upstream *upstream)
{
	return kind_names[upstream->wanted];
}

void upstream_status(const struct upstream *upstream, struct source_status *status)
{
	if (upstream->source) {
		source_status(upstream->source, status);
		return;
	}
	status->state = SOURCE_STARTING;
	snprintf(status->text, sizeof(status->text), "%s",
		 *upstream->problem ? upstream->problem
				    : "waits for Docker to say whether this node is in a Swarm, "
				      "and as what");
}

bool upstream_feed(const struct upstream *upstream, const char **problem)
{
	*problem = *upstream->server_problem ? upstream->server_problem : NULL;
	return has_feed(upstream);
}
