/* SPDX-License-Identifier: GPL-2.0-only */
#include "source/feed_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/hash.h"
#include "lib/log.h"
#include "source/feed_daemon.h"

#define WAIT_MS		 30000
#define NUDGE_EVERY_MS	 100
#define LOG_EVERY_MS	 60000
#define MAX_REQUEST_BODY 4096
#define RELOAD_SETTLE_MS 100 /* certificate, key and CA are written one after the other */
#define RELOAD_EVERY_MS	 10000
#define NS_PER_MS	 1000000ULL

struct feed_request {
	struct feed_daemon *daemon;
	struct MHD_Connection *connection;
	uint64_t deadline_ns;
	size_t body_size;
	bool waited; /* was suspended, or does not want to be */
	bool waiting;
	struct feed_request *next, *previous; /* among those that wait */
};

struct feed_server {
	struct loop *loop;
	struct feed_server_config config;
	char *directory;
	int listen_fd;
	struct feed_daemon *daemons; /* the first is the one that listens */
	struct MHD_Response *model;  /* NULL: none */
	char version[HASH_TEXT_SIZE];
	struct skep_error reason;	   /* while there is no model */
	struct feed_request *first, *last; /* who waits, by deadline */
	struct loop_timer wait_timer;
	struct loop_timer nudge_timer;
	uint64_t nudged_ns;
	uint64_t refusal_logged_ns;
	struct loop_watch inotify;
	struct loop_timer reload_timer;
	struct skep_error reload_problem;
};

static void stop_waiting(struct feed_server *server, struct feed_request *request)
{
	if (!request->waiting)
		return;
	*(request->previous ? &request->previous->next : &server->first) = request->next;
	*(request->next ? &request->next->previous : &server->last) = request->previous;
	request->waiting = false;
}

static void resume(struct feed_server *server, struct feed_request *request)
{
	stop_waiting(server, request);
	MHD_resume_connection(request->connection);
	feed_daemon_wake(request->daemon);
}

static void wait_over(struct loop_timer *timer)
{
	struct feed_server *server = container_of(timer, struct feed_server, wait_timer);
	uint64_t now = loop_now_ns();

	while (server->first && server->first->deadline_ns <= now)
		resume(server, server->first);
	if (server->first)
		loop_arm(server->loop, timer, (server->first->deadline_ns - now) / NS_PER_MS + 1);
}

static enum MHD_Result suspend(struct feed_server *server, struct feed_request *request)
{
	request->waited = true;
	request->waiting = true;
	request->deadline_ns = loop_now_ns() + WAIT_MS * NS_PER_MS;
	request->next = NULL;
	request->previous = server->last;
	*(server->last ? &server->last->next : &server->first) = request;
	server->last = request;
	if (server->first == request)
		loop_arm(server->loop, &server->wait_timer, WAIT_MS);
	MHD_suspend_connection(request->connection);
	return MHD_YES;
}

static enum MHD_Result answer(struct feed_request *request, unsigned int status,
			      struct MHD_Response *response)
{
	return MHD_queue_response(request->connection, status, response);
}

/* A new response of its own: {"error": text}, or nothing if text is NULL. */
static enum MHD_Result answer_text(struct feed_request *request, unsigned int status,
				   const char *text)
{
	json_t *root = text ? json_pack("{ss}", "error", text) : NULL;
	char *body = root ? json_dumps(root, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	struct MHD_Response *response = MHD_create_response_from_buffer(
		body ? strlen(body) : 0, body ? body : "", MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result = MHD_NO;

	if (response) {
		if (body)
			MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
						"application/json");
		/* So that whoever is refused, or on an old certificate, comes anew. */
		if (status == MHD_HTTP_FORBIDDEN || request->daemon->retired)
			MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
		result = answer(request, status, response);
		MHD_destroy_response(response);
	}
	free(body);
	json_decref(root);
	return result;
}

static enum MHD_Result answer_model(struct feed_server *server, struct feed_request *request)
{
	const char *version =
		MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, "version");
	const char *wait =
		MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, "wait");

	if (!server->model)
		return answer_text(request, MHD_HTTP_SERVICE_UNAVAILABLE, server->reason.text);
	if (!version || strcmp(version, server->version) != 0)
		return answer(request, MHD_HTTP_OK, server->model);
	if (request->waited || (wait && strcmp(wait, "0") == 0))
		return answer_text(request, MHD_HTTP_NOT_MODIFIED, NULL);
	return suspend(server, request);
}

static void nudge_expired(struct loop_timer *timer)
{
	struct feed_server *server = container_of(timer, struct feed_server, nudge_timer);

	server->nudged_ns = loop_now_ns();
	server->config.nudged(server->config.context);
}

