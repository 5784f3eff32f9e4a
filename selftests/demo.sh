#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC1091,SC2016,SC2034,SC2153
#
# demo.sh         A Swarm of three nodes on this machine, in network namespaces, and skep on it. Leaves nothing behind.
# demo.sh down    Takes down a demo that was left up.
#
# KEEP=1          Leave it up, and tell what to try.
# SOURCE=file     The same without Docker: tasks in namespaces, named in a model file. A few seconds.
# As root; needs nothing else: what is missing is installed (make deps) and built.

. "$(dirname "$0")/lib/lib.sh"
. "$ROOT/selftests/lib/net.sh"
. "$ROOT/selftests/lib/agent.sh"
. "$ROOT/selftests/lib/swarm.sh"
. "$ROOT/selftests/lib/model.sh"
. "$ROOT/selftests/lib/proxy.sh"

POINTER=/run/skep-demo # holds the directory of the demo that is up
NODES=(n1 n2 n3)
KEEP=${KEEP:-}
SOURCE=${SOURCE:-swarm}
START=$(date +%s%N)

bail_out() {
	RUN_BAILED=1
	echo "demo: $*" >&2
	exit 1
}

seconds_since() {
	local ms=$((($(date +%s%N) - $1) / 1000000))
	printf '%d.%d s' $((ms / 1000)) $((ms % 1000 / 100))
}

step() {
	printf '%7s  %s\n' "$(seconds_since "$START")" "$*"
}

say() {
	sed 's/^/           /'
}

down() {
	[ -e $POINTER ] || return 0
	run_end "$(cat $POINTER)"
	rm -f $POINTER
}

# Whatever ends the demo, unless it got to where it is left up.
forget() {
	[ -n "$RUN_KEEP" ] || rm -f $POINTER
}

prepare() {
	[ ! -e $POINTER ] || bail_out "a demo is up already: sudo selftests/demo.sh down takes it down"
	[ -z "${MAKELEVEL:-}" ] || return 0 # make demo did the rest already
	make --no-print-directory -C "$ROOT" deps || bail_out "make deps failed"
	build all || bail_out "make failed"
}

begin() {
	run_begin skep-demo
	echo "$RUN_DIR" >$POINTER
	at_exit forget
	step "network: nodes n1, n2, n3, a bridge between them, a client"
	must net_begin 3
}

publish_swarm() {
	step "Swarm: n1 is the manager, n2 and n3 are workers; each runs its own dockerd"
	must swarm_begin "${NODES[@]}"
	step "docker service create --name web --network app --replicas 4 --publish 8080:80 --publish 8053:53/udp"
	must docker_on n1 network create --driver overlay --attachable app
	must service_create web 4 --network app --publish 8080:80 --publish 8053:53/udp
	must service_create caller 1 --network app --constraint node.hostname==n1
	must within 60 service_running web 4
	must within 60 service_running caller 1
	docker_on n1 service ps web --format '{{.Name}} on {{.Node}}' | paste -sd, | sed 's/,/, /g' | say
}

publish_file() {
	step "service web: 4 tasks in namespaces, named in a file; it publishes 8080 and 8053/udp"
	must model_begin 3
	must model_service web 8080:80 8053:53/udp
	must scale web 4
	jq -r '.tasks[] | "\(.name) on \(.node)"' "$MODEL" | paste -sd, | sed 's/,/, /g' | say
}

