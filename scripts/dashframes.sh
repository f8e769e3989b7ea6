#!/bin/bash
# dashframes.sh writes the frames of docs/dashboard.md from the golden files of the dashboard's tests, so
# that the document shows what the program draws. A frame stands between
#
#   <!-- frame: NAME -->  and  <!-- end -->
#
# where NAME is a file of internal/tui/testdata without its ending.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly DOC=docs/dashboard.md FRAMES=internal/tui/testdata

new=$(mktemp)
trap 'rm -f "$new"' EXIT
while IFS= read -r line; do
	case $line in
	'<!-- frame: '*)
		name=${line#<!-- frame: }
		name=${name% -->}
		printf '%s\n```\n' "$line"
		cat "$FRAMES/$name.txt"
		printf '```\n'
		while [ "$line" != '<!-- end -->' ]; do IFS= read -r line; done
		;;
	esac
	printf '%s\n' "$line"
done <"$DOC" >"$new"
cmp -s "$new" "$DOC" || cat "$new" >"$DOC"
