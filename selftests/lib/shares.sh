# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the client's tally says of balancing. Sourced after net.sh.
#
#   shares KIND SERVER N TASK…   N × (number of tasks) requests of KIND (hits, udp-hits) to SERVER, each on a connection of its own: succeeds if each
#                                task answered exactly N, no other any, and all saw the address of namespace $FROM (client).
#   refused KIND SERVER          Succeeds if the client is refused within a second: not if it is left to a time-out.
#   serial_under MS SERVER N     N connections one after another: no failure, none longer than MS.

shares() {
	local kind=$1 server=$2 n=$3 output task expected= address
	shift 3
	output=$(on "${FROM:-client}" "$CLIENT" "$kind" "$server" $((n * $#))) || {
		echo "$output"
		return 1
	}
	address=$(on "${FROM:-client}" ip -4 -o addr show eth0 | awk '{ sub("/.*", "", $4); print $4 }')
	for task; do expected+="task $task $n"$'\n'; done
	expected+="client $address $((n * $#))"$'\n'
	[ "$(sort <<<"$output")" = "$(printf %s "$expected" | sort)" ] || {
		echo "$output"
		return 1
	}
}

refused() {
	local output
	output=$(on client timeout 1 "$CLIENT" "$1" "$2" 1 2>&1) && return 1
	echo "$output"
	[[ $output == *refused* ]]
}

serial_under() {
	local output
	output=$(client_run serial "$2" "$3") || {
		echo "$output"
		return 1
	}
	echo "$output"
	[[ $output =~ failures=0\ max_ms=([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -lt "$1" ]
}
