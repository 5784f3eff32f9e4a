#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Memcheck on the unit tests, two at a time, and on an agent that carries traffic from a file source.
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=../lib/lib.sh
. selftests/lib/lib.sh
. selftests/lib/net.sh
. selftests/lib/agent.sh
. selftests/lib/model.sh

MEMCHECK="valgrind --quiet --leak-check=full --errors-for-leak-kinds=definite --error-exitcode=99 \
	--suppressions=$ROOT/selftests/lib/valgrind.supp"

run_begin
need valgrind
# One unit test's program: its last line is its exit status.
unit_test() {
	CMOCKA_MESSAGE_OUTPUT=TAP $MEMCHECK "build/unit/$1" >"$RUN_DIR/log/$1.memcheck" 2>&1
	echo "status $?" >>"$RUN_DIR/log/$1.memcheck"
}
export -f unit_test
export MEMCHECK RUN_DIR
programs=$(find build/unit -maxdepth 1 -type f -name 'test_*' -perm -u+x -printf '%f\n' | sort)
xargs -P 2 -I {} bash -c 'unit_test {}' <<<"$programs"
for program in $programs; do
	check "memcheck has nothing to say on $program" is "status 0" tail -n 1 "$RUN_DIR/log/$program.memcheck"
done

must net_begin 1
must model_begin 1
must model_service web 8080:80 8053:53/udp
must scale web 2
AGENT_WRAPPER="$MEMCHECK --log-file=$RUN_DIR/memcheck.%p"
must agent_start n1 --source "file:$MODEL"
must within 60 agent_ready n1
must within 20 verified n1
check "an agent under memcheck carries connections" client_run hits 192.0.2.1:8080 100
check "and datagrams" client_run udp-hits 192.0.2.1:8053 100
must scale web 4
must within 20 verified n1
must scale web 1
must within 20 verified n1
for command in status nodes services tasks flows model; do
	must skep n1 $command --json
done
echo '{' >"$MODEL.new" && mv "$MODEL.new" "$MODEL"
must within 20 contains stale status n1 .source.state
agent_stop n1
ended=$?
says_nothing() {
	# A command that valgrind does not know yet (batches of map entries) is no error.
	grep -hv 'unhandled eBPF command' "$RUN_DIR"/memcheck.*
	[ "$ended" -eq 0 ]
}
check "and memcheck has nothing to say on it when it stops (status $ended)" says_nothing
