#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A VIP that two nodes answer on, and that is held by one of them, then by the other: what a client on the link sees.

cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=../lib/lib.sh
. selftests/lib/lib.sh
. selftests/lib/net.sh
. selftests/lib/agent.sh
. selftests/lib/model.sh
. selftests/lib/shares.sh

VIP=192.0.2.50
FLAGGED=192.0.2.51
NODES=(n1 n2)

start() {
	local node=$1
	shift
	agent_start "$node" --source "file:$MODEL" --vip "$VIP" "$@" && within 30 agent_ready "$node"
}

# "skep n1 vip …" puts --run-dir behind the command's name.
vip() {
	local node=$1
	shift
	on "$node" "$SKEP" vip "$@" --run-dir "$RUN_DIR/$node/run"
}

held() { # held NODE ADDRESS: skep holds it there
	[ "$(vip "$1" list --json | jq -r --arg vip "$2" '.[] | select(.address == $vip) | .holder')" = skep ]
}

addresses() {
	on "$1" ip -4 -o addr show dev eth0
}

refused_with() { # refused_with TEXT COMMAND…: COMMAND fails, with TEXT
	local text=$1 said
	shift
	said=$("$@" 2>&1) && return 1
	case $said in
	*"$text"*) ;;
	*)
		echo "$said"
		return 1
		;;
	esac
}

mac() {
	on "$1" ip -j link show dev eth0 | jq -r '.[0].address'
}

neighbour() { # what the client's kernel believes of the VIP
	on client ip -j neigh show to "$1" dev eth0 | jq -r '.[0].lladdr'
}

ping_once() {
	on client busybox ping -c 1 -W 1 "$1"
}

# Connections that came in at a node for the services, as its maps count them.
new_flows() {
	skep "$1" services --json | jq '[.[].new_flows] | add'
}

came_in_at() { # came_in_at NODE N COMMAND…: COMMAND's N connections did
	local node=$1 n=$2 before
	shift 2
	before=$(new_flows "$node")
	"$@" || return 1
	is $((before + n)) new_flows "$node"
}

run_begin
need jq busybox
must net_begin 2
must model_begin 2
must model_service web 8080:80
must scale web 2
for node in "${NODES[@]}"; do addresses "$node" >"$RUN_DIR/before.$node"; done
must start n1 --vip "$FLAGGED,hold"
must start n2 --vip "$FLAGGED"

check "a VIP that nobody holds is not answered on" fails ping_once $VIP
check "a VIP that the flag says to hold is held" within 2 held n1 $FLAGGED
check "and answered on" ping_once $FLAGGED

check "a node takes a VIP" vip n1 take $VIP
check "has it on the interface of its subnet, by skep's label" contains "inet $VIP/32 scope global eth0:skep" addresses n1
check "and the client pings it" ping_once $VIP
check "by that node" is "$(mac n1)" neighbour $VIP
check "and connects to it, through that node" came_in_at n1 10 client_run hits $VIP:8080 10
check "the status shows it" is 'skep eth0' status n1 ".vips[] | select(.address == \"$VIP\") | .holder + \" \" + .interface"
check "in words, too" contains "holds $VIP on eth0" skep n1 status
check "and elsewhere that it is not held" is null status n2 ".vips[] | select(.address == \"$VIP\") | .holder | tojson"
check "the maps are right, each frontend once" verified n1 n2

check "taking it again is refused" refused_with "holds $VIP already" vip n1 take $VIP
check "releasing what is not held is refused" refused_with "does not hold $VIP" vip n2 release $VIP
check "taking an address that is no VIP is refused" refused_with "is no VIP" vip n2 take 192.0.2.77
check "and text that is no address" refused_with "is not an IPv4 address" vip n2 take fe80::1

must load_start move --rate 100 $VIP:8080
check "the node lets go of it" vip n1 release $VIP
check "another takes it" vip n2 take $VIP
check "the client's kernel has the new holder within a second, by the announcement alone" \
	within 1 is "$(mac n2)" neighbour $VIP
check "pings it there" ping_once $VIP
check "no request failed while it moved" load_stop move
check "and the client connects through it" came_in_at n2 10 client_run hits $VIP:8080 10
check "the first one has it no more" fails grep "inet $VIP/" <(addresses n1)

agent_kill n2
check "without an agent the VIP is still answered on" ping_once $VIP
check "and connections are made" client_run hits $VIP:8080 4
must start n2 --vip "$FLAGGED"
check "the next agent knows that it holds it" held n2 $VIP
must agent_stop n2
check "an agent that is stopped leaves it, too" ping_once $VIP
must start n2 --vip "$FLAGGED"
check "and can let go of what an earlier one took" vip n2 release $VIP
must vip n2 take $VIP

must vip n1 release $FLAGGED
must agent_stop n1
must start n1 --vip "$FLAGGED,hold"
check "what was released stays so when the agent starts anew, whatever the flag says" fails held n1 $FLAGGED

must on n1 ip addr add $FLAGGED/32 dev eth0
check "an address that somebody else put there is shown as theirs" \
	within 2 is other status n1 ".vips[] | select(.address == \"$FLAGGED\") | .holder"
check "answered on" client_run hits $FLAGGED:8080 4
check "not taken" refused_with "put there by somebody else" vip n1 take $FLAGGED
check "and not released" refused_with "was put on eth0 by somebody else" vip n1 release $FLAGGED

must vip n1 take $VIP
check "that two nodes hold a VIP is told of" within 3 grep -q "the VIP $VIP, which this node holds, is claimed by the host $(mac n1) too" \
	"$RUN_DIR/log/agent-n2.log"

for node in "${NODES[@]}"; do must agent_stop "$node"; done
for node in "${NODES[@]}"; do
	check "skep unload on $node tells of the VIP" contains "removed: the VIPs that this node held (1)" agent_unload "$node"
done
check "leaves the address that is another's" contains "$FLAGGED/32" addresses n1
must on n1 ip addr del $FLAGGED/32 dev eth0
for node in "${NODES[@]}"; do
	check "and on $node nothing but what was there before" diff "$RUN_DIR/before.$node" <(addresses "$node")
done
