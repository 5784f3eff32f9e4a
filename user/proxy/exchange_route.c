/* SPDX-License-Identifier: GPL-2.0-only */
/* A request's head is here: which rule takes it, what that makes of it, and the head that its task
 * gets. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "http/authority.h"
#include "http/forward.h"
#include "http/path.h"
#include "proxy/access_line.h"
#include "proxy/client.h"
#include "proxy/exchange_parts.h"
#include "proxy/worker.h"
#include "route/apply.h"

#define EXTRA_MAX 64 /* fields that a rule may add */
#define HEAD_ROOM                                                                                  \
	4096 /* by which the head that goes on may be longer than what came, without a rule's      \
		fields */
#define REQUEST_ID_SIZE 32

/* What of the head routing reads, and where. */
struct reading {
	const struct exchange *exchange;
	const char *data;
};

static struct http_text text_of(const char *text)
{
	return (struct http_text){text, strlen(text)};
}

static struct http_text http_of_route(struct route_text text)
{
	return (struct http_text){text.data, text.size};
}

static struct route_text route_of_http(struct http_text text)
{
	return (struct route_text){text.at, text.size};
}

static bool field_at(void *context, const char *name, size_t index, struct route_text *value)
{
	const struct reading *reading = context;
	const struct http_fields *fields = &reading->exchange->head.fields;
	struct http_text wanted = text_of(name);
	const struct http_field *field = NULL;
	uint32_t from = 0;

	for (size_t i = 0; i <= index; i++) {
		field = http_fields_find(fields, reading->data, wanted, from);
		if (!field)
			return false;
		from = (uint32_t)(field - fields->list) + 1;
	}
	*value = route_of_http(http_text(reading->data, field->value));
	return true;
}

/* A field's value is of the form NAME=…; …: cookies of one name, the first counts. */
static uint64_t sticky_cookie(const struct exchange *exchange, const char *data, const char *name)
{
	const struct http_field *field =
		http_fields_first(&exchange->head.fields, HTTP_NAME_COOKIE);
	size_t length = strlen(name);
	struct http_text text;

	if (!field)
		return 0;
	text = http_text(data, field->value);
	for (size_t at = 0; at < text.size;) {
		const char *end = memchr(text.at + at, ';', text.size - at);
		size_t stop = end ? (size_t)(end - text.at) : text.size;

		while (at < stop && text.at[at] == ' ')
			at++;
		if (stop - at == length + 17 && memcmp(text.at + at, name, length) == 0 &&
		    text.at[at + length] == '=') {
			char digits[17] = {0}, *last;
			uint64_t value;

			memcpy(digits, text.at + at + length + 1, 16);
			value = strtoull(digits, &last, 16);
			return *last ? 0 : value;
		}
		at = stop + 1;
	}
	return 0;
}

/* Marks fields that do not go on, and lists those that are added. */
static size_t change_fields(struct exchange *exchange, const char *data,
			    const struct route_result *result, struct http_extra extras[EXTRA_MAX])
{
	struct http_fields *fields = &exchange->head.fields;
	size_t n = 0;

	if (result->stripped.size)
		extras[n++] = (struct http_extra){HTTP_TEXT("X-Forwarded-Prefix"),
						  http_of_route(result->stripped)};
	if (result->replaced.size)
		extras[n++] = (struct http_extra){HTTP_TEXT("X-Replaced-Path"),
						  http_of_route(result->replaced)};
	for (const struct route_field *change = exchange->rule->fields; change;
	     change = change->next) {
		struct http_field *field;
		uint32_t from = 0;

		if (change->response)
			continue;
		while (change->action != ROUTE_FIELD_ADD &&
		       (field = http_fields_find(fields, data, text_of(change->name), from))) {
			field->drop = true;
			from = (uint32_t)(field - fields->list) + 1;
		}
		if (change->action != ROUTE_FIELD_REMOVE && n < EXTRA_MAX)
			extras[n++] =
				(struct http_extra){text_of(change->name), text_of(change->value)};
	}
	for (uint32_t i = 0; result->drop_authorization && i < fields->n; i++)
		if (fields->list[i].known == HTTP_NAME_AUTHORIZATION)
			fields->list[i].drop = true;
	return n;
}

static void write_request_id(struct worker *worker, char id[REQUEST_ID_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < REQUEST_ID_SIZE; i += 16) {
		uint64_t random = worker_random(worker);

		for (size_t j = 0; j < 16; j++, random >>= 4)
			id[i + j] = digits[random & 15];
	}
}

