#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# bench.sh packet|network…: make bench. Runs the parts, prints their tables, writes build/bench.json. Says what was measured, never
# whether that is good: exits with an error only if something could not be measured. BENCH_QUICK=1: fewer and shorter runs.
set -euo pipefail
cd "$(dirname "$0")/../.."

quick=${BENCH_QUICK:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

machine() {
	jq -n --arg date "$(date +%F)" --arg kernel "$(uname -r)" --argjson cpus "$(nproc)" \
		--arg cpu "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" \
		--arg load "$(cut -d ' ' -f 1 /proc/loadavg)" \
		--argjson quick "${quick:-0}" '{$date, $kernel, $cpus, $cpu, load_before: ($load | tonumber), quick: ($quick == 1)}'
}

packet() {
	build/bench/packet ${quick:+--rounds 3 --repeat 200000} >"$work/packet.json"
	printf '%-46s %8s %8s %8s\n' "ns per packet, 64-byte TCP, net of the wrapper" least median most
	jq -r '.[] | [.row, .least, .median, .most] | @tsv' "$work/packet.json" |
		while IFS=$'\t' read -r row least median most; do
			LC_ALL=C printf '%-46s %8.1f %8.1f %8.1f\n' "$row" "$least" "$median" "$most"
		done
	echo
}

network() {
	BENCH_QUICK=$quick selftests/bench/network.sh "$work/network.json"
}

machine >"$work/machine.json"
for part; do
	case $part in
	packet | network) "$part" ;;
	*)
		echo "bench.sh: no part is called $part; there are packet, network" >&2
		exit 2
		;;
	esac
done
for part; do jq "{$part: .}" "$work/$part.json"; done | jq -s --slurpfile machine "$work/machine.json" \
	'{machine: $machine[0]} + add' >"$work/bench.json"
mv "$work/bench.json" build/bench.json
