/* SPDX-License-Identifier: GPL-2.0-only */
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/clean.h"

static void say(const char *format, va_list arguments)
{
	char *text = NULL;

	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	fputs("skep: ", stderr);
	clean_line(text ? text : format, stderr);
	free(text);
}

void cli_error(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(format, arguments);
	va_end(arguments);
}

int cli_failure(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(format, arguments);
	va_end(arguments);
	return CLI_FAILURE;
}

int cli_usage(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(format, arguments);
	va_end(arguments);
	return CLI_USAGE;
}

int cli_flush(int status)
{
	int err = fflush(stdout) ? errno : 0;

	/* A reader that has seen enough (`skep flows | head`) is no failure of ours. */
	if ((err && err != EPIPE) || (!err && ferror(stdout)))
		return cli_failure("cannot write to standard output: %s",
				   err ? strerror(err) : "earlier output was lost");
	return status;
}
