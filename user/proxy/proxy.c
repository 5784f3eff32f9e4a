/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/proxy.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/http.h"
#include "lib/log.h"
#include "lib/hash.h"
#include "lib/loop.h"
#include "lib/notify.h"
#include "lib/version.h"
#include "proxy/check.h"
#include "proxy/metrics.h"
#include "proxy/privileges.h"
#include "proxy/successor.h"
#include "proxy/tls.h"
#include "proxy/view.h"
#include "proxy/watch.h"
#include "proxy/worker.h"

#define TICK_MS	    250
#define SPARE_FILES 256 /* descriptors beside connections */
#define NS_PER_MS   1000000ULL

struct proxy {
	const struct proxy_config *config;
	char *const *argv;
	struct loop *loop;
	struct loop_watch signals;
	struct notify *notify;
	struct http *http;
	struct watch *watch;
	struct views views;
	struct view *view; /* the newest, for workers that start late; NULL: none yet */
	struct listeners listeners;
	struct access_log *access_log;
	struct tls *tls; /* NULL: no entry is encrypted */
	struct worker *workers;
	size_t n_workers;
	struct successor successor;
	struct loop_timer tick;
	uint64_t metrics_at_ns;	 /* UINT64_MAX: they are a successor's affair */
	uint64_t drain_until_ns; /* 0: does not drain */
	bool metrics_failed;
	uint64_t ports_noted; /* a hash of them */
};

/* Once for each rule, as routes come anew with every change of the model. */
static void note_ports(struct proxy *proxy, const struct view *view)
{
	size_t n;
	const struct route_rule *const *rules = route_table_rules(view->routes, &n);
	uint64_t hash = HASH_START, before = proxy->ports_noted;

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < n; i++) {
			if (rules[i]->mode == ROUTE_HTTP ||
			    proxy_config_has_port(proxy->config, rules[i]->entry_port))
				continue;
			if (pass == 1)
				log_warning("service %s: no entry has port %u, so nothing comes to "
					    "it: --entry NAME=:%u opens one",
					    rules[i]->service, rules[i]->entry_port,
					    rules[i]->entry_port);
			hash = hash_bytes(hash, rules[i]->service, strlen(rules[i]->service) + 1);
			hash = hash_bytes(hash, &rules[i]->entry_port, sizeof(uint16_t));
		}
		if (pass == 0)
			proxy->ports_noted = hash;
		if (hash == before)
			return;
	}
}

static void take_news(void *context, const struct watch_news *news)
{
	struct proxy *proxy = context;
	struct skep_error error;
	struct view *view;
	size_t n_problems;
	int err = view_make(&proxy->views, news, &view, &error);

	if (err) {
		log_error("%s: the routes there are stay in force", error.text);
		return;
	}
	route_table_problems(view->routes, &n_problems);
	note_ports(proxy, view);
	log_debug("%zu routes, %zu labels that cannot be honoured", view->n_rules, n_problems);
	for (size_t i = 0; i < proxy->n_workers; i++) {
		view_hold(view);
		worker_give_view(&proxy->workers[i], view);
	}
	view_put(proxy->view);
	proxy->view = view;
}

/* ---- the end */

static bool all_done(const struct proxy *proxy)
{
	for (size_t i = 0; i < proxy->n_workers; i++)
		if (!worker_is_done(&proxy->workers[i]))
			return false;
	return true;
}

static void drain(struct proxy *proxy, bool last)
{
	if (proxy->drain_until_ns)
		return;
	proxy->drain_until_ns = loop_now_ns() + proxy->config->drain_time_ms * NS_PER_MS;
	for (size_t i = 0; i < proxy->n_workers; i++)
		worker_drain(&proxy->workers[i], last);
}

static void succeeded(void *context, pid_t pid, bool ready)
{
	struct proxy *proxy = context;

	if (!ready) {
		log_error(
			"the successor, process %ld, has ended: its log says why; this one goes on",
			(long)pid);
		return;
	}
	log_info("process %ld has taken over; this one ends when its requests have", (long)pid);
	notify_main_pid(proxy->notify, pid);
	/* Its metrics and its model are the successor's affair from here on. */
	proxy->metrics_at_ns = UINT64_MAX;
	drain(proxy, false);
}

