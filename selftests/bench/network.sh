#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# network.sh FILE: connections, requests, latency and bulk between network namespaces, to the tasks themselves and through skep (tc, xdp), nftables and
# HAProxy. Prints a table, writes JSON to FILE. BENCH_QUICK=1: one round of a second each; else ROUNDS (3) of SECONDS (2).
#
#     client -- bridge -- ingress node of each system [2 tasks] -- bridge -- its backend node [2 tasks]
#
# "local": the tasks on the ingress node; "remote": those on the backend node, there and back through the ingress node, direct packets too, which are
# merely routed: so the rows differ by the balancer and not by the way. nftables has no need of SNAT so, which is in its favour.
# Each system has nodes and tasks of its own, all the time; they are measured in turn, round after round.
#
# CPU: what the cgroups of client, tasks and proxy ran, with the softirqs on their time, and ksoftirqd's. The kernel's count of softirq time (/proc/stat)
# would have most of it twice, as it is not taken from that of the task that was interrupted. The machine's whole time without idle stands beside it in
# the JSON: the two agree if nothing else ran.
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=../lib/lib.sh
. selftests/lib/lib.sh
. selftests/lib/net.sh
. selftests/lib/agent.sh
. selftests/lib/model.sh

[ $# -eq 1 ] || exit 2
OUT=$1
ROUNDS=${ROUNDS:-3}
SECONDS_EACH=${SECONDS_EACH:-2}
[ -z "${BENCH_QUICK:-}" ] || { ROUNDS=1 SECONDS_EACH=1; }
SYSTEMS=(direct tc xdp nftables haproxy)
PLACES=(local remote)
LATENCY_RATE=500

declare -A NUMBER # of a system's ingress node; the backend node's is one more
for i in "${!SYSTEMS[@]}"; do NUMBER[${SYSTEMS[i]}]=$((2 * i + 1)); done

ingress() { echo "n${NUMBER[$1]}"; }
backend() { echo "n$((NUMBER[$1] + 1))"; }
place_node() { if [ "$2" = local ]; then ingress "$1"; else backend "$1"; fi; }

# Task I (0, 1) of a system in a place: its name, its address.
task() { echo "${1:0:3}-${2:0:1}$3"; }
task_address() {
	local base=$((10 * NUMBER[$1]))
	[ "$2" = local ] || base=$((base + 10))
	echo "10.0.0.$((base + $3))"
}

port() { if [ "$1" = local ]; then echo 8080; else echo 8081; fi; }

# What the client asks: each server as ADDRESS:PORT.
servers() {
	if [ "$1" = direct ]; then
		echo "$(task_address "$1" "$2" 0):80 $(task_address "$1" "$2" 1):80"
	else
		echo "$(node_address "$(ingress "$1")"):$(port "$2")"
	fi
}

tasks_start() { # of one system: also plain routes to them, and back to the client by the ingress node
	local place i node name address
	for place in "${PLACES[@]}"; do
		node=$(place_node "$1" "$place")
		for i in 0 1; do
			name=$(task "$1" "$place" $i)
			address=$(task_address "$1" "$place" $i)
			net_task "$node" "$name" "$address" --port 80 || return 1
			case $1 in
			tc | xdp) continue ;;
			esac
			on "$node" ip route add "$address" via "172.18.${address##*.}.2" || return 1
			[ "$place" = local ] ||
				on "$(ingress "$1")" ip route add "$address" via "$(node_address "$node")" || return 1
			[ "$1" != direct ] || on client ip route add "$address" via "$(node_address "$(ingress "$1")")" || return 1
		done
	done
	case $1 in
	direct | nftables) on "$(backend "$1")" ip route add 192.0.2.100 via "$(node_address "$(ingress "$1")")" ;;
	esac
}

