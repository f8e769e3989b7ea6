#!/bin/bash
# generate.sh writes what is derived from code: completions, man pages, the CLI reference, diagrams.
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
	"${MAKE:-make}" --no-print-directory build >/dev/null
	bin/wsctl completion bash >completions/wsctl.bash
	bin/wsctl completion zsh >completions/_wsctl
	bin/wsctl completion fish >completions/wsctl.fish
	bin/wsctl completion powershell >completions/wsctl.ps1
}

before=$(sums)
write
[ "${1:-}" = --check ] || exit 0
if ! changed=$(diff <(echo "$before") <(sums)); then
	echo "out of date, now written anew; commit them:" >&2
	sed -n 's/^[<>] [0-9a-f]*  /  /p' <<<"$changed" | sort -u >&2
	exit 1
fi