/* The head that goes on, into the request's buffer. 0 or a negative errno. */
static int write_head(struct worker *worker, struct exchange *exchange, const char *data,
		      const struct route_result *result, struct buffer *out)
{
	struct client *client = exchange->client;
	struct http_extra extras[EXTRA_MAX];
	char addr[ADDR_TEXT_SIZE], id[REQUEST_ID_SIZE];
	const struct proxy_entry *entry = &worker->config->entries[client->entry];
	const struct http_head *head = &exchange->head;
	struct http_to_task onward = {
		.path = http_of_route(result->path),
		.query = http_text(data, head->query),
		.client = text_of(addr_text(&client->addr, addr)),
		.proto = text_of(entry->tls ? "https" : "http"),
		.port = text_of(entry->port_text),
		.trusted = proxy_config_trusts(worker->config, &client->addr),
		.extra = extras,
	};
	size_t room = BUFFER_SIZE;
	ssize_t n;

	if (!head->fields.first[HTTP_NAME_X_REQUEST_ID]) {
		write_request_id(worker, id);
		onward.request_id = (struct http_text){id, sizeof(id)};
	}
	if (!head->authority.size)
		onward.host = text_of(exchange->rule->service);
	onward.n_extra = change_fields(exchange, data, result, extras);
	do {
		if (exchange_room(worker, out, room))
			return -ENOMEM;
		n = http_forward_request(head, data, &onward, out->data + out->end,
					 buffer_room(out));
		room *= 2;
	} while (n == -ENOBUFS && room <= 4 * (size_t)worker->config->head_bytes + HEAD_ROOM);
	if (n < 0)
		return (int)n;
	out->end += (size_t)n;
	return 0;
}

/* To a task of the rule's. */
static void forward(struct worker *worker, struct exchange *exchange, const char *data,
		    const struct route_result *result)
{
	struct client *client = exchange->client;
	struct http_head *head = &exchange->head;
	struct buffer out = {0};
	int err = exchange_greet(worker, exchange, &out);

	if (!err)
		err = write_head(worker, exchange, data, result, &out);
	if (err) {
		buffer_give(&worker->buffers, &out);
		exchange_answer(worker, exchange, err == -ENOMEM ? 503 : 431);
		return;
	}
	if (exchange->rule->sticky.cookie)
		exchange->cookie = sticky_cookie(exchange, data, exchange->rule->sticky.cookie);
	client->in.start += head->size;
	relay_begin(&exchange->request, &client->stream, NULL, &client->in, head->framing,
		    head->length, exchange->fields);
	exchange->request.out = out;
	exchange->request.keep = !exchange->request.chunked;
	exchange_connect(worker, exchange, 503);
}

static enum http_refusal read_path(struct worker *worker, const struct exchange *exchange,
				   const char *data, struct route_text *path)
{
	struct http_text normal = HTTP_TEXT("*");
	enum http_refusal refusal = HTTP_NOT_REFUSED;

	if (exchange->head.form != HTTP_FORM_ASTERISK)
		refusal = http_path_normalise(http_text(data, exchange->head.path),
					      worker->path_room, &normal);
	*path = route_of_http(normal);
	return refusal;
}

void exchange_take_rule(struct worker *worker, struct exchange *exchange,
			const struct route_rule *rule)
{
	struct bound_view *bound = worker->balance.now;
	const struct view_route *route = &bound->view->of_rule[rule->rank];

	exchange->bound = bound;
	bound->users++;
	exchange->rule = rule;
	exchange->group = &bound->groups[route->group];
	exchange->route_slot = &route->series->slots[worker->number];
}

void exchange_route(struct worker *worker, struct exchange *exchange)
{
	struct client *client = exchange->client;
	const char *data = client->in.data + client->in.start;
	const struct http_head *head = &exchange->head;
	const struct proxy_entry *entry = &worker->config->entries[client->entry];
	struct reading reading = {exchange, data};
	struct http_text query = http_text(data, head->query);
	struct route_request request = {
		.entry = entry->name,
		.port = entry->port,
		.tls = entry->tls,
		.method = route_of_http(http_text(data, head->method_text)),
		.host = route_of_http(http_text(data, head->host)),
		/* Without its '?'. */
		.query = {query.at + (query.size != 0), query.size - (query.size != 0)},
		.client = client->addr,
		.field = field_at,
		.context = &reading,
	};
	const struct route_rule *rule = NULL;
	struct route_result result;
	enum http_refusal refusal;
	bool gave_up = false;

	exchange->closes = !head->keep_alive;
	if (worker->access_log)
		exchange->line = access_line_new(worker, exchange);
	if (head->method == HTTP_METHOD_CONNECT) {
		exchange_answer(worker, exchange, 405);
		return;
	}
	refusal = read_path(worker, exchange, data, &request.path);
	if (refusal) {
		exchange_refuse(worker, exchange, refusal);
		return;
	}
	if (worker->balance.now)
		rule = route_table_find(worker->balance.now->view->routes, &request,
					worker->scratch, &gave_up);
	if (!rule) {
		counters_add(&worker->counters.unrouted, 1);
		/* Before the first word from the agent nobody knows. */
		exchange_answer(worker, exchange, worker->balance.now ? 404 : 503);
		return;
	}
	exchange_take_rule(worker, exchange, rule);
	if (gave_up) {
		exchange_answer(worker, exchange, 500);
		return;
	}
	route_apply(rule, &request, worker->scratch, worker->auth_cache, worker->route_room,
		    &result);
	if (result.outcome == ROUTE_ANSWER && result.status == ROUTE_STATUS_LATER)
		counters_add(&worker->counters.passwords_put_off, 1);
	if (result.outcome != ROUTE_FORWARD)
		exchange_answer_route(worker, exchange, &result);
	else
		forward(worker, exchange, data, &result);
}
