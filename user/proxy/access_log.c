/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/poll.h>
#include <unistd.h>

#include "lib/log.h"

#define RING_SIZE (256U * 1024) /* a power of two */
#define FLUSH_MS  200
#define WAKE_AT	  (RING_SIZE / 4)

/* One writer, the worker, and one reader, the log's thread; positions only grow. */
struct ring {
	_Alignas(64) atomic_size_t head; /* the worker's */
	_Alignas(64) atomic_size_t tail; /* the thread's */
	_Alignas(64) atomic_uint_fast64_t dropped;
	char data[RING_SIZE];
};

struct access_log {
	pthread_t thread;
	bool running;
	int fd, wake_fd;
	char *path;
	atomic_bool reopen, stop;
	size_t n;
	struct ring *rings;
};

static int log_file_open(const char *path)
{
	if (strcmp(path, "-") == 0)
		return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

void access_log_put(struct access_log *log, size_t worker, const char *line, size_t size)
{
	struct ring *ring = &log->rings[worker];
	size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	size_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
	size_t at = head % RING_SIZE, first = RING_SIZE - at;

	if (size > RING_SIZE - (head - tail)) {
		atomic_fetch_add_explicit(&ring->dropped, 1, memory_order_relaxed);
		return;
	}
	if (first > size)
		first = size;
	memcpy(ring->data + at, line, first);
	memcpy(ring->data, line + first, size - first);
	atomic_store_explicit(&ring->head, head + size, memory_order_release);
	/* Once on its way past the mark; what is less waits for the thread's next look. */
	if (head - tail < WAKE_AT && head + size - tail >= WAKE_AT)
		eventfd_write(log->wake_fd, 1);
}

/* What cannot be written is lost: a full disk must not stop the proxy. */
static void write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			struct pollfd ready = {.fd = fd, .events = POLLOUT};

			poll(&ready, 1, FLUSH_MS);
			continue;
		}
		if (n <= 0)
			return;
		data += n;
		size -= (size_t)n;
	}
}

static void drain(struct access_log *log, struct ring *ring)
{
	size_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
	size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	while (tail != head) {
		size_t at = tail % RING_SIZE, part = head - tail;

		if (part > RING_SIZE - at)
			part = RING_SIZE - at;
		write_all(log->fd, ring->data + at, part);
		tail += part;
		atomic_store_explicit(&ring->tail, tail, memory_order_release);
	}
}

static void reopen(struct access_log *log)
{
	int fd = log_file_open(log->path);

	if (fd < 0) {
		log_warning("cannot open the access log %s anew, the old file goes on: %s",
			    log->path, strerror(errno));
		return;
	}
	close(log->fd);
	log->fd = fd;
}

static void *run(void *context)
{
	struct access_log *log = context;
	bool stop;

	do {
		struct pollfd wake = {.fd = log->wake_fd, .events = POLLIN};
		eventfd_t count;

		/* The ring's own pace: lines are written together. */
		if (poll(&wake, 1, FLUSH_MS) > 0)
			eventfd_read(log->wake_fd, &count);
		stop = atomic_load(&log->stop);
		if (atomic_exchange(&log->reopen, false))
			reopen(log);
		for (size_t i = 0; i < log->n; i++)
			drain(log, &log->rings[i]);
	} while (!stop);
	return NULL;
}

int access_log_open(struct access_log **result, const char *path, size_t workers,
		    struct skep_error *error)
{
	struct access_log *log = calloc(1, sizeof(*log));
	int err = log ? 0 : -ENOMEM;

	if (err)
		return error_errno(error, err, "cannot open the access log");
	log->fd = log->wake_fd = -1;
	log->n = workers;
	log->path = strdup(path);
	log->rings = aligned_alloc(64, workers * sizeof(*log->rings));
	log->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!log->path || !log->rings || log->wake_fd < 0) {
		err = error_errno(error, log->wake_fd < 0 && log->rings ? -errno : -ENOMEM,
				  "cannot open the access log");
		goto cleanup;
	}
	memset(log->rings, 0, workers * sizeof(*log->rings));
	log->fd = log_file_open(path);
	if (log->fd < 0) {
		err = error_errno(error, -errno, "cannot open the access log %s", path);
		goto cleanup;
	}
	*result = log;
	return 0;
cleanup:
	access_log_close(log);
	return err;
}

int access_log_start(struct access_log *log, struct skep_error *error)
{
	sigset_t all, old;
	int err;

	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = -pthread_create(&log->thread, NULL, run, log);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		return error_errno(error, err, "cannot start the access log's thread");
	log->running = true;
	return 0;
}

void access_log_reopen(struct access_log *log)
{
	atomic_store(&log->reopen, true);
	eventfd_write(log->wake_fd, 1);
}

uint64_t access_log_dropped(const struct access_log *log)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < log->n; i++)
		sum += atomic_load_explicit(&log->rings[i].dropped, memory_order_relaxed);
	return sum;
}

void access_log_close(struct access_log *log)
{
	if (!log)
		return;
	if (log->running) {
		atomic_store(&log->stop, true);
		eventfd_write(log->wake_fd, 1);
		pthread_join(log->thread, NULL);
	}
	if (log->fd >= 0)
		close(log->fd);
	if (log->wake_fd >= 0)
		close(log->wake_fd);
	free(log->path);
	free(log->rings);
	free(log);
}
