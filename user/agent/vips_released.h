/* SPDX-License-Identifier: GPL-2.0-only */
/* A list of addresses in a file, one a line: the VIPs that the operator released. */
#ifndef SKEP_AGENT_VIPS_RELEASED_H
#define SKEP_AGENT_VIPS_RELEASED_H

#include <stddef.h>

#include "agent/config.h"
#include "lib/error.h"

struct vips_released {
	struct skep_addr addrs[CONFIG_MAX_VIPS];
	size_t n;
};

/* No file: none. -EINVAL: it holds something else than addresses, or too many. */
int vips_released_read(const char *run_dir, struct vips_released *released,
		       struct skep_error *error);
int vips_released_write(const char *run_dir, const struct vips_released *released,
			struct skep_error *error);

#endif
