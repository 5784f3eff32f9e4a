#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every input of the fuzz targets' corpus, once, with AddressSanitizer and UBSan.
cd "$(dirname "$0")/../.." || exit 1
. selftests/lib/lib.sh
run_begin

corpus() {
	local target=$1 files
	files=(selftests/fuzz/corpus/"$target"/*)
	[ -f "${files[0]}" ] || { echo "no corpus for $target"; return 1; }
	"build/fuzz/$target" -timeout=10 -artifact_prefix="$RUN_DIR/" "${files[@]}"
}

for source in selftests/fuzz/*.c; do
	target=$(basename "$source" .c)
	check "no input of the corpus fails in $target" corpus "$target"
done
