# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2016
#
# What every test and the demo share: TAP, waiting, processes, and one clean-up that runs whatever happens.
# To be sourced; needs bash and root. net.sh, agent.sh and swarm.sh build on it.
#
#   run_begin [NAME]          First call of a test. Makes $RUN_DIR (mktemp -d) and $RUN, the prefix of every namespace and
#                             cgroup of this run, and sets the traps that clean up at the end, or on INT and TERM.
#   run_keep                  At the end leave everything up (the demo's KEEP=1). run_end DIR takes it down later.
#   run_end DIR               Takes a run down, also another shell's: its processes, namespaces, mounts, cgroups, files.
#   at_exit COMMAND…          Before that, run COMMAND (last added first).
#
#   check SENTENCE COMMAND…   One TAP line; what COMMAND printed follows as a comment if it failed. Its status is check's.
#   ok SENTENCE / not_ok SENTENCE / skip SENTENCE REASON / diag TEXT…
#   must COMMAND…             A step without which the test makes no sense: if it fails, bail out (logs' ends follow).
#                             The plan is printed by the clean-up; a test's exit status is 1 if any line was "not ok".
#   is EXPECTED COMMAND…      Succeeds if COMMAND prints exactly EXPECTED; says what it printed if not.
#   contains TEXT COMMAND…    Succeeds if COMMAND does and prints TEXT among other things.
#   fails COMMAND…            Succeeds if COMMAND fails.
#   within SECONDS COMMAND…   Polls until COMMAND succeeds, at most SECONDS; fails with its last output.
#
#   spawn NAME COMMAND…       Starts COMMAND in the background, in this run's cgroup, output to $RUN_DIR/log/NAME.log.
#   spawned NAME              Its process id. running NAME: is it there?
#   stop NAME [SIGNAL]        Sends SIGNAL (TERM), waits for it to go (15 s, then KILL). Its exit status if it is known.
#   build TARGET…             make, in the checkout.
#   need PROGRAM…             Bails out, saying what is missing.
#   $BACKEND $CLIENT $PROBER  The test tools (tools/*.c tell their use), built if they must be.

set -u

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BACKEND=$ROOT/build/selftests/backend
CLIENT=$ROOT/build/selftests/client
PROBER=$ROOT/build/selftests/prober
SKEP=${SKEP:-$ROOT/build/skep}

RUN=
RUN_DIR=
RUN_KEEP=
RUN_BAILED=
TAP_N=0
TAP_FAILED=0
AT_EXIT=()

# TAP

diag() {
	printf '%s\n' "$*" | sed 's/^/# /'
}

ok() {
	printf 'ok %d - %s\n' $((++TAP_N)) "$*"
}

not_ok() {
	TAP_FAILED=$((TAP_FAILED + 1))
	printf 'not ok %d - %s\n' $((++TAP_N)) "$*"
}

skip() {
	printf 'ok %d - %s # SKIP %s\n' $((++TAP_N)) "$1" "$2"
}

check() {
	local sentence=$1 output status
	shift
	output=$RUN_DIR/check.$BASHPID
	# Not in a subshell: what COMMAND sets stays set.
	"$@" >"$output" 2>&1
	status=$?
	if [ $status -eq 0 ]; then
		ok "$sentence"
	else
		not_ok "$sentence"
		diag "\$ $* (status $status)"
		sed 's/^/#   /' "$output" | tail -n 40
	fi
	rm -f "$output"
	return $status
}

bail_out() {
	RUN_BAILED=1
	echo "Bail out! $*"
	exit 1
}

must() {
	local output
	output=$RUN_DIR/must.$BASHPID
	if ! "$@" >"$output" 2>&1; then
		diag "\$ $*"
		sed 's/^/#   /' "$output"
		show_logs
		bail_out "failed: $*"
	fi
	rm -f "$output"
}

