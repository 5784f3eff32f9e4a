/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A file of the model's JSON form as a source. The directory is watched, not the file: editors and
 * file_replace() rename a new one into place, and it may be gone for a while.
 */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "source/source.h"

#define FILE_LIMIT ((size_t)256 << 20)
/* A directory that is not there (yet, or no more) is looked for this often. */
#define DIRECTORY_RETRY_MS 1000
/* Writers write in pieces: read when it has been quiet for so long. */
#define SETTLE_MS 10

struct file_source {
	struct source source;
	struct loop *loop;
	struct source_receiver receiver;
	char *path;
	char *directory; /* both point into buffers of their own: dirname() and basename() write */
	char *name;
	char *directory_buffer;
	char *name_buffer;
	struct loop_watch watch; /* fd: inotify's */
	int directory_watch;	 /* inotify's; -1: none */
	struct loop_timer timer; /* to read, after a change */
	struct loop_timer retry; /* to watch the directory */
	uint64_t reported;	 /* hash of the file that was reported last */
	bool has_reported;
	struct skep_error problem; /* of the file; "": none */
};

static void note_problem(struct file_source *file, const struct skep_error *error)
{
	if (strcmp(file->problem.text, error->text) != 0)
		log_warning("%s%s", error->text,
			    file->has_reported ? "; the last good model stays in force" : "");
	file->problem = *error;
}

static void read_file(struct file_source *file)
{
	struct model *model = NULL;
	struct skep_error error;
	char *text = NULL;
	size_t size;
	int err = file_read(file->path, FILE_LIMIT, &text, &size, &error);

	if (err) {
		note_problem(file, &error);
		return;
	}
	uint64_t hash = hash_bytes(HASH_START, text, size);
	if (file->has_reported && hash == file->reported) {
		file->problem.text[0] = '\0';
		goto cleanup;
	}
	if (model_parse(text, size, &model, &error)) {
		error_prefix(&error, 0, "%s", file->path);
		note_problem(file, &error);
		goto cleanup;
	}
	file->problem.text[0] = '\0';
	file->reported = hash;
	file->has_reported = true;
	file->receiver.model(file->receiver.context, model);
cleanup:
	free(text);
}

static void timer_expired(struct loop_timer *timer)
{
	read_file(container_of(timer, struct file_source, timer));
}

static void watch_directory(struct file_source *file)
{
	file->directory_watch = inotify_add_watch(
		file->watch.fd, file->directory,
		IN_CLOSE_WRITE | IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
			IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR);
	if (file->directory_watch < 0)
		loop_arm(file->loop, &file->retry, DIRECTORY_RETRY_MS);
}

static void retry_expired(struct loop_timer *timer)
{
	struct file_source *file = container_of(timer, struct file_source, retry);

	watch_directory(file);
	if (file->directory_watch >= 0)
		loop_arm(file->loop, &file->timer, 0);
}

static void directory_changed(struct loop_watch *watch, uint32_t events)
{
	struct file_source *file = container_of(watch, struct file_source, watch);
	_Alignas(struct inotify_event) char
		buffer[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)];
	bool changed = false, lost = false;
	ssize_t size;

	(void)events;
	while ((size = read(watch->fd, buffer, sizeof(buffer))) > 0) {
		const struct inotify_event *event;
		for (char *at = buffer; at < buffer + size; at += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)at;
			if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED))
				lost |= event->wd == file->directory_watch;
			else if (event->mask & IN_Q_OVERFLOW)
				changed = true;
			else
				changed |= event->len > 0 && strcmp(event->name, file->name) == 0;
		}
	}
	if (lost) {
		(void)inotify_rm_watch(watch->fd, file->directory_watch); /* moved: still there */
		watch_directory(file);
		changed = true;
	}
	if (changed)
		loop_arm(file->loop, &file->timer, SETTLE_MS);
}

static void file_status(const struct source *source, struct source_status *status)
{
	const struct file_source *file = container_of(source, struct file_source, source);

	if (file->problem.text[0]) {
		status->state = file->has_reported ? SOURCE_STALE : SOURCE_STARTING;
		snprintf(status->text, sizeof(status->text), "%s", file->problem.text);
		return;
	}
	status->state = file->has_reported ? SOURCE_CURRENT : SOURCE_STARTING;
	snprintf(status->text, sizeof(status->text), "file %.*s", (int)sizeof(status->text) - 8,
		 file->path);
}

static void file_refresh(struct source *source)
{
	struct file_source *file = container_of(source, struct file_source, source);

	loop_arm(file->loop, &file->timer, 0);
}

static void file_close(struct source *source)
{
	struct file_source *file = container_of(source, struct file_source, source);

	loop_disarm(file->loop, &file->timer);
	loop_disarm(file->loop, &file->retry);
	if (file->watch.fd >= 0) {
		loop_remove(file->loop, &file->watch);
		close(file->watch.fd);
	}
	free(file->path);
	free(file->directory_buffer);
	free(file->name_buffer);
	free(file);
}

static const struct source_operations operations = {
	.status = file_status,
	.refresh = file_refresh,
	.close = file_close,
};

int source_file_open(struct source **source, struct loop *loop, const char *path,
		     const struct source_receiver *receiver, struct skep_error *error)
{
	struct file_source *file = calloc(1, sizeof(*file));
	int err = 0;

	if (!file)
		return error_errno(error, -ENOMEM, "cannot follow %s", path);
	file->source.operations = &operations;
	file->loop = loop;
	file->receiver = *receiver;
	file->watch = (struct loop_watch){.fd = -1, .ready = directory_changed};
	file->timer.expired = timer_expired;
	file->retry.expired = retry_expired;
	file->path = strdup(path);
	file->directory_buffer = strdup(path);
	file->name_buffer = strdup(path);
	if (!file->path || !file->directory_buffer || !file->name_buffer) {
		err = error_errno(error, -ENOMEM, "cannot follow %s", path);
		goto cleanup;
	}
	file->directory = dirname(file->directory_buffer);
	file->name = basename(file->name_buffer);
	file->watch.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (file->watch.fd < 0) {
		err = error_errno(error, -errno, "cannot watch %s", path);
		goto cleanup;
	}
	err = loop_add(loop, &file->watch, EPOLLIN);
	if (err) {
		error_errno(error, err, "cannot watch %s", path);
		goto cleanup;
	}
	/* Watched before it is read, so that no change falls between. */
	watch_directory(file);
	loop_arm(loop, &file->timer, 0);
	*source = &file->source;
	file = NULL;
cleanup:
	if (file)
		file_close(&file->source);
	return err;
}
