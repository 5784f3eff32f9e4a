/* SPDX-License-Identifier: GPL-2.0-only */
/* Which task a request goes to, and what happens when that fails it. */
#include <errno.h>

#include "proxy/client.h"
#include "proxy/exchange_parts.h"
#include "proxy/worker.h"

/* The conn's socket may have something new. */
static void progress(void *context)
{
	struct exchange *exchange = context;

	client_run(worker_self(), exchange->client);
}

void exchange_give_back(struct worker *worker, struct exchange *exchange, bool keep)
{
	if (!exchange->conn)
		return;
	if (exchange->reply_read && exchange->status < 500)
		backend_succeeded(exchange->conn->backend);
	if (keep)
		conn_keep(worker, exchange->conn);
	else
		conn_close(worker, exchange->conn);
	exchange->conn = NULL;
}

static void start(struct worker *worker, struct exchange *exchange)
{
	struct client *client = exchange->client;

	exchange->active_ms = worker->now_ms;
	exchange->request.to = &exchange->conn->stream;
	if (exchange->conn->connecting) {
		counters_add(&worker->counters.conns_opened, 1);
		exchange->phase = PHASE_CONNECT;
		wheel_set(&worker->wheel, &client->timer,
			  worker->now_ms + worker->config->connect_time_ms);
	} else {
		counters_add(&worker->counters.conns_reused, 1);
		exchange->phase = PHASE_RELAY;
	}
	if (!exchange->body_watch_ms)
		exchange->body_watch_ms = worker->now_ms;
}

/*
 * A connection that was idle may be closed by the task at the very moment it is used. Who may not
 * send a request twice had better take one that the task has just used: servers wait for seconds at
 * least.
 */
#define UNSAFE_REUSE_MS 1000

static bool needs_fresh(const struct worker *worker, const struct exchange *exchange,
			const struct backend *backend)
{
	uint64_t idle_since;

	/* What tells of one client must not serve another. */
	if (exchange->raw || exchange->rule->proxy_protocol)
		return true;
	if (exchange->fresh || !backend->idle)
		return exchange->fresh;
	if (http_method_is_idempotent(exchange->head.method))
		return false;
	idle_since = backend->idle->timer.deadline_ms - worker->config->pool_time_ms;
	return worker->now_ms - idle_since > UNSAFE_REUSE_MS;
}

void exchange_connect(struct worker *worker, struct exchange *exchange, uint16_t status)
{
	struct bound_group *group = exchange->group;

	while (exchange->n_tried < EXCHANGE_TRIES) {
		const struct balance_request request = {
			.client = exchange->client->addr,
			.cookie = exchange->cookie,
			.tried = exchange->tried,
			.n_tried = exchange->n_tried,
		};
		/* Fresh: the same task once more, which had closed the connection that was used
		 * before. */
		int task = exchange->fresh ? (int)exchange->task
					   : balance_pick(worker, group, &request);
		struct backend *backend;

		if (task < 0)
			break;
		backend = group->backends[task];
		exchange->task = (uint32_t)task;
		exchange->stuck =
			exchange->cookie && group->group->tasks[task].cookie == exchange->cookie;
		exchange->conn = conn_take(worker, backend, needs_fresh(worker, exchange, backend),
					   progress, exchange);
		if (exchange->conn) {
			start(worker, exchange);
			return;
		}
		exchange->fresh = false;
		exchange->tried[exchange->n_tried++] = (uint32_t)task;
		backend_failed(worker, backend);
		status = errno == ENOMEM || errno == EMFILE || errno == ENFILE ? 503 : 502;
	}
	exchange_answer(worker, exchange, status);
}

void exchange_task_failed(struct worker *worker, struct exchange *exchange, uint16_t status)
{
	struct conn *conn = exchange->conn;
	bool may_repeat =
		relay_can_rewind(&exchange->request) &&
		(!exchange->request.begun || http_method_is_idempotent(exchange->head.method));
	bool was_used = conn->used;

	if (!was_used)
		backend_failed(worker, conn->backend);
	exchange_give_back(worker, exchange, false);
	if (!may_repeat) {
		exchange_answer(worker, exchange, status);
		return;
	}
	/* A connection out of the pool says little of the task. */
	if (!was_used)
		exchange->tried[exchange->n_tried++] = exchange->task;
	exchange->fresh = was_used;
	exchange->request_ended = false;
	relay_rewind(&exchange->request, NULL);
	counters_add(&worker->counters.retries, 1);
	exchange_connect(worker, exchange, status);
}
