#!/bin/bash
# generate.sh writes what is derived from code: completions, man pages, the CLI reference, the API's
# description, diagrams, tables in documents.
#
#   scripts/generate.sh           write them
#   scripts/generate.sh --check   write them, and fail naming those that had been out of date
#
# Files are compared by checksum, so a tree without git is checked too.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly OUTPUTS=(completions docs)

sums() { find "${OUTPUTS[@]}" -type f -exec sha256sum {} + | sort -k 2; }

write() {
	"${GO:-go}" generate ./...
	# Parts of documents that are tables of the code are written by the tests that compare them.
	"${GO:-go}" test -count=1 -run 'Document' ./internal/workspace ./internal/config ./internal/server -update >/dev/null
	scripts/dashframes.sh
}

before=$(sums)
write
[ "${1:-}" = --check ] || exit 0
if ! changed=$(diff <(echo "$before") <(sums)); then
	echo "out of date, now written anew; commit them:" >&2
	sed -n 's/^[<>] [0-9a-f]*  /  /p' <<<"$changed" | sort -u >&2
	exit 1
fi
