#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Debian 12's own kernel, which most users' nodes run: its verifier takes all programs, and they do their work. KERNEL=6.12: another of Debian's.
exec "$(dirname "$0")/boot.sh" "${KERNEL:-6.1}" selftests/kernel/inside.sh
