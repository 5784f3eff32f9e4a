#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A SYN flood from 2^20 addresses, as fast as this machine can send, into tables that it overfills many times: established connections
# live on, and when it ends new ones are made at once. In both forms of the data path. FLOOD_S: how long it lasts (10).

cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=../lib/lib.sh
. selftests/lib/lib.sh
. selftests/lib/net.sh
. selftests/lib/agent.sh
. selftests/lib/model.sh

FLOOD_S=${FLOOD_S:-10}
SOURCES=10.64.0.0/12 # of nobody: the router throws away what is sent there
TABLE=16384	     # a small part of the sources
HELD=50

evicted() { # on all nodes
	local node sum=0
	for node in n1 n2 n3; do sum=$((sum + $(status "$node" '.verdicts.flow_evicted // 0'))); done
	echo $sum
}

new_flows() {
	skep n1 services --json | jq '.[0].new_flows'
}

# The held connections are as many as were opened: one that broke would have been opened anew.
held_all() {
	local output=$RUN_DIR/log/load-held.log
	load_stop held || return 1
	grep -q "^opened $HELD " "$output"
}

connects() { # connects N: so many, one after another, none takes a second
	local output
	output=$(client_run serial 192.0.2.1:8080 "$1") || {
		echo "$output"
		return 1
	}
	echo "$output"
	[[ $output =~ failures=0\ max_ms=([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -lt 1000 ]
}

flood_through() { # flood_through DATAPATH
	local before new_before
	for node in n1 n2 n3; do
		must agent_start $node --source "file:$MODEL" --datapath "$1" --max-flows $TABLE
	done
	for node in n1 n2 n3; do must within 30 agent_ready $node; done
	must within 5 client_run hits 192.0.2.1:8080 12
	check "$1: each node is as it is to be" is "$1" status n1 '.datapath.interfaces[0].datapath'
	# 500 requests a second over 50 connections, each answer checked; an answer may be late, but not never.
	must load_start held --rate 500 --keep-alive --in-turn --connections $HELD --timeout 30 192.0.2.1:8080
	must within 10 established $HELD
	must settled
	new_before=$(new_flows)
	before=$(evicted)
	check "$1: $FLOOD_S s of SYNs are sent" flood
	check "$1: within a second of its end new connections are made" within 1 client_run hits 192.0.2.1:8080 1
	check "$1: and 100 more without a stall" connects 100
	diag "$1: $(cat "$RUN_DIR/flood"), new flows: $(($(new_flows) - new_before))"
	check "$1: it filled the table many times" test $(($(new_flows) - new_before)) -ge $((TABLE * 4))
	check "$1: no established connection was evicted" is "$before" evicted
	check "$1: each of the $HELD connections lived through it, and every answer came" held_all
	for node in n1 n2 n3; do
		must agent_stop $node
		check "$1: skep unload on $node" agent_unload $node
	done
}

flood() {
	client_run flood 192.0.2.1:8080 $SOURCES "$FLOOD_S" >"$RUN_DIR/flood"
}

established() {
	[ "$(on client ss -Htn state established dst 192.0.2.1:8080 | wc -l)" -ge "$1" ]
}

# Every held connection is known as established to skep, too.
settled() {
	within 10 flows_established
}

flows_established() {
	[ "$(skep n1 flows --json | jq '[.[] | select(.state == "established")] | length')" -ge $HELD ]
}

run_begin
need ss jq ethtool
must net_begin 3
must on net ip route add blackhole $SOURCES
must model_begin 3
must model_service web 8080:80
must scale web 3
flood_through tc
must net_xdp n1 n2 n3 client
flood_through xdp
