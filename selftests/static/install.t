#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What `make install` puts in place: the program, units that systemd accepts, a man page without faults, examples of
# the configurations that agent and proxy read.
. "$(dirname "$0")/../lib/lib.sh"
run_begin install
need man systemd-analyze

must make -s -C "$ROOT" install DESTDIR="$RUN_DIR/root" PREFIX=/usr
installed=$RUN_DIR/root

check "the program runs" "$installed/usr/sbin/skep" version

page() {
	local faults
	faults=$(LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l "$installed/usr/share/man/man8/skep.8" 2>&1 >/dev/null)
	[ -z "$faults" ] || { echo "$faults"; return 1; }
}
check "the man page has no faults" page

# systemd looks for the program where the unit says: under the root that it is given.
unit() {
	local file=$RUN_DIR/$1.service faults
	sed "s,/usr/sbin/skep,$installed/usr/sbin/skep," "$installed/lib/systemd/system/$1.service" >"$file"
	! grep -n '@[A-Z]*@' "$file" || return 1
	faults=$(systemd-analyze verify --man=no "$file" 2>&1) && [ -z "$faults" ] || { echo "$faults"; return 1; }
}

# Every setting, with its default, uncommented; reading ends at the line after them, which is none.
example() {
	local command=$1 file=$RUN_DIR/$2 said
	sed -n 's/^#\([a-z]\)/\1/p' "$installed/usr/share/doc/skep/$2.example" >"$file"
	echo "nonsense 1" >>"$file"
	said=$("$installed/usr/sbin/skep" "$command" --config "$file" 2>&1)
	[ $? -eq 2 ] || { echo "$said"; return 1; }
	case $said in
	*"$2:$(wc -l <"$file"): nonsense: "*) ;;
	*) echo "$said"; return 1 ;;
	esac
}

names() {
	local help example
	help=$("$installed/usr/sbin/skep" help "$1" | grep -o -- '--[a-z-]*' | sed 's/^--//' | grep -v '^config$' | sort -u)
	example=$(sed -n 's/^#\([a-z][a-z-]*\) .*/\1/p' "$installed/usr/share/doc/skep/$2.example" | sort -u)
	diff <(echo "$help") <(echo "$example")
}

documented() { # each flag is in the man page
	local flag missing=
	for flag in $("$installed/usr/sbin/skep" help "$1" | grep -o -- '--[a-z-]*' | sed 's/^--//' | sort -u); do
		grep -q -- "Fl -$flag\( \|$\)" "$installed/usr/share/man/man8/skep.8" || missing="$missing $flag"
	done
	[ -z "$missing" ] || { echo "not in skep.8:$missing"; return 1; }
}

check "systemd accepts the agent's unit" unit skep
check "and the proxy's" unit skep-proxy
user() { grep -q "^u $(sed -n 's/^User=//p' "$installed/lib/systemd/system/skep-proxy.service") " "$installed/usr/lib/sysusers.d/skep-proxy.conf"; }
check "the user that it names is one that systemd makes" user
for pair in agent:skep.conf proxy:proxy.conf; do
	check "the ${pair%:*} reads the example of its configuration" example "${pair%:*}" "${pair#*:}"
	check "help and example name the same settings" names "${pair%:*}" "${pair#*:}"
	check "the man page has all of them" documented "${pair%:*}"
done
