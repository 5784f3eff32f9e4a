#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make bench-http: skep proxy beside nginx and HAProxy (Debian's), and no proxy at all.
#
# One backend (http_backend.c), one client (http_load.c, 64 connections, 8 for 10 MiB, each with a request at a time), loopback, in a network namespace of its own.
# For 1 worker: client and backend are on CPU 0 and the proxy is on CPU 1; for 2 workers: all may use both CPUs. $ROUNDS rounds (7); in each, every row
# is run on every proxy, one after another, for $SECONDS_EACH (1) after a tenth of that to warm up; medians are printed. CPU is what the proxy's
# processes used, user and system (cpu.stat of their cgroup), for 100,000 requests. Then $IDLE (10000) clients that say nothing after their first
# request: how much the proxy's resident memory grew for each. BENCH_QUICK=1: 2 rounds. Never fails for a time.
# ROWS, WORKERS and PROXIES choose. Prints a table, writes build/bench-http.json.
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=../lib/lib.sh
. selftests/lib/lib.sh
. selftests/lib/net.sh
. selftests/lib/proxy.sh

ROUNDS=${ROUNDS:-${BENCH_QUICK:+2}}
ROUNDS=${ROUNDS:-7}
export SECONDS_EACH=${SECONDS_EACH:-${BENCH_QUICK:+0.7}}
SECONDS_EACH=${SECONDS_EACH:-1}
IDLE=${IDLE:-10000}
ROWS=${ROWS:-1k 100k 10m post close}
WORKERS=${WORKERS:-1 2}
PROXIES=${PROXIES:-skep nginx haproxy}
BACKEND_PORT=18080

declare -A ROW_NAME=([1k]="1 KiB" [100k]="100 KiB" [10m]="10 MiB" [post]="POST 100 KiB" [close]="1 KiB, closed")
declare -A ROW_CONNECTIONS=([1k]=64 [100k]=64 [10m]=8 [post]=64 [close]=64)
declare -A ROW_ARGUMENTS=([1k]="/1024" [100k]="/102400" [10m]="/10485760" [post]="/ post 102400" [close]="/1024 close")

start() { # start NAME COMMAND…
	spawn "$1" nsenter --net="/run/netns/$(netns bench)" "${@:2}"
}

port_of() { # port_of PROXY
	case $1 in skep) echo 8001 ;; nginx) echo 8002 ;; haproxy) echo 8003 ;; direct) echo $BACKEND_PORT ;; esac
}

skep_start() { # skep_start WORKERS
	mkdir -p "$RUN_DIR/skep"
	proxy_last_word bench $BACKEND_PORT >"$RUN_DIR/skep/last"
	start skep taskset -c "$(cpus "$1")" "$SKEP" proxy --http 127.0.0.1:8001 --run-dir "$RUN_DIR/skep" \
		--agent "$RUN_DIR/none.sock" --workers "$1" --max-connections 15000 --idle-time 600 --log-level error ${SKEP_FLAGS:-}
}

nginx_start() {
	mkdir -p "$RUN_DIR/nginx"
	cat >"$RUN_DIR/nginx/nginx.conf" <<-END
		worker_processes $1;
		daemon off;
		pid $RUN_DIR/nginx/pid;
		error_log stderr crit;
		events { worker_connections 15000; }
		http {
			access_log off;
			client_body_temp_path $RUN_DIR/nginx/body;
			proxy_temp_path $RUN_DIR/nginx/proxy;
			fastcgi_temp_path $RUN_DIR/nginx/fastcgi;
			uwsgi_temp_path $RUN_DIR/nginx/uwsgi;
			scgi_temp_path $RUN_DIR/nginx/scgi;
			tcp_nodelay on;
			keepalive_timeout 600s;
			keepalive_requests 1000000000;
			client_max_body_size 0;
			client_body_buffer_size 128k;
			upstream backend {
				server 127.0.0.1:$BACKEND_PORT;
				keepalive 256;
				keepalive_requests 1000000000;
			}
			server {
				listen 127.0.0.1:8002 reuseport backlog=4096;
				location / {
					proxy_pass http://backend;
					proxy_http_version 1.1;
					proxy_set_header Connection "";
					proxy_set_header Host \$host;
					proxy_set_header X-Real-IP \$remote_addr;
					proxy_set_header X-Forwarded-For \$remote_addr;
					proxy_set_header X-Forwarded-Proto \$scheme;
					proxy_buffer_size 16k;
					proxy_buffers 8 32k;
					proxy_busy_buffers_size 128k;
					proxy_max_temp_file_size 0;
					proxy_request_buffering off;
				}
			}
		}
	END
	start nginx taskset -c "$(cpus "$1")" nginx -p "$RUN_DIR/nginx" -c "$RUN_DIR/nginx/nginx.conf"
}

haproxy_start() {
	cat >"$RUN_DIR/haproxy.cfg" <<-END
		global
			nbthread $1
			maxconn 15000
			no strict-limits
			${HAPROXY_TUNE:-}
		defaults
			mode http
			timeout connect 5s
			timeout client 600s
			timeout server 60s
			timeout http-keep-alive 600s
			http-reuse always
			option forwardfor
			option splice-auto
		frontend clients
			bind 127.0.0.1:8003 backlog 4096 shards by-thread
			default_backend tasks
		backend tasks
			server one 127.0.0.1:$BACKEND_PORT pool-max-conn 256
	END
	start haproxy taskset -c "$(cpus "$1")" haproxy -db -q -f "$RUN_DIR/haproxy.cfg"
}

cpus() { # cpus WORKERS: of the proxy
	[ "$1" = 1 ] && echo 1 || echo 0,1
}

others() { # others WORKERS: CPUs of client and backend
	[ "$1" = 1 ] && echo 0 || echo 0,1
}

