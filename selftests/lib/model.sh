# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2016
#
# A model in a file, for agents with --source "file:$MODEL": Swarm's part, without Docker. Sourced after net.sh.
#
#   model_begin [N]           Nodes n1 (manager) … nN (3) at their addresses, the ingress network 10.0.0.0/24, no services.
#   model_service NAME PORT:TARGET[/PROTOCOL]…    A service and the ports it publishes: model_service web 8080:80 8053:53/udp
#   model_task SERVICE SLOT NODE ADDRESS          Its task SERVICE.SLOT, by net_task's interface t-SERVICE.SLOT.
#   model_set FILTER [JQ ARGUMENT…]               Any other change, by a jq filter.
#   scale SERVICE N           Tasks 1…N in turn over the nodes, with namespaces and backends; more are started before, fewer are
#                             ended after the model says so. Task SLOT has address 10.0.0.(10 + SLOT): one service per test.
# Each change replaces the file at once, as an operator's editor does.

MODEL=

model_set() {
	local filter=$1
	shift
	jq "$@" "$filter" "$MODEL" >"$MODEL.new" && mv "$MODEL.new" "$MODEL"
}

model_begin() {
	local i
	need jq
	MODEL=$RUN_DIR/model.json
	echo '{"cluster": "selftest", "nodes": [], "services": [], "tasks": [],
		"networks": [{"id": "ingress", "ingress": true, "subnets": ["10.0.0.0/24"]}]}' >"$MODEL"
	for ((i = 1; i <= ${1:-3}; i++)); do
		model_set '.nodes += [{id: $id, name: $id, address: $address, manager: ($id == "n1")}]' \
			--arg id "n$i" --arg address "$(node_address "n$i")" || return 1
	done
}

model_service() {
	local name=$1 port
	shift
	model_set '.services += [{id: $name, name: $name, ports: []}]' --arg name "$name" || return 1
	for port; do
		[[ $port =~ ^([0-9]+):([0-9]+)(/(tcp|udp))?$ ]] || return 1
		model_set '(.services[] | select(.id == $name) | .ports) +=
			[{published: $published, target: $target, protocol: $protocol}]' \
			--arg name "$name" --argjson published "${BASH_REMATCH[1]}" \
			--argjson target "${BASH_REMATCH[2]}" --arg protocol "${BASH_REMATCH[4]:-tcp}" || return 1
	done
}

model_task() {
	model_set '.tasks += [{id: $id, name: $id, service: $service, node: $node, interface: "t-\($id)",
		addresses: [{network: "ingress", address: $address}]}]' \
		--arg id "$1.$2" --arg service "$1" --arg node "$3" --arg address "$4"
}

model_slots() {
	jq -r --arg service "$1" '[.tasks[] | select(.service == $service)] | length' "$MODEL"
}

scale() {
	local service=$1 wanted=$2 have nodes slot node
	have=$(model_slots "$service") || return 1
	nodes=$(jq '.nodes | length' "$MODEL") || return 1
	for ((slot = have + 1; slot <= wanted; slot++)); do
		node=n$(((slot - 1) % nodes + 1))
		net_task "$node" "$service.$slot" "10.0.0.$((10 + slot))" || return 1
	done
	for ((slot = have + 1; slot <= wanted; slot++)); do
		node=n$(((slot - 1) % nodes + 1))
		model_task "$service" "$slot" "$node" "10.0.0.$((10 + slot))" || return 1
	done
	[ "$wanted" -lt "$have" ] || return 0
	model_set '.tasks |= map(if .service == $service and (.name | ltrimstr($service + ".") | tonumber) > $wanted
		then .desired = "shutdown" else . end)' --arg service "$service" --argjson wanted "$wanted" || return 1
	# As Docker does: it tells a task to end two seconds after it withdrew it, and the task finishes what it has.
	for ((slot = wanted + 1; slot <= have; slot++)); do
		(sleep 2 && kill -TERM "$(spawned "$service.$slot")") &
	done
	for ((slot = wanted + 1; slot <= have; slot++)); do
		within 15 not_running "$service.$slot" || return 1
		net_task_remove "$service.$slot" || return 1
	done
	model_set '.tasks |= map(select(.service != $service or .desired != "shutdown"))' --arg service "$service"
}
