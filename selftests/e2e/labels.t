#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Service labels of the mesh, changed live: who may come in, where a service answers, how long a connection may be silent, and what is
# shown of a label that cannot be honoured.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
# shellcheck source=../lib/lib.sh
. selftests/lib/lib.sh
. selftests/lib/net.sh
. selftests/lib/agent.sh
. selftests/lib/model.sh
. selftests/lib/shares.sh

VIP=192.0.2.50
SECOND=203.0.113.1 # of n1's eth1
THIRD=203.0.113.2
NODES=(n1 n2)
DATAPATH=${DATAPATH:-tc}

label() { # label KEY=VALUE…: these, and no others
	local labels='{}' text
	for text; do
		labels=$(jq -c '.[$key] = $value' --arg key "${text%%=*}" --arg value "${text#*=}" <<<"$labels") || return 1
	done
	model_set '.services[0].labels = $labels' --argjson labels "$labels"
}

hits() { # hits FROM SERVER
	on "$1" timeout 1 "$CLIENT" hits "$2" 1
}

counter() {
	status n1 ".verdicts.$1 // 0"
}

counted() { # counted VERDICT BEFORE: it has grown
	[ "$(counter "$1")" -gt "$2" ]
}

services() {
	skep n1 services "$@"
}

log_of() {
	cat "$RUN_DIR/log/agent-$1.log"
}

times() { # times N TEXT: the agent's log has TEXT on N lines
	local n
	n=$(log_of n1 | grep -cF -- "$2")
	[ "$n" -eq "$1" ] || {
		echo "$n times: $2"
		return 1
	}
}

# A client that keeps one connection (or socket), and says what it is told: `ask` sends through it and prints the answer. The connection's server end is
# the test backend: HTTP, keep-alive.
held_open() { # held_open NAME tcp|udp ADDRESS PORT
	mkfifo "$RUN_DIR/$1.ask" || return 1
	spawn "held-$1" nsenter --net="/run/netns/$RUN-client" perl -MIO::Socket::INET -e '
		$| = 1;
		my ($fifo, $proto, $addr, $port) = @ARGV;
		my $socket = IO::Socket::INET->new(PeerAddr => $addr, PeerPort => $port, Proto => $proto) or die "connect: $!";
		open(my $asks, "+<", $fifo) or die "$fifo: $!";
		while (<$asks>) {
			my $sent = syswrite($socket, $proto eq "tcp" ? "GET / HTTP/1.1\r\nHost: x\r\n\r\n" : "?");
			my $answer = "";
			my $got = defined $sent ? sysread($socket, $answer, 4096) : undef;
			$answer =~ s/[^ -~]+/ /g;
			print defined $got ? "answer $answer\n" : "error $!\n";
		}' "$RUN_DIR/$1.ask" "$2" "$3" "$4"
}

answers() {
	wc -l <"$RUN_DIR/log/held-$1.log"
}

more_answers() { # more_answers NAME BEFORE
	[ "$(answers "$1")" -gt "$2" ]
}

differs() { # differs TEXT COMMAND…: COMMAND prints something else
	local text=$1 said
	shift
	said=$("$@") && echo "$said" && [ "$said" != "$text" ]
}

ask() { # ask NAME: prints the answer
	local before
	before=$(answers "$1")
	echo >"$RUN_DIR/$1.ask" && within 3 more_answers "$1" "$before" >/dev/null && tail -n 1 "$RUN_DIR/log/held-$1.log"
}

silent_for() { # silent_for PORT MS: each flow to that port was
	skep n1 flows --json | jq -e --argjson port "$1" --argjson ms "$2" \
		'map(select(.frontend_port == $port)) | length > 0 and all(.[]; .idle_ms >= $ms)'
}

run_begin
need jq perl
must net_begin 2
# A second interface of n1's; its address is reached through the router.
must on n1 ip link add eth1 type veth peer name eth1-far
must on n1 ip link set eth1 up
must on n1 ip link set eth1-far up
must on n1 ip addr add "$SECOND/32" dev eth1
must on net ip route add 203.0.113.0/24 via 192.0.2.1
[ "$DATAPATH" = tc ] || must net_xdp "${NODES[@]}" client far
must model_begin 2
must model_service web 8080:80 8053:53/udp
must scale web 2
for node in "${NODES[@]}"; do
	must agent_start "$node" --source "file:$MODEL" --datapath "$DATAPATH" --vip "$VIP" --interface eth0 --max-flows 4096
done
for node in "${NODES[@]}"; do must within 30 agent_ready "$node"; done
check "the log tells at the start how many flows there is room for, and what that takes" \
	grep -q "room for 4096 flows; maps take [0-9.]* MiB" "$RUN_DIR/log/agent-n1.log"
