#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A real Swarm with an agent and a proxy on each node: what users of services' labels do and see. What a proxy does with
# a request is in proxy.t.

cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=../lib/lib.sh
. selftests/lib/lib.sh
. selftests/lib/net.sh
. selftests/lib/agent.sh
. selftests/lib/swarm.sh
. selftests/lib/proxy.sh

NODES=(n1 n2 n3)
TARGETS=(192.0.2.1:8000 192.0.2.2:8000 192.0.2.3:8000)

start() { # start NODE: its agent
	# shellcheck disable=SC2046 # flags are words
	agent_start "$1" $(agent_docker "$1")
}

# everywhere COMMAND [HOST] ARGUMENT…: COMMAND NODE[/HOST] ARGUMENT… succeeds on each node; all are asked side by side.
everywhere() {
	local command=$1 node pid pids=() status=0
	shift
	for node in "${NODES[@]}"; do
		"$command" "$node" "$@" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid" || status=1; done
	return $status
}

gives() { # gives NODE PATH STATUS [HOST]
	is "$3" status_of "$1${4:+/$4}" "$2"
}

answered_by() { # answered_by NODE PATH SERVICE N [HOST]: exactly its N tasks, by 6 requests for each, on one connection
	local got
	got=$(as "$1${5:+/$5}" "$2#[1-$((6 * $4))]" | cut -d' ' -f1 | sort -u | paste -sd' ')
	[ "$got" = "$(for ((i = 1; i <= $4; i++)); do echo "$3.$i"; done | sort | paste -sd' ')" ] || { echo "$1: $got"; return 1; }
}

updated() {
	[ "$(docker_on n1 service inspect --format '{{.UpdateStatus.State}}' "$1")" = completed ]
}

update() { # update FLAG…: a rolling update of web, done when this returns
	docker_on n1 service update --quiet --detach --force --update-parallelism 1 "$@" web >/dev/null && within 60 updated web
}

load_both() {
	load_start short --rate 100 --path /web/ "${TARGETS[@]}" &&
		load_start keep --rate 100 --keep-alive --path /web/ "${TARGETS[@]}"
}

no_request_failed() { # no_request_failed WHILE
	check "$1: no request on its own connection failed" load_stop short
	check "$1: no request on a kept connection failed" load_stop keep
}

run_begin
need curl jq perl
must net_begin 3
must swarm_begin "${NODES[@]}"
must docker_on n1 network create --driver overlay --subnet 10.20.0.0/24 app
for node in "${NODES[@]}"; do must start "$node"; done
for node in "${NODES[@]}"; do must within 30 agent_ready "$node"; done
for node in "${NODES[@]}"; do must proxy_start "$node" --max-connections 1000; done
for node in "${NODES[@]}"; do must within 10 proxy_answers "$node"; done
check "without services there are no routes: 404" within 10 everywhere gives / 404

must service_create web 3 --network app --label skep.http.port=80 --label skep.http.path=/web --label skep.http.strip=true \
	--stop-grace-period 20s --update-monitor 1s
must within 60 service_running web 3
check "a service is reached by path through every node within a second" within 1 everywhere gives /web/ 200
check "on all its tasks, wherever they are" within 1 everywhere answered_by /web/ web 3

must service_create shop 2 --network app --label com.df.notify=true --label com.df.servicePath=/shop --label com.df.port=80 \
	--label 'com.df.reqPathSearchReplace=^/shop/,/'
must service_create site 1 --publish 8090:80 --label skep.http.port=80 --label skep.http.host=site.example
must within 30 service_running shop 2
must within 30 service_running site 1
check "so is one with Docker Flow Proxy's labels, on the same port" within 1 everywhere answered_by /shop/ shop 2
check "and one that publishes its port, by host" within 1 everywhere answered_by / site 1 site.example
check "the mesh serves that port, too" client_run hits 192.0.2.2:8090 3

must docker_on n1 service update --quiet --detach --label-add skep.http.path=/web,/also web
check "a label that changes is followed within a second, on workers, too" within 1 everywhere gives /also/ 200
must docker_on n1 service update --quiet --detach --label-add skep.http.path=/web web
check "back again likewise" within 1 everywhere gives /also/ 404

must load_both
must docker_on n1 service scale --detach web=6
must within 30 service_running web 6
check "new tasks get requests within a second" within 1 everywhere answered_by /web/ web 6
must docker_on n1 service scale --detach web=2
must within 30 service_running web 2
check "tasks that go get none any more, likewise" within 1 everywhere answered_by /web/ web 2
no_request_failed "scaled from 3 to 6 to 2"
for order in stop-first start-first; do
	must load_both
	must update --update-order $order
	no_request_failed "a rolling update, $order"
done

must docker_on n1 service rm web
check "a service that is removed has no route within a second: 404" within 1 everywhere gives /web/ 404
for node in "${NODES[@]}"; do
	check "the proxy on $node ends" proxy_stop "$node"
done
