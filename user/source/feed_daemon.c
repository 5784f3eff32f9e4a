/* SPDX-License-Identifier: GPL-2.0-only */
#include "source/feed_daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Workers hold one connection each, two when they nudge. */
#define MAX_CONNECTIONS 2000u
/* Idle, or stuck in a handshake or transfer; those that wait for a model are suspended and not
 * counted. */
#define CONNECTION_TIMEOUT_S 20u
#define CONNECTION_MEMORY    ((size_t)32 * 1024)

static void arm(struct feed_daemon *daemon)
{
	MHD_UNSIGNED_LONG_LONG delay_ms;

	if (MHD_get_timeout(daemon->mhd, &delay_ms) == MHD_YES)
		loop_arm(daemon->loop, &daemon->timer, delay_ms);
	else
		loop_disarm(daemon->loop, &daemon->timer);
}

static void run(struct feed_daemon *daemon)
{
	const union MHD_DaemonInfo *info;

	MHD_run(daemon->mhd);
	info = MHD_get_daemon_info(daemon->mhd, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
	if (daemon->retired && info && info->num_connections == 0)
		daemon->ended(daemon);
	else
		arm(daemon);
}

static void watch_ready(struct loop_watch *watch, uint32_t events)
{
	(void)events;
	run(container_of(watch, struct feed_daemon, watch));
}

static void timer_expired(struct loop_timer *timer)
{
	run(container_of(timer, struct feed_daemon, timer));
}

static int start_mhd(struct feed_daemon *daemon, int fd,
		     const struct feed_daemon_callbacks *callbacks, struct skep_error *error)
{
	const struct pem_identity *pem = &daemon->identity.pem;
	const union MHD_DaemonInfo *info;
	int err;

	daemon->mhd = MHD_start_daemon(
		MHD_USE_TLS | MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
		callbacks->access, daemon, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_HTTPS_MEM_CERT,
		pem->cert.data, MHD_OPTION_HTTPS_MEM_KEY, pem->key.data, MHD_OPTION_HTTPS_MEM_TRUST,
		pem->ca.data, MHD_OPTION_HTTPS_PRIORITIES,
		"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2", MHD_OPTION_NOTIFY_COMPLETED,
		callbacks->completed, daemon, MHD_OPTION_CONNECTION_LIMIT, MAX_CONNECTIONS,
		MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_TIMEOUT_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_END);
	if (!daemon->mhd) {
		close(fd);
		return error_set(error, -EINVAL,
				 "cannot start the feed's HTTPS server: libmicrohttpd refuses the "
				 "certificates");
	}
	info = MHD_get_daemon_info(daemon->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	daemon->watch = (struct loop_watch){.fd = info ? info->epoll_fd : -1, .ready = watch_ready};
	err = loop_add(daemon->loop, &daemon->watch, EPOLLIN);
	if (err)
		return error_errno(error, err, "cannot watch the feed's HTTPS server");
	arm(daemon);
	return 0;
}

int feed_daemon_start(struct feed_daemon **started, struct loop *loop, int listen_fd,
		      struct feed_identity *identity, const struct feed_daemon_callbacks *callbacks,
		      struct skep_error *error)
{
	struct feed_daemon *daemon = calloc(1, sizeof(*daemon));
	int fd, err;

	if (!daemon) {
		feed_identity_free(identity);
		return error_errno(error, -ENOMEM, "cannot start the feed");
	}
	daemon->identity = *identity;
	*identity = (struct feed_identity){0};
	daemon->loop = loop;
	daemon->timer.expired = timer_expired;
	daemon->ended = callbacks->ended;
	daemon->context = callbacks->context;
	daemon->watch.fd = -1;
	/* libmicrohttpd closes the one it has. */
	fd = fcntl(listen_fd, F_DUPFD_CLOEXEC, 0);
	err = fd < 0 ? error_errno(error, -errno, "cannot start the feed")
		     : start_mhd(daemon, fd, callbacks, error);
	if (err) {
		feed_daemon_free(daemon);
		return err;
	}
	*started = daemon;
	return 0;
}

void feed_daemon_retire(struct feed_daemon *daemon)
{
	MHD_socket fd = MHD_quiesce_daemon(daemon->mhd);

	if (fd != MHD_INVALID_SOCKET)
		close(fd);
	daemon->retired = true;
	feed_daemon_wake(daemon);
}

void feed_daemon_wake(struct feed_daemon *daemon)
{
	loop_arm(daemon->loop, &daemon->timer, 0);
}

void feed_daemon_free(struct feed_daemon *daemon)
{
	loop_disarm(daemon->loop, &daemon->timer);
	loop_remove(daemon->loop, &daemon->watch);
	if (daemon->mhd)
		MHD_stop_daemon(daemon->mhd);
	feed_identity_free(&daemon->identity);
	free(daemon);
}
