/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/access_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proxy/client.h"
#include "proxy/exchange.h"
#include "proxy/worker.h"

#define FIELD_SIZE 1024 /* bytes kept of each text, as they are written */
#define LINE_SIZE  (6 * FIELD_SIZE)

struct access_line {
	char method[64], target[FIELD_SIZE], host[256], referer[FIELD_SIZE], agent[FIELD_SIZE];
	char protocol[16]; /* "": the target is the whole first line, as far as it came */
};

/*
 * As both formats can have it between quotes: quote and backslash with a backslash, and bytes that
 * are no printable ASCII as \xHH (combined) or \u00HH (JSON).
 */
static void escape(char *out, size_t room, struct http_text text, bool json)
{
	size_t n = 0;

	for (size_t i = 0; i < text.size && n + 7 < room; i++) {
		unsigned char byte = (unsigned char)text.at[i];

		if (byte == '"' || byte == '\\')
			out[n++] = '\\';
		if (byte >= ' ' && byte < 127)
			out[n++] = (char)byte;
		else
			n += (size_t)snprintf(out + n, room - n, json ? "\\u%04x" : "\\x%02x",
					      byte);
	}
	out[n] = '\0';
}

static struct http_text named(const struct exchange *exchange, const char *data, const char *name)
{
	const struct http_field *field = http_fields_find(
		&exchange->head.fields, data, (struct http_text){name, strlen(name)}, 0);

	return field ? http_text(data, field->value) : HTTP_TEXT("-");
}

struct access_line *access_line_new(const struct worker *worker, const struct exchange *exchange)
{
	const struct http_head *head = &exchange->head;
	const char *data = exchange->client->in.data + exchange->client->in.start;
	bool json = worker->config->access_format == PROXY_LOG_JSON;
	struct access_line *line = malloc(sizeof(*line));
	struct http_text target;

	if (!line)
		return NULL;
	target = http_text(data, head->path);
	/* Path and query lie side by side. */
	if (head->query.size)
		target.size = head->query.at + head->query.size - head->path.at;
	escape(line->method, sizeof(line->method), http_text(data, head->method_text), json);
	escape(line->target, sizeof(line->target), target, json);
	escape(line->host, sizeof(line->host), http_text(data, head->authority), json);
	escape(line->referer, sizeof(line->referer), named(exchange, data, "Referer"), json);
	escape(line->agent, sizeof(line->agent), named(exchange, data, "User-Agent"), json);
	snprintf(line->protocol, sizeof(line->protocol), "HTTP/1.%u", head->minor);
	return line;
}

struct access_line *access_line_refused(const struct worker *worker,
					const struct exchange *exchange)
{
	const struct buffer *in = &exchange->client->in;
	struct http_text first = {in->data + in->start, buffer_length(in)};
	struct access_line *line = calloc(1, sizeof(*line));
	const char *end;

	if (!line)
		return NULL;
	/* An empty line may come before it (RFC 9112 2.2). */
	while (first.size && (*first.at == '\r' || *first.at == '\n'))
		first.at++, first.size--;
	end = memchr(first.at, '\n', first.size);
	if (end)
		first.size = (size_t)(end - first.at);
	if (first.size && first.at[first.size - 1] == '\r')
		first.size--;
	escape(line->target, sizeof(line->target), first,
	       worker->config->access_format == PROXY_LOG_JSON);
	snprintf(line->method, sizeof(line->method), "-");
	snprintf(line->host, sizeof(line->host), "-");
	snprintf(line->referer, sizeof(line->referer), "-");
	snprintf(line->agent, sizeof(line->agent), "-");
	return line;
}

struct access_line *access_line_raw(const struct exchange *exchange, const char *host)
{
	struct access_line *line = calloc(1, sizeof(*line));

	if (!line)
		return NULL;
	/* Its characters are those that are visible. */
	escape(line->host, sizeof(line->host), (struct http_text){host, strlen(host)}, true);
	snprintf(line->method, sizeof(line->method), "-");
	snprintf(line->target, sizeof(line->target), "-");
	snprintf(line->referer, sizeof(line->referer), "-");
	snprintf(line->agent, sizeof(line->agent), "-");
	snprintf(line->protocol, sizeof(line->protocol),
		 exchange->rule->mode == ROUTE_SNI ? "SNI" : "TCP");
	return line;
}

static int combined(char *text, const struct worker *worker, const struct exchange *exchange)
{
	const struct access_line *line = exchange->line;
	char addr[ADDR_TEXT_SIZE], date[48];
	bool known = *line->protocol;
	time_t now = time(NULL);
	struct tm tm;

	(void)worker;
	localtime_r(&now, &tm);
	strftime(date, sizeof(date), "%d/%b/%Y:%H:%M:%S %z", &tm);
	return snprintf(text, LINE_SIZE,
			"%s - - [%s] \"%s%s%s%s%s\" %u %" PRIu64 " \"%s\" \"%s\"\n",
			addr_text(&exchange->client->addr, addr), date, known ? line->method : "",
			known ? " " : "", line->target, known ? " " : "", line->protocol,
			exchange->status, exchange->answer.moved, line->referer, line->agent);
}

static int json(char *text, const struct worker *worker, const struct exchange *exchange)
{
	const struct access_line *line = exchange->line;
	const struct view_group *group = exchange->group ? exchange->group->group : NULL;
	bool asked = group && exchange->reply_begun;
	char addr[ADDR_TEXT_SIZE], date[48];
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	return snprintf(
		text, LINE_SIZE,
		"{\"time\":\"%s.%03ldZ\",\"client\":\"%s\",\"entry\":\"%s\",\"method\":\"%s\","
		"\"host\":\"%s\",\"target\":\"%s\",\"status\":%u,\"bytes_in\":%" PRIu64
		",\"bytes_out\":%" PRIu64 ",\"ms\":%" PRIu64
		",\"service\":\"%s\",\"task\":\"%s\",\"tries\":%u,\"referer\":\"%s\","
		"\"user_agent\":\"%s\"}\n",
		date, now.tv_nsec / 1000000, addr_text(&exchange->client->addr, addr),
		worker->config->entries[exchange->client->entry].name, line->method, line->host,
		line->target, exchange->status, exchange->request.moved, exchange->answer.moved,
		worker->now_ms - exchange->began_ms, group ? group->service : "",
		asked ? group->tasks[exchange->task].name : "", exchange->n_tried + asked,
		line->referer, line->agent);
}

void access_line_put(struct worker *worker, struct exchange *exchange)
{
	char text[LINE_SIZE];
	int size = worker->config->access_format == PROXY_LOG_JSON
			   ? json(text, worker, exchange)
			   : combined(text, worker, exchange);

	if (size > 0)
		access_log_put(worker->access_log, worker->number, text,
			       size < LINE_SIZE ? (size_t)size : LINE_SIZE - 1);
	free(exchange->line);
	exchange->line = NULL;
}
