#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Tunnels: 1,000 at once, plain, and 100 over TLS, of which some are half-closed either way, idle for a minute (IDLE seconds) and then in use
# again, by each of RELAYS' means; while these idle: how long a tunnel may be idle, and what is left of a proxy that is killed in the middle
# of transfers. The proxies that idle are in namespace mid, those that are killed in namespace kill; clients and tasks are in namespace ends.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
# shellcheck source=../lib/lib.sh
. selftests/lib/lib.sh
# shellcheck source=../lib/net.sh
. selftests/lib/net.sh

RELAYS=${RELAYS:-auto}
IDLE=${IDLE:-60}
PLAIN=1000 ENCRYPTED=100
TUNNELS=$ROOT/build/selftests/tunnels
SHORT_MS=1000 # of the services that have a time of their own

wire() { # wire NAME NUMBER: a namespace, and a link between it and ends
	net_namespace "$1" &&
		ip link add ends netns "$(netns "$1")" type veth peer name "$1" netns "$(netns ends)" &&
		on "$1" ip addr add "10.9.$2.1/24" dev ends && on "$1" ip link set ends up &&
		on ends ip addr add "10.9.$2.2/24" dev "$1" && on ends ip link set "$1" up &&
		on "$1" ip route add default via "10.9.$2.2"
}

service() { # service NAME PORT LABEL=VALUE…: its task is at one address with all others
	local name=$1 label object='{}'
	shift
	for label; do
		object=$(jq -c --arg key "${label%%=*}" --arg value "${label#*=}" '.[$key] = $value' <<<"$object") || return 1
	done
	jq -c --arg name "$name" --argjson labels "$object" --arg address "10.9.0.$((100 + ++SERVICES))" '
		.services += [{id: $name, name: $name, labels: $labels}] |
		.tasks += [{id: "\($name).1", name: "\($name).1", service: $name, node: "n1", addresses: [{network: "app", address: $address}]}]' \
		"$RUN_DIR/model" >"$RUN_DIR/model.new" && mv "$RUN_DIR/model.new" "$RUN_DIR/model" &&
		on ends ip addr add "10.9.0.$((100 + SERVICES))/32" dev lo
}

model() {
	echo '{"nodes": [{"id": "n1", "name": "n1", "address": "192.0.2.1", "ready": true}], "services": [], "tasks": [],
		"networks": [{"id": "app", "name": "app", "subnets": ["10.9.0.0/16"]}]}' >"$RUN_DIR/model"
	service ws skep.http.port=7000 skep.http.host=ws.test &&
		service now skep.http.port=7002 skep.http.host=now.test &&
		service quick skep.http.port=7002 skep.http.host=quick.test skep.http.tunnel-timeout=${SHORT_MS}ms &&
		service dfp com.df.notify=true com.df.port=7002 com.df.serviceDomain=dfp.test com.df.servicePath=/ com.df.timeoutTunnel=1 &&
		service raw com.df.notify=true com.df.port=7002 com.df.reqMode=tcp com.df.srcPort=5000 com.df.timeoutTunnel=1 &&
		service web skep.http.port=7001 skep.http.host=web.test
}

certificate() {
	mkdir "$RUN_DIR/tls" && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=selftest" \
		-keyout "$RUN_DIR/tls/it.key" -out "$RUN_DIR/tls/it.crt" 2>/dev/null
}

last_word() { # what a proxy keeps of its agent's
	mkdir -p "$RUN_DIR/$1" && { echo '[]' && cat "$RUN_DIR/model"; } >"$RUN_DIR/$1/last"
}

start() { # start NAME NAMESPACE COMMAND…
	spawn "$1" nsenter --net="/run/netns/$(netns "$2")" "${@:3}"
}

proxy() { # proxy NAME NAMESPACE PORT RELAY: HTTP at PORT, HTTPS at the next, the raw service at the entry of port 5000 in namespace kill
	local entry=()
	[ "$2" = mid ] || entry=(--entry raw=:5000)
	[ -e "$RUN_DIR/$1/last" ] || last_word "$1" || return 1
	start "$1" "$2" "$SKEP" proxy --http ":$3" --https ":$(($3 + 1))" --tls-dir "$RUN_DIR/tls" --run-dir "$RUN_DIR/$1" \
		--agent "$RUN_DIR/none.sock" --workers 2 --relay "$4" ${entry[0]:+"${entry[@]}"}
}

