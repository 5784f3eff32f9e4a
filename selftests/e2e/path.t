#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What real networks do to packets: pieces, path MTUs, ICMP errors. Three nodes with the file source, each with one task of its own
# service; n3 is behind a hop whose MTU is 1400, while every node and task believes in 1500:
#
#     client, n1, n2 -- router "net" ==1400== "hop" -- n3
#
# DATAPATH=tc (default) or xdp, RETURN=tunnel (default) or dsr: path_xdp.t and path_dsr.t run it so.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
# shellcheck source=../lib/lib.sh
. selftests/lib/lib.sh
. selftests/lib/net.sh
. selftests/lib/agent.sh
. selftests/lib/model.sh
. selftests/lib/shares.sh

DATAPATH=${DATAPATH:-tc}
NARROW=203.0.113.3 # n3's address
RETURN=${RETURN:-tunnel}

# Where packets meet XDP, offloads stay off: it sees them before their checksums would be made.
offloads() { # offloads on|off NAME…
	local name
	[ "$1" = off ] || [ "$DATAPATH" = tc ] || return 0
	for name in "${@:2}"; do net_offloads "$name" eth0 "$1" || return 1; done
}

net_narrow_xdp() { # net_xdp, for n3, whose far end is the hop
	net_offloads n3 eth0 off && net_offloads hop n3 off &&
		on hop ip link set dev n3 xdpdrv obj "$ROOT/build/selftests/xdp_pass.bpf.o" sec xdp
}

net_narrow_node() { # as net_node, behind the hop
	net_namespace hop && net_namespace n3 &&
		ip link add hop mtu 1400 netns "$RUN-net" type veth peer name net mtu 1400 netns "$RUN-hop" &&
		ip link add eth0 netns "$RUN-n3" type veth peer name n3 netns "$RUN-hop" &&
		on net ip addr add 203.0.113.129/30 dev hop && on net ip link set hop up &&
		on net ip route add 203.0.113.0/25 via 203.0.113.130 &&
		on hop ip addr add 203.0.113.130/30 dev net && on hop ip link set net up &&
		on hop ip addr add 203.0.113.1/25 dev n3 && on hop ip link set n3 up &&
		on hop ip route add default via 203.0.113.129 &&
		on hop sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 &&
		on n3 ip addr add $NARROW/25 dev eth0 && on n3 ip link set eth0 up &&
		on n3 ip route add default via 203.0.113.1 &&
		on n3 sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 \
			net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0
}

service() { # service NAME NODE N: one task, 80N is its HTTP, 90N its UDP echo, 70N a UDP port on which nobody listens
	model_service "$1" "80$3:80" "90$3:53/udp" "70$3:54/udp" && net_task "$2" "$1.1" "10.0.0.1$3" &&
		model_task "$1" 1 "$2" "10.0.0.1$3"
}

echoes() { # echoes SERVER [--size …]: one datagram, echoed intact
	local server=$1
	shift
	client_run udp-hits "$@" "$server" 1
}

too_long() { # likewise, but the path says that it is too long
	local output
	output=$(echoes "$@" 2>&1) && return 1
	echo "$output"
	[[ $output == *"Message too long"* ]]
}

# Segments that the namespaces' TCP sent, and those sent again.
segments() {
	local name
	for name; do on "$name" awk '/^Tcp: [0-9]/ { print $12, $13 }' /proc/net/snmp; done |
		awk '{ sent += $1; again += $2 } END { print sent, again }'
}

# intact KIND SERVER BYTES TASK: the transfer arrives intact, and less than 0.1 % of its segments are sent twice.
intact() {
	local before after
	read -ra before < <(segments client "$4")
	client_run "$1" "$2" "$3" || return 1
	read -ra after < <(segments client "$4")
	echo "$1 $2: segments: $((after[0] - before[0])), again: $((after[1] - before[1]))"
	[ $(((after[1] - before[1]) * 1000)) -lt $((after[0] - before[0])) ]
}

# Nobody remembers what it learned of a path.
forget() {
	local name
	for name; do on "$name" ip route flush cache; done
}

need taskset
run_begin
# Two CPUs work off one veth's packets out of order, which TCP takes for losses: with nothing lost, up to 1 % was sent again, with or without skep.
must taskset -pc "$(taskset -pc $$ | sed 's/.*: //; s/[,-].*//')" $$
must net_begin 2
must net_narrow_node
must model_begin 3
must model_set '(.nodes[] | select(.id == "n3") | .address) = $address' --arg address $NARROW
must service near n1 1
must service far n2 2
must service narrow n3 3
[ "$DATAPATH" = tc ] || { must net_xdp n1 n2 client && must net_narrow_xdp; }
for node in n1 n2 n3; do must agent_start $node --source "file:$MODEL" --datapath "$DATAPATH" --return "$RETURN"; done
for node in n1 n2 n3; do must within 30 agent_ready $node; done
for node in n1 n2 n3; do check "$DATAPATH is in force on $node" is "$DATAPATH" status $node '.datapath.interfaces[0].datapath'; done
check "the maps of all nodes are right" verified n1 n2 n3

