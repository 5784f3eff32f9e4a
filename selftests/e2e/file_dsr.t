#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# All of file.t with replies straight to the client.
RETURN=dsr
. "$(dirname "$0")/file.t"
