#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make bench-http: skep proxy beside nginx and HAProxy (Debian's) and no proxy at all; and its own ways of moving payload beside one another.
#
# One backend (http_backend.c), one client (http_load.c, 64 connections, 16 for 1 MiB, 8 for 10 MiB, each with a request at a time), loopback, in a network
# namespace of its own. For 1 worker: client and backend are on CPU 0 and the proxy is on CPU 1; for 2 workers: all may use both CPUs. $ROUNDS rounds (7); in
# each, every row is run on every proxy, one after another, for $SECONDS_EACH (1) after a tenth of that to warm up; medians are printed. CPU is
# what the proxy's processes used, user and system (cpu.stat of their cgroup). Then the rows of $RELAY_ROWS on skep with each of $RELAYS, with 1 worker;
# there CPU is that of client, proxy, backend and the kernel's workers, as who does the work is what differs. Then $IDLE (10000) clients that say nothing
# after their first request: how much the proxy's resident memory grew for each. BENCH_QUICK=1: 2 rounds. Never fails for a time.
#
# ROWS, WORKERS, PROXIES, RELAY_ROWS and RELAYS choose (RELAYS="": none; IDLE=0: no idle clients; a row that is a number: answers of so many bytes). Writes build/bench-http.json, from which
# http_tables.jq makes what is printed: the tables of docs/performance.md.
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=../lib/lib.sh
. selftests/lib/lib.sh
. selftests/lib/net.sh
. selftests/lib/proxy.sh
# shellcheck source=http_proxies.sh
. selftests/bench/http_proxies.sh

ROUNDS=${ROUNDS:-${BENCH_QUICK:+2}}
ROUNDS=${ROUNDS:-7}
export SECONDS_EACH=${SECONDS_EACH:-${BENCH_QUICK:+0.7}}
SECONDS_EACH=${SECONDS_EACH:-1}
IDLE=${IDLE:-10000}
ROWS=${ROWS-1k 100k 10m post close tls-full tls-resumed tls-1k tls-100k tunnel stream}
RELAY_ROWS=${RELAY_ROWS:-1k 16k 100k 1m 10m tunnel stream}
WORKERS=${WORKERS:-1 2}
PROXIES=${PROXIES:-skep nginx haproxy}

declare -A ROW_CONNECTIONS=([1m]=16 [10m]=8 [stream]=8) # 64 otherwise
declare -A ROW_ARGUMENTS=([1k]="/1024" [16k]="/16384" [100k]="/102400" [1m]="/1048576" [10m]="/10485760" [post]="/ post 102400" [close]="/1024 close"
	[tls-full]="/1024 tls-full" [tls-resumed]="/1024 tls-resumed" [tls-1k]="/1024 tls" [tls-100k]="/102400 tls"
	[tunnel]="/echo upgrade 1024 1024" [stream]="/10485760 upgrade 1 10485760")

cgroup() { # cgroup SYSTEM: all its processes are there
	echo "$RUN_DIR/cgroup/$RUN/$1"
}

cpu_us() { # cpu_us SYSTEM: that its processes have used, user and system
	[ "$1" = direct ] && echo 0 || awk '$1 == "usage_usec" { print $2 }' "$(cgroup "$1")/cpu.stat"
}

kernel_us() { # that the kernel's threads have used
	local pids
	pids=$(pgrep -P 2) # kthreadd's children; some end while they are read
	# shellcheck disable=SC2046,SC2086
	awk '{ ns += $1 } END { printf "%d\n", ns / 1000 }' $(printf '/proc/%s/schedstat ' $pids) 2>/dev/null
}

resident() { # resident PROXY: KiB
	sed 's,.*,/proc/&/status,' "$(cgroup "$1")/cgroup.procs" | xargs awk '$1 == "VmRSS:" { sum += $2 } END { print sum }'
}

