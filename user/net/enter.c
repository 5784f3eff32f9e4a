/* SPDX-License-Identifier: GPL-2.0-only */
#include "net/enter.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"

int enter_open(pid_t pid, int *fd, struct skep_error *error)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	if (*fd >= 0)
		return 0;
	/* A zombie has the file still, but no namespace behind it: ENOENT as well. */
	if (errno == ENOENT || errno == ESRCH)
		return error_set(error, -ESRCH, "process %d is gone", (int)pid);
	return error_errno(error, -errno, "cannot open %s", path);
}

int enter_open_own(int *fd, struct skep_error *error)
{
	*fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? error_errno(error, -errno, "cannot open /proc/thread-self/ns/net") : 0;
}

bool enter_is_same(int a, int b)
{
	struct stat x, y;

	return !fstat(a, &x) && !fstat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int enter_run(int namespace_fd, int own_fd, int (*run)(void *context), void *context)
{
	int result;

	if (setns(namespace_fd, CLONE_NEWNET) < 0)
		return -errno;
	result = run(context);
	if (setns(own_fd, CLONE_NEWNET) < 0) {
		/* To go on would be to configure a container's network as if it were the host's. */
		log_error("cannot return from a container's network namespace: %s",
			  strerror(errno));
		abort();
	}
	return result;
}

struct opening {
	int (*open_socket)(void);
	int fd;
};

static int run_opening(void *context)
{
	struct opening *opening = context;

	opening->fd = opening->open_socket();
	return opening->fd < 0 ? opening->fd : 0;
}

int net_enter(pid_t pid, int (*open_socket)(void), int *fd, struct skep_error *error)
{
	struct opening opening = {.open_socket = open_socket, .fd = -1};
	int theirs = -1, own = -1, err = 0;

	if (!pid) {
		err = run_opening(&opening);
	} else {
		err = enter_open(pid, &theirs, error);
		if (err)
			return err;
		err = enter_open_own(&own, error);
		if (err) {
			close(theirs);
			return err;
		}
		err = enter_run(theirs, own, run_opening, &opening);
		close(theirs);
		close(own);
	}
	*fd = opening.fd;
	return err ? error_errno(error, err,
				 "cannot open a socket in the network namespace of process %d",
				 (int)pid)
		   : 0;
}
