/* SPDX-License-Identifier: GPL-2.0-only */
#include "lib/mhd.h"

#include <errno.h>
#include <sys/epoll.h>

static void run(struct mhd *mhd)
{
	MHD_UNSIGNED_LONG_LONG delay_ms;

	MHD_run(mhd->daemon);
	if (MHD_get_timeout(mhd->daemon, &delay_ms) == MHD_YES)
		loop_arm(mhd->loop, &mhd->timer, delay_ms);
	else
		loop_disarm(mhd->loop, &mhd->timer);
}

static void ready(struct loop_watch *watch, uint32_t events)
{
	(void)events;
	run(container_of(watch, struct mhd, watch));
}

static void expired(struct loop_timer *timer)
{
	run(container_of(timer, struct mhd, timer));
}

int mhd_attach(struct mhd *mhd, struct loop *loop, struct MHD_Daemon *daemon,
	       struct skep_error *error)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
	int err;

	*mhd = (struct mhd){
		.loop = loop,
		.daemon = daemon,
		.watch = {.fd = info ? info->epoll_fd : -1, .ready = ready},
		.timer = {.expired = expired},
	};
	err = loop_add(loop, &mhd->watch, EPOLLIN);
	if (err) {
		mhd_stop(mhd);
		return error_errno(error, err, "cannot watch an HTTP server");
	}
	run(mhd);
	return 0;
}

void mhd_wake(struct mhd *mhd)
{
	loop_arm(mhd->loop, &mhd->timer, 0);
}

void mhd_stop(struct mhd *mhd)
{
	if (!mhd->daemon)
		return;
	loop_disarm(mhd->loop, &mhd->timer);
	loop_remove(mhd->loop, &mhd->watch);
	MHD_stop_daemon(mhd->daemon);
	mhd->daemon = NULL;
}