measure() { # measure TABLE ROUND WORKERS ROW SYSTEM: "TABLE ROUND WORKERS ROW SYSTEM ALL REQUESTS SECONDS P50 P99 SYSTEM-US CLIENT-US BACKEND-US KERNEL-US"
	local system=$5 row=$4 own backend kernel figures tls=
	[[ $row != tls* ]] || tls=tls
	kernel=$(kernel_us)
	backend=$(cpu_us backend)
	own=$(cpu_us "$system")
	# shellcheck disable=SC2086
	figures=$(CONNECTIONS=${ROW_CONNECTIONS[$row]:-64} on bench taskset -c "$(others "$3")" "$RUN_DIR/http_load" "$(port_of "$system" $tls)" ${ROW_ARGUMENTS[$row]-/$row}) ||
		bail_out "$system, $row: the client failed"
	own=$(($(cpu_us "$system") - own))
	backend=$(($(cpu_us backend) - backend))
	kernel=$(($(kernel_us) - kernel))
	echo "$1 $2 $3 $row $system ${figures% *} $own ${figures##* } $backend $kernel" >>"$RUN_DIR/figures"
}

compare() { # compare TABLE WORKERS ROWS SYSTEMS
	local table=$1 workers=$2 system row round
	read -ra rows <<<"$3"
	read -ra systems <<<"$4"
	start backend taskset -c "$(others "$workers")" "$RUN_DIR/http_backend" $BACKEND_PORT
	within 5 answers $BACKEND_PORT >/dev/null || bail_out "the backend does not answer"
	for system in "${systems[@]}"; do [ "$system" = direct ] || system_start "$system" "$workers"; done
	for ((round = 0; round < ROUNDS; round++)); do
		for row in "${rows[@]}"; do
			for system in "${systems[@]}"; do
				# The backend speaks no TLS.
				[[ $row = tls* && $system = direct ]] || measure "$table" $round "$workers" "$row" "$system"
			done
		done
	done
	for system in "${systems[@]}"; do [ "$system" = direct ] || stop "$system"; done
	stop backend
}

idle() { # idle PROXY
	local before
	system_start "$1" 1
	on bench taskset -c 0 "$RUN_DIR/http_load" "$(port_of "$1")" /1024 >/dev/null || bail_out "$1: the client failed"
	before=$(resident "$1")
	mkfifo "$RUN_DIR/hold"
	CONNECTIONS=$IDLE on bench "$RUN_DIR/http_load" "$(port_of "$1")" /1024 idle <"$RUN_DIR/hold" >"$RUN_DIR/idle.$1" &
	exec 9>"$RUN_DIR/hold"
	within 60 grep -q idle "$RUN_DIR/idle.$1" || bail_out "$1: $IDLE clients are too many"
	echo "$1 $((($(resident "$1") - before) * 1024 / IDLE)) $before" >>"$RUN_DIR/idle"
	exec 9>&-
	wait $!
	rm "$RUN_DIR/hold"
	stop "$1"
}

run_begin
need awk jq nginx haproxy openssl pgrep taskset sysctl "${CC:-gcc}"
must build build/skep
must "${CC:-gcc}" -D_GNU_SOURCE -O2 -std=c11 -Wall -Wextra -Werror selftests/bench/http_backend.c -o "$RUN_DIR/http_backend"
must "${CC:-gcc}" -D_GNU_SOURCE -O2 -std=c11 -Wall -Wextra -Werror selftests/bench/http_load.c selftests/bench/http_tls.c -lssl -lcrypto -o "$RUN_DIR/http_load"
must certificate_make
must net_namespace bench
# What a namespace is born with is the machine's choice: BBR, say, whose pacing costs more than the proxies do.
must on bench sysctl -qw net.ipv4.tcp_congestion_control=reno
RELAYS=$(echo ${RELAYS-$(variants)})
touch "$RUN_DIR/figures" "$RUN_DIR/idle"
for workers in $WORKERS; do [ -z "$ROWS" ] || compare proxies "$workers" "$ROWS" "$PROXIES direct"; done
[ -z "$RELAYS" ] || compare relays 1 "$RELAY_ROWS" "$RELAYS"
if [ "$IDLE" -gt 0 ]; then
	start backend "$RUN_DIR/http_backend" $BACKEND_PORT
	within 5 answers $BACKEND_PORT >/dev/null || bail_out "the backend does not answer"
	for proxy in $PROXIES; do idle "$proxy"; done
fi

mkdir -p build
jq -n -R --rawfile idle "$RUN_DIR/idle" --arg date "$(date +%F)" --arg kernel "$(uname -r)" --argjson cpus "$(nproc)" --argjson rounds "$ROUNDS" \
	--argjson seconds "$SECONDS_EACH" -f selftests/bench/http_figures.jq <"$RUN_DIR/figures" >build/bench-http.json || bail_out "no figures"
jq -r -f selftests/bench/http_tables.jq build/bench-http.json