answers() { # answers ADDRESS PORT
	on ends curl -sf --max-time 2 -o /dev/null -H 'Host: web.test' "http://$1:$2/bytes/1"
}

metric() { # metric NAME METRIC
	awk -v metric="$2" '$1 == metric { print $2 }' "$RUN_DIR/$1/metrics.prom"
}

metric_is() { # metric_is NAME METRIC VALUE
	[ "$(metric "$1" "$2")" = "$3" ] || { metric "$1" "$2"; return 1; }
}

cpu_us() {
	awk '$1 == "usage_usec" { print $2 }' "$RUN_DIR/cgroup/$RUN/$1/cpu.stat"
}

logged() { # logged NAME TEXT: the line
	grep -xF -- "$2" "$RUN_DIR/log/$1.log"
}

ask() { # ask PORT PATH: of a server of tasks itself
	on ends curl -sf --max-time 5 "http://127.0.0.1:$1/$2"
}

# ---- that are idle

declare -A BEFORE SINCE

idle_begin() { # idle_begin RELAY PORT
	local port=$2
	must proxy "idle-$1" mid "$port" "$1"
	must within 10 answers 10.9.0.1 "$port"
	mkfifo "$RUN_DIR/go-$1" "$RUN_DIR/go-$1-tls"
	must start "hold-$1" ends "$TUNNELS" hold 10.9.0.1 "$port" ws.test $PLAIN "$RUN_DIR/go-$1"
	must start "hold-$1-tls" ends "$TUNNELS" hold tls 10.9.0.1 $((port + 1)) ws.test $ENCRYPTED "$RUN_DIR/go-$1-tls"
	check "$1: $PLAIN upgraded connections exchange data, some are half-closed, all become idle" within 30 logged "hold-$1" "$PLAIN idle"
	check "$1: and $ENCRYPTED over TLS" within 30 logged "hold-$1-tls" "$ENCRYPTED idle"
	check "$1: they are counted for their route" within 10 metric_is "idle-$1" 'skep_route_tunnels{route="ws"}' $((PLAIN + ENCRYPTED))
	check "$1: and their task" metric_is "idle-$1" 'skep_http_task_tunnels{task="ws.1"}' $((PLAIN + ENCRYPTED))
	BEFORE[$1]=$(cpu_us "idle-$1") SINCE[$1]=$SECONDS
}

idle_cpu() { # idle_cpu RELAY: what it has used since
	local used=$(($(cpu_us "idle-$1") - BEFORE[$1])) time=$((SECONDS - SINCE[$1]))
	diag "$1: with $((PLAIN + ENCRYPTED)) idle tunnels the proxy used $((used / 1000)) ms of CPU in $time s"
	check "$1: idle they cost next to nothing" [ $used -lt $((time * 5000)) ]
}

idle_end() { # idle_end RELAY
	echo go >"$RUN_DIR/go-$1"
	echo go >"$RUN_DIR/go-$1-tls"
	check "$1: then each carries data again, the half-closed ones the other way" within 30 logged "hold-$1" "$PLAIN exchanged again"
	check "$1: and those over TLS" within 30 logged "hold-$1-tls" "$ENCRYPTED exchanged again"
	check "$1: at last none is open any more" within 10 metric_is "idle-$1" 'skep_route_tunnels{route="ws"}' 0
	check "$1: and all have been counted" metric_is "idle-$1" 'skep_route_tunnels_total{route="ws"}' $((PLAIN + ENCRYPTED))
	check "$1: among the answers, with the time that they took to begin" \
		metric_is "idle-$1" 'skep_route_duration_seconds_bucket{route="ws",le="5"}' $((PLAIN + ENCRYPTED))
}

# ---- that have a time

stays() { # stays EVERY_MS LIMIT_MS PORT HOST [tls]
	on ends "$TUNNELS" stay ${5:+"$5"} 10.9.1.1 "$3" "$4" "$1" "$2"
}

