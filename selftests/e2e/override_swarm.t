#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Overrides of the whole cluster, on a real Swarm: written as labels by a manager, followed by every node, and no task notices.

cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=../lib/lib.sh
. selftests/lib/lib.sh
. selftests/lib/net.sh
. selftests/lib/agent.sh
. selftests/lib/swarm.sh
. selftests/lib/shares.sh

NODES=(n1 n2 n3)
ALL=(web.1 web.2 web.3 web.4)

start() {
	# shellcheck disable=SC2046 # flags are words
	agent_start "$1" $(agent_docker "$1")
}

override() {
	local node=$1
	shift
	on "$node" "$SKEP" override "$@" --run-dir "$RUN_DIR/$node/run"
}

order() { # order NODE ARGUMENT…: makes an override, its id is $ID
	ID=$(override "$@" --json | jq -er .override.id) && [ -n "$ID" ]
}

follow() { # follow N: every node follows so many
	local node
	for node in "${NODES[@]}"; do
		is "$1" on "$node" bash -c \
			'"$0" override list --json --run-dir "$1" | jq "map(select(.bears)) | length"' \
			"$SKEP" "$RUN_DIR/$node/run" || return 1
	done
}

everywhere() { # everywhere KIND PORT N TASK…: as shares, through each node
	local kind=$1 port=$2 node
	shift 2
	for node in "${NODES[@]}"; do
		shares "$kind" "$(node_address "$node"):$port" "$@" || return 1
	done
}

refused_everywhere() {
	local node
	for node in "${NODES[@]}"; do
		refused hits "$(node_address "$node"):$1" || return 1
	done
}

serving() { # serving N: every node gives new connections to so many
	local node
	for node in "${NODES[@]}"; do
		is "$1" eval "skep $node services web --json | jq '.[0].ring'" || return 1
	done
}

containers() { # of web, with when they were started
	local node
	for node in "${NODES[@]}"; do
		docker_on "$node" ps --no-trunc --format '{{.ID}} {{.CreatedAt}}' | sort
	done
}

labels_of() { # labels_of service|node NAME: how many are overrides
	docker_on n1 "$1" inspect "$2" |
		jq '[.[0].Spec.Labels // {} | keys[] | select(startswith("skep.override."))] | length'
}

refuses_with() {
	local text=$1 output
	shift
	output=$("$@" 2>&1) && return 1
	echo "$output"
	[[ $output == *"$text"* ]]
}

run_begin
must net_begin 3
must swarm_begin "${NODES[@]}"
must service_create web 4 --publish 8080:80 --publish 8443:80 --label keep=me
must within 60 service_running web 4
for node in "${NODES[@]}"; do must start "$node"; done
must within 10 serving 4
before=$(containers)

check "a worker cannot write to the Swarm, and says who can" \
	refuses_with 'do it on n1' override n2 drain web.1 --cluster
must order n1 drain web.1 --cluster --reason 'bad disk'
check "a manager can, and within a second every node follows" within 1 follow 1
check "new connections go elsewhere, through every node" everywhere hits 8080 30 web.2 web.3 web.4
check "it is a label of the service" is 1 labels_of service web
check "beside those that it had" is me docker_on n1 service inspect --format '{{.Spec.Labels.keep}}' web
check "a worker's lists show it, and why" contains "drain web.1" skep n3 tasks web
agent_kill n3
must start n3
must within 30 agent_ready n3
check "an agent that comes back follows it" within 2 follow 1
check "a worker cannot clear it" refuses_with 'do it on n1' override n2 clear "$ID"
must override n1 clear "$ID"
check "cleared, every node stops within a second" within 1 follow 0
check "and uses all tasks" everywhere hits 8080 25 "${ALL[@]}"
check "and its label is gone" is 0 labels_of service web

must order n1 pin web:8080 web.3 --cluster
must within 1 follow 1
check "a pinned port, through every node" everywhere hits 8080 100 web.3
check "and the other port" everywhere hits 8443 25 "${ALL[@]}"
must order n1 pin web:8080 web.2 --cluster
one_pin() { follow 1 && everywhere hits 8080 10 web.2; }
check "a newer pin takes the old one's place" within 2 one_pin
check "with one label" is 1 labels_of service web

must order n1 disable web:8443 --cluster --for 4s
must within 1 follow 2
check "a disabled port, through every node" refused_everywhere 8443
check "its time over, every node answers again" within 5 follow 1
check "on that port, too" everywhere hits 8443 25 "${ALL[@]}"
check "and a manager takes the label away" within 20 is 1 labels_of service web

node=$(docker_on n1 service ps --filter desired-state=running --format '{{.Name}} {{.Node}}' web |
	awk '$1 == "web.4" { print $2 }')
must override n1 clear all --cluster
must within 1 follow 0
must order n1 drain "$node" --cluster
must within 1 follow 1
mapfile -t elsewhere < <(docker_on n1 service ps --filter desired-state=running --format '{{.Name}} {{.Node}}' web |
	awk -v node="$node" '$2 != node { print $1 }')
check "a drained node gets nothing, through every node" everywhere hits 8080 30 "${elsewhere[@]}"
check "it is a label of the node" is 1 labels_of node "$node"
must override n1 clear all --cluster
check "clear all --cluster ends it" within 1 follow 0
check "and takes its label" is 0 labels_of node "$node"

# Somebody else updates the service all the time.
busy() {
	local i=0
	while :; do docker_on n1 service update --detach --quiet --label-add "beat=$((++i))" web >/dev/null 2>&1; done
}
export -f busy docker_on
export RUN_DIR
spawn busy bash -c busy
must within 5 eval 'docker_on n1 service inspect --format "{{.Spec.Labels.beat}}" web | grep -q [0-9]'
check "who is outrun by other updates tries again" override n1 drain web.2 --cluster
check "and nothing of theirs is lost" fails is '<no value>' docker_on n1 service inspect --format '{{.Spec.Labels.beat}}' web
stop busy KILL

must within 20 docker_on n1 service update --detach --quiet --label-add 'skep.override.typo={"kind":"dran"}' web
check "a label that makes no sense is told of" within 2 contains 'label skep.override.typo of service web: kind: "dran"' skep n2 status
check "through all of it no task was restarted" is "$before" containers
