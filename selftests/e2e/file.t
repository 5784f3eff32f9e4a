#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Three nodes with the file source: real packets, real sockets, real BPF; tasks are namespaces instead of containers. What needs Swarm
# itself is in swarm.t; what is the same in every form of the data path, in node.t.
#
# DATAPATH=tc (default) or xdp, RETURN=tunnel (default) or dsr: file_xdp.t, file_dsr.t and file_xdp_dsr.t run it so.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
# shellcheck source=../lib/lib.sh
. selftests/lib/lib.sh
. selftests/lib/net.sh
. selftests/lib/agent.sh
. selftests/lib/model.sh
. selftests/lib/shares.sh

NODES=(n1 n2 n3)
DATAPATH=${DATAPATH:-tc}
RETURN=${RETURN:-tunnel}

# What the kernel's network configuration of a node is, without the tasks that come and go.
network_of() {
	{
		on "$1" ip -o link show | sed 's/ qdisc.*//'
		on "$1" tc qdisc show
		on "$1" tc filter show dev eth0 ingress
		on "$1" ip -4 rule show
		on "$1" ip -4 route show table all
	} | grep -v -e ' t-' -e 'dev t-'
}

node_start() {
	agent_start "$1" --source "file:$MODEL" --datapath "$DATAPATH" --return "$RETURN"
}

xdp_count() { # xdp_count forwarded|returned|hinted|stripped: on all nodes together
	local node sum=0
	for node in "${NODES[@]}"; do sum=$((sum + $(status "$node" ".datapath.xdp.$1"))); done
	echo $sum
}

service_count() { # service_count packets|new_flows: that clients sent, on all nodes together
	local node sum=0
	for node in "${NODES[@]}"; do sum=$((sum + $(skep "$node" services --json | jq ".[] | select(.name == \"web\") | .$1"))); done
	echo $sum
}

xdp_program_of() { # the number of the program on a node's eth0
	on "$1" ip -d link show dev eth0 | sed -n 's/.*prog\/xdp id \([0-9]*\).*/\1/p'
}

agents_start() {
	local node
	for node in "${NODES[@]}"; do node_start "$node" || return 1; done
	for node in "${NODES[@]}"; do within 30 agent_ready "$node" || return 1; done
}

by_tunnel() { # by_tunnel NODE: packets that came there by the tunnel, up through skep0 or taken by XDP on the way to a client
	echo $(($(on "$1" ip -s -j link show dev skep0 | jq '.[0].stats64.rx.packets') + $(status "$1" .datapath.xdp.returned)))
}

# A client of n1 downloads from a task of n2: how many packets come to n1 by the tunnel?
reply_packets() {
	local before
	before=$(by_tunnel n1)
	client_run download 192.0.2.1:8090 1048576 >&2 || return 1
	echo $(($(by_tunnel n1) - before))
}

replies_return_as_asked() {
	local packets
	packets=$(reply_packets) || return 1
	echo "$packets packets"
	case $RETURN in
	dsr) [ "$packets" -eq 0 ] ;;
	*) [ "$packets" -ge 10 ] ;;
	esac
}

run_begin
must net_begin 3
[ "$DATAPATH" = tc ] || must net_xdp "${NODES[@]}" client far
must model_begin 3
must model_service web 8080:80 8053:53/udp
must scale web 4
must model_service one 8090:80 8091:80 8092:53/udp 8093:53/udp
must net_task n2 one.1 10.0.0.40
must model_task one 1 n2 10.0.0.40
TASKS=(web.1 web.2 web.3 web.4)

for node in "${NODES[@]}"; do network_of "$node" >"$RUN_DIR/before.$node"; done

check "before skep nobody answers" fails client_run hits 192.0.2.1:8080 1
must agents_start
check "the maps of all nodes are right" verified "${NODES[@]}"

for node in "${NODES[@]}"; do
	address=$(node_address "$node")
	check "400 connections through $node: each task has 100, and saw the client's address" \
		shares hits "$address:8080" 100 "${TASKS[@]}"
	check "400 datagrams through $node: likewise" shares udp-hits "$address:8053" 100 "${TASKS[@]}"
done
check "each connection and each datagram's flow was counted once" is 2400 service_count new_flows
case $DATAPATH in
xdp)
	for node in "${NODES[@]}"; do
		check "XDP is in force on $node" is xdp status "$node" '.datapath.interfaces[0].datapath'
	done
	# Of 2,400 flows 1,600 have a task on another node (n1 has two of the four), each of at least one packet. The first may have waited for a neighbour.
	check "XDP has sent packets to other nodes" test "$(xdp_count forwarded)" -ge 1500
	check "has stripped them there" test "$(xdp_count stripped)" -ge 1500
	case $RETURN in
	dsr) check "replies do not come to XDP" is 0 xdp_count returned ;;
	*) check "and has sent replies to clients" test "$(xdp_count returned)" -ge 1500 ;;
	esac
	check "and handed over to tc those for a node's own tasks" test "$(xdp_count hinted)" -ge 700
	check "every packet of a client was XDP's, once" \
		is "$(service_count packets)" echo $(($(xdp_count forwarded) + $(xdp_count hinted)))
	;;
