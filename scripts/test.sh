#!/bin/bash
# test.sh is `make test`: it sets up what it needs, runs every part and says how each ended.
#
# Later parts run although an earlier one failed, so that one run tells everything. Each part
# has a time limit, and so has the whole. What it makes lives in a folder of its own
# under TMPDIR, with a daemon of its own, and is removed at the end: the daemon and workspaces
# of the person who runs it are not touched.
#
# Exit status: 0 if every part passed, 5 if there is no container engine, else 1.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

readonly BUDGET=1380 # seconds for everything
go=${GO:-go}
parts=()
failed=0

# part NAME LIMIT COMMAND... runs one part for at most LIMIT seconds, and no longer than the budget lasts.
part() {
	local name=$1 limit=$2 begin=$SECONDS status result=ok left=$((BUDGET - SECONDS))
	shift 2
	if [ "$left" -lt "$limit" ]; then limit=$((left > 1 ? left : 1)); fi
	printf '\n==> %s\n' "$name"
	timeout --foreground -k 20 "$limit" "$@"
	status=$?
	if [ "$status" = 124 ] || [ "$status" = 137 ]; then
		result="FAILED (time limit $limit s)"
	elif [ "$status" != 0 ]; then
		result="FAILED (status $status)"
	fi
	[ "$status" = 0 ] || failed=$((failed + 1))
	parts+=("$(printf '%-24s %5ds  %s' "$name" $((SECONDS - begin)) "$result")")
	return "$status"
}

summary() {
	printf '\n==> Summary\n'
	printf '%s\n' "${parts[@]}"
	if [ "$failed" = 0 ]; then
		echo "all ${#parts[@]} parts passed in $SECONDS s"
	else
		echo "$failed of ${#parts[@]} parts failed, $SECONDS s"
	fi
}

formatted() {
	local files
	files=$("$("$go" env GOROOT)/bin/gofmt" -l cmd internal bench) || return
	[ -z "$files" ] || { echo "not formatted; run gofmt -w on:" && echo "$files" && return 1; }
}

# small_tools installs the programs that tests and examples call, where that can be done.
small_tools() {
	local missing=() tool
	for tool in jq curl strace tmux rsync ssh:openssh-client node:nodejs npm chromium; do
		command -v "${tool%:*}" >/dev/null || missing+=("${tool#*:}")
	done
	[ "${#missing[@]}" = 0 ] && return
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		echo "installing ${missing[*]}"
		{ apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "${missing[@]}"; } >/dev/null && return
	fi
	echo "missing: ${missing[*]}; install them: sudo apt-get install ${missing[*]}" >&2
	return 1
}

# own_daemon points every program from here on at a daemon of this run.
own_daemon() {
	work=$(mktemp -d "${TMPDIR:-/tmp}/wsd-test.XXXXXX")
	export WSD_SOCKET="$work/s/wsd.sock" WSD_STATE_DIR="$work/state"
	trap cleanup EXIT
	trap 'exit 130' INT TERM
}

cleanup() {
	if [ -S "$WSD_SOCKET" ]; then
		bin/wsctl list --json 2>/dev/null | grep -o '"name": *"demo[^"]*"' | sed 's/.*"\(.*\)"/\1/' |
			while read -r name; do bin/wsctl delete "$name" --force; done >/dev/null 2>&1
		bin/wsctl daemon stop >/dev/null 2>&1
	fi
	scripts/sweep.sh "$WSD_STATE_DIR"
	rm -rf "$work"
}

export -f formatted small_tools
export go

part "small tools" 180 bash -c small_tools
if ! part "container engine" 400 scripts/engine.sh; then
	summary
	exit 5
fi
part "test image" 300 scripts/testimage.sh
part "build" 600 "${MAKE:-make}" --no-print-directory build || { summary; exit 1; }
part "vet" 300 "$go" vet ./...
part "format" 60 bash -c formatted
part "scripts: engine" 90 scripts/engine_test.sh
part "scripts: install" 120 scripts/install_test.sh
part "generated files" 120 scripts/generate.sh --check
# Two packages at a time: the engine is shared, and its tests are the slow ones. Those that are
# marked as parallel mostly wait.
part "tests" 1080 "$go" test -p 2 -parallel 6 -timeout 17m ./...
own_daemon
part "torture (short)" 150 scripts/torture.sh -count "${TORTURE:-6}" -workspaces 6
part "demo" 120 scripts/demo.sh
part "example: fleet" 120 env WSCTL="$PWD/bin/wsctl" docs/examples/fleet.sh 3

summary
[ "$failed" = 0 ]
