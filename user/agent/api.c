/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/api.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/api_watch.h"
#include "agent/json.h"
#include "lib/log.h"
#include "lib/mhd.h"

/*
 * Whoever may open the socket may know all, but must not use up the agent's descriptors by mistake.
 */
#define CONNECTIONS_MAX	     64U
#define CONNECTION_TIMEOUT_S 30U

/* The most that ?limit= may ask for. */
#define LIMIT_MAX 1000000UL

struct api_later {
	struct api *api;
	struct MHD_Connection *connection; /* suspended until the answer is there; NULL: not asked
					      for */
	int err;
	json_t *body;
	struct skep_error error;
};

struct api_upload { /* a POST's body, as far as it has come */
	struct api_later later;
	size_t size;
	char data[API_BODY_MAX];
};

struct api_request { /* what is kept of one between libmicrohttpd's calls; both NULL: nothing */
	struct api_upload *upload;
	struct api_waiter *waiter;
};

struct api {
	struct loop *loop;
	struct mhd mhd;
	struct api_later *current; /* of the POST that is being answered */
	const struct api_path *paths;
	size_t n_paths;
	const char *watch_path; /* NULL: none */
	struct api_watch *news;
	void *context;
	int fd;
	char socket_path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

/* allowed: the methods that the path takes, where that is the answer; else NULL. */
static enum MHD_Result respond(struct MHD_Connection *connection, unsigned int status,
			       const char *allowed, json_t *body)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct MHD_Response *response;
	enum MHD_Result result = MHD_NO;

	json_decref(body);
	if (!text)
		return MHD_NO;
	response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(text);
		return MHD_NO;
	}
	if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json") ==
		    MHD_YES &&
	    (!allowed ||
	     MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allowed) == MHD_YES))
		result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned int status,
			      const char *why)
{
	return respond(connection, status, NULL, json_pack("{s:o}", "error", json_from_text(why)));
}

static enum MHD_Result refuse_method(struct MHD_Connection *connection, const char *allowed)
{
	char why[64];

	snprintf(why, sizeof(why), "this path answers %s only", allowed);
	return respond(connection, MHD_HTTP_METHOD_NOT_ALLOWED, allowed,
		       json_pack("{s:s}", "error", why));
}

static bool parse_limit(const char *text, size_t *limit)
{
	size_t digits = strspn(text, "0123456789");

	if (!digits || text[digits] || digits > 9)
		return false;
	*limit = strtoul(text, NULL, 10);
	return *limit > 0 && *limit <= LIMIT_MAX;
}

static enum MHD_Result answer(struct api *api, struct MHD_Connection *connection,
			      const struct api_path *path)
{
	const char *limit = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "limit");
	struct api_query query = {0};
	struct skep_error error;
	json_t *body = NULL;
	int err;

	if (limit && !parse_limit(limit, &query.limit))
		return refuse(connection, MHD_HTTP_BAD_REQUEST,
			      "limit is not a number from 1 to 1000000");
	err = path->answer(api->context, &query, &body, &error);
	if (!err && !body)
		err = error_errno(&error, -ENOMEM, "cannot answer %s", path->path);
	if (!err)
		return respond(connection, MHD_HTTP_OK, NULL, body);
	return refuse(connection,
		      err == -ENOENT   ? MHD_HTTP_NOT_FOUND
		      : err == -EAGAIN ? MHD_HTTP_SERVICE_UNAVAILABLE
				       : MHD_HTTP_INTERNAL_SERVER_ERROR,
		      error.text);
}

static unsigned int post_status(int err)
{
	switch (err) {
	case -EINVAL:
		return MHD_HTTP_BAD_REQUEST;
	case -ENOENT:
		return MHD_HTTP_NOT_FOUND;
	case -EALREADY:
		return MHD_HTTP_CONFLICT;
	case -EAGAIN:
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	default:
		return MHD_HTTP_INTERNAL_SERVER_ERROR;
	}
}

static enum MHD_Result respond_post(struct MHD_Connection *connection, const struct api_path *path,
				    int err, json_t *body, struct skep_error *error)
{
	if (!err && !body)
		err = error_errno(error, -ENOMEM, "cannot answer %s", path->path);
	return err ? refuse(connection, post_status(err), error->text)
		   : respond(connection, MHD_HTTP_OK, NULL, body);
}