*)
	check "XDP has no part in it" is 0 xdp_count forwarded
	;;
esac
check "the status tells how replies return" is "$RETURN" status n1 .datapath.return
check "as of each service" is "$RETURN $RETURN" \
	eval "skep n1 services --json | jq -r '[.[].return] | join(\" \")'"
check "replies return so" replies_return_as_asked
check "one client port to two ports of one task: both conversations stay apart" client_run pair 192.0.2.1:8090 192.0.2.1:8091 50
check "likewise to two nodes, neither of them the task's" client_run pair 192.0.2.1:8090 192.0.2.3:8090 50
check "and to two nodes, one of them the task's" client_run pair 192.0.2.2:8090 192.0.2.3:8090 50
check "datagrams to two ports of one task: likewise" client_run pair --udp 192.0.2.1:8092 192.0.2.1:8093 50
check "to two nodes" client_run pair --udp 192.0.2.1:8092 192.0.2.3:8092 50
check "and to two nodes, one of them the task's" client_run pair --udp 192.0.2.2:8092 192.0.2.3:8092 50
check "the task's node as a client of another is answered" on n2 "$CLIENT" hits 192.0.2.1:8090 3
case $RETURN in
dsr) check "by the tunnel, since the reply must come in by its wire" counted n2 return_not_direct 0 ;;
*) check "which is nothing special" is 0 verdict n2 return_not_direct ;;
esac
FROM=far check "a client behind a router is answered, and seen as itself" \
	shares hits 192.0.2.2:8080 10 "${TASKS[@]}"

check "64 MiB come down intact" client_run download 192.0.2.3:8080 67108864
check "64 MiB go up intact" client_run upload 192.0.2.3:8080 67108864
for node in "${NODES[@]}" client; do must net_offloads "$node" eth0 off; done
check "8 MiB come down intact without offloads" client_run download 192.0.2.2:8080 8388608
check "8 MiB go up intact without offloads" client_run upload 192.0.2.2:8080 8388608
[ "$DATAPATH" = xdp ] ||
	for node in "${NODES[@]}" client; do must net_offloads "$node" eth0 on; done

check "10,000 connections one after another: no failure, no stall over 200 ms" \
	serial_under 200 192.0.2.1:8080 10000

# Changes under traffic.
must load_start short --rate 100 192.0.2.1:8080 192.0.2.2:8080 192.0.2.3:8080
must load_start keep --rate 100 --keep-alive 192.0.2.1:8080 192.0.2.2:8080 192.0.2.3:8080
must scale web 6
check "after scaling up the maps of all nodes are right within a second" within 1 verified "${NODES[@]}"
must scale web 3
check "after scaling down likewise" within 1 verified "${NODES[@]}"
program=$(xdp_program_of n2)
flows_before=$(skep n2 flows --json | jq length)
agent_kill n2
check "flows live on without an agent" test "$flows_before" -gt 0
check "the CLI reads the maps without an agent" contains web skep n2 services --maps --bpffs "$RUN_DIR/bpf/n2"
new_flows=$(skep n2 services --maps --bpffs "$RUN_DIR/bpf/n2" --json | jq '.[] | select(.name == "web") | .new_flows')
check "without an agent new connections are made" client_run hits 192.0.2.2:8080 60
must node_start n2
must within 30 agent_ready n2
check "an agent that comes back adopts what is there" verified n2
[ "$DATAPATH" = tc ] || check "and has put its own XDP program in place of the old" \
	test "$program" -ne "$(xdp_program_of n2)"
check "and its counters go on" test "$(skep n2 services --json | jq '.[] | select(.name == "web") | .new_flows')" -ge $((new_flows + 60))
check "no short request failed meanwhile" load_stop short
check "no request on a kept connection failed meanwhile" load_stop keep

for node in "${NODES[@]}"; do must agent_stop "$node"; done
check "a stopped agent leaves programs and maps in place" test -e "$RUN_DIR/bpf/n1/services"
for node in "${NODES[@]}"; do
	check "skep unload on $node" agent_unload "$node"
	check "leaves nothing of skep's, and all that was there before" \
		diff "$RUN_DIR/before.$node" <(network_of "$node")
	check "and no pins" test ! -e "$RUN_DIR/bpf/$node"
done
