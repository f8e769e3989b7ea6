#!/bin/bash
# fuzz.sh runs every fuzz target for FUZZTIME (default 10s), one after the other.
#
#   scripts/fuzz.sh [PATTERN]     only targets or folders that match the extended regular expression
#
# Exit status: 0 if no target found an input that fails.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0
while IFS=: read -r file target; do
	echo "==> $target in ./$(dirname "$file")"
	"${GO:-go}" test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-10s}" "./$(dirname "$file")" || failed=1
done < <(grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' cmd internal |
	sed 's/func //' | grep -E "${1:-.}" | sort)
exit "$failed"
