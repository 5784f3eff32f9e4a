/* SPDX-License-Identifier: GPL-2.0-only */
/* What the proxy may do once its sockets are open: it faces the world. */
#ifndef SKEP_PROXY_PRIVILEGES_H
#define SKEP_PROXY_PRIVILEGES_H

#include "lib/error.h"

/*
 * Becomes the user, with that user's groups, if one is named and this is root; and keeps of all
 * capabilities only CAP_NET_BIND_SERVICE, which a successor needs for entries that are new to it.
 * The directory becomes the user's.
 */
int privileges_drop(const char *user, const char *directory, struct skep_error *error);

#endif
