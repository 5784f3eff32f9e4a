/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For tests of what acts on the kernel's network: a network namespace that ends with the process,
 * and what to fill it with. Everything here fails the test, rather than return an error.
 */
#ifndef SKEP_TEST_NETWORK_H
#define SKEP_TEST_NETWORK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/error.h"

/* Group setup: the process leaves the machine's network for one of its own, with lo up, and its
 * mounts too. */
static inline int network_enter(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0) {
		print_error("cannot unshare: %s; this test needs root\n", strerror(errno));
		return -1;
	}
	if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	return system("ip link set lo up");
}

static inline void run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static inline void run(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	int length = vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	assert_in_range(length, 1, sizeof(command) - 1);
	int status = system(command);
	if (status)
		fail_msg("status %d of: %s", status, command);
}

/* What a command prints, in a static buffer. */
static inline const char *output_of(const char *command)
{
	static char text[65536];
	FILE *pipe = popen(command, "re");

	assert_non_null(pipe);
	size_t size = fread(text, 1, sizeof(text) - 1, pipe);
	text[size] = '\0';
	assert_int_equal(pclose(pipe), 0);
	return text;
}

static inline void assert_output(const char *command, const char *part)
{
	const char *text = output_of(command);

	if (!strstr(text, part))
		fail_msg("%s: no \"%s\" in\n%s", command, part, text);
}

static inline void assert_no_output(const char *command, const char *part)
{
	const char *text = output_of(command);

	if (strstr(text, part))
		fail_msg("%s: \"%s\" in\n%s", command, part, text);
}

static inline void assert_ok(int err, const struct skep_error *error)
{
	if (err)
		fail_msg("%d: %s", err, error->text);
}

static inline void assert_error(int err, int wanted, const struct skep_error *error,
				const char *part)
{
	assert_int_equal(err, wanted);
	if (!strstr(error->text, part))
		fail_msg("no \"%s\" in: %s", part, error->text);
}

static inline int ifindex_of(const char *name)
{
	int ifindex = (int)if_nametoindex(name);

	if (!ifindex)
		fail_msg("there is no interface %s", name);
	return ifindex;
}

/*
 * A process in a network namespace of its own, as a container is. Links into it outlive
 * container_stop() for a moment: the kernel takes a namespace apart in its own time, so a test that
 * gives their names again removes them itself.
 */
static inline pid_t container_start(void)
{
	int ready[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		/* It goes with the test, however that ends. */
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || unshare(CLONE_NEWNET) < 0 ||
		    write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static inline void container_stop(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

#endif