ends_in_time() { # ends_in_time PORT HOST [tls]: an idle one
	local said
	said=$(stays 0 10000 "$@") || return 1
	echo "$said"
	[ "${said%% *}" = ended ] && [ "${said##* }" -ge $SHORT_MS ] && [ "${said##* }" -lt $((SHORT_MS + 3000)) ]
}

# ---- a proxy that is killed

facts_of() { # facts_of PID map|prog|link: ids of BPF objects that it holds
	sed -n "s/^$2_id:[[:space:]]*//p" "/proc/$1/fdinfo/"* 2>/dev/null | sort -u
}

bpf_gone() { # none of $MAPS, $PROGRAMS, $LINKS is there any more, nor a program that uses one of the maps
	local id
	for id in $MAPS; do ! "$BPFTOOL" map show id "$id" 2>/dev/null || return 1; done
	for id in $PROGRAMS; do ! "$BPFTOOL" prog show id "$id" 2>/dev/null || return 1; done
	for id in $LINKS; do ! "$BPFTOOL" link show id "$id" 2>/dev/null || return 1; done
}

no_socket() { # in namespace kill, of any kind; the kernel's memory of what was closed is none
	local left
	left=$(on kill ss -Hantuwx0 | grep -v TIME-WAIT)
	[ -z "$left" ] || { echo "$left"; return 1; }
}

none_connected() { # no task or client has a connection to it
	local left
	left=$(on ends ss -Htan 'dst 10.9.1.1' | grep -v TIME-WAIT)
	[ -z "$left" ] || { echo "$left"; return 1; }
}

no_process() {
	[ -z "$(cat "$RUN_DIR/cgroup/$RUN/$1/cgroup.procs")" ]
}

files_are() { # files_are NAME FILE…: in its run directory
	is "$(printf '%s\n' "${@:2}" | sort)" ls -A "$RUN_DIR/$1"
}

files_among() { # files_among NAME FILE…
	local other
	other=$(find "$RUN_DIR/$1" -mindepth 1 -printf '%P\n' | grep -vxF "$(printf '%s\n' "${@:2}")")
	[ -z "$other" ] || { echo "$other"; return 1; }
}

flows() { # flows NAME PORT [tls]: so many bytes have come that it is in the middle
	local file=$RUN_DIR/$1.bytes
	[ -s "$file" ] && [ "$(stat -c %s "$file")" -gt 1000000 ]
}

transfers_begin() { # without an end, until the proxy's
	local i
	for i in 1 2; do
		start "down-$i" ends curl -sS --limit-rate 20M -H 'Host: web.test' -o "$RUN_DIR/down-$i.bytes" http://10.9.1.1:9000/bytes/10000000000
	done
	start down-tls ends curl -sSk --limit-rate 20M -H 'Host: web.test' -o "$RUN_DIR/down-tls.bytes" https://10.9.1.1:9001/bytes/10000000000
	start up ends curl -sS --limit-rate 20M -H 'Host: web.test' -o /dev/null -T - http://10.9.1.1:9000/upload
	start flood ends "$TUNNELS" flood 10.9.1.1 9000 now.test 50
	start flood-tls ends "$TUNNELS" flood tls 10.9.1.1 9001 now.test 20
	start flood-raw ends "$TUNNELS" flood 10.9.1.1 5000 any 20
}

transfers_flow() {
	flows down-1 && flows down-2 && flows down-tls && logged flood "50 flow" && logged flood-tls "20 flow" && logged flood-raw "20 flow"
}

transfers_ended() {
	not_running down-1 && not_running down-2 && not_running down-tls && logged flood "50 ended" && logged flood-tls "20 ended" &&
		logged flood-raw "20 ended"
}