# What another service's container gets by the name web, N times; how long it took.
by_name() {
	local start output
	start=$(date +%s%N)
	# shellcheck disable=SC2016 # the container's own shell
	if output=$(docker_on n1 exec "$(container_of n1 caller)" sh -c '
		for i in $(seq "$1"); do
			printf "GET / HTTP/1.0\r\n\r\n" | timeout 5 nc web 80 | sed -n "\$s/ .*//p" || exit 1
		done' sh "$1" 2>/dev/null) && [ -n "$output" ]; then
		echo "docker exec caller nc web 80, $1 times: $(paste -sd' ' <<<"$output")"
	else
		echo "docker exec caller nc web 80: no answer, given up after $(seconds_since "$start")"
	fi
}

scale_swarm() {
	must docker_on n1 service scale --detach "web=$1"
	must within 60 service_running web "$1"
}

before() {
	local node output
	step "before skep"
	for node in "${NODES[@]}"; do
		if output=$(client_run hits "$(node_address "$node"):8080" 1 2>&1); then
			echo "$node: Docker's own mesh answers; the task saw client $(sed -n 's/^client \([^ ]*\).*/\1/p' <<<"$output")"
		else
			echo "$node: ${output##*: }"
		fi
	done | say
	[ "$SOURCE" != swarm ] || by_name 1 | say
}

agents() {
	local node flags
	step "skep agent on each node"
	for node in "${NODES[@]}"; do
		flags=$(agent_docker "$node")
		[ "$SOURCE" = swarm ] || flags="--source file:$MODEL"
		# shellcheck disable=SC2086 # words
		must agent_start "$node" $flags
	done
	for node in "${NODES[@]}"; do must within 20 agent_ready "$node"; done
	must within 10 mesh_has 4 exactly
}

# Through each node N tasks answer. Without other load each as often as the others: "exactly".
mesh_has() {
	local n=$1 node output
	for node in "${NODES[@]}"; do
		output=$(client_run hits "$(node_address "$node"):8080" $((4 * n))) || return 1
		if [ "$(grep -c "^task .*${2:+ 4}$" <<<"$output")" -ne "$n" ]; then
			printf '%s\n' "$node: $output"
			return 1
		fi
	done
}

after() {
	local node output
	step "after: 12 requests to each node, each a new connection"
	for node in "${NODES[@]}"; do
		output=$(client_run hits "$(node_address "$node"):8080" 12 --print) ||
			bail_out "requests to $node failed"
		echo "$node: $(sed -n 's/^\(web[^ ]*\) .*/\1/p' <<<"$output" | paste -sd' ')"
	done | say
	echo "the client is 192.0.2.100; the tasks saw: $(sed -n 's/^client \([^ ]*\).*/\1/p' <<<"$(
		for node in "${NODES[@]}"; do client_run hits "$(node_address "$node"):8080" 4; done
	)" | sort -u | paste -sd' ')" | say
	[ "$SOURCE" != swarm ] || {
		by_name 8
		echo "curl http://localhost:8080 on n2: $(from_host n2 curl -s http://localhost:8080 | head -n 1)"
	} | say
	echo "UDP too: $(client_run udp-hits 192.0.2.2:8053 4 | sed -n 's/^task //p' | paste -sd, | sed 's/,/, /g')" | say
}

maps() {
	step "the maps are pinned in $RUN_DIR/bpf/n1; bpftool map dump pinned …"
	echo "service_names: $(bpftool map dump pinned "$RUN_DIR/bpf/n1/service_names" | jq -c .)" | say
	echo "tasks, the first of them:" | say
	bpftool map dump pinned "$RUN_DIR/bpf/n1/tasks" | jq -c '.[0]' | say
	step "skep services, skep tasks on n1, skep flows on n2"
	skep n1 services | say
	skep n1 tasks | say
	skep n2 flows | sed 4q | say
}

# On each node new connections are given to N tasks.
rings_have() {
	local node
	for node in "${NODES[@]}"; do
		is "$1" eval "skep $node services --json | jq '.[] | select(.name == \"web\") | .ring'" || return 1
	done
}

follow() {
	local n start took result
	must load_start demo --rate 100 192.0.2.1:8080 192.0.2.2:8080 192.0.2.3:8080
	for n in 6 2; do
		step "scale to $n, while 100 requests a second go on"
		if [ "$SOURCE" = swarm ]; then scale_swarm $n; else must scale web $n; fi
		start=$(date +%s%N)
		must within 10 rings_have $n
		took=$(seconds_since "$start")
		must mesh_has $n
		must verified "${NODES[@]}"
		echo "done; $took later all nodes had followed: $n tasks answer through each" | say
	done
	result=$(load_stop demo) || { say <<<"$result" && bail_out "requests failed while the service was scaled"; }
	say <<<"${result%%$'\n'*}"
	must mesh_has $n exactly
}

route_swarm() {
	must docker_on n1 service update --quiet --detach --label-add skep.http.port=80 --label-add skep.http.path=/api \
		--label-add skep.http.strip=true web
}

route_file() {
	must model_set '.services[0].labels = {"skep.http.port": "80", "skep.http.path": "/api", "skep.http.strip": "true"}'
}

routed() {
	local node
	for node in "${NODES[@]}"; do contains web. as "$node" /api/ || return 1; done
}

http() {
	local node start took
	step "skep proxy on each node; then the labels skep.http.port=80, .path=/api, .strip=true on web"
	for node in "${NODES[@]}"; do must proxy_start "$node" --max-connections 1000; done
	for node in "${NODES[@]}"; do must within 10 proxy_answers "$node"; done
	"route_$SOURCE"
	start=$(date +%s%N)
	must within 10 routed
	took=$(seconds_since "$start")
	for node in "${NODES[@]}"; do
		echo "curl http://$(node_address "$node"):8000/api/ x 4: $(for _ in 1 2 3 4; do as "$node" /api/; done | cut -d' ' -f1 | paste -sd' ')"
	done | say
	echo "$took after the change; skep routes on n3:" | say
	skep n3 routes | say
}

try_this() {
	run_keep
	step "left up; things to try (as root):"
	{
		echo "ip netns exec $RUN-client curl http://192.0.2.2:8080/"
		echo "ip netns exec $RUN-far curl http://192.0.2.3:8080/        a client behind a router"
		echo "ip netns exec $RUN-n2 $SKEP status --run-dir $RUN_DIR/n2/run"
		echo "ip netns exec $RUN-n2 $SKEP flows --run-dir $RUN_DIR/n2/run"
		echo "bpftool map dump pinned $RUN_DIR/bpf/n2/flows"
		if [ "$SOURCE" = swarm ]; then
			echo "docker -H unix://$RUN_DIR/n1/docker.sock service scale web=8"
			echo "docker -H unix://$RUN_DIR/n1/docker.sock run --rm --network app $SWARM_IMAGE nc web 80"
		else
			echo "$MODEL: the agents follow what is changed there"
		fi
		echo "$ROOT/selftests/demo.sh down                               takes it all down"
	} | say
}

main() {
	[ "$(id -u)" = 0 ] || bail_out "needs root: sudo make demo"
	case ${1:-up}:$SOURCE in
	down:*) down && exit ;;
	up:swarm | up:file) ;;
	*) bail_out "usage: [KEEP=1] [SOURCE=file] demo.sh [down]" ;;
	esac
	prepare
	begin
	"publish_$SOURCE"
	before
	agents
	after
	maps
	follow
	http
	if [ -n "$KEEP" ]; then
		try_this
	else
		step "done; everything is taken down again"
	fi
}

main "$@"
