/* SPDX-License-Identifier: GPL-2.0-only */
/* Both ends of the feed in one loop, with the certificates of a Swarm of the test's own: what its
 * tests share. */
#ifndef SELFTESTS_UNIT_FEED_FIXTURE_H
#define SELFTESTS_UNIT_FEED_FIXTURE_H

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "scratch.h"
#include "source/feed_server.h"
#include "source/source.h"
#include "swarm_ca.h"
#include "wait.h"

#define MODEL_A "{\"cluster\":\"cluster1\",\"nodes\":[{\"id\":\"a\"}]}"
#define MODEL_B "{\"cluster\":\"cluster1\",\"nodes\":[{\"id\":\"b\"}]}"

struct fixture {
	char *directory;
	char server_dir[128], worker_dir[128], other_dir[128];
	struct swarm_ca ca, other_ca;
	struct loop *loop;
	struct http *http;
	uint16_t port;
	struct feed_server *server;
	struct source *source;
	struct model *model;
	unsigned int n_models;
	unsigned int n_nudges;
	unsigned int wanted;
	const char *text;
	struct http_request *request; /* of the test itself */
	long status;
	char body[512];
	bool answered;
};

static const struct swarm_node_cert manager = {
	.id = "m1", .role = "swarm-manager", .cluster = "cluster1"};
static const struct swarm_node_cert worker = {
	.id = "w1", .role = "swarm-worker", .cluster = "cluster1"};

static inline void take_model(void *context, struct model *model)
{
	struct fixture *fixture = context;

	model_free(fixture->model);
	fixture->model = model;
	fixture->n_models++;
}

static inline void take_nudge(void *context)
{
	struct fixture *fixture = context;

	fixture->n_nudges++;
}

/* One that nobody has at the moment. */
static inline uint16_t free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static inline int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct skep_error error;

	fixture->directory = scratch_make();
	snprintf(fixture->server_dir, sizeof(fixture->server_dir), "%s-m", fixture->directory);
	snprintf(fixture->worker_dir, sizeof(fixture->worker_dir), "%s-w", fixture->directory);
	snprintf(fixture->other_dir, sizeof(fixture->other_dir), "%s-o", fixture->directory);
	ca_make(&fixture->ca);
	ca_make(&fixture->other_ca);
	ca_issue(&fixture->ca, &fixture->ca, fixture->server_dir, &manager);
	ca_issue(&fixture->ca, &fixture->ca, fixture->worker_dir, &worker);
	fixture->loop = loop_new();
	assert_int_equal(http_open(&fixture->http, fixture->loop, &error), 0);
	fixture->port = free_port();
	*state = fixture;
	return 0;
}

static inline void open_server(struct fixture *fixture)
{
	const struct feed_server_config config = {.port = fixture->port,
						  .certificates = fixture->server_dir,
						  .nudged = take_nudge,
						  .context = fixture};
	struct skep_error error;

	if (feed_server_open(&fixture->server, fixture->loop, &config, &error))
		fail_msg("%s", error.text);
}

static inline void close_server(struct fixture *fixture)
{
	feed_server_close(fixture->server);
	fixture->server = NULL;
}

static inline void publish(struct fixture *fixture, const char *text)
{
	assert_int_equal(feed_server_publish(fixture->server, text, strlen(text), NULL), 0);
}

static inline void open_source(struct fixture *fixture, const char *certificates)
{
	const struct source_feed_config config = {.port = fixture->port,
						  .certificates = certificates};
	static const char *const managers[] = {"127.0.0.1"};
	struct skep_error error;

	if (source_feed_open(&fixture->source, fixture->loop, fixture->http, &config,
			     &(struct source_receiver){take_model, fixture}, &error))
		fail_msg("%s", error.text);
	source_feed_managers(fixture->source, managers, 1);
}

static inline void remove_directory(const char *directory)
{
	if (access(directory, F_OK) == 0)
		scratch_remove(strdup(directory));
}

static inline int tear_down(void **state)
{
	struct fixture *fixture = *state;

	http_cancel(fixture->request);
	source_close(fixture->source);
	feed_server_close(fixture->server);
	http_close(fixture->http);
	loop_free(fixture->loop);
	model_free(fixture->model);
	ca_free(&fixture->ca);
	ca_free(&fixture->other_ca);
	remove_directory(fixture->server_dir);
	remove_directory(fixture->worker_dir);
	remove_directory(fixture->other_dir);
	scratch_remove(fixture->directory);
	free(fixture);
	return 0;
}

static inline bool has_models(void *context)
{
	struct fixture *fixture = context;

	return fixture->n_models >= fixture->wanted;
}

static inline bool is_nudged(void *context)
{
	struct fixture *fixture = context;

	return fixture->n_nudges >= fixture->wanted;
}

static inline bool status_says(void *context)
{
	struct fixture *fixture = context;
	struct source_status status;

	source_status(fixture->source, &status);
	return strstr(status.text, fixture->text) != NULL;
}

static inline bool is_current(void *context)
{
	struct fixture *fixture = context;
	struct source_status status;

	source_status(fixture->source, &status);
	return status.state == SOURCE_CURRENT;
}

static inline bool is_answered(void *context)
{
	struct fixture *fixture = context;

	return fixture->answered;
}

static inline void want_models(struct fixture *fixture, unsigned int n, const char *node)
{
	fixture->wanted = n;
	if (!wait_until(fixture->loop, has_models, fixture, 5000)) {
		struct source_status status;
		source_status(fixture->source, &status);
		fail_msg("%s", status.text);
	}
	assert_string_equal(fixture->model->nodes[0].id, node);
}

static inline void want_status(struct fixture *fixture, enum source_state state, const char *text)
{
	struct source_status status;

	fixture->text = text;
	bool says = wait_until(fixture->loop, status_says, fixture, 5000);
	source_status(fixture->source, &status);
	if (!says)
		fail_msg("%s", status.text);
	assert_int_equal(status.state, state);
}

static inline void take_answer(void *context, const struct http_answer *answer)
{
	struct fixture *fixture = context;

	fixture->request = NULL;
	fixture->answered = true;
	fixture->status = answer->status;
	snprintf(fixture->body, sizeof(fixture->body), "%s",
		 answer->status ? answer->body : answer->error);
}

/* A request of the test's own; the status, 0 if there was no answer. */
static inline long ask(struct fixture *fixture, const char *directory, const char *page,
		       const char *method, const char *body)
{
	char url[128], connect_to[64], ca[160], cert[160], key[160];
	const struct http_tls tls = {ca, cert, key};
	const struct http_query query = {.url = url,
					 .method = method,
					 .body = body,
					 .connect_to = connect_to,
					 .tls = &tls,
					 .limit = 4096,
					 .timeout_ms = 40000,
					 .done = take_answer,
					 .context = fixture};
	struct skep_error error;

	snprintf(url, sizeof(url), "https://swarm-manager:%u%s", fixture->port, page);
	snprintf(connect_to, sizeof(connect_to), "127.0.0.1:%u", fixture->port);
	snprintf(ca, sizeof(ca), "%s/swarm-root-ca.crt", directory);
	snprintf(cert, sizeof(cert), "%s/swarm-node.crt", directory);
	snprintf(key, sizeof(key), "%s/swarm-node.key", directory);
	fixture->answered = false;
	if (http_start(fixture->http, &query, &fixture->request, &error))
		fail_msg("%s", error.text);
	assert_true(wait_until(fixture->loop, is_answered, fixture, 45000));
	return fixture->status;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
