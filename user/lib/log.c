/* SPDX-License-Identifier: GPL-2.0-only */
#include "lib/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_SIZE 2048

static const struct {
	const char *name;
	char priority; /* syslog's, see sd-daemon(3) */
} levels[] = {
	[LOG_LEVEL_ERROR] = {"error", '3'},
	[LOG_LEVEL_WARNING] = {"warning", '4'},
	[LOG_LEVEL_INFO] = {"info", '6'},
	[LOG_LEVEL_DEBUG] = {"debug", '7'},
};

static enum log_level threshold = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	threshold = level;
}

int log_level_parse(const char *text, enum log_level *level)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(text, levels[i].name) == 0) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

/*
 * JOURNAL_STREAM names the journal's socket as device:inode, and is inherited by children whose
 * stderr went elsewhere: so compare (systemd.exec(5)).
 */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat status;
	char own[64];

	if (!stream || fstat(STDERR_FILENO, &status) != 0)
		return false;
	snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
	return strcmp(stream, own) == 0;
}

static size_t write_head(char *line, size_t size, enum log_level level)
{
	struct timespec now;
	struct tm local;
	size_t used;

	if (stderr_is_journal()) {
		snprintf(line, size, "<%c>", levels[level].priority);
		return strlen(line);
	}
	clock_gettime(CLOCK_REALTIME, &now);
	used = localtime_r(&now.tv_sec, &local) ? strftime(line, size, "%FT%T", &local) : 0;
	snprintf(line + used, size - used, ".%03ld %s: ", now.tv_nsec / 1000000,
		 levels[level].name);
	return used + strlen(line + used);
}

__attribute__((format(printf, 2, 0))) static void write_line(enum log_level level,
							     const char *format, va_list args)
{
	char line[LINE_SIZE];
	size_t head, length;

	if (level > threshold)
		return;

	int saved_errno = errno;
	head = write_head(line, sizeof(line), level);
	vsnprintf(line + head, sizeof(line) - head, format, args);
	length = strlen(line);
	/* What is quoted from elsewhere must not make up lines of its own. */
	for (size_t i = head; i < length; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[length++] = '\n';

	/* In one write, so that lines of several processes do not mix. Nobody can be told of a
	 * failure. */
	ssize_t written;
	do
		written = write(STDERR_FILENO, line, length);
	while (written < 0 && errno == EINTR);
	errno = saved_errno;
}

void log_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_line(LOG_LEVEL_ERROR, format, args);
	va_end(args);
}

void log_warning(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_line(LOG_LEVEL_WARNING, format, args);
	va_end(args);
}

void log_info(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_line(LOG_LEVEL_INFO, format, args);
	va_end(args);
}

void log_debug(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_line(LOG_LEVEL_DEBUG, format, args);
	va_end(args);
}
