#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make bench-control: what the control plane costs. An agent with a file of 5,000 services and 50,000 tasks over 100 nodes, in a namespace of
# its own: its memory, the time from the file to the maps, and that of a change of one task (median of 20). Prints a table, writes
# build/bench-control.json. The times include starting the CLI that looks (some 50 ms a look).
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=../lib/lib.sh
. selftests/lib/lib.sh
. selftests/lib/net.sh
. selftests/lib/agent.sh
. selftests/lib/model.sh

now_ms() {
	echo $(($(date +%s%N) / 1000000))
}

big_model() {
	jq -cn '{cluster: "bench",
		nodes: [range(100) | {id: "n\(.)", address: (if . == 0 then "192.0.2.1" else "192.0.3.\(.)" end), manager: (. == 0)}],
		networks: [{id: "ingress", ingress: true, subnets: ["10.0.0.0/8"]}],
		services: [range(5000) | {id: "s\(.)", ports: [{published: (10000 + .), target: 80, protocol: "tcp"}]}],
		tasks: [range(1; 50001) | {id: "t\(.)", service: "s\(. % 5000)", node: "n\(. % 99 + 1)",
			addresses: [{network: "ingress", address: "10.\(. / 65536 | floor).\(. / 256 % 256 | floor).\(. % 256)"}]}]}'
}

applied() { # applied COUNT: more applies than that have changed something
	[ "$(status n1 .datapath.applied.count)" -gt "$1" ]
}

loaded() {
	[ "$(skep n1 services --json | jq '[.[] | select(.ring > 0)] | length')" = 5000 ]
}

memory() { # memory FIELD: of the agent, MiB
	awk -v field="$1:" '$1 == field { printf "%.0f", $2 / 1024 }' "/proc/$(spawned agent-n1)/status"
}

run_begin
must net_begin 1
must model_begin 1
big_model >"$RUN_DIR/big.json" || bail_out "cannot make the model"
must agent_start n1 --source "file:$MODEL"
must within 10 agent_ready n1

start=$(now_ms)
must mv "$RUN_DIR/big.json" "$MODEL"
must within 60 loaded
load_ms=$(($(now_ms) - start))
apply_ms=$(status n1 .datapath.applied.last_ms)
rss=$(memory VmRSS) peak=$(memory VmHWM)

changes=() reconciles=()
for ((i = 0; i < 20; i++)); do
	jq -c --argjson i "$i" '.tasks[$i * 7].desired = "shutdown"' "$MODEL" >"$MODEL.new" || bail_out "jq"
	count=$(status n1 .datapath.applied.count)
	start=$(now_ms)
	must mv "$MODEL.new" "$MODEL"
	must within 20 applied "$count"
	changes+=($(($(now_ms) - start)))
	reconciles+=("$(status n1 .datapath.applied.last_ms)")
done
median() {
	printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"
}
change_ms=$(median "${changes[@]}") reconcile_ms=$(median "${reconciles[@]}")

printf '%-58s %8s\n' "5,000 services, 50,000 tasks" "" \
	"file to maps complete, ms" "$load_ms" \
	"  of which maps and hooks (the agent's own word), ms" "$apply_ms" \
	"one task changed, file to maps, ms (median of 20)" "$change_ms" \
	"  of which maps and hooks, ms" "$reconcile_ms" \
	"agent's memory now, MiB" "$rss" \
	"  at most, MiB" "$peak"
jq -n --argjson load "$load_ms" --argjson apply "$apply_ms" --argjson change "$change_ms" \
	--argjson reconcile "$reconcile_ms" --argjson rss "$rss" --argjson peak "$peak" \
	'{load_ms: $load, load_apply_ms: $apply, change_ms: $change, change_apply_ms: $reconcile,
	rss_mib: $rss, peak_mib: $peak}' >build/bench-control.json