kill_test() { # kill_test RELAY
	local name=kill-$1 pid
	must proxy "$name" kill 9000 "$1"
	must within 10 answers 10.9.1.1 9000
	transfers_begin
	must within 20 transfers_flow
	must within 5 test -s "$RUN_DIR/$name/metrics.prom"
	pid=$(spawned "$name")
	MAPS=$(facts_of "$pid" map) PROGRAMS=$(facts_of "$pid" prog) LINKS=$(facts_of "$pid" link)
	diag "$1: it holds $(wc -w <<<"$MAPS") maps, $(wc -w <<<"$PROGRAMS") programs, $(wc -w <<<"$LINKS") links of BPF, and $(on kill ss -Htan | wc -l) TCP sockets"
	stop "$name" KILL
	check "$1: a proxy that is killed in the middle of transfers leaves no process" within 5 no_process "$name"
	check "$1: no socket" within 10 no_socket
	check "$1: no map or program of BPF" within 5 bpf_gone
	check "$1: no file but those that are documented" files_among "$name" last last.tmp metrics.prom metrics.prom.tmp
	check "$1: its clients see that their transfers have ended" within 10 transfers_ended
	check "$1: and its tasks, too" within 10 none_connected
	must proxy "$name" kill 9000 "$1"
	check "$1: another one serves there at once" within 5 answers 10.9.1.1 9000
	must within 5 test "$RUN_DIR/$name/metrics.prom" -nt "$RUN_DIR/$name/last"
	check "$1: and has cleared up" files_are "$name" last metrics.prom
	stop "$name"
	rm -f "$RUN_DIR"/*.bytes "$RUN_DIR/log/flood"*
}

at_once_test() { # at_once_test: killed, and another one started before anything has settled
	local i
	must proxy again kill 9000 auto
	must within 10 answers 10.9.1.1 9000
	must start flood ends "$TUNNELS" flood 10.9.1.1 9000 now.test 50
	must within 10 logged flood "50 flow"
	stop again KILL
	must proxy again kill 9000 auto
	check "one that is started in the moment of the other's end serves, too" within 5 answers 10.9.1.1 9000
}

run_begin
need jq curl openssl ss
must build build/skep build/selftests/tunnels
BPFTOOL=$(command -v bpftool || echo /usr/sbin/bpftool)
SERVICES=0
must net_namespace ends
must wire mid 0
must wire kill 1
must certificate
must model
must start serve ends "$TUNNELS" serve 7000
must start serve-now ends "$TUNNELS" serve 7002
must within 5 ask 7002 release
must start backend ends "$BACKEND" --name web --port 7001 --udp-port 7001

port=8000
for relay in $RELAYS; do
	idle_begin "$relay" $port
	port=$((port + 10))
done
idle_from=$SECONDS

# Meanwhile, by other proxies.

must proxy times kill 9000 auto
must within 10 answers 10.9.1.1 9000
check "a tunnel that is idle for longer than its service's label says is closed" ends_in_time 9000 quick.test
check "over TLS, too" ends_in_time 9001 quick.test tls
check "by the label of Docker Flow Proxy, too" ends_in_time 9000 dfp.test
check "and a connection that is relayed as it is" ends_in_time 5000 any
check "one that speaks is not" contains "open after" stays $((SHORT_MS / 4)) $((SHORT_MS * 3)) 9000 quick.test
check "nor over TLS" contains "open after" stays $((SHORT_MS / 4)) $((SHORT_MS * 3)) 9001 quick.test tls
check "nor one that is relayed as it is" contains "open after" stays $((SHORT_MS / 4)) $((SHORT_MS * 3)) 5000 any
check "without a label a second's silence is nothing" contains "open after" stays 0 $((SHORT_MS * 3)) 9000 now.test
stop times

# shellcheck disable=SC2086 # a list
for relay in $(printf '%s\n' copy splice $RELAYS | sort -u); do
	kill_test "$relay"
done
at_once_test

left=$((idle_from + IDLE - SECONDS))
[ $left -le 0 ] || sleep $left # what is left of the time over which they are idle
for relay in $RELAYS; do
	idle_cpu "$relay"
done
check "the tasks have heard nothing after their last word" is 0 ask 7000 late
must ask 7000 release
for relay in $RELAYS; do
	idle_end "$relay"
done
half=$(((PLAIN + 6) / 8 + (ENCRYPTED + 6) / 8))
check "what clients say after the server's last word arrives" within 10 is $((half * 100 * $(wc -w <<<"$RELAYS"))) ask 7000 late