is() {
	local expected=$1 actual
	shift
	actual=$("$@" 2>&1) || {
		printf '%s: failed: %s\n' "$*" "$actual"
		return 1
	}
	[ "$actual" = "$expected" ] || {
		printf '%s:\n%s\nexpected:\n%s\n' "$*" "$actual" "$expected"
		return 1
	}
}

contains() {
	local text=$1 actual
	shift
	actual=$("$@" 2>&1) || {
		printf '%s: failed: %s\n' "$*" "$actual"
		return 1
	}
	case $actual in
	*"$text"*) ;;
	*)
		printf '%s:\n%s\nexpected to contain: %s\n' "$*" "$actual" "$text"
		return 1
		;;
	esac
}

fails() {
	if "$@"; then
		printf '%s: did not fail\n' "$*"
		return 1
	fi
}

within() {
	local limit=$1 end output
	shift
	end=$(($(date +%s%N) + ${limit%%.*} * 1000000000))
	while ! output=$("$@" 2>&1); do
		if [ "$(date +%s%N)" -ge "$end" ]; then
			printf 'not within %s s: %s\n%s\n' "$limit" "$*" "$output"
			return 1
		fi
		sleep 0.05 # between two polls of the condition
	done
	[ -z "$output" ] || printf '%s\n' "$output"
}

need() {
	local program missing=
	for program; do
		command -v "$program" >/dev/null || missing="$missing $program"
	done
	[ -z "$missing" ] || bail_out "not installed:$missing (make deps installs what is needed)"
}

# Processes. Each is in a cgroup of this run, and so is whatever it starts: nothing gets away.

spawn() {
	local name=$1 pid
	shift
	mkdir -p "$RUN_DIR/cgroup/$RUN/$name" || return 1
	# A session of its own: ^C at the terminal is for the test, which then ends what it started.
	setsid bash -c 'echo $$ >"$1" && shift && exec "$@"' spawn \
		"$RUN_DIR/cgroup/$RUN/$name/cgroup.procs" "$@" \
		>>"$RUN_DIR/log/$name.log" 2>&1 </dev/null &
	pid=$!
	echo $pid >"$RUN_DIR/pid/$name"
}

spawned() {
	cat "$RUN_DIR/pid/$1" 2>/dev/null
}

# A process that ended is a zombie until this shell waits for it: that is not running.
running() {
	local pid state
	pid=$(spawned "$1") || return 1
	state=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null) || return 1
	[ -n "$state" ] && [ "${state%% *}" != Z ]
}

not_running() {
	! running "$1"
}

stop() {
	# The shell's own word on a killed child is no news.
	stop_it "$@" 2>/dev/null
}

stop_it() {
	local name=$1 pid
	pid=$(spawned "$name") || return 0
	if running "$name"; then
		kill "-${2:-TERM}" "$pid"
		if ! within 15 not_running "$name"; then
			kill -KILL "$pid"
			within 5 not_running "$name"
		fi
	fi
	rm -f "$RUN_DIR/pid/$name"
	wait "$pid"
}

show_logs() {
	local log
	for log in "$RUN_DIR"/log/*.log; do
		[ -s "$log" ] || continue
		diag "--- the end of ${log##*/}"
		# dockerd says so many times on a kernel without IPVS
		grep -av -e 'kernel parameter net.ipv4.vs' -e 'msg="loading plugin' "$log" | tail -n "${LOG_LINES:-15}" | cut -c 1-300 | sed 's/^/#   /'
	done
}

# A run's beginning and end