model_of() {
	local place i node
	echo '{"cluster": "bench", "nodes": [], "services": [], "tasks": [],
		"networks": [{"id": "ingress", "ingress": true, "subnets": ["10.0.0.0/24"]}]}' >"$MODEL"
	for node in $(ingress "$1") $(backend "$1"); do
		model_set '.nodes += [{id: $id, address: $address, manager: true}]' --arg id "$node" \
			--arg address "$(node_address "$node")" || return 1
	done
	for place in "${PLACES[@]}"; do
		model_service "$place" "$(port "$place"):80" || return 1
		for i in 0 1; do
			model_set '.tasks += [{id: $id, name: $id, service: $service, node: $node, interface: "t-\($id)",
				addresses: [{network: "ingress", address: $address}]}]' --arg id "$(task "$1" "$place" $i)" \
				--arg service "$place" --arg node "$(place_node "$1" "$place")" \
				--arg address "$(task_address "$1" "$place" $i)" || return 1
		done
	done
}

skep_start() {
	local node
	MODEL=$RUN_DIR/model-$1.json
	model_of "$1" || return 1
	for node in $(ingress "$1") $(backend "$1"); do
		[ "$1" = tc ] || net_xdp "$node" || return 1
		agent_start "$node" --source "file:$MODEL" --datapath "$1" || return 1
	done
	for node in $(ingress "$1") $(backend "$1"); do within 30 agent_ready "$node" || return 1; done
}

nftables_start() {
	local place
	{
		printf '%s\n' 'table ip bench {' 'chain in {' 'type nat hook prerouting priority dstnat'
		for place in "${PLACES[@]}"; do
			echo "ip daddr $(node_address "$(ingress nftables)") tcp dport $(port "$place") dnat ip addr . port to" \
				"numgen inc mod 2 map { 0 : $(task_address nftables "$place" 0) . 80, 1 : $(task_address nftables "$place" 1) . 80 }"
		done
		printf '%s\n' '}' '}'
	} >"$RUN_DIR/bench.nft"
	on "$(ingress nftables)" nft -f "$RUN_DIR/bench.nft"
}

haproxy_start() {
	local place i
	{
		printf '%s\n' global ' maxconn 4000' defaults ' mode tcp' ' balance roundrobin' \
			' timeout connect 5s' ' timeout client 1m' ' timeout server 1m'
		for place in "${PLACES[@]}"; do
			echo "listen $place"
			echo " bind :$(port "$place")"
			for i in 0 1; do echo " server $i $(task_address haproxy "$place" $i):80"; done
		done
	} >"$RUN_DIR/haproxy.cfg"
	spawn haproxy nsenter --net="/run/netns/$RUN-$(ingress haproxy)" haproxy -db -f "$RUN_DIR/haproxy.cfg"
}

# As a NIC would hand packets to XDP: none larger than the MTU, every checksum computed.
offloads() { # offloads on|off, wherever XDP does not need them off
	local system place node i
	for system in "${SYSTEMS[@]}"; do
		for node in $(ingress "$system") $(backend "$system"); do
			[ "$system" = xdp ] || { net_offloads "$node" eth0 "$1" && net_offloads net "$node" "$1"; } || return 1
		done
		for place in "${PLACES[@]}"; do
			for i in 0 1; do
				net_offloads "$(place_node "$system" "$place")" "t-$(task "$system" "$place" $i)" "$1" &&
					net_offloads "$(task "$system" "$place" $i)" eth0 "$1" || return 1
			done
		done
	done
	net_offloads net client "$1"
}

cgroup_us() { # ran: all that this run started, and ksoftirqd
	local cpu=0
	cpu=$(sed -n 's/^usage_usec //p' "$RUN_DIR/cgroup/$RUN/cpu.stat")
	awk -v us="$cpu" '{ us += $1 / 1000 } END { printf "%.0f", us }' "${KSOFTIRQD[@]}"
}

