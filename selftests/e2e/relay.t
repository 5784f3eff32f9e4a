#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Payload arrives byte for byte, whichever way the proxy moves it: requests, answers and tunnels of random sizes, with slow
# readers and early closes on both sides. TRANSFERS of them (10000) for each way.
. "$(dirname "$0")/../lib/lib.sh"
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/proxy.sh"
run_begin
must build build/skep build/selftests/relay_transfers
TRANSFERS=${TRANSFERS:-10000}
PROXY_PORT=8000
TASK_PORT=8001

must net_namespace one
# Little room between the ends: who reads slowly is soon waited for.
must on one sysctl -qw net.ipv4.tcp_wmem="4096 16384 65536" net.ipv4.tcp_rmem="4096 32768 131072"

proxy_start() { # proxy_start RELAY
	local dir=$RUN_DIR/skep.$1
	mkdir -p "$dir" || return 1
	proxy_last_word it "$TASK_PORT" >"$dir/last"
	spawn "skep.$1" nsenter --net="/run/netns/$(netns one)" "$SKEP" proxy --http 127.0.0.1:$PROXY_PORT --run-dir "$dir" \
		--agent "$RUN_DIR/none.sock" --workers 2 --relay "$1"
	within 10 on one bash -c "exec 3<>/dev/tcp/127.0.0.1/$PROXY_PORT" 2>/dev/null
}

transfer() { # transfer N [polite|stuck]
	local counts
	counts=$(on one "$ROOT/build/selftests/relay_transfers" $PROXY_PORT $TASK_PORT "$1" "${SEED:-1}" ${2:+"$2"} 2>&1) || {
		echo "$counts" | tail -n 20
		return 1
	}
	diag "$counts"
	eval "$counts"
	# shellcheck disable=SC2154 # set by that line
	[ "$transfers" -eq "$1" ] && [ "$bytes" -gt 0 ] && { [ -n "${2:-}" ] || [ "$cut" -gt 0 ]; }
}

counted() { # counted RELAY copied|spliced
	sed -n "s/^skep_proxy_$2_bytes_total //p" "$RUN_DIR/skep.$1/metrics.prom"
}

moved_only() { # moved_only RELAY copied|spliced BYTES: and none by the other means
	local other=copied
	[ "$2" = copied ] && other=spliced
	is "$3" counted "$1" "$2" && is 0 counted "$1" "$other"
}

moved_both() { # moved_both RELAY
	[ "$(counted "$1" copied)" -gt 0 ] && [ "$(counted "$1" spliced)" -gt 0 ]
}

for relay in copy splice; do
	must proxy_start $relay
	bytes=0
	check "$relay: tunnels in which each side waits for the other arrive whole" transfer 100 polite
	means=spliced
	[ $relay = copy ] && means=copied
	check "$relay: all their bytes were $means, not one by the other means" within 10 moved_only $relay $means "$bytes"
	check "$relay: $TRANSFERS transfers arrive byte for byte" transfer "$TRANSFERS"
	stop skep.$relay
done
must proxy_start auto
check "auto: tunnels in which each side waits for the other arrive whole" transfer 100 polite
check "auto: what came little by little was copied, what streamed was spliced" within 10 moved_both auto
check "auto: $TRANSFERS transfers arrive byte for byte" transfer "$TRANSFERS"
stop skep.auto

must on one sysctl -qw net.ipv4.tcp_wmem="4096 16384 4194304" net.ipv4.tcp_rmem="4096 131072 6291456"
for relay in copy splice auto; do
	must proxy_start $relay
	check "$relay: one way goes on though nobody reads what comes the other, and all of that comes at last" transfer 3 stuck
	check "$relay: of 256 MiB for a reader that reads nothing, less than 32 are taken" [ "$bytes" -lt $((32 * 1024 * 1024)) ]
	stop skep.$relay
done
check "what is none of the means is refused" contains "none of auto, copy, splice" \
	bash -c "'$SKEP' proxy --relay sockmap 2>&1; true"