run_begin() {
	[ "$(id -u)" = 0 ] || bail_out "needs root (network namespaces, BPF)"
	need ip nsenter unshare setsid mount umount
	RUN_DIR=$(mktemp -d -t skep-XXXXXX) || bail_out "no temporary directory"
	RUN=${1:-${RUN_DIR##*/}}
	echo "$RUN" >"$RUN_DIR/run"
	mkdir "$RUN_DIR/log" "$RUN_DIR/pid" "$RUN_DIR/cgroup" "$RUN_DIR/bpf"
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
	trap 'exit 141' PIPE # whoever read our output is gone
	trap 'exit 141' PIPE
	trap run_exit EXIT
	# Views of our own: this machine may have either mounted elsewhere, or not at all.
	must mount -t cgroup2 none "$RUN_DIR/cgroup"
	must mount -t bpf none "$RUN_DIR/bpf"
	must mkdir -p "$RUN_DIR/cgroup/$RUN"
	must build -f selftests/lib/tools.mk test-tools
}

# make, as whoever the checkout belongs to: so that what root's tests build is no obstacle to its owner.
build() {
	local owner
	owner=$(stat -c %U "$ROOT")
	if [ "$owner" = root ] || { [ -e "$ROOT/build" ] && [ "$(stat -c %U "$ROOT/build")" = root ]; }; then
		make -s -C "$ROOT" "$@"
	else
		runuser -u "$owner" -- make -s -C "$ROOT" "$@"
	fi
}

run_keep() {
	RUN_KEEP=1
}

at_exit() {
	AT_EXIT+=("$(printf '%q ' "$@")")
}

run_exit() {
	local status=$? i
	trap '' INT TERM HUP PIPE
	disown -a # their ends are not news
	for ((i = ${#AT_EXIT[@]} - 1; i >= 0; i--)); do
		eval "${AT_EXIT[i]}"
	done
	if [ $TAP_N -gt 0 ] && [ -z "$RUN_BAILED" ]; then
		[ $TAP_FAILED -eq 0 ] || [ -z "$RUN_DIR" ] || show_logs
		# A script that ended early gives no plan, so prove says so.
		[ $status -ne 0 ] || echo "1..$TAP_N"
	fi
	[ -n "$RUN_KEEP" ] || [ -z "$RUN_DIR" ] || run_end "$RUN_DIR"
	[ $TAP_FAILED -eq 0 ] || [ $status -ne 0 ] || status=1
	exit $status
}

# Everything is found by the run's name and directory, not by what a shell remembers.
run_end() {
	local dir=$1 run name path i
	run=$(cat "$dir/run" 2>/dev/null) || return 0
	for i in 1 2 3 4 5 6 7 8 9 10; do
		kill_cgroup "$dir/cgroup/$run"
		remove_cgroups "$dir" "$run" && break
		sleep 0.1 # until the kernel has taken the processes out of the cgroups
	done
	ip netns list 2>/dev/null | while read -r name _; do
		case $name in
		"$run"-*) ip netns del "$name" ;;
		esac
	done
	awk -v dir="$dir/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | sort -r |
		while read -r path; do
			umount "$path" 2>/dev/null || umount --lazy "$path"
		done
	while read -r path; do rmdir "$path" 2>/dev/null; done < <(cat "$dir/made" 2>/dev/null)
	rm -rf --one-file-system "$dir"
}

kill_cgroup() {
	local procs pid
	[ -d "$1" ] || return 0
	if ! echo 1 2>/dev/null >"$1/cgroup.kill"; then # before Linux 5.14
		find "$1" -name cgroup.procs | while read -r procs; do
			while read -r pid; do kill -KILL "$pid" 2>/dev/null; done <"$procs"
		done
	fi
}

# Ours in cgroup2, and the containers' in each hierarchy of cgroup v1 where a machine has those.
remove_cgroups() {
	local dir=$1 run=$2 top procs pid path left=0
	for top in "$dir/cgroup/$run" /sys/fs/cgroup/*/"$run"; do
		[ -d "$top" ] || continue
		find "$top" -name cgroup.procs | while read -r procs; do
			while read -r pid; do kill -KILL "$pid" 2>/dev/null; done <"$procs"
		done
		find "$top" -depth -type d | while read -r path; do rmdir "$path" 2>/dev/null; done
		[ ! -d "$top" ] || left=1
	done
	return $left
}
