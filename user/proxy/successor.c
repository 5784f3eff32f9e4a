/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/successor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_VARIABLE "SKEP_PROXY_READY" /* the pipe to be written to */

static void close_pipe(struct successor *successor)
{
	if (successor->pipe.fd < 0)
		return;
	loop_remove(successor->loop, &successor->pipe);
	close(successor->pipe.fd);
	successor->pipe.fd = -1;
}

/* A byte: it is ready. The end: it is gone. */
static void pipe_ready(struct loop_watch *watch, uint32_t events)
{
	struct successor *successor = container_of(watch, struct successor, pipe);
	pid_t pid = successor->pid;
	char byte;
	bool ready;

	(void)events;
	ready = read(watch->fd, &byte, 1) == 1;
	close_pipe(successor);
	successor->pid = 0;
	if (!ready)
		waitpid(pid, NULL, 0);
	successor->done(successor->context, pid, ready);
}

void successor_init(struct successor *successor, struct loop *loop,
		    void (*done)(void *context, pid_t pid, bool ready), void *context)
{
	*successor = (struct successor){
		.loop = loop,
		.pipe = {.fd = -1, .ready = pipe_ready},
		.done = done,
		.context = context,
	};
}

/* In the child of a process with threads: nothing but system calls. */
static void become(char *const argv[], char *const environment[], int ready_fd,
		   const struct listeners *listeners)
{
	sigset_t none;

	for (size_t i = 0; i < listeners->n; i++)
		fcntl(listeners->list[i].fd, F_SETFD, 0);
	fcntl(ready_fd, F_SETFD, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvpe(argv[0], argv, environment);
	_exit(127);
}

/* This process's environment with the two variables, without the watchdog's owner, which is this
 * process. NULL: no memory. */
static char **environment_for(char *listeners, char *ready)
{
	extern char **environ;
	char **made;
	size_t n = 0, at = 0;

	while (environ[n])
		n++;
	made = calloc(n + 3, sizeof(*made));
	for (size_t i = 0; made && i < n; i++)
		if (strncmp(environ[i], "WATCHDOG_PID=", strlen("WATCHDOG_PID=")) != 0)
			made[at++] = environ[i];
	if (made) {
		made[at++] = listeners;
		made[at] = ready;
	}
	return made;
}

int successor_start(struct successor *successor, char *const argv[],
		    const struct listeners *listeners, const struct proxy_config *config,
		    struct skep_error *error)
{
	char *sockets = listeners_describe(listeners, config), *variable = NULL;
	char ready[sizeof(READY_VARIABLE) + 16];
	char **environment = NULL;
	int ends[2] = {-1, -1}, err = 0;

	if (successor->pid) {
		free(sockets);
		return error_set(error, -EALREADY, "a successor is being started already");
	}
	if (!sockets || asprintf(&variable, "%s=%s", LISTENERS_VARIABLE, sockets) < 0) {
		err = -ENOMEM;
		variable = NULL;
		goto cleanup;
	}
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK)) {
		err = -errno;
		goto cleanup;
	}
	snprintf(ready, sizeof(ready), "%s=%d", READY_VARIABLE, ends[1]);
	environment = environment_for(variable, ready);
	if (!environment) {
		err = -ENOMEM;
		goto cleanup;
	}
	successor->pipe.fd = ends[0];
	err = loop_add(successor->loop, &successor->pipe, EPOLLIN);
	if (err) {
		successor->pipe.fd = -1;
		goto cleanup;
	}
	ends[0] = -1; /* the loop's now */
	successor->pid = fork();
	if (!successor->pid)
		become(argv, environment, ends[1], listeners);
	if (successor->pid < 0) {
		err = -errno;
		successor->pid = 0;
		close_pipe(successor);
	}
cleanup:
	if (ends[0] >= 0)
		close(ends[0]);
	if (ends[1] >= 0)
		close(ends[1]);
	free(environment);
	free(variable);
	free(sockets);
	return err ? error_errno(error, err, "cannot start a successor") : 0;
}

void successor_close(struct successor *successor)
{
	close_pipe(successor);
}

void successor_ready(void)
{
	const char *text = getenv(READY_VARIABLE);
	int fd = text ? atoi(text) : -1;

	if (fd < 3)
		return;
	/* Whether the old process is still there to read it makes no difference. */
	(void)!write(fd, "r", 1);
	close(fd);
	unsetenv(READY_VARIABLE);
}
