#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh SECONDS TARGET…: searches each target for so long, one after another, from the corpus in the checkout and what was
# found before in build/fuzz/found. An input that fails is left in build/fuzz/findings. Status 1 if there was one.
#
# run.sh --keep TARGET…: adds to the corpus in the checkout what of build/fuzz/found reaches new code, if it is small.
cd "$(dirname "$0")/../.." || exit 1
seconds=$1
shift

child=
trap '[ -z "$child" ] || kill "$child"; exit 130' INT TERM

# In the background, so that a signal is heeded at once and the child goes with us.
run() {
	"$@" &
	child=$!
	wait $child
	local status=$?
	child=
	return $status
}

failed=0
for target; do
	found=build/fuzz/found/$target corpus=selftests/fuzz/corpus/$target log=build/fuzz/$target.log
	mkdir -p "$found" build/fuzz/findings
	if [ "$seconds" = --keep ]; then
		find "$found" -type f -size +400c -delete
		# Edges alone count, not how often each was passed: so few are kept.
		run "build/fuzz/$target" -set_cover_merge=1 -use_counters=0 "$corpus" "$found" 2>"$log" || failed=1
		continue
	fi
	if run "build/fuzz/$target" -max_total_time="$seconds" -timeout=10 -max_len=4096 -print_final_stats=1 \
		-artifact_prefix="build/fuzz/findings/$target-" "$found" "$corpus" 2>"$log"; then
		runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
		covered=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
		echo "$target: no finding in $seconds s, $runs inputs, $covered edges covered"
	else
		failed=1
		echo "$target: a finding, see build/fuzz/findings and $log"
		grep -m 1 -E 'does not hold|ERROR: |runtime error' "$log"
	fi
done
exit $failed
