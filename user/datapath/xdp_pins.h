/* SPDX-License-Identifier: GPL-2.0-only */
/* Where the XDP program's links are pinned: BPFFS/links/xdp-IFINDEX. */
#ifndef SKEP_DATAPATH_XDP_PINS_H
#define SKEP_DATAPATH_XDP_PINS_H

#include <limits.h>

#include "lib/error.h"

int xdp_pins_directory(const char *bpffs, char path[PATH_MAX], struct skep_error *error);
int xdp_pin_path(const char *directory, int ifindex, char path[PATH_MAX]);
int xdp_pin(const char *directory, int ifindex, int link, struct skep_error *error);

/* Calls each() for every pin until one fails; a directory that is not there has none. */
int xdp_pins_each(const char *directory,
		  int (*each)(void *context, int ifindex, const char *path,
			      struct skep_error *error),
		  void *context, struct skep_error *error);

#endif
