#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# deps.sh PACKAGE...: installs those of the packages that are not there. Says nothing if all are.
#
# A service that a package would start (docker.io's) is kept from starting: skep's tests and demo run
# daemons of their own, and on a machine that had no Docker before none shall be left running.
set -eu -o pipefail

missing=()
for package in "$@"; do
	dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed$' ||
		missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
	echo "deps.sh: cannot install ${missing[*]}: not root; run sudo make deps" >&2
	exit 1
fi
echo "installing: ${missing[*]}"

policy=/usr/sbin/policy-rc.d
made_policy=
log=$(mktemp)
cleanup() {
	[ -z "$made_policy" ] || rm -f "$policy"
	rm -f "$log"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	made_policy=1
fi

export DEBIAN_FRONTEND=noninteractive
if ! { apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	echo "deps.sh: apt-get could not install ${missing[*]}; the reason is above" >&2
	exit 1
fi
