/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Errors for people. A function that can fail returns 0 or a negative errno, and where it alone
 * knows what, on what and why, it says so in a struct skep_error; whoever reports to a person adds
 * what to do, and reports it once.
 */
#ifndef SKEP_LIB_ERROR_H
#define SKEP_LIB_ERROR_H

struct skep_error {
	char text[512]; /* one line, no newline, cut to fit */
};

/* Sets the text and returns err (negative), so that `return error_set(e, -EINVAL, …)` is one line.
 */
int error_set(struct skep_error *error, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same, with ": " and strerror(-err) at the end. */
int error_errno(struct skep_error *error, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts a context in front: "context: text". Returns err. */
int error_prefix(struct skep_error *error, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
