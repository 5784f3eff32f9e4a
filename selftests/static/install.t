#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What `make install` puts in place: the program, a unit that systemd accepts, a man page without faults, an example of
# the configuration that the agent reads.
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
	local file=$RUN_DIR/skep.service faults
	sed "s,/usr/sbin/skep,$installed/usr/sbin/skep," "$installed/lib/systemd/system/skep.service" >"$file"
	! grep -n '@[A-Z]*@' "$file" || return 1
	faults=$(systemd-analyze verify --man=no "$file" 2>&1) && [ -z "$faults" ] || { echo "$faults"; return 1; }
}
check "systemd accepts the unit" unit

# Every setting, with its default, uncommented; reading ends at the line after them, which is none.
example() {
	local file=$RUN_DIR/skep.conf said
	sed -n 's/^#\([a-z]\)/\1/p' "$installed/usr/share/doc/skep/skep.conf.example" >"$file"
	echo "nonsense 1" >>"$file"
	said=$("$installed/usr/sbin/skep" agent --config "$file" 2>&1)
	[ $? -eq 2 ] || { echo "$said"; return 1; }
	case $said in
	*"skep.conf:$(wc -l <"$file"): nonsense: "*) ;;
	*) echo "$said"; return 1 ;;
	esac
}
check "the agent reads the example of the configuration" example

names() {
	local help example
	help=$("$installed/usr/sbin/skep" help agent | grep -o -- '--[a-z-]*' | sed 's/^--//' | grep -v '^config$' | sort -u)
	example=$(sed -n 's/^#\([a-z][a-z-]*\) .*/\1/p' "$installed/usr/share/doc/skep/skep.conf.example" | sort -u)
	diff <(echo "$help") <(echo "$example")
}
check "help and example name the same settings" names
