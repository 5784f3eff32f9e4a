# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Network namespaces of a run. Sourced after lib.sh.
#
#     client 192.0.2.100 --.
#     n1     192.0.2.1   ----- bridge br0 in "net", 192.0.2.254, a router -- far 198.51.100.10
#     n2     192.0.2.2   --'
#
# Inside each, its interface is eth0; MTU is 1500; the default route goes to the router. Names are short ones here (n1); the
# kernel's are "$RUN-n1", which `netns n1` prints.
#
#   net_begin [N]             Bridge and router, nodes n1…nN (3), client, far (a client that only a router reaches).
#   net_host NAME ADDRESS     One more machine on the bridge.
#   net_task NODE TASK OVERLAY_ADDRESS [BACKEND ARGUMENT…]
#                             A task without Docker: namespace TASK, with OVERLAY_ADDRESS on lo and eth0 to NODE as its default route. Starts
#                             the backend there (ports 80/tcp, 53/udp unless arguments are given). The host end, on NODE, is "t-TASK".
#   net_task_remove TASK      Ends it, as a container's end does.
#   net_namespace NAME        A bare namespace, lo up.   net_remove NAME: gone.
#   net_offloads NAME IFACE on|off   Checksum and segmentation offloads.
#   net_xdp NAME…             Sets links up for XDP on eth0 of NAME: an XDP program at the bridge's end, without which what XDP sends is lost, and
#                             no offloads, as XDP sees frames before their checksums would be made.
#   netns NAME                The kernel's name of a namespace.
#   on NAME COMMAND…          Runs COMMAND in it (network only: files, /sys and processes stay the machine's).
#   node_address NAME         The node's address: n1 -> 192.0.2.1.
#   client_run COMMAND…       The test client in namespace client: client_run hits 192.0.2.1:8080 12
#   load_start NAME --rate R … SERVER…   Load beside the test, from client; load_stop NAME ends it, prints its result,
#                             and succeeds if no request failed.

netns() {
	echo "$RUN-$1"
}

on() {
	local name=$1
	shift
	# Not `ip netns exec`: it mounts another /sys, where neither cgroups nor BPF are.
	nsenter --net="/run/netns/$RUN-$name" "$@"
}

node_address() {
	echo "192.0.2.${1#n}"
}

net_namespace() {
	ip netns add "$RUN-$1" && on "$1" ip link set lo up
}

net_remove() {
	ip netns del "$RUN-$1"
}

# A veth pair: NAME's eth0, and a port of the bridge or a leg of the router.
net_wire() {
	local name=$1 far=$2
	ip link add eth0 netns "$RUN-$name" type veth peer name "$far" netns "$RUN-net" &&
		on net ip link set "$far" up &&
		on "$name" ip link set eth0 up
}

net_host() {
	local name=$1 address=$2
	net_namespace "$name" &&
		net_wire "$name" "$name" &&
		on net ip link set "$name" master br0 &&
		on "$name" ip addr add "$address/24" dev eth0 &&
		on "$name" ip route add default via 192.0.2.254
}

# As on a host where Docker runs: forwarding, and no strict source check.
net_node() {
	net_host "$1" "$(node_address "$1")" &&
		on "$1" sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 \
			net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0
}

net_begin() {
	local i
	net_namespace net &&
		on net ip link add br0 type bridge &&
		on net ip addr add 192.0.2.254/24 dev br0 &&
		on net ip link set br0 up &&
		on net sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 || return 1
	for ((i = 1; i <= ${1:-3}; i++)); do
		net_node "n$i" || return 1
	done
	net_host client 192.0.2.100 &&
		net_namespace far &&
		net_wire far far &&
		on net ip addr add 198.51.100.254/24 dev far &&
		on far ip addr add 198.51.100.10/24 dev eth0 &&
		on far ip route add default via 198.51.100.254
}

# Docker's leg on docker_gwbridge, for one task alone: a small subnet, repeated on every node.
net_task() {
	local node=$1 task=$2 address=$3 host="t-$2" subnet
	shift 3
	[ $# -gt 0 ] || set -- --port 80 --udp-port 53
	subnet=172.18.$((${address##*.} % 256))
	net_namespace "$task" &&
		ip link add eth0 netns "$RUN-$task" type veth peer name "$host" netns "$RUN-$node" &&
		on "$node" ip addr add "$subnet.1/24" dev "$host" &&
		on "$node" ip link set "$host" up &&
		on "$node" sysctl -qw "net/ipv4/conf/$host/rp_filter=0" &&
		on "$task" ip addr add "$address/32" dev lo &&
		on "$task" ip addr add "$subnet.2/24" dev eth0 &&
		on "$task" ip link set eth0 up &&
		on "$task" ip route add default via "$subnet.1" &&
		spawn "$task" nsenter --net="/run/netns/$RUN-$task" "$BACKEND" --name "$task" "$@" &&
		within 5 on "$task" "$CLIENT" hits 127.0.0.1:80 1 >/dev/null
}

net_task_remove() {
	stop "$1" KILL
	net_remove "$1"
}

net_offloads() {
	on "$1" ethtool -K "$2" tx "$3" rx "$3" tso "$3" gso "$3" gro "$3" >/dev/null
}

net_xdp() {
	local name
	for name; do
		net_offloads "$name" eth0 off &&
			net_offloads net "$name" off &&
			on net ip link set dev "$name" xdpdrv obj "$ROOT/build/selftests/xdp_pass.bpf.o" sec xdp || return 1
	done
}

client_run() {
	on client "$CLIENT" "$@"
}

load_start() {
	local name=$1
	shift
	rm -f "$RUN_DIR/log/load-$name.log"
	spawn "load-$name" nsenter --net="/run/netns/$RUN-client" "$CLIENT" load "$@"
}

load_stop() {
	stop "load-$1"
	cat "$RUN_DIR/log/load-$1.log"
	grep -q '^requests=.* failures=0 ' "$RUN_DIR/log/load-$1.log"
}
