#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# All of file.t with XDP in force on every node's wire.
DATAPATH=xdp
. "$(dirname "$0")/file.t"
