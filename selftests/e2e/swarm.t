#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A real Swarm: a manager and two workers, Debian's dockerd each, and an agent on each. Everything here is what a user of Swarm does and sees.

cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=../lib/lib.sh
. selftests/lib/lib.sh
. selftests/lib/net.sh
. selftests/lib/agent.sh
. selftests/lib/swarm.sh
. selftests/lib/shares.sh

NODES=(n1 n2 n3)
TARGETS=(192.0.2.1:8080 192.0.2.2:8080 192.0.2.3:8080)

start() { # start NODE: its agent
	# shellcheck disable=SC2046 # flags are words
	agent_start "$1" $(agent_docker "$1")
}

# What the maps of a node have: not the agent's word for it.
maps_have() { # maps_have NODE SERVICE N [PORT]: SERVICE has N tasks to pick from and, if given, PORT is published
	skep "$1" services --maps --bpffs "$RUN_DIR/bpf/$1" --json |
		jq -e --arg name "$2" --argjson n "$3" --argjson port "${4:-null}" \
			'.[] | select(.name == $name) | .ring == $n and
			($port == null or any(.ports[]; .published == $port))' >/dev/null ||
		{ echo "$1: not $3 tasks of $2"; return 1; }
}

maps_without() { # maps_without NODE PORT
	skep "$1" services --maps --bpffs "$RUN_DIR/bpf/$1" --json |
		jq -e --argjson port "$2" 'all(.[]; all(.ports[]; .published != $port))' >/dev/null
}

node_is_right() { # node_is_right NODE CONDITION ARGUMENT…
	local node=$1 condition=$2
	shift 2
	"$condition" "$node" "$@" && skep "$node" verify
}

# right CONDITION ARGUMENT…: on every node it holds, and verify finds nothing.
right() {
	local node pid pids=() status=0
	for node in "${NODES[@]}"; do
		node_is_right "$node" "$@" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid" || status=1; done
	return $status
}

updated() { # updated SERVICE: Docker says that its update is done
	[ "$(docker_on n1 service inspect --format '{{.UpdateStatus.State}}' "$1")" = completed ]
}

# converges CONDITION…: takes the time from now, when Docker has reported the change done, until every node is right.
converges() {
	local start
	start=$(date +%s%N)
	within 10 right "$@" || return 1
	echo $((($(date +%s%N) - start) / 1000000)) >>"$RUN_DIR/converged"
}

update() { # update FLAG…: a rolling update of web, done when this returns
	docker_on n1 service update --quiet --detach --update-parallelism 1 "$@" web >/dev/null &&
		within 90 updated web
}

scale_to() {
	docker_on n1 service scale --detach "web=$1" >/dev/null && within 30 service_running web "$1"
}

load_both() {
	load_start short --rate 100 "${TARGETS[@]}" && load_start keep --rate 100 --keep-alive "${TARGETS[@]}"
}

no_request_failed() { # no_request_failed WHILE
	check "$1: no request on its own connection failed" load_stop short
	check "$1: no request on a kept connection failed" load_stop keep
}

run_begin
must net_begin 3
must swarm_begin "${NODES[@]}"

# Workers' agents first.
must start n2
must start n3
waits() {
	[ "$(status n2 .source.kind)" = feed ] && [ "$(status n2 .source.state)" = starting ] &&
		status n2 .source.text
}
check "a worker's agent without a manager's waits, and says for whom" within 20 contains 192.0.2.1 waits

must service_create web 4 --publish 8080:80 --publish 8053:53/udp --stop-grace-period 20s \
	--update-monitor 1s
must within 60 service_running web 4
check "before the manager's agent Docker's own mesh answers nothing here" fails client_run hits 192.0.2.1:8080 1
must start n1
check "it takes up when one is there" within 10 right maps_have web 4 8080

