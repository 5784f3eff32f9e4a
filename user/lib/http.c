/* SPDX-License-Identifier: GPL-2.0-only */
#include "lib/http.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "lib/http_request.h"

#define HTTP_OK 200L

struct http {
	CURLM *multi;
	struct loop *loop;
	struct loop_timer timer;
	struct http_request *requests;
	struct socket_watch *sockets;
};

/* A socket that libcurl wants watched. */
struct socket_watch {
	struct http *http;
	struct loop_watch watch;
	struct socket_watch *next;
};

static void request_free(struct http_request *request)
{
	curl_easy_cleanup(request->easy);
	curl_slist_free_all(request->headers);
	curl_slist_free_all(request->connect_to);
	free(request->body);
	free(request);
}

static void request_unlink(struct http_request *request)
{
	struct http_request **place = &request->http->requests;

	while (*place != request)
		place = &(*place)->next;
	*place = request->next;
}

/* What to tell a person when there was no answer. */
static void describe_failure(struct http_request *request, struct skep_error *error)
{
	long os_errno = 0, verify = 0;

	if (request->too_large) {
		error_set(error, -EFBIG, "the answer is larger than %zu bytes",
			  request->query.limit);
		return;
	}
	if (request->no_memory) {
		error_errno(error, -ENOMEM, "cannot keep the answer");
		return;
	}
	/* OpenSSL's own words are of ASN.1 when another CA of the same name has signed. */
	if (curl_easy_getinfo(request->easy, CURLINFO_SSL_VERIFYRESULT, &verify) == CURLE_OK &&
	    verify != 0) {
		error_set(error, -EACCES, "the server's certificate is not trusted: %s",
			  request->error[0] ? request->error : curl_easy_strerror(request->result));
		return;
	}
	/* "Connection refused" says more than libcurl's "Couldn't connect to server". */
	if (request->result == CURLE_COULDNT_CONNECT &&
	    curl_easy_getinfo(request->easy, CURLINFO_OS_ERRNO, &os_errno) == CURLE_OK &&
	    os_errno != 0) {
		error_set(error, -(int)os_errno, "%s", strerror((int)os_errno));
		return;
	}
	error_set(error, -EIO, "%s",
		  request->error[0] ? request->error : curl_easy_strerror(request->result));
}

/* The request is out of the list: done() may start and cancel others. */
static void finish(struct http_request *request)
{
	struct http_answer answer = {.error = ""};
	struct skep_error error;

	curl_multi_remove_handle(request->http->multi, request->easy);
	if (request->result == CURLE_OK)
		curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &answer.status);
	if (answer.status == 0) {
		describe_failure(request, &error);
		answer.error = error.text;
	} else if (!request->query.chunk || answer.status != HTTP_OK) {
		answer.body = request->body ? request->body : "";
		answer.size = request->size;
	}
	request->query.done(request->query.context, &answer);
	request_free(request);
}

static void deliver(struct http_request *request)
{
	void (*chunk)(void *, const char *, size_t) = request->query.chunk;
	void *context = request->query.context;
	char *data = request->body;
	size_t size = request->size;

	/* One of the two at a time: chunk() may cancel this request. */
	if (request->head) {
		request->head = false;
		chunk(context, "", 0);
		return;
	}
	request->body = NULL;
	request->size = 0;
	request->room = 0;
	chunk(context, data, size);
	free(data);
}

static bool is_streaming(struct http_request *request)
{
	long status = 0;

	curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
	return request->query.chunk && status == HTTP_OK;
}

static bool has_news(struct http_request *request)
{
	return request->head || (request->size > 0 && is_streaming(request));
}

/* One that has something to tell its receiver; out of the list if that is its end. */
static struct http_request *take_ready(struct http *http)
{
	for (struct http_request **place = &http->requests; *place; place = &(*place)->next) {
		struct http_request *request = *place;
		if (has_news(request))
			return request;
		if (request->ended) {
			*place = request->next;
			return request;
		}
	}
	return NULL;
}

/*
 * Calls the receivers, after libcurl has returned: from within its own callbacks it allows no
 * handle to be added or removed. Looks from the start after each, since a receiver may have
 * cancelled any.
 */
static void dispatch(struct http *http)
{
	struct http_request *request;
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
		request->ended = true;
		request->result = message->data.result;
	}
	while ((request = take_ready(http)) != NULL) {
		if (has_news(request))
			deliver(request);
		else
			finish(request);
	}
}

static size_t write_body(char *data, size_t one, size_t size, void *context)
{
	struct http_request *request = context;

	(void)one;
	/* A stream has no end: the limit bounds what comes in one go, which libcurl's buffer does.
	 */
	if (size > request->query.limit - request->size && !is_streaming(request)) {
		request->too_large = true;
		return 0;
	}
	if (size >= request->room - request->size) {
		size_t room = request->room ? request->room * 2 : 4096;
		while (room - request->size <= size)
			room *= 2;
		char *body = realloc(request->body, room);
		if (!body) {
			request->no_memory = true;
			return 0;
		}
		request->body = body;
		request->room = room;
	}
	memcpy(request->body + request->size, data, size);
	request->size += size;
	request->body[request->size] = '\0';
	return size;
}

