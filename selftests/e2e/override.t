#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Overrides by hand: what a person on call orders on one node, and on a real Swarm for every node. Each changes where the next
# connections go, on the nodes it bears on, within a second; comes through an agent's restart; ends when told or by itself.

cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=../lib/lib.sh
. selftests/lib/lib.sh
. selftests/lib/net.sh
. selftests/lib/agent.sh
. selftests/lib/model.sh
. selftests/lib/shares.sh

# DATAPATH=tc (default) or xdp.
DATAPATH=${DATAPATH:-tc}
NODES=(n1 n2 n3)
ALL=(web.1 web.2 web.3 web.4)

node_start() {
	agent_start "$1" --source "file:$MODEL" --datapath "$DATAPATH" && within 30 agent_ready "$1"
}

# "skep n1 override …" puts --run-dir behind the command's name.
override() {
	local node=$1
	shift
	on "$node" "$SKEP" override "$@" --run-dir "$RUN_DIR/$node/run"
}

order() { # order NODE ARGUMENT…: makes an override, its id is $ID
	ID=$(override "$@" --json | jq -er .override.id) && [ -n "$ID" ]
}

cleared() { # cleared NODE ID: clears it, and it is gone from the list
	override "$1" clear "$2" && is 0 overrides_of "$1" "map(select(.id == \"$2\")) | length"
}

overrides_of() { # overrides_of NODE JQ-FILTER
	override "$1" list --json | jq -er "$2"
}

# A connection through NODE that stays; $HELD_TASK is who has it.
hold_open() { # hold_open NAME SERVER
	mkfifo "$RUN_DIR/$1.fifo"
	spawn "$1" nsenter --net="/run/netns/$(netns client)" bash -c \
		'exec 3<>"$1"; exec "$2" hold "$3" <&3 >"$4" 2>&1' hold "$RUN_DIR/$1.fifo" "$CLIENT" "$2" "$RUN_DIR/$1.out"
	echo / >"$RUN_DIR/$1.fifo"
	within 5 held_lines "$1" 1 && HELD_TASK=$(awk '{ print $1; exit }' "$RUN_DIR/$1.out")
}

held_lines() { # held_lines NAME N
	[ "$(grep -c '^web\.' "$RUN_DIR/$1.out")" -eq "$2" ]
}

still_held() { # still_held NAME N: one more request on it, the Nth, is answered
	echo / >"$RUN_DIR/$1.fifo"
	within 5 held_lines "$1" "$2" && [ "$(sort -u "$RUN_DIR/$1.out" | awk '{ print $1 }' | uniq | wc -l)" -eq 1 ]
}

is_cut() { # is_cut NAME: the next request on it fails at once
	echo / >"$RUN_DIR/$1.fifo"
	within 1 not_running "$1"
}

refuses_with() { # refuses_with TEXT COMMAND…: fails, and says so
	local text=$1 output
	shift
	output=$("$@" 2>&1) && return 1
	echo "$output"
	[[ $output == *"$text"* ]]
}

without() { # without TASK: the others
	local task
	for task in "${ALL[@]}"; do [ "$task" = "$1" ] || echo "$task"; done
}

run_begin
must net_begin 3
[ "$DATAPATH" = tc ] || must net_xdp "${NODES[@]}" client far
must model_begin 3
must model_service web 8080:80 8443:80 8053:53/udp
must scale web 4
for node in "${NODES[@]}"; do must node_start "$node"; done
must shares hits 192.0.2.1:8080 1 "${ALL[@]}"

# drain TASK
must hold_open kept 192.0.2.1:8080
mapfile -t OTHERS < <(without "$HELD_TASK")
check "an order says what it did" contains "drain $HELD_TASK" override n1 drain "$HELD_TASK" --reason "bad disk"
ID=$(overrides_of n1 '.[0].id')
check "a drained task has none of the next 99 connections" shares hits 192.0.2.1:8080 33 "${OTHERS[@]}"
check "nor of 99 datagrams" shares udp-hits 192.0.2.1:8053 33 "${OTHERS[@]}"
check "but keeps the connection that it has" still_held kept 2
check "other nodes know nothing of it" shares hits 192.0.2.2:8080 25 "${ALL[@]}"
check "verify finds no fault in it" verified n1
for list in status "tasks web" services; do
	# shellcheck disable=SC2086 # words
	check "skep $list shows it, and why" contains "drain $HELD_TASK, since" skep n1 $list