TASKS=(web.1 web.2 web.3 web.4)
for node in "${NODES[@]}"; do
	address=$(node_address "$node")
	check "400 connections through $node: each task has 100, and saw the client's address" \
		shares hits "$address:8080" 100 "${TASKS[@]}"
	check "400 datagrams through $node: likewise" shares udp-hits "$address:8053" 100 "${TASKS[@]}"
done

refuses_strangers() {
	local answer
	answer=$(on n2 curl -sk --max-time 5 -w '%{http_code}' https://192.0.2.1:2378/v1/model)
	echo "$answer"
	[[ $answer == *403 ]] && [[ $answer != *services* ]]
}
check "the feed tells nothing to who has no certificate of the Swarm" refuses_strangers

# Through n1 to a task on n3 and back, at MTU 1500 everywhere.
must service_create bulk 1 --constraint node.hostname==n3 --publish 8090:80
must within 30 service_running bulk 1
must within 5 right maps_have bulk 1 8090
check "256 MiB come down intact from a task on another node" client_run download 192.0.2.1:8090 268435456
check "256 MiB go up intact" client_run upload 192.0.2.1:8090 268435456

# A connection that stays, to a task that stays, while others come and go.
mkfifo "$RUN_DIR/hold"
spawn hold nsenter --net="/run/netns/$(netns client)" bash -c \
	'exec 3<>"$1"; "$2" hold 192.0.2.2:8090 <&3 >"$3" 2>&1' hold "$RUN_DIR/hold" "$CLIENT" "$RUN_DIR/held"
held_lines() { [ "$(grep -c '^bulk.1 ' "$RUN_DIR/held")" -eq "$1" ]; }
echo / >"$RUN_DIR/hold"
must within 5 held_lines 1

# Twenty changes, each timed from Docker's word that it is done. Publishing a port is a rolling update to Swarm.
: >"$RUN_DIR/converged"
for round in 1 2 3 4 5 6 7 8; do
	must scale_to 8
	must converges maps_have web 8
	must scale_to 2
	must converges maps_have web 2
done
for round in 1 2; do
	must update --publish-add 8081:81
	must converges maps_have web 2 8081
	must update --publish-rm 81
	must converges maps_without 8081
done
slow=$(sort -n "$RUN_DIR/converged" | sed -n 19p)
diag "milliseconds until every node was right, 20 changes: $(sort -n "$RUN_DIR/converged" | tr '\n' ' ')"
check "after each of 20 changes every node is right within a second (p95: $slow ms)" test "$slow" -lt 1000
echo / >"$RUN_DIR/hold"
check "a connection to a task of another service lived through all of it" within 5 held_lines 2

# Under traffic.
must scale_to 4
must within 5 right maps_have web 4
must load_both
must update --force --update-order stop-first
no_request_failed "a rolling update, stop-first"
must load_both
must update --force --update-order start-first
no_request_failed "a rolling update, start-first"
must load_both
must scale_to 6
must within 5 right maps_have web 6
must scale_to 2
must within 30 right maps_have web 2
no_request_failed "scaled from 4 to 6 to 2"

must load_both
agent_kill n2
agent_kill n1
must start n1
must start n2
check "agents that were killed come back and adopt" within 10 right maps_have web 2
no_request_failed "the agents of a manager and a worker killed"

# Roles.
must docker_on n1 node promote n2
is_source() { [ "$(status "$1" .source.kind)" = "$2" ] && [ "$(status "$1" .source.state)" = current ]; }
check "a promoted node's agent asks its own Docker" within 15 is_source n2 swarm
must docker_on n1 node demote n2
check "a demoted one follows a manager again" within 30 is_source n2 feed

# A daemon that goes takes its containers along; Swarm starts others.
must dockerd_stop n3
must dockerd_start n3
must within 60 node_ready n3
check "after a worker's dockerd was restarted all nodes are right" within 60 right maps_have web 2
check "and answer" client_run hits 192.0.2.3:8080 20

must docker_on n1 service rm web
check "a service that is removed is refused within a second" within 1 refused hits 192.0.2.2:8080
check "and its ports from their maps" within 1 right maps_without 8080
