# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2016,SC2317
#
# A real Swarm on this machine: a dockerd in each node's network namespace; n1 is the manager, the others are workers. Sourced
# after lib.sh and net.sh (net_begin first).
#
#   swarm_begin NODE…         Boots the daemons, makes the Swarm, imports the image $SWARM_IMAGE (busybox; the test tools as /backend, /client, /prober), waits
#                             until all nodes are ready. Takes some ten seconds.
#   docker_on NODE ARGUMENT…  The docker command on a node: docker_on n1 service ls
#   service_create NAME REPLICAS FLAG…   A service of backends (HTTP on 80, UDP echo on 53; tasks are called NAME.SLOT), detached:
#                             service_create web 4 --publish 8080:80 --publish 8053:53/udp
#   service_running NAME N    Succeeds if exactly N tasks of it are meant to run, and do.
#   service_vip NAME NETWORK  Its VIP on a network.
#   container_of NODE NAME    The id of a container of the service on the node.
#   service_gone NAME         Succeeds if no container of it is left on any node.
#   dockerd_start NODE / dockerd_stop NODE [SIGNAL]   One daemon (a restarted one keeps its state).
#   node_ready NODE…          Succeeds if Swarm calls the nodes ready.
#
# Docker's and containerd's mounts are in a mount namespace of each daemon's own and go with it. Every process is in the run's cgroups.

# Docker tries to pull even an image that is there. From a registry that refuses at once, that takes no time.
SWARM_IMAGE=127.0.0.1:1/skep-selftest:1
SWARM_NODES=()

docker_on() {
	local node=$1
	shift
	DOCKER_CONFIG=$RUN_DIR/docker-config command docker -H "unix://$RUN_DIR/$node/docker.sock" "$@"
}

# overlay2 where the file system can carry it.
storage_driver() {
	local dir=$RUN_DIR/overlay-probe driver=vfs
	mkdir -p "$dir/lower" "$dir/upper" "$dir/work" "$dir/merged"
	if mount -t overlay overlay -o "lowerdir=$dir/lower,upperdir=$dir/upper,workdir=$dir/work" \
		"$dir/merged" 2>/dev/null; then
		umount "$dir/merged"
		driver=overlay2
	fi
	rm -rf "$dir"
	echo $driver
}

dockerd_start() {
	local node=$1 dir=$RUN_DIR/$1 made
	mkdir -p "$dir/etc-docker" "$dir/run-docker" "$dir/docker" "$dir/exec" || return 1
	echo '{}' >"$dir/daemon.json"
	for made in /etc/docker /run/docker; do
		[ -d $made ] || { mkdir $made && echo $made >>"$RUN_DIR/made"; }
	done
	# Not `ip netns exec` (see net.sh). The daemon writes to /etc/docker and /run/docker whatever it is told: it gets its own
	# of both. cgroupfs: no systemd has to know of the containers.
	spawn "dockerd-$node" nsenter --net="/run/netns/$RUN-$node" unshare --mount --uts sh -c '
		hostname "$1" &&
		mount --bind "$2/etc-docker" /etc/docker &&
		mount --bind "$2/run-docker" /run/docker || exit 1
		shift 2
		exec "$@"' dockerd "$node" "$dir" dockerd \
		--config-file "$dir/daemon.json" --data-root "$dir/docker" --exec-root "$dir/exec" \
		--pidfile "$dir/dockerd.pid" --host "unix://$dir/docker.sock" \
		--exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/$RUN/node-$node/containers" \
		--storage-driver "$SWARM_STORAGE" --log-level "${DOCKERD_LOG:-warn}"
}

dockerd_stop() {
	stop "dockerd-$1" "${2:-TERM}"
	rm -f "$RUN_DIR/$1/dockerd.pid" # a killed one leaves it, and another process may have that number
}

dockerd_answers() {
	docker_on "$1" version --format '{{.Server.Version}}'
}

swarm_image() {
	local root=$RUN_DIR/image
	mkdir -p "$root/bin" "$root/tmp" "$root/etc" || return 1
	cp "$(command -v busybox)" "$root/bin/busybox" || return 1
	cp "$BACKEND" "$CLIENT" "$PROBER" "$root/" || return 1
	local applet
	for applet in sh ls ps ip nc ping cat sleep hostname netstat; do
		ln -sf busybox "$root/bin/$applet"
	done
	tar -C "$root" -cf "$RUN_DIR/image.tar" . && rm -r "$root"
}

swarm_import() {
	within 30 dockerd_answers "$1" &&
		docker_on "$1" import --change 'CMD ["/backend","--port","80","--udp-port","53"]' \
			"$RUN_DIR/image.tar" "$SWARM_IMAGE"
}

node_ready() {
	local ready node
	ready=$(docker_on n1 node ls --format '{{.Hostname}} {{.Status}}') || return 1
	for node; do
		case $'\n'$ready$'\n' in
		*$'\n'"$node Ready"$'\n'*) ;;
		*)
			echo "$node is not ready: $ready"
			return 1
			;;
		esac
	done
}

swarm_join() {
	local node=$1 address
	address=$(node_address "$node")
	docker_on "$node" swarm join --token "$2" --advertise-addr "$address" \
		--listen-addr "$address:2377" "$(node_address n1):2377"
}

# Runs COMMAND NODE for each node, side by side.
each_of() {
	local command=$1 node pid pids=() status=0
	shift
	for node; do
		$command "$node" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid" || status=1; done
	return $status
}

swarm_begin() {
	local node token
	need dockerd docker containerd iptables busybox tar jq
	SWARM_NODES=("$@")
	SWARM_STORAGE=$(storage_driver)
	swarm_image || return 1
	for node; do dockerd_start "$node" || return 1; done
	each_of swarm_import "$@" || return 1
	docker_on n1 swarm init --advertise-addr "$(node_address n1)" \
		--listen-addr "$(node_address n1):2377" || return 1
	token=$(docker_on n1 swarm join-token -q worker) || return 1
	shift
	join_one() { swarm_join "$1" "$token"; }
	each_of join_one "$@" && within 30 node_ready "${SWARM_NODES[@]}"
}

service_create() {
	local name=$1 replicas=$2
	shift 2
	docker_on n1 service create --quiet --detach --no-resolve-image --name "$name" \
		--replicas "$replicas" --hostname '{{.Service.Name}}.{{.Task.Slot}}' "$@" "$SWARM_IMAGE"
}

service_vip() {
	local network
	network=$(docker_on n1 network inspect --format '{{.Id}}' "$2") || return 1
	docker_on n1 service inspect "$1" | jq -er --arg id "$network" \
		'.[0].Endpoint.VirtualIPs[] | select(.NetworkID == $id) | .Addr | sub("/.*"; "")'
}

container_of() {
	docker_on "$1" ps -q --filter "label=com.docker.swarm.service.name=$2" | head -n 1
}

service_running() {
	local states meant
	states=$(docker_on n1 service ps --filter desired-state=running \
		--format '{{.Name}} {{.Node}} {{.CurrentState}} {{.Error}}' "$1") || return 1
	meant=$(docker_on n1 service ps --filter desired-state=running -q "$1" | wc -l)
	if [ "$meant" -ne "$2" ] || [ "$(grep -c ' Running ' <<<"$states")" -ne "$2" ]; then
		echo "$states"
		return 1
	fi
}

service_gone() {
	local node
	for node in "${SWARM_NODES[@]}"; do
		[ -z "$(docker_on "$node" ps -q --filter "label=com.docker.swarm.service.name=$1")" ] ||
			return 1
	done
}
