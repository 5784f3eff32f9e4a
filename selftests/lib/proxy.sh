# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# skep's proxies on the nodes of a run, each beside its node's agent. Sourced after agent.sh.
#
#   proxy_start NODE [FLAG…]  Starts `skep proxy` there, on port 8000, with the agent's socket and $RUN_DIR/NODE/proxy as --run-dir.
#                             Does not wait: proxy_answers NODE is the condition. The program is $PROXY_SKEP if that is set.
#   proxy_pids NODE           The processes of it there are: two while one takes over from the other.
#   proxy_signal NODE SIGNAL  To all of them.
#   proxy_stop NODE           SIGTERM; succeeds once none is left.
#   proxy_answers NODE        Succeeds if it does, whatever it says.
#   proxy_count NODE METRIC   The sum of a metric, with its labels or without, in the last metrics file.
#   as HOST CURL-ARGUMENT…    curl from namespace client, quiet, at most 10 s; HOST is "node" or "node/virtual-host", a path follows --url:
#                             as n1 /app/echo -H 'X: 1'
#   status_of NODE PATH …     Prints the status alone.
#   proxy_last_word NAME PORT  Prints what a proxy keeps of its agent's last word (RUN-DIR/last): one service NAME, for every path, with one
#                             task at 127.0.0.1 PORT. For a proxy that has no agent.
#   raw NODE [SECONDS]        Sends stdin to the proxy as it is, prints what comes back until the connection ends, or for so long (3).

proxy_start() {
	local node=$1
	shift
	spawn "proxy-$node" nsenter --net="/run/netns/$RUN-$node" "${PROXY_SKEP:-$SKEP}" proxy --http :8000 \
		--agent "$RUN_DIR/$node/run/skep.sock" --run-dir "$RUN_DIR/$node/proxy" --workers 2 "$@"
}

# Overrides, and the model.
proxy_last_word() {
	cat <<-END
		[]
		{"nodes": [{"id": "n1", "name": "n1", "address": "192.0.2.1", "ready": true}],
		"networks": [{"id": "app", "name": "app", "subnets": ["127.0.0.0/8"]}],
		"services": [{"id": "s1", "name": "$1", "labels": {"skep.http.port": "$2", "skep.http.path": "/"}}],
		"tasks": [{"id": "t1", "name": "$1.1", "service": "s1", "node": "n1",
			"addresses": [{"network": "app", "address": "127.0.0.1"}]}]}
	END
}

proxy_pids() {
	cat "$RUN_DIR/cgroup/$RUN/proxy-$1/cgroup.procs"
}

proxy_signal() {
	local pid
	for pid in $(proxy_pids "$1"); do kill "-$2" "$pid" || return 1; done
}

proxy_gone() {
	[ -z "$(proxy_pids "$1")" ]
}

proxy_stop() {
	proxy_signal "$1" TERM
	within "${2:-10}" proxy_gone "$1" || return 1
	stop "proxy-$1"
	return 0
}

proxy_answers() {
	as "$1" / >/dev/null
}

proxy_count() {
	awk -v metric="$2" 'index($1, metric) == 1 { sum += $2 } END { print sum + 0 }' "$RUN_DIR/$1/proxy/metrics.prom"
}

as() {
	local node=${1%%/*} host=()
	[ "$node" = "$1" ] || host=(-H "Host: ${1#*/}")
	local path=$2
	shift 2
	on client curl -sS --max-time 10 --path-as-is ${host[0]:+"${host[@]}"} "http://$(node_address "$node"):8000$path" "$@"
}

status_of() {
	as "$@" -o /dev/null -w '%{http_code}\n'
}

raw() {
	on client perl -MIO::Socket::INET -MIO::Select -MTime::HiRes=time -e '
		my ($peer, $limit) = @ARGV;
		my $socket = IO::Socket::INET->new(PeerAddr => $peer) or die "$peer: $!";
		local $/; my $data = <STDIN>;
		syswrite $socket, $data;
		my $end = time + $limit; my $select = IO::Select->new($socket);
		$| = 1;
		while ((my $left = $end - time) > 0) {
			next unless $select->can_read($left);
			last unless sysread $socket, my $bytes, 65536;
			print $bytes;
		}' "$(node_address "$1"):8000" "${2:-3}"
}