static void wake(void *context)
{
	struct api *api = context;

	mhd_wake(&api->mhd);
}

struct api_later *api_later(struct api *api)
{
	return api->current;
}

void api_answer_later(struct api_later *later, int err, json_t *body,
		      const struct skep_error *error)
{
	later->err = err;
	later->body = body;
	if (err)
		later->error = *error;
	MHD_resume_connection(later->connection);
	/* From the loop, as the connection's handler is called by it. */
	wake(later->api);
}

/* The connection was resumed. */
static enum MHD_Result respond_later(struct MHD_Connection *connection, const struct api_path *path,
				     struct api_later *later)
{
	json_t *body = later->body;

	later->body = NULL;
	return respond_post(connection, path, later->err, body, &later->error);
}

static enum MHD_Result answer_post(struct api *api, struct MHD_Connection *connection,
				   const struct api_path *path, struct api_upload *upload)
{
	struct skep_error error;
	enum MHD_Result result;
	json_t *request, *body = NULL;
	int err;

	if (upload->later.connection)
		return respond_later(connection, path, &upload->later);
	if (upload->size > API_BODY_MAX)
		return refuse(connection, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too large");
	request = json_loadb(upload->data, upload->size, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(request)) {
		json_decref(request);
		return refuse(connection, MHD_HTTP_BAD_REQUEST, "the body is no JSON object");
	}
	api->current = &upload->later;
	err = path->post(api->context, request, &body, &error);
	api->current = NULL;
	if (err == -EINPROGRESS) {
		upload->later.api = api;
		upload->later.connection = connection;
		MHD_suspend_connection(connection);
		result = MHD_YES;
	} else {
		result = respond_post(connection, path, err, body, &error);
	}
	json_decref(request);
	return result;
}

static const struct api_path *find_path(const struct api *api, const char *url)
{
	for (size_t i = 0; i < api->n_paths; i++)
		if (!strcmp(url, api->paths[i].path))
			return &api->paths[i];
	return NULL;
}

/* Past the limit only the size grows: the answer comes when all of it has been read. */
static void keep_part(struct api_upload *upload, const char *data, size_t size)
{
	if (size <= API_BODY_MAX && upload->size <= API_BODY_MAX - size)
		memcpy(upload->data + upload->size, data, size);
	upload->size = size > SIZE_MAX - upload->size ? SIZE_MAX : upload->size + size;
}

/* Who only looks need not be trusted with the mesh. */
static bool may_change(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return info && getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static struct api_request *begin_request(bool post, bool waits)
{
	struct api_request *request = calloc(1, sizeof(*request));

	if (request && post)
		request->upload = calloc(1, sizeof(*request->upload));
	if (request && waits)
		request->waiter = api_waiter_new();
	if (request && ((post && !request->upload) || (waits && !request->waiter))) {
		free(request);
		return NULL;
	}
	return request;
}

static enum MHD_Result answer_watch(struct api *api, struct MHD_Connection *connection,
				    struct api_request *request)
{
	enum MHD_Result result;
	struct skep_error error;
	unsigned int status =
		api_watch_answer(api->news, request->waiter, connection, &result, &error);

	return status ? refuse(connection, status, error.text) : result;
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload_data,
			      size_t *upload_size, void **state)
{
	struct api *api = context;
	const struct api_path *path = find_path(api, url);
	bool post = path && path->post && !strcmp(method, MHD_HTTP_METHOD_POST);
	bool get = strcmp(method, MHD_HTTP_METHOD_GET) == 0;
	bool waits = api->watch_path && strcmp(url, api->watch_path) == 0 && get;
	struct api_request *request = *state;

	(void)version;
	/*
	 * libmicrohttpd calls once for the head, then for each part of a body, then to be answered.
	 * A body that nobody wants is read all the same, and let go.
	 */
	if (!request) {
		*state = begin_request(post, waits);
		return *state ? MHD_YES : MHD_NO;
	}
	if (*upload_size) {
		if (post)
			keep_part(request->upload, upload_data, *upload_size);
		*upload_size = 0;
		return MHD_YES;
	}
	if (waits)
		return answer_watch(api, connection, request);
	if (!path)
		return refuse(connection, MHD_HTTP_NOT_FOUND, "there is no such path");
	if (post && !may_change(connection))
		return refuse(connection, MHD_HTTP_FORBIDDEN, "only root may change anything");
	if (post)
		return answer_post(api, connection, path, request->upload);
	if (!get)
		return refuse_method(connection, path->post ? "GET, POST" : "GET");
	return answer(api, connection, path);
}

static void completed(void *context, struct MHD_Connection *connection, void **state,
		      enum MHD_RequestTerminationCode why)
{
	struct api_request *request = *state;
	struct api *api = context;

	(void)connection;
	(void)why;
	if (!request)
		return;
	if (request->upload)
		json_decref(request->upload->later.body);
	free(request->upload);
	if (request->waiter)
		api_waiter_free(api->news, request->waiter);
	free(request);
	*state = NULL;
}

int api_serve_text(struct api *api, const char *path, api_text *text, struct skep_error *error)
{
	api->news = api_watch_new(api->loop, text, api->context, wake, api);
	if (!api->news)
		return error_errno(error, -ENOMEM, "cannot serve %s", path);
	api->watch_path = path;
	return 0;
}

void api_changed(struct api *api)
{
	if (api->news)
		api_watch_changed(api->news);
}

static void log_from_daemon(void *context, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));

static void log_from_daemon(void *context, const char *format, va_list arguments)
{
	char line[256];

	(void)context;
	vsnprintf(line, sizeof(line), format, arguments);
	line[strcspn(line, "\n")] = '\0';
	log_debug("local API: %s", line);
}

static int listen_on(struct api *api, const char *path, struct skep_error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t mask;
	int err;

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(error, -ENAMETOOLONG, "the path %s is too long for a socket",
				 path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (unlink(path) && errno != ENOENT)
		return error_errno(error, -errno, "cannot replace the socket %s", path);
	api->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (api->fd < 0)
		return error_errno(error, -errno, "cannot open a socket for %s", path);
	/* Of this mode from its first moment on. */
	mask = umask(0117);
	err = bind(api->fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
	umask(mask);
	if (err)
		return error_errno(error, err, "cannot bind the socket %s", path);
	memcpy(api->socket_path, path, strlen(path) + 1);
	if (listen(api->fd, 64))
		return error_errno(error, -errno, "cannot listen on %s", path);
	return 0;
}

static int start_daemon(struct api *api, struct skep_error *error)
{
	struct MHD_Daemon *daemon;

	daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME, 0,
				  NULL, NULL, handle, api, MHD_OPTION_EXTERNAL_LOGGER,
				  log_from_daemon, NULL, MHD_OPTION_LISTEN_SOCKET, api->fd,
				  MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
				  MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_TIMEOUT_S,
				  MHD_OPTION_NOTIFY_COMPLETED, completed, api, MHD_OPTION_END);
	if (!daemon)
		return error_set(error, -EIO, "cannot start the local API's server on %s",
				 api->socket_path);
	api->fd = -1; /* the daemon's */
	return mhd_attach(&api->mhd, api->loop, daemon, error);
}

int api_open(struct api **result, struct loop *loop, const char *socket_path,
	     const struct api_path *paths, size_t n_paths, void *context, struct skep_error *error)
{
	struct api *api = calloc(1, sizeof(*api));
	int err;

	if (!api)
		return error_errno(error, -ENOMEM, "cannot serve the local API");
	api->loop = loop;
	api->paths = paths;
	api->n_paths = n_paths;
	api->context = context;
	api->fd = -1;
	err = listen_on(api, socket_path, error);
	if (!err)
		err = start_daemon(api, error);
	if (err) {
		api_close(api);
		return err;
	}
	*result = api;
	return 0;
}

void api_close(struct api *api)
{
	if (!api)
		return;
	/* libmicrohttpd does not stop while a connection is suspended. */
	if (api->news)
		api_watch_end_waits(api->news);
	mhd_stop(&api->mhd);
	if (api->fd >= 0)
		close(api->fd);
	if (*api->socket_path)
		unlink(api->socket_path);
	api_watch_free(api->news);
	free(api);
}
