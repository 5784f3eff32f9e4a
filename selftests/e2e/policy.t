#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Which task gets a connection when a service's labels or its tasks' weights say so, and that each of them may be changed while traffic runs.
# Three nodes with the file source.

cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=../lib/lib.sh
. selftests/lib/lib.sh
. selftests/lib/net.sh
. selftests/lib/agent.sh
. selftests/lib/model.sh

NODES=(n1 n2 n3)
VIP=192.0.2.50

# set_labels LABELS WEIGHTS: a JSON object, and one of weights by task (1 for those that it does not name); in force on return.
set_labels() {
	model_set '.services[0].labels = $labels | .tasks |= map(.weight = ($weights[.name] // 1))' \
		--argjson labels "$1" --argjson weights "$2" || return 1
	within 5 everywhere "$1" "$2"
}

# The agents have read the file, and the maps say what it says.
everywhere() {
	local node
	for node in "${NODES[@]}"; do
		[ "$(skep "$node" model | jq -c --argjson labels "$1" --argjson weights "$2" \
			'(.services[0].labels // {}) == $labels and all(.tasks[]; (.weight // 1) == ($weights[.id] // 1))')" = true ] || return 1
	done
	verified "${NODES[@]}"
}

# "web.1 30 web.2 10 …": how many of N connections to SERVER each task got.
tally() { # tally SERVER N
	on "${FROM:-client}" "$CLIENT" hits "$1" "$2" | awk '$1 == "task" { print $2, $3 }' | sort | paste -sd' '
}

# The one task that answers the client through every node.
task_of_client() {
	local node
	for node in "${NODES[@]}"; do tally "$(node_address "$node"):8080" 8; done | awk '{ print NF == 2 ? $1 : "several" }' | sort -u | paste -sd' '
}

one_task() { # one_task: prints it if it is one
	local task
	task=$(task_of_client)
	echo "$task"
	[[ $task =~ ^web\.[0-9]+$ ]]
}

vip() {
	local node=$1
	shift
	on "$node" "$SKEP" vip "$@" --run-dir "$RUN_DIR/$node/run"
}

flows() { # flows NODE: live ones by task, from the API
	skep "$1" tasks --json | jq -c '[.[] | {(.name): .flows}] | sort | add'
}

flows_sum() { # flows_sum NODE N: there are N
	[ "$(skep "$1" tasks --json | jq '[.[].flows] | add')" = "$2" ] || {
		flows "$1"
		return 1
	}
}

flows_even() { # flows_even NODE N SLACK: each of three serving tasks has N, but for SLACK
	flows "$1"
	[ "$(skep "$1" tasks --json | jq --argjson n "$2" --argjson slack "$3" \
		'[.[] | select(.level == "serving")] | length == 3 and all(.[]; .flows >= $n - $slack and .flows <= $n + $slack)')" = true ]
}

# N connections to SERVER that stay open, and of which each asks when it is told to.
declare -A HELD

hold() { # hold NAME N SERVER
	local i fd
	for ((i = 1; i <= $2; i++)); do
		mkfifo "$RUN_DIR/$1.$i" || return 1
		exec {fd}<>"$RUN_DIR/$1.$i"
		HELD[$1.$i]=$fd
		spawn "$1.$i" nsenter --net="/run/netns/$RUN-client" sh -c 'exec "$1" hold "$2" <"$3"' - "$CLIENT" "$3" "$RUN_DIR/$1.$i"
	done
}

answered() { # answered NAME N ANSWERS: each of the N has had so many, all from one task, and nothing else was said
	local i
	for ((i = 1; i <= $2; i++)); do
		[[ $(uniq -c "$RUN_DIR/log/$1.$i.log") =~ ^\ *$3\ web\.[0-9]+\ 192\.0\.2\.100:[0-9]+$ ]] || {
			cat "$RUN_DIR/log/$1.$i.log"
			return 1
		}
	done
}

ask() { # ask NAME N ANSWERS: each of the N asks once more, which makes so many answers
	local i
	for ((i = 1; i <= $2; i++)); do echo / >&"${HELD[$1.$i]}"; done
	within 5 answered "$1" "$2" "$3"
}

let_go() { # let_go NAME N
	local i fd
	for ((i = 1; i <= $2; i++)); do
		fd=${HELD[$1.$i]}
		exec {fd}>&-
		stop "$1.$i"
	done
	return 0
}