/* The empty line ends the head. */
static size_t write_header(char *data, size_t one, size_t size, void *context)
{
	struct http_request *request = context;

	(void)one;
	if ((data[0] == '\r' || data[0] == '\n') && is_streaming(request))
		request->head = true;
	return size;
}

static void timer_expired(struct loop_timer *timer)
{
	struct http *http = container_of(timer, struct http, timer);
	int running;

	curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	dispatch(http);
}

static int timer_wanted(CURLM *multi, long delay_ms, void *context)
{
	struct http *http = context;

	(void)multi;
	if (delay_ms < 0)
		loop_disarm(http->loop, &http->timer);
	else
		loop_arm(http->loop, &http->timer, (uint64_t)delay_ms);
	return 0;
}

static void socket_ready(struct loop_watch *watch, uint32_t events)
{
	struct socket_watch *socket = container_of(watch, struct socket_watch, watch);
	struct http *http = socket->http; /* libcurl may free the watch */
	int running, action = 0;

	if (events & (EPOLLIN | EPOLLHUP))
		action |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		action |= CURL_CSELECT_OUT;
	if (events & EPOLLERR)
		action |= CURL_CSELECT_ERR;
	curl_multi_socket_action(http->multi, watch->fd, action, &running);
	dispatch(http);
}

static void socket_forget(struct socket_watch *socket)
{
	struct socket_watch **place = &socket->http->sockets;

	while (*place != socket)
		place = &(*place)->next;
	*place = socket->next;
	loop_remove(socket->http->loop, &socket->watch);
	free(socket);
}

static int socket_wanted(CURL *easy, curl_socket_t fd, int what, void *context, void *assigned)
{
	struct socket_watch *socket = assigned;
	struct http *http = context;
	uint32_t events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (socket)
			socket_forget(socket);
		return 0;
	}
	if (what & CURL_POLL_IN)
		events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		events |= EPOLLOUT;
	if (socket)
		return loop_modify(http->loop, &socket->watch, events) ? -1 : 0;

	socket = calloc(1, sizeof(*socket));
	if (!socket)
		return -1;
	*socket = (struct socket_watch){
		.http = http, .watch = {.fd = fd, .ready = socket_ready}, .next = http->sockets};
	if (loop_add(http->loop, &socket->watch, events)) {
		free(socket);
		return -1;
	}
	http->sockets = socket;
	curl_multi_assign(http->multi, fd, socket);
	return 0;
}

int http_open(struct http **opened, struct loop *loop, struct skep_error *error)
{
	struct http *http;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return error_set(error, -EIO, "cannot start libcurl");
	http = calloc(1, sizeof(*http));
	if (http)
		http->multi = curl_multi_init();
	if (!http || !http->multi) {
		free(http);
		curl_global_cleanup();
		return error_errno(error, -ENOMEM, "cannot start libcurl");
	}
	signal(SIGPIPE, SIG_IGN);
	http->loop = loop;
	http->timer.expired = timer_expired;
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, timer_wanted);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	/* Idle connections that are kept: the Engine's, and a manager's. */
	curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, 8L);
	*opened = http;
	return 0;
}

void http_close(struct http *http)
{
	if (!http)
		return;
	for (struct http_request *request = http->requests, *next; request; request = next) {
		next = request->next;
		curl_multi_remove_handle(http->multi, request->easy);
		request_free(request);
	}
	http->requests = NULL;
	curl_multi_cleanup(http->multi);
	/* Whatever libcurl has not told to be over. */
	for (struct socket_watch *socket = http->sockets, *next; socket; socket = next) {
		next = socket->next;
		loop_remove(http->loop, &socket->watch);
		free(socket);
	}
	loop_disarm(http->loop, &http->timer);
	free(http);
	curl_global_cleanup();
}

int http_start(struct http *http, const struct http_query *query, struct http_request **started,
	       struct skep_error *error)
{
	struct http_request *request = calloc(1, sizeof(*request));
	CURLMcode code;
	int err;

	if (!request)
		return error_errno(error, -ENOMEM, "cannot start a request");
	request->http = http;
	request->query = (struct http_query){.limit = query->limit,
					     .done = query->done,
					     .chunk = query->chunk,
					     .context = query->context};
	request->easy = curl_easy_init();
	err = request->easy ? http_request_configure(request, query, error)
			    : error_errno(error, -ENOMEM, "cannot start a request");
	if (err) {
		request_free(request);
		return err;
	}
	curl_easy_setopt(request->easy, CURLOPT_PRIVATE, request);
	curl_easy_setopt(request->easy, CURLOPT_WRITEFUNCTION, write_body);
	curl_easy_setopt(request->easy, CURLOPT_WRITEDATA, request);
	curl_easy_setopt(request->easy, CURLOPT_HEADERFUNCTION, write_header);
	curl_easy_setopt(request->easy, CURLOPT_HEADERDATA, request);
	/* In the list before libcurl has it: it may call back at once. */
	request->next = http->requests;
	http->requests = request;
	code = curl_multi_add_handle(http->multi, request->easy);
	if (code != CURLM_OK) {
		request_unlink(request);
		request_free(request);
		return error_set(error, -EIO, "cannot start a request: %s",
				 curl_multi_strerror(code));
	}
	*started = request;
	return 0;
}

void http_cancel(struct http_request *request)
{
	if (!request)
		return;
	request_unlink(request);
	curl_multi_remove_handle(request->http->multi, request->easy);
	request_free(request);
}