machine_us() { # not idle, not stolen: of all CPUs, since the start
	awk -v ticks="$(getconf CLK_TCK)" '$1 == "cpu" { printf "%.0f", ($2 + $3 + $4 + $7 + $8) * 1000000 / ticks }' /proc/stat
}

client_in_cgroup() {
	local group=$RUN_DIR/cgroup/$RUN/client
	mkdir -p "$group"
	# The shell that enters the group becomes the client.
	bash -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' client "$group" nsenter --net="/run/netns/$RUN-client" "$CLIENT" "$@"
}

# measure ROUND KIND SYSTEM PLACE: lines "KIND PLACE SYSTEM FIGURE VALUE" to the figures.
measure() {
	local kind=$2 system=$3 place=$4 output targets cgroup machine n
	read -ra targets < <(servers "$system" "$place")
	case $system in # where its packets meet XDP, every checksum is a number in them already
	xdp) must net_offloads client eth0 off ;;
	*) must net_offloads client eth0 "$OFFLOADS" ;;
	esac
	case $kind in
	connections) set -- load --rate 0 --connections 32 --seconds "$SECONDS_EACH" "${targets[@]}" ;;
	requests) set -- load --rate 0 --connections 16 --keep-alive --seconds "$SECONDS_EACH" "${targets[@]}" ;;
	latency) set -- load --rate $LATENCY_RATE --seconds "$SECONDS_EACH" "${targets[@]}" ;;
	bulk*) set -- bulk "${targets[0]}" "$SECONDS_EACH" ;;
	esac
	cgroup=$(cgroup_us)
	machine=$(machine_us)
	output=$(client_in_cgroup "$@" 2>&1) || {
		diag "$output"
		bail_out "$kind through $system ($place): the client failed"
	}
	cgroup=$(($(cgroup_us) - cgroup))
	machine=$(($(machine_us) - machine))
	case $kind in
	bulk*) figure "$kind" "$place" "$system" gbit_s "$(sed -n 's/.*mbit_s=\([0-9]*\).*/\1/p' <<<"$output" | awk '{ print $1 / 1000 }')" ;;
	latency)
		figure "$kind" "$place" "$system" p50_ms "$(sed -n 's/.* p50_ms=\([0-9.]*\).*/\1/p' <<<"$output")"
		figure "$kind" "$place" "$system" p99_ms "$(sed -n 's/.* p99_ms=\([0-9.]*\).*/\1/p' <<<"$output")"
		;;
	*)
		n=$(sed -n 's/^requests=\([0-9]*\) .*/\1/p' <<<"$output")
		figure "$kind" "$place" "$system" per_s "$(sed -n 's/^opened .* seconds //p' <<<"$output" | awk -v n="$n" '{ printf "%.0f", n / $1 }')"
		figure "$kind" "$place" "$system" cpu_s_per_100k "$(awk -v us=$cgroup -v n="$n" 'BEGIN { printf "%.3f", us / n / 10 }')"
		figure "$kind" "$place" "$system" machine_s_per_100k "$(awk -v us=$machine -v n="$n" 'BEGIN { printf "%.3f", us / n / 10 }')"
		;;
	esac
}

figure() {
	[[ $5 =~ ^[0-9.]+$ ]] || bail_out "no figure $4 of $1 through $3 ($2)"
	echo "$*" >>"$RUN_DIR/figures"
}

round() { # round NUMBER KIND…
	local kind place system
	for kind in "${@:2}"; do
		for place in "${PLACES[@]}"; do
			for system in "${SYSTEMS[@]}"; do measure "$1" "$kind" "$system" "$place"; done
		done
	done
}

# The systems are what they are called.
verify() {
	[ "$(status "$(ingress xdp)" .datapath.xdp.forwarded)" -gt 1000 ] || bail_out "XDP forwarded next to nothing"
	[ "$(status "$(ingress xdp)" .datapath.xdp.returned)" -gt 1000 ] || bail_out "XDP returned next to nothing"
	is 0 status "$(ingress tc)" .datapath.xdp.forwarded || bail_out "XDP had a part in tc"
	[ "$(status "$(ingress tc)" '.datapath.applied.count')" -gt 0 ] || bail_out "tc has no model"
}

