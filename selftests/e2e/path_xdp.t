#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# All of path.t with XDP in force on every node's wire.
DATAPATH=xdp
. "$(dirname "$0")/path.t"