must on n1 "$SKEP" vip take "$VIP" --run-dir "$RUN_DIR/n1/run"
must within 2 hits client "$VIP:8080"

# The same clients before and after.
must held_open conversation tcp 192.0.2.1 8080
must held_open datagrams udp 192.0.2.1 8053
first=$(ask conversation) && first_udp=$(ask datagrams)
must within 5 silent_for 8080 1100
must within 5 silent_for 8053 1100
check "a connection that was silent goes on" is "$first" ask conversation
check "and so does a conversation of datagrams, with its task" is "$first_udp" ask datagrams

must label skep.idle=1 skep.udp-idle=1
check "an idle time is shown" within 2 contains "TCP after 1 s, UDP after 1 s" services web
check "the maps of all nodes are right" within 2 verified n1 n2
must within 5 silent_for 8080 1100
must within 5 silent_for 8053 1100
before=$(counter answer_idle_rst)
check "a connection that was silent for longer is reset" contains "error Connection reset by peer" ask conversation
check "and counted" counted answer_idle_rst "$before"
check "datagrams are balanced anew, to the other task" differs "$first_udp" ask datagrams
check "another connection is made" hits client 192.0.2.1:8080
stop held-conversation
stop held-datagrams

# Who may come in.
must label skep.allow=192.0.2.0/24
check "a client that is allowed is served" within 2 hits client 192.0.2.1:8080
before=$(counter drop_not_allowed)
must within 2 contains 192.0.2.0/24 services web
must within 2 contains 192.0.2.0/24 skep n2 services web
check "another is not" fails hits far 192.0.2.1:8080
check "and counted" counted drop_not_allowed "$before"
check "through the other node neither" fails hits far 192.0.2.2:8080
check "where those who are allowed are served, also by the first node's task" \
	shares hits 192.0.2.2:8080 2 web.1 web.2
must label "skep.allow=192.0.2.0/24,198.51.100.10"
check "a client that is allowed live is served" within 2 hits far 192.0.2.1:8080
agent_kill n1
must agent_start n1 --source "file:$MODEL" --datapath "$DATAPATH" --vip "$VIP" --interface eth0 --max-flows 4096
must within 30 agent_ready n1
check "the next agent finds what the maps have, and nothing amiss" verified n1
must label skep.allow=office
check "if nothing sensible is left of the label nobody is served" within 2 fails hits client 192.0.2.1:8080

# Labels that cannot be honoured.
check "the status tells first of all" \
	within 2 contains "PROBLEM labels: 1 service has labels that cannot be honoured: skep services" skep n1 status
check "the service is marked" contains "web !" services
check "and what is wrong is told" contains '! web: skep.allow: "office" is left out: it is neither an address nor' services
check "the log has it" times 1 'service web: label skep.allow: "office" is left out'
must label skep.allow=198.51.100.0/24 skep.polcy=maglev
check "another label is told of" within 2 contains "! web: skep.polcy: no such label; skep(8) lists them" services
check "while the mended one is in force" within 2 hits far 192.0.2.1:8080
must label
check "without labels nothing is told" within 2 contains "in order" skep n1 status
check "and nothing marked" fails contains ! services
check "the log had each of them once" times 1 'service web: label skep.polcy: no such label'
check "and its end" times 1 'service web: label skep.polcy is no longer a problem'
check "and everybody is served" within 2 hits client 192.0.2.1:8080

# Where it answers.
must label skep.bind=$VIP
check "a service that is bound to a VIP refuses elsewhere" within 2 refused hits 192.0.2.1:8080
check "also datagrams" refused udp-hits 192.0.2.1:8053
check "and is counted" counted answer_not_bound 1
check "and answers on the VIP" client_run hits $VIP:8080 4
check "also datagrams there" client_run udp-hits $VIP:8053 4
must label skep.bind=eth1
check "one that is bound to an interface answers on its address" within 2 hits far $SECOND:8080
check "and refuses on the VIP" refused hits $VIP:8080
check "and on the node's own address" refused hits 192.0.2.1:8080
must on n1 ip addr add $THIRD/32 dev eth1
check "an address that the interface gets is answered on within a second" within 1 hits far $THIRD:8080
must on n1 ip addr del $THIRD/32 dev eth1
must on n1 ip addr add $THIRD/32 dev eth0
check "and refused when another interface has it" within 1 refused hits $THIRD:8080
check "the maps of all nodes are right" verified n1 n2
must label
check "without the label it answers everywhere again" within 2 hits client 192.0.2.1:8080

for node in "${NODES[@]}"; do must agent_stop "$node"; done
for node in "${NODES[@]}"; do check "skep unload on $node" agent_unload "$node"; done