done
check "and that task's row has it" is "bad disk" eval \
	"skep n1 tasks --json | jq -r '.[] | select(.name == \"$HELD_TASK\") | .overrides[0].reason'"
agent_kill n1
check "without an agent it stays in force" shares hits 192.0.2.1:8080 33 "${OTHERS[@]}"
must node_start n1
check "an agent that comes back follows it" shares hits 192.0.2.1:8080 33 "${OTHERS[@]}"
check "and lists it" is "$ID true" overrides_of n1 '.[0] | "\(.id) \(.bears)"'
check "until it is cleared" cleared n1 "$ID"
check "then all have their share again" shares hits 192.0.2.1:8080 25 "${ALL[@]}"
check "and the connection is where it was" still_held kept 3

# drain NODE, ending by itself
must order n1 drain n1 --for 2s
check "a drained node's tasks get nothing" shares hits 192.0.2.1:8080 30 web.2 web.3
check "skep nodes shows it" contains "drain node n1" skep n1 nodes
check "until its time is over" within 3 is 0 overrides_of n1 length
check "then they get their share" shares hits 192.0.2.1:8080 25 "${ALL[@]}"

# weight
must order n1 weight web.1 3
weighed() { # web.1 has three of each six
	is "web.1 60 web.2 20 web.3 20 web.4 20" eval \
		'client_run hits 192.0.2.1:8080 120 | awk "/^task/ { print \$2, \$3 }" | sort | xargs'
}
check "a task of weight 3 gets three times its share" weighed
must order n1 weight web.1 0
check "a task of weight 0 gets nothing" shares hits 192.0.2.1:8080 33 web.2 web.3 web.4
check "what is said of it anew takes the place of the old" order n1 weight web.1 1
check "and is the only one" is 1 overrides_of n1 length
check "and all have their share" shares hits 192.0.2.1:8080 25 "${ALL[@]}"
must cleared n1 "$ID"

# pin
must order n1 pin web:8080 web.3
check "a pinned port's connections go to one task" shares hits 192.0.2.1:8080 100 web.3
check "those of another port to all" shares hits 192.0.2.1:8443 25 "${ALL[@]}"
check "the open connection stays" still_held kept 4
check "verify finds no fault in it" verified n1
agent_kill n1
must node_start n1
check "after a restart likewise" shares hits 192.0.2.1:8080 100 web.3
must order n1 pin web web.2
check "a pinned service's, by another port" shares hits 192.0.2.1:8443 100 web.2
# From elsewhere, and later from other ports: a source port of before may still have its flow.
must on far sysctl -qw net.ipv4.ip_local_port_range="32768 40000"
FROM=far check "and by UDP" shares udp-hits 192.0.2.1:8053 100 web.2
check "while the port keeps its own" shares hits 192.0.2.1:8080 100 web.3
check "clear all" override n1 clear all
check "ends them" shares hits 192.0.2.1:8080 25 "${ALL[@]}"

# disable
must order n1 disable web:8080
check "a disabled port refuses at once" refused hits 192.0.2.1:8080
check "and cuts what is open" is_cut kept
check "the service's other ports answer" shares hits 192.0.2.1:8443 25 "${ALL[@]}"
check "other nodes answer" shares hits 192.0.2.2:8080 25 "${ALL[@]}"
must order n1 disable web
check "a disabled service refuses by every port" refused hits 192.0.2.1:8443
check "and by UDP" refused udp-hits 192.0.2.1:8053
check "verify finds no fault in it" verified n1
must override n1 clear all
check "cleared, it answers" shares hits 192.0.2.1:8080 25 "${ALL[@]}"

