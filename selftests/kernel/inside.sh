#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What is tried on another kernel, inside of the machine that boot.sh started: do all programs load there, by every data path, and
# do packets go where they should? The machine is emulated, and slow.
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=../lib/lib.sh
. selftests/lib/lib.sh
. selftests/lib/net.sh
. selftests/lib/agent.sh
. selftests/lib/model.sh
. selftests/lib/shares.sh

NODES=(n1 n2)

# as_asked DATAPATH RETURN: both agents start so, and the mesh does its work.
as_asked() {
	local form="$1, $2" node
	for node in "${NODES[@]}"; do
		check "$form: the agent of $node starts" agent_start "$node" --source "file:$MODEL" --datapath "$1" --return "$2" &&
			check "$form: its programs load, its maps are filled" within 200 agent_ready "$node" || return
	done
	check "$form: the data path is $1" is "$1" status n1 '.datapath.interfaces[0].datapath'
	check "$form: connections are balanced" shares hits 192.0.2.1:8080 10 web.1 web.2
	check "$form: datagrams likewise" shares udp-hits 192.0.2.2:8053 10 web.1 web.2
	check "$form: 1 MiB comes back whole" client_run download 192.0.2.1:8080 1048576
	check "$form: a process of the host reaches localhost's port" from_host n1 "$CLIENT" hits 127.0.0.1:8080 4
	check "$form: verify finds no fault" verified "${NODES[@]}"
	for node in "${NODES[@]}"; do
		check "$form: the agent of $node ends" agent_stop "$node"
		check "$form: and its programs and maps" agent_unload "$node"
	done
}

run_begin
must net_begin 2
must model_begin 2
must model_service web 8080:80 8053:53/udp
must scale web 2
as_asked tc tunnel
must net_xdp "${NODES[@]}" client
as_asked xdp dsr