static void hand_over(struct proxy *proxy)
{
	struct skep_error error;

	log_info("SIGHUP: starts a successor");
	if (proxy->drain_until_ns)
		log_warning("it is about to end already");
	else if (successor_start(&proxy->successor, proxy->argv, &proxy->listeners, proxy->config,
				 &error))
		log_error("%s", error.text);
}

static void signal_came(struct loop_watch *watch, uint32_t events)
{
	struct proxy *proxy = container_of(watch, struct proxy, signals);
	struct signalfd_siginfo info;

	(void)events;
	if (read(watch->fd, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGHUP:
		hand_over(proxy);
		return;
	case SIGUSR1:
		if (proxy->access_log)
			access_log_reopen(proxy->access_log);
		if (proxy->tls)
			tls_reload(proxy->tls);
		return;
	default:
		/* The second time it means it. */
		if (proxy->drain_until_ns) {
			loop_stop(proxy->loop);
			return;
		}
		log_info("%s: ends when its requests have, in %u s at most",
			 strsignal((int)info.ssi_signo), proxy->config->drain_time_ms / 1000);
		notify_stopping(proxy->notify);
		drain(proxy, !proxy->successor.pid);
	}
}

static void write_metrics(struct proxy *proxy)
{
	struct skep_error error;

	if (metrics_write(proxy->config->run_dir, &proxy->views, proxy->workers, proxy->n_workers,
			  &error)) {
		if (!proxy->metrics_failed)
			log_warning("%s", error.text);
		proxy->metrics_failed = true;
	}
}

static void tick(struct loop_timer *timer)
{
	struct proxy *proxy = container_of(timer, struct proxy, tick);
	uint64_t now = loop_now_ns();

	loop_arm(proxy->loop, timer, TICK_MS);
	views_free_unused(&proxy->views, false);
	if (proxy->drain_until_ns && (all_done(proxy) || now >= proxy->drain_until_ns)) {
		loop_stop(proxy->loop);
		return;
	}
	if (now < proxy->metrics_at_ns)
		return;
	proxy->metrics_at_ns = now + METRICS_EVERY_MS * NS_PER_MS;
	write_metrics(proxy);
}

/* ---- the beginning */

static int open_signals(struct proxy *proxy, struct skep_error *error)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
	sigset_t set;
	int err;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaddset(&set, signals[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return error_errno(error, -errno, "cannot block signals");
	signal(SIGPIPE, SIG_IGN);
	proxy->signals.ready = signal_came;
	proxy->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (proxy->signals.fd < 0)
		return error_errno(error, -errno, "cannot open a signalfd");
	err = loop_add(proxy->loop, &proxy->signals, EPOLLIN);
	return err ? error_errno(error, err, "cannot watch for signals") : 0;
}

/* A connection is two descriptors, and a pipe more when it splices. */
static void raise_file_limit(const struct proxy_config *config)
{
	rlim_t wanted = (rlim_t)config->max_connections * 4 + SPARE_FILES;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	if (limit.rlim_cur >= wanted)
		return;
	if (limit.rlim_max < wanted) {
		struct rlimit more = {wanted, wanted};

		if (setrlimit(RLIMIT_NOFILE, &more) == 0)
			return;
		log_warning("may have %llu files open: too few for --max-connections %u; "
			    "LimitNOFILE= in its unit raises that",
			    (unsigned long long)limit.rlim_max, config->max_connections);
	}
	limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static size_t cpu_count(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : (size_t)CPU_COUNT(&set);
}

static int open_basics(struct proxy *proxy, struct skep_error *error)
{
	const struct proxy_config *config = proxy->config;
	int err;

	proxy->loop = loop_new();
	if (!proxy->loop)
		return error_errno(error, -errno, "cannot make the event loop");
	successor_init(&proxy->successor, proxy->loop, succeeded, proxy);
	err = directory_make(config->run_dir, error);
	if (!err)
		err = open_signals(proxy, error);
	if (!err)
		err = notify_open(&proxy->notify, proxy->loop, error);
	if (!err)
		err = http_open(&proxy->http, proxy->loop, error);
	if (!err)
		err = checks_open(&proxy->views.checks, proxy->loop, proxy->http, error);
	return err;
}

static int start_workers(struct proxy *proxy, struct skep_error *error)
{
	int err = 0;

	proxy->workers = calloc(proxy->views.workers, sizeof(*proxy->workers));
	if (!proxy->workers)
		return error_errno(error, -ENOMEM, "cannot start workers");
	while (proxy->n_workers < proxy->views.workers && !err) {
		if (proxy->view)
			view_hold(proxy->view);
		err = worker_start(&proxy->workers[proxy->n_workers], proxy->n_workers,
				   proxy->config, proxy->views.workers, &proxy->listeners,
				   proxy->access_log, proxy->tls, proxy->view, error);
		if (!err)
			proxy->n_workers++;
	}
	return err;
}

static int proxy_open(struct proxy *proxy, struct skep_error *error)
{
	const struct proxy_config *config = proxy->config;
	int err = open_basics(proxy, error);

	proxy->views.workers = config->workers ? config->workers : cpu_count();
	proxy->views.routes.workers = proxy->views.tasks.workers = proxy->views.workers;
	raise_file_limit(config);
	if (!err && *config->access_log)
		err = access_log_open(&proxy->access_log, config->access_log, proxy->views.workers,
				      error);
	if (!err)
		err = privileges_drop(config->user, config->run_dir, config->access_log, error);
	/* No thread before: capabilities are each thread's own. */
	if (!err && proxy->access_log)
		err = access_log_start(proxy->access_log, error);
	/* As the user that a successor runs as: none but the same may add to those who share a
	 * port. */
	if (!err)
		err = listeners_open(&proxy->listeners, config, proxy->views.workers, error);
	/* By the user, who will have to read changes, too. */
	if (!err && *config->tls_dir)
		err = tls_open(&proxy->tls, proxy->loop, config->tls_dir, config->tls_strict,
			       error);
	/* What was kept of the last routes comes from within this. */
	if (!err)
		err = watch_open(&proxy->watch, proxy->loop, proxy->http, config->agent_socket,
				 config->run_dir, take_news, proxy, error);
	return err ? err : start_workers(proxy, error);
}

static void proxy_close(struct proxy *proxy)
{
	watch_close(proxy->watch);
	for (size_t i = 0; i < proxy->n_workers; i++)
		worker_stop(&proxy->workers[i]);
	/* What the last requests added; not by one that never came to serve. */
	if (proxy->metrics_at_ns && proxy->metrics_at_ns != UINT64_MAX)
		write_metrics(proxy);
	tls_close(proxy->tls);
	access_log_close(proxy->access_log);
	view_put(proxy->view);
	if (proxy->views.checks)
		views_free_unused(&proxy->views, true);
	checks_close(proxy->views.checks);
	listeners_close(&proxy->listeners);
	if (proxy->http)
		http_close(proxy->http);
	notify_close(proxy->notify);
	if (proxy->loop) {
		successor_close(&proxy->successor);
		loop_disarm(proxy->loop, &proxy->tick);
		loop_remove(proxy->loop, &proxy->signals);
		loop_free(proxy->loop);
	}
	if (proxy->signals.fd >= 0)
		close(proxy->signals.fd);
	free(proxy->workers);
}

static void say_where(const struct proxy *proxy)
{
	for (size_t i = 0; i < proxy->config->n_entries; i++) {
		const struct proxy_entry *entry = &proxy->config->entries[i];
		char addr[ADDR_TEXT_SIZE];

		log_info("entry %s: %s port %u, %zu workers", entry->name,
			 skep_addr_is_zero(&entry->addr) ? "every address,"
							 : addr_text(&entry->addr, addr),
			 entry->port, proxy->n_workers);
	}
}

int proxy_run(const struct proxy_config *config, char *const argv[])
{
	struct proxy proxy = {.config = config, .argv = argv, .signals.fd = -1};
	struct skep_error error;
	int err;

	log_set_level(config->log_level);
	log_info("skep proxy %s starts", SKEP_VERSION);
	err = proxy_open(&proxy, &error);
	if (!err) {
		say_where(&proxy);
		proxy.tick.expired = tick;
		loop_arm(proxy.loop, &proxy.tick, 0);
		successor_ready();
		notify_ready(proxy.notify);
		err = loop_run(proxy.loop);
		if (err)
			log_error("the event loop failed: %s", strerror(-err));
	} else {
		log_error("%s", error.text);
	}
	proxy_close(&proxy);
	log_info("ended");
	return err;
}
