/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The proxy: HTTP by host and path, to the tasks of the service that asked for it by a label. A
 * process of its own, beside the agent, whose model it follows; a main thread that knows all, and
 * workers that serve.
 */
#ifndef SKEP_PROXY_PROXY_H
#define SKEP_PROXY_PROXY_H

#include "proxy/config.h"

/* Runs until it is told to stop. argv: the whole command line, for a successor. Returns 0, or a
 * negative errno that was logged. */
int proxy_run(const struct proxy_config *config, char *const argv[]);

#endif
