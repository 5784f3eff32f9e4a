/* SPDX-License-Identifier: GPL-2.0-only */
/* The proxy's own answers: refusals, redirections, what is said when there is no task. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "proxy/client.h"
#include "proxy/exchange_parts.h"
#include "proxy/worker.h"
#include "route/apply.h"

#define RETRY_AFTER "Retry-After: 1\r\n" /* tasks come and go in seconds */

struct reason {
	uint16_t status;
	const char *text;
};

static const char *reason_of(uint16_t status)
{
	static const struct reason reasons[] = {
		{301, "Moved Permanently"},
		{302, "Found"},
		{303, "See Other"},
		{307, "Temporary Redirect"},
		{308, "Permanent Redirect"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{408, "Request Timeout"},
		{413, "Content Too Large"},
		{414, "URI Too Long"},
		{417, "Expectation Failed"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{502, "Bad Gateway"},
		{503, "Service Unavailable"},
		{504, "Gateway Timeout"},
		{505, "HTTP Version Not Supported"},
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Unknown";
}

/* Appends to the answer; what does not fit is a bug of ours, and cut. */
__attribute__((format(printf, 2, 3))) static void put(struct buffer *out, const char *format, ...)
{
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(out->data + out->end, buffer_room(out), format, arguments);
	va_end(arguments);
	if (n > 0)
		out->end += (size_t)n < buffer_room(out) ? (size_t)n : buffer_room(out);
}

static void put_date(struct buffer *out)
{
	time_t now = time(NULL);
	struct tm tm;

	if (gmtime_r(&now, &tm))
		out->end += strftime(out->data + out->end, buffer_room(out),
				     "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
}

/* fields: more of them, each with its CR LF. */
static void answer(struct worker *worker, struct exchange *exchange, uint16_t status,
		   const char *fields, const char *text)
{
	struct client *client = exchange->client;
	struct buffer *out = &exchange->answer.out;
	char body[512];
	int size = snprintf(body, sizeof(body), "%u %s%s%s\n", status, reason_of(status),
			    *text ? ": " : "", text);

	if (size >= (int)sizeof(body))
		size = sizeof(body) - 1;
	/* A body that nobody reads would be taken for the next request. */
	if (!exchange->head_read || exchange->head.framing != HTTP_FRAMING_NONE)
		exchange->closes |= !exchange->request_ended;
	else
		exchange->request_ended = true;
	if (exchange->raw) {
		exchange->phase = PHASE_CUT;
		return;
	}
	/* Half a 1xx is on its way: nothing can be said any more. */
	if (exchange->interim && exchange->answer.begun) {
		exchange->interim = false;
		exchange->phase = PHASE_CUT;
		return;
	}
	if (exchange->request.from)
		relay_end(worker, &exchange->request);
	else if (exchange->head_read)
		client->in.start += exchange->head.size;
	relay_end(worker, &exchange->answer);
	exchange->phase = PHASE_ANSWER;
	exchange->active_ms = worker->now_ms;
	exchange->status = status;
	exchange->reply_read = true;
	exchange->interim = false;
	exchange->reply.framing = HTTP_FRAMING_NONE;
	relay_begin(&exchange->answer, &client->stream, &client->stream, &client->in,
		    HTTP_FRAMING_NONE, 0, exchange->reply_fields);
	if (exchange_room(worker, out, BUFFER_SIZE)) {
		exchange->closes = true; /* nothing is said then */
		return;
	}
	put(out, "HTTP/1.1 %u %s\r\n", status, reason_of(status));
	put_date(out);
	put(out, "%sContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n", fields,
	    size);
	if (exchange->closes || worker->draining)
		put(out, "Connection: close\r\n");
	else if (exchange->head.minor == 0)
		put(out, "Connection: keep-alive\r\n");
	put(out, "\r\n%s", exchange->head.method == HTTP_METHOD_HEAD ? "" : body);
}

void exchange_answer(struct worker *worker, struct exchange *exchange, uint16_t status)
{
	answer(worker, exchange, status, status == 503 ? RETRY_AFTER : "", "");
}

void exchange_refuse(struct worker *worker, struct exchange *exchange, enum http_refusal refusal)
{
	const struct http_refusal_facts *facts = http_refusal_facts(refusal);

	counters_add(&worker->counters.refused, 1);
	exchange->closes = true;
	answer(worker, exchange, (uint16_t)facts->status, "", facts->text);
}

void exchange_answer_route(struct worker *worker, struct exchange *exchange,
			   const struct route_result *result)
{
	/* Where a redirection leads is as long as a path may be. */
	char fields[ROUTE_BUFFER_SIZE / 4] = "";
	int n = 0;

	if (result->outcome == ROUTE_REDIRECTION)
		n = snprintf(fields, sizeof(fields), "Location: %.*s\r\n",
			     (int)result->location.size, result->location.data);
	else if (result->outcome == ROUTE_CHALLENGE)
		n = snprintf(fields, sizeof(fields),
			     "WWW-Authenticate: Basic realm=\"%.256s\", charset=\"UTF-8\"\r\n",
			     result->realm);
	else if (result->status == ROUTE_STATUS_LATER)
		n = snprintf(fields, sizeof(fields), RETRY_AFTER);
	if (n >= (int)sizeof(fields)) {
		answer(worker, exchange, 414, "", "where it would be sent is too long");
		return;
	}
	answer(worker, exchange, result->outcome == ROUTE_CHALLENGE ? 401 : result->status, fields,
	       "");
}
