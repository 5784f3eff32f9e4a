/* SPDX-License-Identifier: GPL-2.0-only */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/metrics.h"
#include "lib/mhd.h"

#define CONNECTIONS_MAX	     16U
#define CONNECTION_TIMEOUT_S 30U

struct metrics_server {
	struct mhd mhd;
	int (*print)(void *context, FILE *out, struct skep_error *error);
	void *context;
};

static enum MHD_Result respond(struct MHD_Connection *connection, unsigned int status, char *text,
			       size_t size)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result result;

	if (!response) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				status == MHD_HTTP_OK ? "text/plain; version=0.0.4; charset=utf-8"
						      : "text/plain; charset=utf-8");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned int status,
			      const char *why)
{
	char *text = strdup(why);

	return text ? respond(connection, status, text, strlen(text)) : MHD_NO;
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload_data,
			      size_t *upload_size, void **state)
{
	struct metrics_server *server = context;
	struct skep_error error = {""};
	char *text = NULL;
	size_t size = 0;
	FILE *out;
	int err;

	(void)version;
	(void)upload_data;
	if (!*state) { /* the head alone: the answer comes with the second call */
		*state = server;
		return MHD_YES;
	}
	if (*upload_size) {
		*upload_size = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0)
		return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET only\n");
	if (strcmp(url, "/metrics") != 0)
		return refuse(connection, MHD_HTTP_NOT_FOUND, "there is only /metrics\n");
	out = open_memstream(&text, &size);
	if (!out)
		return MHD_NO;
	err = server->print(server->context, out, &error);
	if (fclose(out)) {
		free(text);
		return MHD_NO;
	}
	if (!err)
		return respond(connection, MHD_HTTP_OK, text, size);
	free(text);
	return refuse(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, error.text);
}

int metrics_server_open(struct metrics_server **result, struct loop *loop,
			const struct skep_addr *addr, uint16_t port,
			int (*print)(void *context, FILE *out, struct skep_error *error),
			void *context, struct skep_error *error)
{
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct metrics_server *server = calloc(1, sizeof(*server));
	struct MHD_Daemon *daemon;
	char text[ADDR_TEXT_SIZE];
	int err;

	if (!server)
		return error_errno(error, -ENOMEM, "cannot serve metrics");
	server->print = print;
	server->context = context;
	four.sin_addr.s_addr = addr->word[3];
	errno = 0;
	daemon = MHD_start_daemon(
		MHD_USE_EPOLL, port, NULL, NULL, handle, server, MHD_OPTION_SOCK_ADDR,
		(struct sockaddr *)&four, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_TIMEOUT_S, MHD_OPTION_END);
	if (!daemon) {
		err = error_errno(error, errno ? -errno : -EIO,
				  "cannot serve metrics on %s port %u", addr_text(addr, text),
				  port);
		free(server);
		return err;
	}
	err = mhd_attach(&server->mhd, loop, daemon, error);
	if (err) {
		free(server);
		return err;
	}
	*result = server;
	return 0;
}

void metrics_server_close(struct metrics_server *server)
{
	if (!server)
		return;
	mhd_stop(&server->mhd);
	free(server);
}
