# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# skep's agents on the nodes of a run, each in its node's network namespace with its own directories. Sourced after
# lib.sh and net.sh.
#
#   agent_start NODE [FLAG…]  Starts `skep agent` there: --bpffs $RUN_DIR/bpf/NODE, --state-dir and --run-dir under
#                             $RUN_DIR/NODE, --cgroup $RUN_DIR/cgroup/$RUN/node-NODE (where the node's containers are, and what runs by
#                             from_host), and the FLAGs (agent_docker NODE prints those for a Swarm's node). Under $AGENT_WRAPPER if
#                             that is set (valgrind …). Does not wait: agent_ready NODE is the condition.
#   agent_stop NODE           SIGTERM; its exit status.      agent_kill NODE: SIGKILL.
#   agent_ready NODE          Succeeds once its source is current and a model is applied.
#   skep NODE COMMAND…        The command line on that node: skep n1 status
#   status NODE FILTER        A value out of `skep status --json`, by a jq filter.
#   verdict NODE VERDICT      How many packets it counted under that name. counted NODE VERDICT BEFORE: succeeds if those are more by now.
#   verified NODE…            Succeeds if on each `skep verify` finds no difference.
#   agent_unload NODE         skep unload.
#   from_host NODE COMMAND…   As a process of that node's host: in its network namespace and its cgroup.

agent_docker() {
	echo "--docker unix://$RUN_DIR/$1/docker.sock --docker-root $RUN_DIR/$1/docker"
}

agent_start() {
	local node=$1
	shift
	mkdir -p "$RUN_DIR/$node" "$RUN_DIR/cgroup/$RUN/node-$node/host" || return 1
	# shellcheck disable=SC2086 # a wrapper is words
	spawn "agent-$node" nsenter --net="/run/netns/$RUN-$node" ${AGENT_WRAPPER:-} "$SKEP" agent \
		--bpffs "$RUN_DIR/bpf/$node" --state-dir "$RUN_DIR/$node/state" \
		--run-dir "$RUN_DIR/$node/run" --cgroup "$RUN_DIR/cgroup/$RUN/node-$node" "$@"
}

agent_stop() {
	stop "agent-$1"
}

agent_kill() {
	stop "agent-$1" KILL
}

skep() {
	local node=$1 command=$2
	shift 2
	on "$node" "$SKEP" "$command" --run-dir "$RUN_DIR/$node/run" "$@"
}

status() {
	skep "$1" status --json | jq -er "$2"
}

verdict() {
	status "$1" ".verdicts.$2 // 0"
}

counted() {
	[ "$(verdict "$1" "$2")" -gt "$3" ]
}

agent_ready() {
	[ "$(status "$1" '.source.state == "current" and .datapath.applied.count > 0
		and .datapath.problem == null')" = true ] ||
		skep "$1" status
}

verified() {
	local node
	for node; do
		skep "$node" verify || return 1
	done
}

from_host() {
	local node=$1
	shift
	# shellcheck disable=SC2016
	on "$node" bash -c 'echo $$ >"$1" && shift && exec "$@"' from_host \
		"$RUN_DIR/cgroup/$RUN/node-$node/host/cgroup.procs" "$@"
}

agent_unload() {
	on "$1" "$SKEP" unload --bpffs "$RUN_DIR/bpf/$1"
}