packets() {
	skep "$1" services --json | jq '[.[].packets] | add'
}

run_begin
need jq awk
must net_begin 3
must model_begin 3
must model_service web 8080:80
must scale web 6
for node in "${NODES[@]}"; do must agent_start "$node" --source "file:$MODEL" --vip "$VIP"; done
for node in "${NODES[@]}"; do must within 30 agent_ready "$node"; done

# Weights.
must set_labels '{}' '{"web.1": 3, "web.2": 2, "web.6": 0}'
check "connections are shared out as weights say, and weight 0 gets none" \
	is "web.1 30 web.2 20 web.3 10 web.4 10 web.5 10" tally 192.0.2.1:8080 80
check "a task of weight 0 drains" is draining on n1 sh -c \
	"'$SKEP' tasks --json --run-dir '$RUN_DIR/n1/run' | jq -r '.[] | select(.name == \"web.6\") | .level'"

# Locality.
must set_labels '{"skep.prefer": "local"}' '{}'
check "with skep.prefer=local a node's own tasks get all" is "web.2 30 web.5 30" tally 192.0.2.2:8080 60
must set_labels '{"skep.prefer": "local"}' '{"web.2": 0}'
check "all that serve of them" is "web.5 60" tally 192.0.2.2:8080 60
must set_labels '{"skep.prefer": "local"}' '{"web.2": 0, "web.5": 0}'
check "and the others where none of them serves" is "web.1 10 web.3 10 web.4 10 web.6 10" tally 192.0.2.2:8080 40

# Affinity to the client's address.
must set_labels '{"skep.policy": "source"}' '{}'
check "with skep.policy=source a client has one task, through every node" one_task
first=$(task_of_client)
FROM=far check "another client has one, too" one_task
must scale web 7
must within 5 verified "${NODES[@]}"
check "more tasks move nobody" is "$first" task_of_client
must set_labels '{"skep.policy": "source"}' "{\"$first\": 0}"
check "a task that takes nothing more loses its client to another" one_task
second=$(task_of_client)
check "indeed" test "$second" != "$first"
must set_labels '{"skep.policy": "source"}' '{}'
check "where it stays" is "$second" task_of_client
must scale web 6

# Long connections.
must set_labels '{}' '{"web.1": 0, "web.2": 0, "web.4": 0, "web.5": 0, "web.6": 0}'
must within 5 flows_sum n1 0
must hold first 20 192.0.2.1:8080
check "twenty connections are one task's" ask first 20 1
check "which has them all" is '{"web.1":0,"web.2":0,"web.3":20,"web.4":0,"web.5":0,"web.6":0}' flows n1
must set_labels '{"skep.policy": "least-flows"}' '{"web.4": 0, "web.5": 0, "web.6": 0}'
must hold second 40 192.0.2.1:8080
check "forty more are made" ask second 40 1
check "and with skep.policy=least-flows three tasks have as many" flows_even n1 20 3
check "skep tasks shows it" contains FLOWS skep n1 tasks
check "and so do the maps alone" is 60 on n1 sh -c \
	"'$SKEP' tasks --maps --bpffs '$RUN_DIR/bpf/n1' --json | jq '[.[].flows] | add'"
check "the first go on" ask first 20 2
must let_go first 20
must let_go second 40
check "when all are closed there are none" within 5 flows_sum n1 0

# Moving a VIP under connections.
must set_labels '{"skep.policy": "maglev"}' '{}'
must vip n1 take $VIP
must hold moved 20 $VIP:8080
check "with skep.policy=maglev twenty connections are made through a VIP" ask moved 20 1
tasks=$(cut -d' ' -f1 "$RUN_DIR"/log/moved.*.log | sort -u | wc -l)
check "to several tasks" test "$tasks" -gt 2
before=$(packets n2)
must vip n1 release $VIP
must vip n2 take $VIP
check "each goes on when another node takes it" ask moved 20 2
check "through that node" test "$(packets n2)" -ge $((before + 40))
check "whose flows they are now" flows_sum n2 20
must scale web 7
must within 5 verified "${NODES[@]}"
check "each stays with its task when one is added" ask moved 20 3
must let_go moved 20
check "and ends where it was last" within 5 flows_sum n2 0
check "other connections are refused nowhere" client_run hits 192.0.2.1:8080 50
for node in "${NODES[@]}"; do
	check "the maps of $node are right" verified "$node"
	must agent_stop "$node"
	must agent_unload "$node"
done
