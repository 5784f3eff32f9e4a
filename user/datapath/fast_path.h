/* SPDX-License-Identifier: GPL-2.0-only */
/* This build's XDP program, loaded on the same maps as the tc programs. */
#ifndef SKEP_DATAPATH_FAST_PATH_H
#define SKEP_DATAPATH_FAST_PATH_H

#include "datapath/datapath.h"
#include "datapath/programs.h"
#include "datapath/xdp.h"
#include "lib/error.h"

/*
 * Loads what config asks for, and opens the links that are there. A kernel that does not take the
 * program is an error with DATAPATH_XDP only; else xdp_wires() tells.
 */
int fast_path_open(struct xdp **xdp, const struct datapath_config *config,
		   const struct programs *programs, struct skep_error *error);

#endif
