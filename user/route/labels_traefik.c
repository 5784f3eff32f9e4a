/* SPDX-License-Identifier: GPL-2.0-only */
#include "route/build.h"
void route_read_traefik(struct route_build *build)
{
	(void)build;
}