# Pieces.
for offloads in on off; do
	must offloads $offloads client n1 n2
	check "8,000 bytes by UDP come back intact from a local task, offloads $offloads" \
		echoes 192.0.2.1:901 --size 8000
	check "and from a remote one" echoes 192.0.2.1:902 --size 8000
	check "and from one behind the narrow hop" echoes 192.0.2.1:903 --size 8000
	check "and 60,000 bytes" echoes 192.0.2.1:902 --size 60000
done
must offloads on client n1 n2
check "200 cut datagrams: none is lost" client_run udp-hits --size 3000 192.0.2.1:902 200
check "a host's own cut datagram comes back from a task of its node" on n1 "$CLIENT" udp-hits --size 8000 10.0.0.11:53 1
check "and from a task of another node" on n1 "$CLIENT" udp-hits --size 8000 10.0.0.12:53 1
check "and none was for nobody" fails counted n2 drop_fragment 0

# Too big for the tunnel.
before=$(verdict n1 answer_too_big)
check "1,472 bytes that may not be cut: the client is told that they are too long" \
	too_long 192.0.2.1:902 --size 1472 --dont-fragment
check "which is counted" counted n1 answer_too_big "$before"
check "and knows the path's MTU from then on" contains "mtu 1450" on client ip route get 192.0.2.1
check "so what it then sends is cut, and arrives" echoes 192.0.2.1:902 --size 1472
must forget client
check "a local task gets them" echoes 192.0.2.1:901 --size 1472 --dont-fragment
case $RETURN in
dsr)
	check "an answer too big for the tunnel does not meet it" echoes 192.0.2.1:902 --size 1410
	check "so nobody is told" fails counted n2 answer_too_big 0
	;;
*)
	check "an answer too big for the tunnel is lost once" fails timeout 2 nsenter --net="/run/netns/$RUN-client" \
		"$CLIENT" udp-hits --size 1410 192.0.2.1:902 1
	check "since its task is told" counted n2 answer_too_big 0
	check "and then cuts it" echoes 192.0.2.1:902 --size 1410
	;;
esac

# Nobody listens.
check "UDP to a port on which the local task does not listen is refused" refused udp-hits 192.0.2.1:701
check "and the remote task" refused udp-hits 192.0.2.1:702
check "and the one behind the narrow hop" refused udp-hits 192.0.2.1:703

# A path that is narrower than its ends know. What is sent again is to be the path's doing: so less is in flight than the queues of veth devices
# hold (net.core.netdev_max_backlog, 1000 packets), and all is on one CPU (see below).
for name in client near.1 narrow.1; do
	must on $name sysctl -qw net.ipv4.tcp_wmem="4096 131072 262144" net.ipv4.tcp_rmem="4096 131072 262144"
done
must forget client far.1 narrow.1 near.1
before=$(verdict n1 icmp_error)
check "64 MiB come down through a narrow tunnel" intact download 192.0.2.1:803 67108864 narrow.1
case $RETURN in
dsr) check "or rather beside it, as its task was told through the client's node" counted n1 icmp_error "$before" ;;
*) check "where nobody is told anything" is "$before" verdict n1 icmp_error ;;
esac
check "64 MiB go up through it" intact upload 192.0.2.1:803 67108864 narrow.1
check "a node that learns how narrow the path is" fails on n1 "$CLIENT" udp-hits --size 1472 --dont-fragment $NARROW:903 1
check "knows it" contains "mtu 1400" on n1 ip route get $NARROW
check "so 64 MiB come down through a tunnel known to be narrow" intact download 192.0.2.1:803 67108864 narrow.1
check "and go up" intact upload 192.0.2.1:803 67108864 narrow.1
must forget narrow.1
before=$(verdict n3 icmp_error)
check "64 MiB come down from a local task to a client behind the hop, as the task is told of it" \
	intact download $NARROW:803 67108864 narrow.1
check "the task's node told it" counted n3 icmp_error "$before"
check "and go up" intact upload $NARROW:803 67108864 narrow.1
before=$(verdict n3 icmp_error)
check "64 MiB come down from a task behind the tunnel to a client behind the hop" \
	intact download $NARROW:801 67108864 near.1
case $RETURN in
dsr) check "past the hop" is "$before" verdict n3 icmp_error ;;
*) check "the task was told across the tunnel" counted n3 icmp_error "$before" ;;
esac
check "and go up" intact upload $NARROW:801 67108864 near.1
must offloads off client n1 n2 n3
must forget client narrow.1 near.1
check "without offloads: 64 MiB come down through the narrow tunnel" intact download 192.0.2.1:803 67108864 narrow.1
check "and go up" intact upload 192.0.2.1:803 67108864 narrow.1
check "and come down to a client behind the hop" intact download $NARROW:801 67108864 near.1
check "a cut datagram comes back" echoes $NARROW:901 --size 8000

[ "$DATAPATH" = tc ] || check "XDP had its part in it" test "$(status n1 .datapath.xdp.forwarded)" -gt 1000
for node in n1 n2 n3; do
	must agent_stop $node
	check "skep unload on $node" agent_unload $node
done
