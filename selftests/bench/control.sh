#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make bench-control: what the control plane costs. An agent with a file of 5,000 services and 50,000 tasks over 100 nodes, in a namespace of
# its own: its memory, the time from the file to the maps, and that of a change of one task. $RUNS agents (5), $CHANGES changes of each (20).
# Times are from the file's rename until the pinned maps say what it says (control_watch.c); how much of that is maps and hooks is the agent's own word.
# Prints a table, writes build/bench-control.json.
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=../lib/lib.sh
. selftests/lib/lib.sh
. selftests/lib/net.sh
. selftests/lib/agent.sh
. selftests/lib/model.sh

RUNS=${RUNS:-5}
CHANGES=${CHANGES:-20}

big_model() { # big_model [ENDED]
	awk -v services=5000 -v tasks=50000 -v nodes=100 -v ended="${1:-0}" \
		-f selftests/bench/control_model.awk
}

task_address() { # task_address I
	awk -v tasks=50000 -v address="$1" -f selftests/bench/control_model.awk
}

watch() { # watch NEW-MODEL WHAT…: ms
	"$RUN_DIR/control_watch" "$RUN_DIR/bpf/n1" "$1" "$MODEL" "${@:2}"
}

memory() { # memory FIELD: of the agent, MiB
	awk -v field="$1:" '$1 == field { printf "%.1f", $2 / 1024 }' "/proc/$(spawned agent-n1)/status"
}

# The agent logs what an apply took that changed something: the largest of these is the first load.
load_apply() {
	sed -n 's/.* applied in \([0-9.]*\) ms: \([0-9]*\) inserted.*/\2 \1/p' "$RUN_DIR/log/agent-n1.log" |
		sort -n | awk 'END { print $2 }'
}

one_run() {
	local i load change reconcile
	rm -rf "$RUN_DIR/n1"
	: >"$RUN_DIR/log/agent-n1.log"
	must model_begin 1
	must agent_start n1 --source "file:$MODEL" --log-level debug
	must within 30 agent_ready n1
	cp "$RUN_DIR/model.0" "$MODEL.new"
	load=$(watch "$MODEL.new" load 192.0.2.1 10000 5000) || bail_out "the maps are not complete"
	must within 10 verified n1
	printf '%s load %s\n%s load_apply %s\n' "$1" "$load" "$1" "$(load_apply)" >>"$RUN_DIR/figures"
	for ((i = 1; i <= CHANGES; i++)); do
		cp "$RUN_DIR/model.$i" "$MODEL.new"
		change=$(watch "$MODEL.new" drain "$(task_address "$i")") || bail_out "the maps do not follow"
		reconcile=$(status n1 .datapath.applied.last_ms)
		printf '%s change %s\n%s change_apply %s\n' "$1" "$change" "$1" "$reconcile" >>"$RUN_DIR/figures"
	done
	must verified n1
	printf '%s rss %s\n%s peak %s\n' "$1" "$(memory VmRSS)" "$1" "$(memory VmHWM)" >>"$RUN_DIR/figures"
	must agent_stop n1
	must agent_unload n1
}

# least, median and most of a figure, as JSON
summary() {
	awk -v name="$1" '$2 == name { print $3 }' "$RUN_DIR/figures" | sort -n |
		awk '{ v[NR] = $1 } END { printf "[%.1f, %.1f, %.1f]", v[1], v[int((NR + 1) / 2)], v[NR] }'
}

run_begin
need awk jq "${CC:-gcc}"
must "${CC:-gcc}" -D_GNU_SOURCE -O2 -std=c11 -Wall -Wextra -Werror -Iinclude selftests/bench/control_watch.c -lbpf \
	-o "$RUN_DIR/control_watch"
must net_begin 1
for ((i = 0; i <= CHANGES; i++)); do
	big_model "$i" >"$RUN_DIR/model.$i" || bail_out "cannot make the model"
done
for ((run = 1; run <= RUNS; run++)); do one_run "$run"; done

mkdir -p build
for name in load load_apply change change_apply rss peak; do
	printf '{"%s": %s}\n' "$name" "$(summary $name)"
done | jq -s --arg kernel "$(uname -r)" --argjson cpus "$(nproc)" --arg runs "$RUNS" --arg changes "$CHANGES" \
	'add | map_values({least: .[0], median: .[1], most: .[2]}) |
	{load_ms: .load, load_apply_ms: .load_apply, change_ms: .change, change_apply_ms: .change_apply,
	rss_mib: .rss, peak_mib: .peak, runs: ($runs | tonumber), changes: ($changes | tonumber),
	kernel: $kernel, cpus: $cpus}' >build/bench-control.json || bail_out "no figures"
printf '%-62s %8s %8s %8s\n' "5,000 services, 50,000 tasks; $RUNS agents, $CHANGES changes each" least median most
jq -r '[["file to maps complete, ms", .load_ms],
	["  of which maps and hooks, ms", .load_apply_ms],
	["one task changed, file to maps, ms", .change_ms],
	["  of which maps and hooks, ms", .change_apply_ms],
	["memory of the agent at the end, MiB", .rss_mib],
	["  at most, MiB", .peak_mib]][] | [.[0], .[1].least, .[1].median, .[1].most] | @tsv' build/bench-control.json |
	while IFS=$'\t' read -r what least median most; do
		printf '%-62s %8s %8s %8s\n' "$what" "$least" "$median" "$most"
	done
