/* SPDX-License-Identifier: GPL-2.0-only */
#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads until the end or until size bytes are there; the number of bytes or a negative errno. */
static ssize_t read_up_to(int fd, char *data, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = read(fd, data + done, size - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int file_read(const char *path, size_t limit, char **data, size_t *size, struct skep_error *error)
{
	char *buffer = NULL;
	size_t used = 0, room;
	struct stat status;
	int err = 0, fd;

	/* Without O_NONBLOCK the open itself would wait for a FIFO's writer. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return error_errno(error, -errno, "cannot open %s", path);
	if (fstat(fd, &status) < 0) {
		err = error_errno(error, -errno, "cannot read %s", path);
		goto cleanup;
	}
	if (!S_ISREG(status.st_mode)) {
		err = error_set(error, S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL,
				"cannot read %s: not a regular file", path);
		goto cleanup;
	}

	/* The size is a hint: files of /proc say 0, and a file may grow meanwhile. */
	room = (size_t)status.st_size < limit ? (size_t)status.st_size + 1 : limit;
	for (;;) {
		char *grown = realloc(buffer, room + 1);
		if (!grown) {
			err = error_errno(error, -ENOMEM, "cannot read %s", path);
			goto cleanup;
		}
		buffer = grown;
		ssize_t n = read_up_to(fd, buffer + used, room - used);
		if (n < 0) {
			err = error_errno(error, (int)n, "cannot read %s", path);
			goto cleanup;
		}
		used += (size_t)n;
		if (used < room)
			break;
		if (room > limit) {
			err = error_set(error, -EFBIG, "cannot read %s: larger than %zu bytes",
					path, limit);
			goto cleanup;
		}
		room = room < limit / 2 ? room * 2 : limit + 1;
	}
	buffer[used] = '\0';
	*data = buffer;
	*size = used;
	buffer = NULL;
cleanup:
	free(buffer);
	close(fd);
	return err;
}

static int write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

/* Makes a rename in it last. */
static int sync_directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char directory[PATH_MAX];
	int err = 0, fd;

	/* As much as open() would take; "/file" is in "/", "file" in ".". */
	if (!slash)
		snprintf(directory, sizeof(directory), ".");
	else
		snprintf(directory, sizeof(directory), "%.*s",
			 slash == path ? 1 : (int)(slash - path), path);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		err = -errno;
	close(fd);
	return err;
}

int file_replace(const char *path, const void *data, size_t size, struct skep_error *error)
{
	char temporary[PATH_MAX];
	bool made = false;
	int err, fd = -1;

	if ((size_t)snprintf(temporary, sizeof(temporary), "%s.tmp", path) >= sizeof(temporary))
		return error_errno(error, -ENAMETOOLONG, "cannot write %s", path);

	/* A leftover of a crash; O_EXCL then makes sure that it is nobody else's file or link. */
	if (unlink(temporary) < 0 && errno != ENOENT)
		return error_errno(error, -errno, "cannot remove %s", temporary);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(error, -errno, "cannot create %s", temporary);
	made = true;

	err = write_all(fd, data, size);
	if (!err && fsync(fd) < 0)
		err = -errno;
	if (close(fd) < 0 && !err)
		err = -errno;
	if (err) {
		error_errno(error, err, "cannot write %s", temporary);
		goto cleanup;
	}
	if (rename(temporary, path) < 0) {
		err = error_errno(error, -errno, "cannot rename %s to %s", temporary, path);
		goto cleanup;
	}
	made = false;
	err = sync_directory_of(path);
	if (err)
		error_errno(error, err, "cannot sync the directory of %s", path);
cleanup:
	if (made)
		unlink(temporary);
	return err;
}

/* One level. That it is there already is fine if it is a directory. */
static int make_one(const char *path)
{
	struct stat status;

	if (mkdir(path, 0755) == 0)
		return 0;
	int err = -errno;
	if (stat(path, &status) < 0)
		return err;
	return S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
}

int directory_make(const char *path, struct skep_error *error)
{
	char prefix[PATH_MAX];
	size_t length = strlen(path);
	int err;

	if (length == 0)
		return error_errno(error, -ENOENT, "cannot make a directory of no name");
	if (length >= sizeof(prefix))
		return error_errno(error, -ENAMETOOLONG, "cannot make directory %s", path);
	memcpy(prefix, path, length + 1);

	for (size_t i = 1; i <= length; i++) {
		if (prefix[i] != '/' && prefix[i] != '\0')
			continue;
		char saved = prefix[i];
		prefix[i] = '\0';
		err = make_one(prefix);
		if (err)
			return error_errno(error, err, "cannot make directory %s", prefix);
		prefix[i] = saved;
	}
	return 0;
}