static enum MHD_Result answer_nudge(struct feed_server *server, struct feed_request *request)
{
	uint64_t since_ms = (loop_now_ns() - server->nudged_ns) / NS_PER_MS;

	if (server->nudge_timer.deadline_ns == 0 && server->config.nudged)
		loop_arm(server->loop, &server->nudge_timer,
			 since_ms < NUDGE_EVERY_MS ? NUDGE_EVERY_MS - since_ms : 0);
	return answer_text(request, MHD_HTTP_NO_CONTENT, NULL);
}

static enum MHD_Result refuse(struct feed_server *server, struct feed_request *request,
			      const char *why)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	char address[INET_ADDRSTRLEN] = "unknown";
	uint64_t now = loop_now_ns();

	if (!server->refusal_logged_ns ||
	    now - server->refusal_logged_ns >= LOG_EVERY_MS * NS_PER_MS) {
		server->refusal_logged_ns = now;
		if (info && info->client_addr->sa_family == AF_INET)
			inet_ntop(AF_INET, &((struct sockaddr_in *)info->client_addr)->sin_addr,
				  address, sizeof(address));
		log_warning("the feed refuses %s: %s", address, why);
	}
	return answer_text(request, MHD_HTTP_FORBIDDEN, why);
}

static enum MHD_Result route(struct feed_server *server, struct feed_request *request,
			     const char *url, const char *method)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	struct skep_error error = {"the connection is not encrypted"};

	if (!info || feed_peer_check(info->tls_session, request->daemon->identity.cluster, &error))
		return refuse(server, request, error.text);
	if (request->body_size > MAX_REQUEST_BODY)
		return answer_text(request, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too large");
	if (strcmp(url, "/v1/model") == 0)
		return strcmp(method, "GET") == 0
			       ? answer_model(server, request)
			       : answer_text(request, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET");
	if (strcmp(url, "/v1/nudge") == 0)
		return strcmp(method, "POST") == 0
			       ? answer_nudge(server, request)
			       : answer_text(request, MHD_HTTP_METHOD_NOT_ALLOWED, "only POST");
	return answer_text(request, MHD_HTTP_NOT_FOUND, "there is no such page");
}

/* Called when the head is there, for each part of the body, at its end, and again after a suspended
 * request was resumed. */
static enum MHD_Result access_page(void *context, struct MHD_Connection *connection,
				   const char *url, const char *method, const char *version,
				   const char *upload, size_t *upload_size, void **state)
{
	struct feed_daemon *daemon = context;
	struct feed_request *request = *state;

	(void)version;
	(void)upload;
	if (!request) {
		request = calloc(1, sizeof(*request));
		if (!request)
			return MHD_NO;
		request->daemon = daemon;
		request->connection = connection;
		*state = request;
		return MHD_YES;
	}
	if (*upload_size > 0) {
		request->body_size += *upload_size;
		*upload_size = 0;
		/* Beyond twice what is allowed nobody reads the answer either. */
		return request->body_size > 2 * MAX_REQUEST_BODY ? MHD_NO : MHD_YES;
	}
	return route(daemon->context, request, url, method);
}

static void completed(void *context, struct MHD_Connection *connection, void **state,
		      enum MHD_RequestTerminationCode code)
{
	struct feed_daemon *daemon = context;
	struct feed_request *request = *state;

	(void)connection;
	(void)code;
	if (!request)
		return;
	stop_waiting(daemon->context, request);
	free(request);
	*state = NULL;
}

static void daemon_ended(struct feed_daemon *daemon)
{
	struct feed_server *server = daemon->context;
	struct feed_daemon **place = &server->daemons;

	while (*place != daemon)
		place = &(*place)->next;
	*place = daemon->next;
	feed_daemon_free(daemon);
}

/* Starts a daemon with the certificates as they are now, if they are others than the last one's. */
static int start_daemon(struct feed_server *server, struct skep_error *error)
{
	const struct feed_daemon_callbacks callbacks = {access_page, completed, daemon_ended,
							server};
	struct feed_daemon *daemon, *old = server->daemons;
	struct feed_identity identity;
	int err = feed_identity_read(&identity, server->directory, error);

	if (err)
		return err;
	if (old && old->identity.hash == identity.hash) {
		feed_identity_free(&identity);
		return 0;
	}
	err = feed_daemon_start(&daemon, server->loop, server->listen_fd, &identity, &callbacks,
				error);
	if (err)
		return err;
	daemon->next = old;
	server->daemons = daemon;
	if (old) {
		feed_daemon_retire(old);
		log_info("the feed took up new certificates from %s", server->directory);
	}
	return 0;
}

/* The daemon that runs goes on if the files are not usable (yet). Looked at now and then as well,
 * should a watch be lost. */
static void reload_expired(struct loop_timer *timer)
{
	struct feed_server *server = container_of(timer, struct feed_server, reload_timer);
	struct skep_error error = {""};

	if (start_daemon(server, &error) && strcmp(error.text, server->reload_problem.text) != 0)
		log_warning("the feed keeps its certificates: %s", error.text);
	server->reload_problem = error;
	loop_arm(server->loop, timer, RELOAD_EVERY_MS);
}

static void directory_changed(struct loop_watch *watch, uint32_t events)
{
	struct feed_server *server = container_of(watch, struct feed_server, inotify);
	char buffer[4096];

	(void)events;
	while (read(watch->fd, buffer, sizeof(buffer)) > 0)
		;
	loop_arm(server->loop, &server->reload_timer, RELOAD_SETTLE_MS);
}

static int listen_on(uint16_t port, int *listen_fd, struct skep_error *error)
{
	const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return error_errno(error, -errno, "cannot open the feed's socket");
	/* An agent that starts again must not wait for the last one's connections to time out. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, SOMAXCONN) < 0) {
		err = error_errno(error, -errno, "the feed cannot listen on port %u", port);
		close(fd);
		return err;
	}
	*listen_fd = fd;
	return 0;
}

int feed_server_open(struct feed_server **opened, struct loop *loop,
		     const struct feed_server_config *config, struct skep_error *error)
{
	struct feed_server *server = calloc(1, sizeof(*server));
	int err;

	if (!server)
		return error_errno(error, -ENOMEM, "cannot start the feed");
	server->loop = loop;
	server->config = *config;
	server->listen_fd = -1;
	server->inotify = (struct loop_watch){.fd = -1, .ready = directory_changed};
	server->wait_timer.expired = wait_over;
	server->nudge_timer.expired = nudge_expired;
	server->reload_timer.expired = reload_expired;
	error_set(&server->reason, 0, "the agent has no model yet");
	server->directory = strdup(config->certificates);
	server->config.certificates = server->directory;
	if (!server->directory) {
		err = error_errno(error, -ENOMEM, "cannot start the feed");
		goto cleanup;
	}
	err = listen_on(config->port, &server->listen_fd, error);
	if (err)
		goto cleanup;
	server->inotify.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (server->inotify.fd < 0 ||
	    inotify_add_watch(server->inotify.fd, server->directory,
			      IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR) < 0) {
		err = error_errno(error, -errno, "cannot watch %s", server->directory);
		goto cleanup;
	}
	err = loop_add(loop, &server->inotify, EPOLLIN);
	if (err) {
		error_errno(error, err, "cannot watch %s", server->directory);
		goto cleanup;
	}
	err = start_daemon(server, error);
	if (err)
		goto cleanup;
	loop_arm(loop, &server->reload_timer, RELOAD_EVERY_MS);
	*opened = server;
	server = NULL;
cleanup:
	feed_server_close(server);
	return err;
}

int feed_server_publish(struct feed_server *server, const char *text, size_t size,
			const char *reason)
{
	struct MHD_Response *response = NULL;

	if (reason) {
		error_set(&server->reason, 0, "%s", reason);
		server->version[0] = '\0';
	} else {
		char version[HASH_TEXT_SIZE], tag[HASH_TEXT_SIZE + 2];
		hash_text(hash_bytes(HASH_START, text, size), version);
		if (server->model && strcmp(version, server->version) == 0)
			return 0;
		/* Copied; one response serves all connections, each holding a reference. */
		response =
			MHD_create_response_from_buffer(size, (void *)text, MHD_RESPMEM_MUST_COPY);
		if (!response)
			return -ENOMEM;
		snprintf(tag, sizeof(tag), "\"%s\"", version);
		MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, tag);
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
		memcpy(server->version, version, sizeof(version));
	}
	if (server->model)
		MHD_destroy_response(server->model);
	server->model = response;
	while (server->first)
		resume(server, server->first);
	return 0;
}

void feed_server_close(struct feed_server *server)
{
	if (!server)
		return;
	/* libmicrohttpd does not stop while a connection is suspended. */
	while (server->first)
		resume(server, server->first);
	while (server->daemons) {
		struct feed_daemon *daemon = server->daemons;
		server->daemons = daemon->next;
		feed_daemon_free(daemon);
	}
	if (server->model)
		MHD_destroy_response(server->model);
	loop_disarm(server->loop, &server->wait_timer);
	loop_disarm(server->loop, &server->nudge_timer);
	loop_disarm(server->loop, &server->reload_timer);
	if (server->inotify.fd >= 0) {
		loop_remove(server->loop, &server->inotify);
		close(server->inotify.fd);
	}
	if (server->listen_fd >= 0)
		close(server->listen_fd);
	free(server->directory);
	free(server);
}
