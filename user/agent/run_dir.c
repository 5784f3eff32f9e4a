/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/run_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"

#define PID_PATH_SIZE 512

static void pid_path(char path[PID_PATH_SIZE], const char *directory)
{
	snprintf(path, PID_PATH_SIZE, "%s/skep.pid", directory);
}

/* The last holder removes the file: a lock on one that is no longer there locks nothing. */
static bool still_there(int fd, const char *path)
{
	struct stat held, named;

	return !fstat(fd, &held) && !stat(path, &named) && held.st_dev == named.st_dev &&
	       held.st_ino == named.st_ino;
}

static int busy(int fd, const char *directory, struct skep_error *error)
{
	char pid[16] = "";
	ssize_t size = pread(fd, pid, sizeof(pid) - 1, 0);

	pid[size > 0 ? size : 0] = '\0';
	pid[strspn(pid, "0123456789")] = '\0';
	return error_set(error, -EBUSY,
			 "an agent runs already with the run directory %s (process %s): stop it, "
			 "or give this one its own --run-dir, --state-dir and --bpffs",
			 directory, *pid ? pid : "not known");
}

int run_dir_lock(const char *directory, int *result, struct skep_error *error)
{
	char path[PID_PATH_SIZE];
	int fd = -1, err;

	err = directory_make(directory, error);
	if (err)
		return err;
	pid_path(path, directory);
	do {
		if (fd >= 0)
			close(fd);
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
		if (fd < 0)
			return error_errno(error, -errno, "cannot open %s", path);
		if (flock(fd, LOCK_EX | LOCK_NB)) {
			err = errno == EWOULDBLOCK
				      ? busy(fd, directory, error)
				      : error_errno(error, -errno, "cannot lock %s", path);
			goto cleanup;
		}
	} while (!still_there(fd, path));
	if (ftruncate(fd, 0) || dprintf(fd, "%d\n", getpid()) < 0) {
		err = error_errno(error, -errno, "cannot write %s", path);
		goto cleanup;
	}
	*result = fd;
	return 0;

cleanup:
	close(fd);
	return err;
}

void run_dir_unlock(const char *directory, int fd)
{
	char path[PID_PATH_SIZE];

	if (fd < 0)
		return;
	pid_path(path, directory);
	unlink(path);
	close(fd);
}
