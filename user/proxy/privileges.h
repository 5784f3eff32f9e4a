/* SPDX-License-Identifier: GPL-2.0-only */
/* What the proxy may do: it faces the world. */
#ifndef SKEP_PROXY_PRIVILEGES_H
#define SKEP_PROXY_PRIVILEGES_H

#include "lib/error.h"

/*
 * Becomes the user, with that user's groups, if one is named and this is root; and keeps of all
 * capabilities only CAP_NET_BIND_SERVICE, for its entries. The directory becomes the user's, and
 * the log if it is a file ("", "-": none), which a successor has to open again.
 */
int privileges_drop(const char *user, const char *directory, const char *log,
		    struct skep_error *error);

#endif
