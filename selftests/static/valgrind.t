#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Memcheck on the unit tests, and on an agent that carries traffic from a file source. Unit tests that wait on timers or enter namespaces for most of
# their time are left to the sanitizers (SANITIZE=1).
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
for test in api cli cli_print config file http lib model model_bad notify source_file swarm_convert views; do
	check "memcheck has nothing to say on test_$test" env CMOCKA_MESSAGE_OUTPUT=TAP $MEMCHECK "build/unit/test_$test"
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