run_begin
need haproxy nft ethtool jq
KSOFTIRQD=()
for pid in $(ps -eo pid,comm | awk '$2 ~ /^ksoftirqd\// { print $1 }'); do KSOFTIRQD+=("/proc/$pid/schedstat"); done
must net_begin $((2 * ${#SYSTEMS[@]}))
for system in "${SYSTEMS[@]}"; do must tasks_start "$system"; done
for name in $(ip netns list | awk -v run="$RUN-" 'index($1, run) == 1 { print substr($1, length(run) + 1) }'); do
	# BBR, where it is the default, paces, and hides what is between the ends.
	must on "$name" sysctl -qw net.ipv4.tcp_congestion_control=reno net.ipv4.ip_local_port_range="1024 65535" \
		net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0
	case $name in
	n* | client) [ "$name" = net ] || must on "$name" sysctl -qw net.ipv4.conf.eth0.send_redirects=0 net.ipv4.conf.eth0.accept_redirects=0 ;;
	esac
done
must skep_start tc
must skep_start xdp
must nftables_start
must haproxy_start
for system in "${SYSTEMS[@]}"; do
	for place in "${PLACES[@]}"; do
		for server in $(servers "$system" "$place"); do must within 5 client_run hits "$server" 4; done
	done
done
OFFLOADS=on
for ((r = 1; r <= ROUNDS; r++)); do round $r connections requests latency bulk; done
OFFLOADS=off
must offloads off
for ((r = 1; r <= ROUNDS; r++)); do round $r bulk_within_mtu; done
verify

awk '{ key = $1 " " $2 " " $3 " " $4; values[key] = values[key] " " $5; if (!(key in seen)) { seen[key]; order[++n] = key } }
	END {
		for (i = 1; i <= n; i++) {
			count = split(values[order[i]], v, " ")
			for (a = 2; a <= count; a++)
				for (b = a; b > 1 && v[b - 1] + 0 > v[b] + 0; b--) { t = v[b]; v[b] = v[b - 1]; v[b - 1] = t }
			print order[i], v[int((count + 1) / 2)], v[1], v[count]
		}
	}' "$RUN_DIR/figures" >"$RUN_DIR/medians"
jq -R -s --argjson rounds "$ROUNDS" --argjson seconds "$SECONDS_EACH" '[split("\n")[] | select(. != "") | split(" ") |
	{kind: .[0], place: .[1], system: .[2], figure: .[3], median: (.[4] | tonumber), least: (.[5] | tonumber), most: (.[6] | tonumber)}] |
	. as $all | map(. as $row | . + {of_direct: (.median / ($all[] | select(.kind == $row.kind and .place == $row.place and
		.figure == $row.figure and .system == "direct") | .median) * 1000 | round / 1000)}) |
	{rounds: $rounds, seconds: $seconds, rows: .}' "$RUN_DIR/medians" >"$OUT" || bail_out "no figures"

printf '%-7s %-16s %-16s' tasks what "" && printf ' %16s' "${SYSTEMS[@]}" && echo
jq -r '.rows | group_by([.place, .kind, .figure])[] | [.[0].place, .[0].kind, .[0].figure] +
	[.[] | .system, .median, .of_direct] | @tsv' "$OUT" |
	awk -F '\t' -v systems="${SYSTEMS[*]}" '$3 != "machine_s_per_100k" {
		printf "%-7s %-16s %-16s", $1, $2, $3
		n = split(systems, name, " ")
		for (i = 1; i <= n; i++)
			for (f = 4; f <= NF; f += 3)
				if ($f == name[i]) printf " %16s", sprintf("%.5g (%.2f)", $(f + 1), $(f + 2))
		printf "\n"
	}'
