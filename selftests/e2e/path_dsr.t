#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# All of path.t with replies straight to the client.
RETURN=dsr
. "$(dirname "$0")/path.t"
