#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Service names inside containers, published ports under localhost and own addresses, and who must not reach what: real sockets, on a real Swarm.

cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=../lib/lib.sh
. selftests/lib/lib.sh
. selftests/lib/net.sh
. selftests/lib/agent.sh
. selftests/lib/swarm.sh
. selftests/lib/shares.sh

NODES=(n1 n2 n3)
VIP=192.0.2.50
declare -A CONTAINER # NODE/NAME -> id

in_container() { # in_container NODE/NAME COMMAND…
	docker_on "${1%%/*}" exec "${CONTAINER[$1]}" "${@:2}"
}

run_container() { # run_container NODE/NAME FLAG…: one by hand
	local node=${1%%/*}
	CONTAINER[$1]=$(docker_on "$node" run --detach --hostname "${1#*/}" "${@:2}" "$SWARM_IMAGE") &&
		echo "${CONTAINER[$1]}" >"$RUN_DIR/container.${1/\//.}"
}

find_caller() {
	CONTAINER[$1/caller]=$(container_of "$1" caller) && [ -n "${CONTAINER[$1/caller]}" ]
}

# evenly N TASK,… COMMAND…: what it printed says that each of the tasks answered exactly N times, no other any.
evenly() {
	local n=$1 tasks=${2//,/ } output task expected=
	shift 2
	output=$("$@") || {
		echo "$output"
		return 1
	}
	for task in $tasks; do expected+="task $task $n"$'\n'; done
	[ "$(grep '^task' <<<"$output" | sort)" = "$(printf %s "$expected" | sort)" ] || {
		echo "$output"
		return 1
	}
}

# How often the programs of a node have run: those at connect time, and those on its containers' veths and its end of the tunnel.
runs() { # runs NODE
	local pins=$RUN_DIR/bpf/$1 pin id ifindex sum=0 count
	for pin in "$pins"/names/*; do
		id=$(bpftool -j link show pinned "$pin" | jq .prog_id) || return 1
		count=$(bpftool -j prog show id "$id" | jq '.run_cnt // 0')
		sum=$((sum + count))
	done
	for ifindex in $(bpftool -j map dump pinned "$pins/hooks" | jq '.[] | .formatted | select(.value.role == 2 or .value.role == 3) | .key'); do
		for id in $(on "$1" bpftool -j net show | jq --argjson i "$ifindex" '.[].tc[] | select(.ifindex == $i) | .id'); do
			count=$(bpftool -j prog show id "$id" | jq '.run_cnt // 0')
			sum=$((sum + count))
		done
	done
	echo $sum
}

verdict() { # verdict NODE NAME
	status "$1" ".verdicts.$2 // 0"
}

all_scoped() { # on every node the callers' namespaces are known, and the maps as they should be
	local node
	for node in "${NODES[@]}"; do
		[ "$(bpftool -j map dump pinned "$RUN_DIR/bpf/$node/vips" | jq length)" -ge "$1" ] || return 1
		skep "$node" verify || return 1
	done
}

run_begin
must net_begin 3
must swarm_begin "${NODES[@]}"
for node in "${NODES[@]}"; do
	# shellcheck disable=SC2046 # flags are words
	must agent_start "$node" $(agent_docker "$node") --vip $VIP
done
must docker_on n1 network create --driver overlay --attachable app
must docker_on n1 network create --driver overlay --attachable other
# A process of n3's host has a port before Swarm does.
must spawn squatter nsenter --net="/run/netns/$(netns n3)" "$BACKEND" --name squatter --port 8070 --udp-port 8071
must service_create web 4 --network app --publish 8080:80 --publish 8053:53/udp
must service_create caller 3 --network app --replicas-max-per-node 1
must service_create lone 0 --network app
must service_create taken 1 --publish 8070:80
must service_create there 1 --constraint node.hostname==n2 --publish 8060:80 --publish 8061:53/udp
for node in "${NODES[@]}"; do must within 20 agent_ready "$node"; done
for service in web:4 caller:3 taken:1 there:1; do
	must within 60 service_running "${service%:*}" "${service#*:}"
done
must run_container n2/hand --network app --cap-add NET_ADMIN
must run_container n2/stranger --network other --cap-add NET_ADMIN
for node in "${NODES[@]}"; do must find_caller "$node"; done
must within 10 all_scoped 3
WEB=$(service_vip web app)
LONE=$(service_vip lone app)
TASKS=web.1,web.2,web.3,web.4

# Names.
for node in n1 n3; do
	check "from a container on $node, 400 connections to web's VIP: each task has 100" \
		evenly 100 $TASKS in_container $node/caller /client hits "$WEB:80" 400
done
check "400 datagrams by sendto on one socket: likewise, and all answers are the VIP's" \
	evenly 100 $TASKS in_container n2/caller /prober sendto "$WEB:53" 400
check "so does a container that was attached to the network by hand" \
	evenly 10 $TASKS in_container n2/hand /client hits "$WEB:80" 40
by_name() {
	local answers
	answers=$(in_container n1/caller sh -c 'for i in 1 2 3 4; do printf "GET / HTTP/1.0\r\n\r\n" | nc web 80 | tail -n 1; done') || return 1
	echo "$answers"
	[ "$(cut -d' ' -f1 <<<"$answers" | sort | paste -sd,)" = $TASKS ]
}
check "by name, with nc: each of four tasks once" by_name
check "getpeername says the VIP, TCP" in_container n1/caller /prober peer tcp "$WEB:80"
check "getpeername and recvfrom say the VIP, connected UDP" in_container n1/caller /prober peer udp "$WEB:53"
check "and on a v6 socket" in_container n1/caller /prober peer tcp "[::ffff:$WEB]:80"
check "and on a v6 socket, UDP" in_container n1/caller /prober peer udp "[::ffff:$WEB]:53"
check "a service without a task refuses at once, TCP" in_container n1/caller /prober refused tcp "$LONE:80"
check "and connected UDP" in_container n1/caller /prober refused udp "$LONE:53"

# What it costs after connect. The caller's packets to web are between the two containers, in Docker's own overlay.
sysctl -qw kernel.bpf_stats_enabled=1
at_exit sysctl -qw kernel.bpf_stats_enabled=0
mkfifo "$RUN_DIR/ask"
spawn held bash -c 'exec 3<>"$1"; exec docker -H "$2" exec -i "$3" /client hold "$4" <&3 >"$5" 2>&1' held \
	"$RUN_DIR/ask" "unix://$RUN_DIR/n1/docker.sock" "${CONTAINER[n1/caller]}" "$WEB:80" "$RUN_DIR/held"
held_lines() { [ "$(grep -c '^web' "$RUN_DIR/held")" -eq "$1" ]; }
echo / >"$RUN_DIR/ask"
must within 10 held_lines 1
tunnel_packets() { on n1 ip -j -s link show skep0 | jq '.[0].stats64.tx.packets'; }
overlay_packets() { # of the leg by which the container reaches web's tasks
	# shellcheck disable=SC2016
	in_container n1/caller sh -c 'dev=$(ip route get "$1" | sed -n "s/.* dev \([^ ]*\).*/\1/p"); sed -n "s/^ *$dev: *//p" /proc/net/dev | { read -r _ p _; echo $p; }' sh "$WEB"
}
quiet() {
	local before after packets tunnel
	before=$(runs n1) && packets=$(overlay_packets) && tunnel=$(tunnel_packets)
	for _ in {1..200}; do echo /; done >"$RUN_DIR/ask"
	within 10 held_lines 201 || return 1
	after=$(runs n1)
	packets=$(($(overlay_packets) - packets))
	tunnel=$(($(tunnel_packets) - tunnel))
	echo "runs: $before, then $after; packets on the overlay's leg: $packets, on skep0: $tunnel"
	[ "$before" -gt 0 ] && [ "$after" -eq "$before" ] && [ "$packets" -ge 200 ] && [ "$tunnel" -eq 0 ]
}
check "200 requests on an open connection: no program of skep's runs, all go out on the overlay's own leg" quiet
lifetime() {
	bpftool map show pinned "$RUN_DIR/bpf/n1/sockets"
	[ "$(bpftool -j map show pinned "$RUN_DIR/bpf/n1/sockets" | jq -r .type)" = sk_storage ]
}
check "what is kept of a connection lives as long as its socket, and nothing else can end it" lifetime

# Scaling: right within a second of Docker's word.
for n in 7 3; do
	must docker_on n1 service scale --detach "web=$n"
	must within 60 service_running web "$n"
	tasks=$(seq -f 'web.%.0f' -s, 1 "$n")
	[ "$n" = 3 ] && tasks=$(docker_on n1 service ps --filter desired-state=running --format '{{.Name}}' web | paste -sd,)
	check "scaled to $n: right within a second" \
		within 1 evenly 4 "$tasks" in_container n2/caller /client hits "$WEB:80" $((4 * n))
done
TASKS=$tasks

# A connected UDP socket whose task goes.
mkfifo "$RUN_DIR/udp-ask"
spawn udp-held bash -c 'exec 3<>"$1"; exec docker -H "$2" exec -i "$3" /prober hold "$4" <&3 >"$5" 2>&1' udp-held \
	"$RUN_DIR/udp-ask" "unix://$RUN_DIR/n3/docker.sock" "${CONTAINER[n3/caller]}" "$WEB:53" "$RUN_DIR/udp-held"
udp_lines() { [ "$(grep -c . "$RUN_DIR/udp-held")" -ge "$1" ]; }
for _ in 1 2 3; do echo ask; done >"$RUN_DIR/udp-ask"
must within 10 udp_lines 3
keeps() {
	cut -d' ' -f1 "$RUN_DIR/udp-held"
	[ "$(cut -d' ' -f1 "$RUN_DIR/udp-held" | sort -u | wc -l)" -eq 1 ]
}
check "a connected UDP socket keeps its task" keeps
its_task=$(head -n 1 "$RUN_DIR/udp-held" | cut -d' ' -f1)
end_task() {
	local node id
	for node in "${NODES[@]}"; do
		id=$(docker_on "$node" ps -q --filter "label=com.docker.swarm.task.name" --filter "name=^$its_task\\.")
		[ -z "$id" ] || docker_on "$node" kill "$id"
	done
}
must end_task
moved() {
	local last lines
	lines=$(grep -c . "$RUN_DIR/udp-held")
	echo ask >"$RUN_DIR/udp-ask"
	within 3 udp_lines $((lines + 1)) || return 1
	last=$(tail -n 1 "$RUN_DIR/udp-held")
	tail -n 3 "$RUN_DIR/udp-held"
	[[ $last == web.* ]] && [ "${last%% *}" != "$its_task" ]
}
check "and moves to another when that is gone" within 8 moved
must within 30 service_running web 3
must within 5 evenly 4 "$TASKS" in_container n2/caller /client hits "$WEB:80" 12
must within 5 verified "${NODES[@]}"

# Localhost and own addresses.
N=$(tr ',' '\n' <<<"$TASKS" | wc -l)
for target in 127.0.0.1 '[::1]' '[::ffff:127.0.0.1]' 192.0.2.2 $VIP; do
	check "from n2's host, TCP to $target:8080" evenly 4 "$TASKS" from_host n2 "$CLIENT" hits "$target:8080" $((4 * N))
	check "and connected UDP to port 8053" evenly 4 "$TASKS" from_host n2 "$CLIENT" udp-hits "$target:8053" $((4 * N))
done
for target in 127.0.0.1 '[::ffff:127.0.0.1]' 192.0.2.2 $VIP; do
	check "from n2's host, UDP by sendto to $target:8053" evenly 4 "$TASKS" from_host n2 "$PROBER" sendto "$target:8053" $((4 * N))
done
check "sendto [::1] cannot be served, and says so" contains "not permitted" eval 'from_host n2 "$PROBER" sendto "[::1]:8053" 1; true'
for target in 127.0.0.1 '[::1]' '[::ffff:127.0.0.1]' 192.0.2.3 $VIP; do
	check "from a container on n3, TCP to $target:8080" evenly 4 "$TASKS" in_container n3/caller /client hits "$target:8080" $((4 * N))
	check "and connected UDP to port 8053" evenly 4 "$TASKS" in_container n3/caller /client udp-hits "$target:8053" $((4 * N))
done
check "by sendto too, where a socket's datagrams are one flow" in_container n3/caller /prober sendto 127.0.0.1:8053 12
check "localhost stays localhost to getpeername, on the host" from_host n1 "$PROBER" peer udp 127.0.0.1:8053
check "and in a container" in_container n1/caller /prober peer udp 127.0.0.1:8053
check "what listens in a container itself keeps its port" evenly 4 caller in_container n3/caller sh -c '
	/backend --name caller --port 8080 --udp-port 8053 & pid=$!
	until /client hits 127.0.0.1:8080 1 >/dev/null 2>&1; do sleep 0.05; done
	/client hits 127.0.0.1:8080 4; kill -9 $pid'
check "16 MiB come down intact to a container, by its node's own address" in_container n3/caller /client download 192.0.2.3:8080 16777216

# From a task to its own service's published port: each has its turn, itself too.
hairpin() {
	local node id
	for node in "${NODES[@]}"; do
		id=$(container_of "$node" web)
		[ -n "$id" ] || continue
		evenly 4 "$TASKS" docker_on "$node" exec "$id" /client hits "$(node_address "$node"):8080" $((4 * N)) || return 1
		evenly 4 "$TASKS" docker_on "$node" exec "$id" /client udp-hits 127.0.0.1:8053 $((4 * N)) || return 1
	done
}
check "from a task to its own service's published port: each has its turn, itself too" hairpin

# Who has a port already.
check "a host process that listened there first keeps it, for the host" evenly 2 squatter from_host n3 "$CLIENT" hits 127.0.0.1:8070 2
check "skep services tells of it" contains "port 8070/tcp of any address is taken by backend" skep n3 services taken
check "not of dockerd's placeholders" fails contains "CONFLICT web" skep n3 services
check "elsewhere the port is the service's" evenly 2 taken.1 from_host n1 "$CLIENT" hits 127.0.0.1:8070 2
check "a process of n2's network in n1's cgroup is not answered by n1's programs" fails contains squatter \
	nsenter --net="/run/netns/$(netns n2)" bash -c 'echo $$ >"$1" && exec "$2" refused tcp 127.0.0.1:8070' \
	_ "$RUN_DIR/cgroup/$RUN/node-n1/host/cgroup.procs" "$PROBER"

# Isolation. A task of web, by the address that a container of app reaches it by.
TASK=$(skep n1 resolve web.app --json | jq -r 'map(select(.kind == "task")) | .[0].address')
INGRESS=$(skep n1 tasks web --json | jq -r --arg node n2 'map(select(.level == "serving")) | (map(select(.node == $node)) + .)[0].address')
unreachable() { # unreachable NODE/NAME ADDRESS:PORT
	fails in_container "$1" /prober peer tcp "$2" && fails in_container "$1" /prober peer udp "${2%:*}:53"
}
check "a container of the network reaches a task by its address" in_container n2/hand /prober peer tcp "$TASK:80"
for what in "the VIP:$WEB:80" "a task's address:$TASK:80" "a task's address on ingress:$INGRESS:80"; do
	check "a stranger does not reach ${what%%:*}" unreachable n2/stranger "${what#*:}"
done
# Each gateway on each of the stranger's legs: its own networks', the nodes, a task. skep0 has no address, and is on no bridge.
gateways() {
	# shellcheck disable=SC2016 # the container's own shell
	in_container n2/stranger sh -c '
		default=$(ip route show default | sed "s/^default //")
		reached=0
		for dev in $(ip -o link | sed -n "s/^[0-9]*: \(eth[0-9]*\).*/\1/p"); do
			own=$(ip -4 -o addr show "$dev" | sed "s/.* inet \([0-9.]*\)\.[0-9]*\/.*/\1/")
			for gateway in "$own.1" 192.0.2.1 192.0.2.2 192.0.2.3 "$1"; do
				ip route del default
				ip route add "$gateway" dev "$dev" 2>/dev/null
				ip route add default via "$gateway" dev "$dev" || exit 2
				echo "by $gateway on $dev"
				for address; do
					/prober peer udp "$address:53" & 
				done
				for job in $(jobs -p); do wait "$job" && reached=1; done
				ip route del "$gateway" dev "$dev" 2>/dev/null
			done
		done
		ip route del default
		ip route add default $default
		exit $reached' sh "$TASK" "$WEB" "$INGRESS"
}
check "nor by any gateway it can name, on any leg" gateways

# A frame as the tunnel carries them, to a task on n2. From n1's host it is what nodes send, and answered by way of n1.
spawn await nsenter --net="/run/netns/$(netns client)" "$PROBER" await 40000
THERE=$(skep n1 tasks there --json | jq -r '.[0].address')
FORGED=(192.0.2.2:4799 "$THERE:53" 192.0.2.100:40000 192.0.2.1:8061)
must on n1 "$PROBER" forge 192.0.2.1:1 "${FORGED[@]}"
genuine() { grep -q forged "$RUN_DIR/log/await.log"; }
check "a frame of a node's host is taken (so that what follows means something)" within 3 genuine
forged() { # forged NODE/NAME FROM TO: it counts as forged on its own node, and nobody answers
	local before
	before=$(verdict "${1%%/*}" drop_forged)
	: >"$RUN_DIR/log/await.log"
	spawn await nsenter --net="/run/netns/$(netns client)" "$PROBER" await 40000
	in_container "$1" /prober forge "$2:1" "$3" "${FORGED[@]:1}" || return 1
	within 3 eval "[ \$(verdict ${1%%/*} drop_forged) -gt $before ]" && fails genuine
	local status=$?
	stop await
	return $status
}
check "from a container, to another node, it is dropped" forged n1/caller 0.0.0.0 192.0.2.2:4799
check "also with its node's own address as source" forged n1/caller 192.0.2.1 192.0.2.2:4799
check "and to its own node, with another node's address" forged n2/hand 192.0.2.1 192.0.2.2:4799

# Look-up.
resolves() { skep n1 resolve web.app | tee "$RUN_DIR/resolved" && [ "$(grep -c "$WEB" "$RUN_DIR/resolved")" -eq 1 ] && [ "$(grep -c ' serving ' "$RUN_DIR/resolved")" -eq "$N" ]; }
check "skep resolve tells VIP and tasks" resolves
check "of an unknown name what there is" contains "web" eval 'skep n2 resolve wob 2>&1; true'

# Agents come and go.
agent_kill n3
check "names work while the agent is dead" evenly 4 "$TASKS" in_container n3/caller /client hits "$WEB:80" $((4 * N))
# shellcheck disable=SC2046 # flags are words
must agent_start n3 $(agent_docker n3) --vip $VIP
must within 20 agent_ready n3
check "and once another has taken over" evenly 4 "$TASKS" in_container n3/caller /client hits "$WEB:80" $((4 * N))
check "all nodes are in order" within 5 verified "${NODES[@]}"
must agent_stop n3
must agent_unload n3
check "unloading leaves nothing of names" fails ls "$RUN_DIR/bpf/n3/names"
