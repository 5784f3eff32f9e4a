/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The agent's log: a line on stderr each, with systemd's <N> priority in front when stderr is the
 * journal (JOURNAL_STREAM), else with a time stamp. Never blocks on anything but stderr.
 */
#ifndef SKEP_LIB_LOG_H
#define SKEP_LIB_LOG_H

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/* Lines above this level are not written; INFO at the start. */
void log_set_level(enum log_level level);

/* "error", "warning", "info", "debug": 0 and *level, else -EINVAL. */
int log_level_parse(const char *text, enum log_level *level);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
