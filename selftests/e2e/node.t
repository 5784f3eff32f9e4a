#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What is the same in every form of the data path: a host's own sockets, addresses that come and go, a broken model, refusals. Three nodes
# with the file source.

cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=../lib/lib.sh
. selftests/lib/lib.sh
. selftests/lib/net.sh
. selftests/lib/agent.sh
. selftests/lib/model.sh
. selftests/lib/shares.sh

NODES=(n1 n2 n3)

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
must model_begin 3
must model_service web 8080:80 8053:53/udp
must scale web 3
for node in "${NODES[@]}"; do must agent_start "$node" --source "file:$MODEL"; done
for node in "${NODES[@]}"; do must within 30 agent_ready "$node"; done

check "a host's own socket reaches a task on its node by its overlay address" \
	on n1 "$CLIENT" hits 10.0.0.11:80 3
check "and a task on another node" on n1 "$CLIENT" hits 10.0.0.12:80 3
check "and it downloads from there intact" on n1 "$CLIENT" download 10.0.0.12:80 8388608

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

before=$(verdict n1 drop_not_a_node)
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

for node in "${NODES[@]}"; do
	must agent_stop "$node"
	check "skep unload on $node" agent_unload "$node"
done

# Another's filter of another kind has the place of from_wire.
must on n3 tc qdisc add dev eth0 clsact
must on n3 tc filter add dev eth0 ingress pref 4799 protocol all u32 match u32 1 0xffffffff
must net_xdp n3
must agent_start n3 --source "file:$MODEL" --datapath xdp
check "where tc's program cannot be there is none of XDP's, which would count on it" \
	within 5 contains "eth0" status n3 .datapath.problem
check "nor is any said to be" is null status n3 '.datapath.interfaces[0].datapath | tojson'
check "nor there" fails grep -q prog/xdp <(on n3 ip -d link show dev eth0)
must on n3 tc filter del dev eth0 ingress pref 4799
check "until there is room" within 10 is xdp status n3 '.datapath.interfaces[0].datapath'
must agent_stop n3
check "skep unload on n3" agent_unload n3