answers() { # answers PORT
	CONNECTIONS=1 SECONDS_EACH=0.01 on bench "$RUN_DIR/http_load" "$1" /10
}

cgroup() { # cgroup PROXY: all its processes are there
	echo "$RUN_DIR/cgroup/$RUN/$1"
}

cpu_us() { # that the proxy's processes have used, user and system
	[ "$1" = direct ] && echo 0 || awk '$1 == "usage_usec" { print $2 }' "$(cgroup "$1")/cpu.stat"
}

resident() { # resident PROXY: KiB
	sed 's,.*,/proc/&/status,' "$(cgroup "$1")/cgroup.procs" | xargs awk '$1 == "VmRSS:" { sum += $2 } END { print sum }'
}

measure() { # measure WORKERS ROW PROXY
	local before figures used
	before=$(cpu_us "$3")
	# shellcheck disable=SC2086
	figures=$(CONNECTIONS=${ROW_CONNECTIONS[$2]} on bench taskset -c "$(others "$1")" "$RUN_DIR/http_load" "$(port_of "$3")" ${ROW_ARGUMENTS[$2]}) ||
		bail_out "$3, $2: the client failed"
	used=$(($(cpu_us "$3") - before))
	echo "$1 $2 $3 $figures $used" >>"$RUN_DIR/figures"
}

one_worker_count() { # one_worker_count WORKERS
	local proxy row round
	start backend taskset -c "$(others "$1")" "$RUN_DIR/http_backend" $BACKEND_PORT
	within 5 answers $BACKEND_PORT >/dev/null || bail_out "the backend does not answer"
	for proxy in $PROXIES; do
		"${proxy}_start" "$1"
		within 5 answers "$(port_of "$proxy")" >/dev/null || {
			show_logs
			bail_out "$proxy does not answer"
		}
	done
	for ((round = 0; round < ROUNDS; round++)); do
		for row in $ROWS; do
			for proxy in $PROXIES direct; do measure "$1" "$row" "$proxy"; done
		done
	done
	for proxy in $PROXIES; do stop "$proxy"; done
	stop backend
}

idle() { # idle PROXY
	local before
	"$1_start" 1
	within 5 answers "$(port_of "$1")" >/dev/null || bail_out "$1 does not answer"
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
need awk jq nginx haproxy taskset sysctl "${CC:-gcc}"
must build build/skep
for program in load backend; do
	must "${CC:-gcc}" -D_GNU_SOURCE -O2 -std=c11 -Wall -Wextra -Werror "selftests/bench/http_$program.c" -o "$RUN_DIR/http_$program"
done
must net_namespace bench
# What a namespace is born with is the machine's choice: BBR, say, whose pacing costs more than the proxies do.
must on bench sysctl -qw net.ipv4.tcp_congestion_control=reno
for workers in $WORKERS; do one_worker_count "$workers"; done
if [ "$IDLE" -gt 0 ]; then
	start backend "$RUN_DIR/http_backend" $BACKEND_PORT
	within 5 answers $BACKEND_PORT >/dev/null || bail_out "the backend does not answer"
	for proxy in $PROXIES; do idle "$proxy"; done
fi

mkdir -p build
touch "$RUN_DIR/idle"
jq -n -R --rawfile idle "$RUN_DIR/idle" --arg kernel "$(uname -r)" --argjson cpus "$(nproc)" --argjson rounds "$ROUNDS" '
	def median: sort | .[length / 2 | floor];
	def figures: {requests_s: (map(.requests / .seconds) | median), p50_us: (map(.p50) | median), p99_us: (map(.p99) | median),
		cpu_s_per_100000: (map(.used_us / .all / 10) | median)};
	[inputs | split(" ") | {workers: .[0] | tonumber, row: .[1], proxy: .[2], all: .[3] | tonumber, requests: .[4] | tonumber,
		seconds: .[5] | tonumber, p50: .[6] | tonumber, p99: .[7] | tonumber, used_us: .[8] | tonumber}]
	| {rows: [group_by([.workers, .row, .proxy])[] | {workers: .[0].workers, row: .[0].row, proxy: .[0].proxy} + figures],
	idle: [$idle | split("\n")[] | select(. != "") | split(" ") | {proxy: .[0], bytes_per_connection: .[1] | tonumber, rss_kib_before: .[2] | tonumber}],
	kernel: $kernel, cpus: $cpus, rounds: $rounds}' <"$RUN_DIR/figures" >build/bench-http.json || bail_out "no figures"

printf '%-8s%-15s%-9s%11s%9s%9s%12s%9s\n' workers row proxy requests/s p50_us p99_us "CPU s/100k" "/direct"
for workers in $WORKERS; do
	for row in $ROWS; do
		for proxy in $PROXIES direct; do
			jq -r --argjson workers "$workers" --arg row "$row" --arg proxy "$proxy" --arg name "${ROW_NAME[$row]}" '
				(.rows[] | select(.workers == $workers and .row == $row and .proxy == "direct")) as $direct
				| .rows[] | select(.workers == $workers and .row == $row and .proxy == $proxy)
				| [.workers, $name, .proxy, (.requests_s | round), .p50_us, .p99_us, (.cpu_s_per_100000 * 100 | round / 100),
				(.requests_s / $direct.requests_s * 100 | round / 100)] | @tsv' build/bench-http.json
		done
	done
done | awk -F'\t' '{ printf "%-8s%-15s%-9s%11s%9s%9s%12s%9s\n", $1, $2, $3, $4, $5, $6, $7, $8 }'
jq -r '.idle[] | "\(.proxy): \(.bytes_per_connection) bytes for an idle client, of '"$IDLE"'"' build/bench-http.json
