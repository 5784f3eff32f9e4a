#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Three nodes with the file source: real packets, real sockets, real BPF; tasks are namespaces instead of containers. What needs Swarm
# itself is in swarm.t.
#
# DATAPATH=tc (default) or xdp: file_xdp.t runs it so.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
# shellcheck source=../lib/lib.sh
. selftests/lib/lib.sh
. selftests/lib/net.sh
. selftests/lib/agent.sh
. selftests/lib/model.sh
. selftests/lib/shares.sh

NODES=(n1 n2 n3)
DATAPATH=${DATAPATH:-tc}

counter() { # counter NODE JQ-PATH
	status "$1" ".verdicts.$2 // 0"
}

counted() { # counted NODE VERDICT BEFORE: it has grown
	[ "$(counter "$1" "$2")" -gt "$3" ]
}

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
	agent_start "$1" --source "file:$MODEL" --datapath "$DATAPATH"
}

xdp_count() { # xdp_count forwarded|returned|hinted: on all nodes together
	local node sum=0
	for node in "${NODES[@]}"; do sum=$((sum + $(status "$node" ".datapath.xdp.$1"))); done
	echo $sum
}

service_count() { # service_count packets|new_flows: that clients sent, on all nodes together
	local node sum=0
	for node in "${NODES[@]}"; do sum=$((sum + $(skep "$node" services --json | jq ".[0].$1"))); done
	echo $sum
}

xdp_program_of() { # the number of the program on a node's eth0
	on "$1" ip -d link show dev eth0 | sed -n 's/.*prog\/xdp id \([0-9]*\).*/\1/p'
}

agents_start() {
	local node
	for node in "${NODES[@]}"; do node_start "$node" || return 1; done
	for node in "${NODES[@]}"; do within 10 agent_ready "$node" || return 1; done
}

# A VXLAN frame as skep would send it, from an address that is no node's: header with kind 1 and port 80, Ethernet to 02:42:10.0.0.11, UDP.
forged_frame() {
	local frame=0800000001005000
	frame+=02420a00000b0242c00002010800
	frame+=4500001c000040004011b6cec0000264c0000201
	frame+=30391f9000080000
	on client perl -MIO::Socket::INET -e 'IO::Socket::INET->new(PeerAddr => $ARGV[0], Proto => "udp")
		->send(pack("H*", $ARGV[1])) or die' 192.0.2.1:4799 $frame
}

run_begin
must net_begin 3
[ "$DATAPATH" = tc ] || must net_xdp "${NODES[@]}" client far
must model_begin 3
must model_service web 8080:80 8053:53/udp
must scale web 4
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
	check "and replies to clients" test "$(xdp_count returned)" -ge 1500
	check "and handed over to tc those for a node's own tasks" test "$(xdp_count hinted)" -ge 700
	check "every packet of a client was XDP's, once" \
		is "$(service_count packets)" echo $(($(xdp_count forwarded) + $(xdp_count hinted)))
	;;
*)
	check "XDP has no part in it" is 0 xdp_count forwarded
	;;
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

check "a host's own socket reaches a task on its node by its overlay address" \
	on n1 "$CLIENT" hits 10.0.0.11:80 3
check "and a task on another node" on n1 "$CLIENT" hits 10.0.0.12:80 3
check "and it downloads from there intact" on n1 "$CLIENT" download 10.0.0.12:80 8388608

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
new_flows=$(skep n2 services --maps --bpffs "$RUN_DIR/bpf/n2" --json | jq '.[0].new_flows')
check "without an agent new connections are made" client_run hits 192.0.2.2:8080 60
must node_start n2
must within 10 agent_ready n2
check "an agent that comes back adopts what is there" verified n2
[ "$DATAPATH" = tc ] || check "and has put its own XDP program in place of the old" \
	test "$program" -ne "$(xdp_program_of n2)"
check "and its counters go on" test "$(skep n2 services --json | jq '.[0].new_flows')" -ge $((new_flows + 60))
check "no short request failed meanwhile" load_stop short
check "no request on a kept connection failed meanwhile" load_stop keep

must on n2 ip addr add 192.0.2.77/24 dev eth0
check "an address that a node gets is answered on within a second" \
	within 1 client_run hits 192.0.2.77:8080 1
must on n2 ip addr del 192.0.2.77/24 dev eth0
check "the maps follow when it goes" within 1 verified n2

cp "$MODEL" "$RUN_DIR/good.json"
echo '{"services": [' >"$MODEL.new" && mv "$MODEL.new" "$MODEL"
check "a broken file is told of" within 2 contains stale status n1 .source.state
check "and changes nothing" shares hits 192.0.2.1:8080 2 web.1 web.2 web.3
cp "$RUN_DIR/good.json" "$MODEL.new" && mv "$MODEL.new" "$MODEL"
check "until it is good again" within 2 contains current status n1 .source.state

before=$(counter n1 drop_not_a_node)
must forged_frame
check "a tunnel frame from an address that is no node's is dropped and counted" \
	within 1 counted n1 drop_not_a_node "$before"

# No serving task.
must scale web 0
check "without a serving task a connection is refused at once" refused hits 192.0.2.1:8080
check "and a datagram is answered with port unreachable" refused udp-hits 192.0.2.1:8053
# Now every checksum is computed by the sender and checked by the receiver.
must net_offloads n1 eth0 off
must net_offloads client eth0 off
check "the RST's checksum is right, too" refused hits 192.0.2.1:8080
check "and the ICMP message's" refused udp-hits 192.0.2.1:8053
must net_offloads client eth0 on
check "also for packets that came with a partial checksum: the RST's" refused hits 192.0.2.1:8080
check "and the ICMP message's" refused udp-hits 192.0.2.1:8053

for node in "${NODES[@]}"; do must agent_stop "$node"; done
check "a stopped agent leaves programs and maps in place" test -e "$RUN_DIR/bpf/n1/services"
for node in "${NODES[@]}"; do
	check "skep unload on $node" agent_unload "$node"
	check "leaves nothing of skep's, and all that was there before" \
		diff "$RUN_DIR/before.$node" <(network_of "$node")
	check "and no pins" test ! -e "$RUN_DIR/bpf/$node"
done
