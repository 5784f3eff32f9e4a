/* SPDX-License-Identifier: GPL-2.0-only */
#include "lib/notify.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/log.h"

struct notify {
	struct loop *loop;
	int fd; /* -1: nobody listens */
	struct sockaddr_un address;
	socklen_t address_size;
	uint64_t watchdog_ms; /* between two signs of life; 0: none asked for */
	struct loop_timer watchdog;
	bool failing;
	char status[256];
};

static void notify_send(struct notify *notify, const char *text)
{
	ssize_t sent;

	if (notify->fd < 0)
		return;
	sent = sendto(notify->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
		      (struct sockaddr *)&notify->address, notify->address_size);
	if (sent < 0 && !notify->failing)
		log_warning("cannot tell the service manager \"%.*s\": %s",
			    (int)strcspn(text, "\n"), text, strerror(errno));
	notify->failing = sent < 0;
}

static void watchdog_expired(struct loop_timer *timer)
{
	struct notify *notify = container_of(timer, struct notify, watchdog);

	notify_send(notify, "WATCHDOG=1");
	loop_arm(notify->loop, timer, notify->watchdog_ms);
}

/* "/path", or "@name" for the abstract namespace (sd_notify(3)). */
static int notify_connect(struct notify *notify, const char *path, struct skep_error *error)
{
	size_t length = strlen(path);

	if ((path[0] != '/' && path[0] != '@') || !path[1] ||
	    length >= sizeof(notify->address.sun_path))
		return error_set(error, -EINVAL,
				 "NOTIFY_SOCKET=%s is neither a path nor an @name that fits", path);
	notify->address.sun_family = AF_UNIX;
	memcpy(notify->address.sun_path, path, length);
	if (path[0] == '@')
		notify->address.sun_path[0] = '\0';
	notify->address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length +
					   (path[0] == '/' ? 1 : 0));
	notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (notify->fd < 0)
		return error_errno(error, -errno, "cannot open a socket to notify %s", path);
	return 0;
}

/* Half of WATCHDOG_USEC in ms, if it is meant for this process (sd_watchdog_enabled(3)). */
static int watchdog_interval(uint64_t *interval_ms, struct skep_error *error)
{
	const char *time = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	unsigned long long usec;
	char *end;

	*interval_ms = 0;
	if (!time || (pid && strtoll(pid, NULL, 10) != getpid()))
		return 0;
	errno = 0;
	usec = strtoull(time, &end, 10);
	if (errno || end == time || *end || *time == '-' || usec < 2000)
		return error_set(error, -EINVAL, "WATCHDOG_USEC=%s is not a time of 2000 or more",
				 time);
	*interval_ms = usec / 2000;
	return 0;
}

int notify_open(struct notify **result, struct loop *loop, struct skep_error *error)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct notify *notify = calloc(1, sizeof(*notify));
	int err;

	if (!notify)
		return error_errno(error, -ENOMEM, "cannot notify the service manager");
	notify->loop = loop;
	notify->fd = -1;
	notify->watchdog.expired = watchdog_expired;
	if (path && *path) {
		err = notify_connect(notify, path, error);
		if (!err)
			err = watchdog_interval(&notify->watchdog_ms, error);
		if (err)
			goto cleanup;
	}
	if (notify->watchdog_ms)
		loop_arm(loop, &notify->watchdog, notify->watchdog_ms);
	*result = notify;
	return 0;

cleanup:
	notify_close(notify);
	return err;
}

void notify_ready(struct notify *notify)
{
	notify_send(notify, "READY=1");
}

void notify_status(struct notify *notify, const char *text)
{
	char line[sizeof(notify->status) + sizeof("STATUS=")];

	if (strncmp(notify->status, text, sizeof(notify->status) - 1) == 0)
		return;
	snprintf(notify->status, sizeof(notify->status), "%s", text);
	notify->status[strcspn(notify->status, "\n")] = '\0';
	snprintf(line, sizeof(line), "STATUS=%s", notify->status);
	notify_send(notify, line);
}

void notify_stopping(struct notify *notify)
{
	notify_send(notify, "STOPPING=1");
}

void notify_main_pid(struct notify *notify, pid_t pid)
{
	char line[64];

	snprintf(line, sizeof(line), "MAINPID=%ld", (long)pid);
	notify_send(notify, line);
}

void notify_close(struct notify *notify)
{
	if (!notify)
		return;
	loop_disarm(notify->loop, &notify->watchdog);
	if (notify->fd >= 0)
		close(notify->fd);
	free(notify);
}
