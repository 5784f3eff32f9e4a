#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# All of file.t with XDP in force on every node's wire and replies straight to the client.
DATAPATH=xdp
RETURN=dsr
. "$(dirname "$0")/file.t"
