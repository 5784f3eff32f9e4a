#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# stats.sh OBJECT...: for each program of a BPF object, as the running kernel sees it: its instructions, those that the verifier walked
# through, bytes of machine code, bytes of stack. Root.
set -euo pipefail

if [ $# -eq 0 ]; then
	echo "usage: ${0##*/} OBJECT..." >&2
	exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

"${CC:-gcc}" -D_GNU_SOURCE -O2 -std=c11 -Wall -Wextra -Werror "$(dirname "$0")/stats.c" -lbpf -o "$work/stats"
"$work/stats" "$@"
