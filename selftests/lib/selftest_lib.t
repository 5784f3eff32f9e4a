#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC1091,SC2016,SC2153
#
# The library that all other tests stand on: what it makes works, and is gone after.

. "$(dirname "$0")/lib.sh"
. "$ROOT/selftests/lib/net.sh"
. "$ROOT/selftests/lib/model.sh"

# What a run leaves: prints it, so that nothing must be printed.
leftovers() {
	local run=$1
	ip netns list | grep "^$run" || true
	grep "/$run/" /proc/self/mountinfo || true
	ls -d "${TMPDIR:-/tmp}/$run" "$RUN_DIR/cgroup/$run" 2>/dev/null || true
}

# Another run: a script that makes one of each, tells its run's name, and then does LAST.
other_run() {
	rm -f "$RUN_DIR/other"
	spawn other env --default-signal=INT,TERM bash -c '
		. "$1/selftests/lib/lib.sh"
		. "$1/selftests/lib/net.sh"
		run_begin
		must net_begin 1
		must net_task n1 web.1 10.0.0.11
		echo "$RUN" >"$2"
		eval "$3"' other "$ROOT" "$RUN_DIR/other" "$1"
}

other_left_nothing() {
	within 20 not_running other && is "" leftovers "$(cat "$RUN_DIR/other")"
}

interrupted() {
	other_run 'tail -f /dev/null & wait'
	within 20 test -s "$RUN_DIR/other" || return 1
	kill "-$1" "$(spawned other)"
	other_left_nothing
}

run_begin
need jq
must net_begin 2

must net_host server 192.0.2.50
must spawn server nsenter --net="/run/netns/$(netns server)" "$BACKEND" --name server --port 80
must within 5 client_run hits 192.0.2.50:80 1
check "a client behind the router reaches machines on the bridge, and is seen by its address" \
	is "task server 2
client 198.51.100.10 2" on far "$CLIENT" hits 192.0.2.50:80 2
must load_start steady --rate 200 --keep-alive 192.0.2.50:80
check "load runs beside a test until it is told to stop" eval \
	'client_run serial 192.0.2.50:80 500 && load_stop steady'
must load_start refused --rate 50 192.0.2.50:81
must within 5 grep -q failure: "$RUN_DIR/log/load-refused.log"
check "load that met failures says which, and fails" eval \
	'! load_stop refused >"$RUN_DIR/out" && grep "Connection refused" "$RUN_DIR/out"'

must net_task n1 web.1 10.0.0.11
must on n1 ip route replace 10.0.0.11 dev t-web.1
check "a task answers on its overlay address from its node" \
	is "task web.1 3
client 172.18.11.1 3" on n1 "$CLIENT" hits 10.0.0.11:80 3
check "the backend echoes UDP from the address that was asked" \
	is "task web.1 5
client 172.18.11.1 5" on n1 "$CLIENT" udp-hits 10.0.0.11:53 5
check "a download is checked byte by byte" on n1 "$CLIENT" download 10.0.0.11:80 10000001
check "an upload's count and hash come back right" on n1 "$CLIENT" upload 10.0.0.11:80 10000001
check "a held connection answers line by line" is 3 eval \
	'printf "\n/slow/50\n\n" | on n1 "$CLIENT" hold 10.0.0.11:80 | uniq -c | awk "{ print \$1 }"'
check "requests one after another are timed" contains "requests=200 failures=0" \
	on n1 "$CLIENT" serial 10.0.0.11:80 200
check "nobody listening is a failure, said in one line" \
	contains "Connection refused" eval 'on n1 "$CLIENT" hits 10.0.0.11:81 1 2>&1 || true'
check "a backend that ends at SIGTERM answers every request that it was sent" eval '
	on n1 "$CLIENT" load --rate 200 --seconds 1 --keep-alive 10.0.0.11:80 >"$RUN_DIR/load" 2>&1 & load=$!
	stop web.1; wait $load || true; cat "$RUN_DIR/load"; ! grep -E "reset|closed before" "$RUN_DIR/load"'
must net_task_remove web.1
check "a task that was removed is gone, its node's interface too" \
	fails on n1 ip link show t-web.1

must model_begin 2
must model_service web 8080:80 8053:53/udp
check "a model file grows and shrinks with its tasks" eval \
	'scale web 3 && is 3 model_slots web && scale web 1 && is 1 model_slots web &&
	is "web.1 n1 10.0.0.11" jq -r ".tasks[] | \"\(.name) \(.node) \(.addresses[0].address)\"" "$MODEL"'

check "a run that ends leaves nothing" eval 'other_run "exit 0"; other_left_nothing'
check "a run that fails in the middle leaves nothing, and gives no plan" eval \
	'other_run "ok x; must false"; other_left_nothing &&
	grep "^Bail out" "$RUN_DIR/log/other.log" && ! grep "^1\.\." "$RUN_DIR/log/other.log"'
check "an interrupted run leaves nothing" interrupted INT
check "a terminated run leaves nothing" interrupted TERM
check "a run whose output nobody reads any more leaves nothing" eval \
	'other_run "exec > >(true); while :; do echo x; done"; other_left_nothing'