# add and remove
must net_host outside 192.0.2.150
[ "$DATAPATH" = tc ] || must net_xdp outside
spawn outside nsenter --net="/run/netns/$(netns outside)" "$BACKEND" --name outside --port 9000 --udp-port 9053
outside_answers() { on n1 "$CLIENT" hits 192.0.2.150:9000 1; }
must within 5 outside_answers
outside_share() { # outside_share KIND SERVER N CLIENT: of 5 N requests each has N; tasks see the client, the back end the node
	local output expected task
	output=$(on "$4" "$CLIENT" "$1" "$2" $((5 * $3))) || { echo "$output"; return 1; }
	expected=$(for task in "${ALL[@]}" outside; do echo "task $task $3"; done
		echo "client $(on "$4" ip -4 -o addr show eth0 | awk '{ sub("/.*", "", $4); print $4 }') $((4 * $3))"
		echo "client 192.0.2.1 $3")
	[ "$(sort <<<"$output")" = "$(sort <<<"$expected")" ] || { echo "$output"; return 1; }
}
must order n1 add web:8080 192.0.2.150:9000
check "a back end outside the Swarm takes its share" outside_share hits 192.0.2.1:8080 20 client
check "also of a client behind a router" outside_share hits 192.0.2.1:8080 20 far
check "other nodes know nothing of it" shares hits 192.0.2.2:8080 25 "${ALL[@]}"
check "nor do other ports" shares hits 192.0.2.1:8443 25 "${ALL[@]}"
check "verify finds no fault in it" verified n1
must order n1 add web:8053 192.0.2.150:9053
must on far sysctl -qw net.ipv4.ip_local_port_range="40001 60999"
check "and by UDP, a client's datagrams" outside_share udp-hits 192.0.2.1:8053 20 far
for task in "${ALL[@]}"; do must order n1 drain "$task"; done
check "it may be the only one" is "task outside 20" eval 'client_run hits 192.0.2.1:8080 20 | grep task'
check "8 MiB come down intact from it" client_run download 192.0.2.1:8080 8388608
check "8 MiB go up intact" client_run upload 192.0.2.1:8080 8388608
mkfifo "$RUN_DIR/out.fifo"
spawn out nsenter --net="/run/netns/$(netns client)" bash -c \
	'exec 3<>"$1"; exec "$2" hold 192.0.2.1:8080 <&3 >"$3" 2>&1' hold "$RUN_DIR/out.fifo" "$CLIENT" "$RUN_DIR/out.out"
out_lines() { [ "$(grep -c '^outside ' "$RUN_DIR/out.out")" -eq "$1" ]; }
echo / >"$RUN_DIR/out.fifo"
must within 5 out_lines 1
agent_kill n1
must node_start n1
check "after a restart it has its share" is "task outside 20" eval 'client_run hits 192.0.2.1:8080 20 | grep task'
must override n1 clear all
must order n1 add web:8080 192.0.2.150:9000
check "remove takes it away" override n1 remove web:8080 192.0.2.150:9000
check "and all is as before" shares hits 192.0.2.1:8080 25 "${ALL[@]}"
echo / >"$RUN_DIR/out.fifo"
check "but for the connection that it has" within 5 out_lines 2
check "a back end that is the node itself is refused" \
	refuses_with "192.0.2.1 is this node's own address" override n1 add web:8080 192.0.2.1:9000

# What is not there.
check "a name that fits nothing is told with what there is" \
	refuses_with '"web.9" fits no task or node; there are web.1, web.2, web.3, web.4' override n1 drain web.9
check "a port that is not published likewise" \
	refuses_with 'web does not publish port 81; it publishes 8053, 8080, 8443' override n1 disable web:81
check "an id that is not there" refuses_with 'there is no override zzz' override n1 clear zzz
check "a time that is none" refuses_with '30s, 10m, 2h or 1d' override n1 drain web.1 --for 10
check "--cluster without a Swarm" refuses_with 'has no Swarm' override n1 drain web.1 --cluster
must order n1 drain web.4
must scale web 3
check "an override whose task is gone is listed as such" within 2 contains "bears on nothing now" override n1 list
check "and changes nothing" shares hits 192.0.2.1:8080 33 web.1 web.2 web.3

# Somebody spoils the file.
agent_kill n1
echo '{"overrides": [{"kind": "drain"}]}' >"$RUN_DIR/n1/state/overrides.json"
must node_start n1
check "a file that makes no sense is told of" contains "overrides.json: overrides[0]: drain needs" skep n1 status
check "laid aside" test -e "$RUN_DIR/n1/state/overrides.json.broken"
check "and not followed" shares hits 192.0.2.1:8080 33 web.1 web.2 web.3
