#!/bin/bash
# fleet.sh runs a small fleet of workspaces from a script, and shows how a script drives wsctl:
# it reads only `wsctl --json` and exit statuses, and never the text that is meant for people.
#
#   docs/examples/fleet.sh [COUNT]      COUNT workspaces, 1 to 20; default 4
#
# Needs wsctl in PATH (or bin/wsctl beside this clone, or WSCTL=PATH), jq, and curl.
# What it makes carries a label of this run and is deleted at the end, also after Ctrl-C.
#
# Exit status: 0 if everything behaved as asked, else 1; 2 for wrong arguments.
set -euo pipefail

readonly COUNT=${1:-4}
readonly FLEET="fleet-$$"
readonly LABEL="fleet=$FLEET"

# Exit statuses of wsctl that this script decides on (wsctl help exit-codes has all).
readonly EXIT_NOT_FOUND=3 EXIT_CONFLICT=4 EXIT_LIMIT=7

if ! [[ $COUNT =~ ^[0-9]+$ ]] || ((COUNT < 1 || COUNT > 20)); then
	echo "usage: fleet.sh [COUNT], 1 to 20" >&2
	exit 2
fi

wsctl=${WSCTL:-}
if [ -z "$wsctl" ]; then
	clone=$(cd "$(dirname "$0")/../.." && pwd)
	wsctl=$(command -v wsctl || echo "$clone/bin/wsctl")
fi
for tool in jq curl "$wsctl"; do
	command -v "$tool" >/dev/null || { echo "fleet.sh needs $tool" >&2; exit 2; }
done

failures=0
say() { printf '%s\n' "$*"; }
heading() { printf '\n== %s\n' "$*"; }

# check records whether something is as it should be: check SENTENCE COMMAND...
check() {
	local sentence=$1
	shift
	if "$@"; then
		say "ok    $sentence"
	else
		say "FAIL  $sentence"
		failures=$((failures + 1))
	fi
}

# answer keeps stdout of a wsctl call in $reply and its exit status in $status.
# With --json an error is an object on stdout too, so there is always something to read.
reply='' status=0
answer() {
	status=0
	reply=$("$wsctl" "$@" --json 2>/dev/null) || status=$?
}

# must is for calls that have to work: on failure it shows the error's sentence and hint, and ends.
must() {
	answer "$@"
	[ "$status" = 0 ] && return
	jq -r '"wsctl: \(.error.detail)" + (if .error.hint then "\n  \(.error.hint)" else "" end)' <<<"$reply" >&2 || true
	say "wsctl $* ended with status $status" >&2
	exit 1
}

# fleet prints the workspaces of this run as a JSON array.
fleet() {
	must list --label "$LABEL"
	jq '.workspaces' <<<"$reply"
}

# names prints the names of the fleet, a line each; with an argument only those in that state.
names() { fleet | jq -r --arg s "${1:-}" '.[] | select($s == "" or .state == $s) | .name'; }

# count_in prints how many are in a state.
count_in() { fleet | jq --arg s "$1" 'map(select(.state == $s)) | length'; }

cleanup() {
	local status=$? left
	trap '' INT TERM
	heading "clean up"
	left=$("$wsctl" list --label "$LABEL" --json 2>/dev/null | jq -r '.workspaces[]?.id') || left=''
	for id in $left; do
		"$wsctl" delete "$id" --force --json >/dev/null 2>&1 || say "could not delete $id"
	done
	say "deleted $(wc -w <<<"$left")"
	exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# create_fleet asks for every workspace without waiting, so that they are made side by side.
create_fleet() {
	local i role
	for ((i = 1; i <= COUNT; i++)); do
		role=$((i % 2 ? 1 : 2))
		answer create "$FLEET-$i" --label "$LABEL" --label "role=r$role" --memory 64MiB --cpus 0.5 --no-wait
		case $status in
		0) say "asked for $FLEET-$i (port $(jq '.port' <<<"$reply"))" ;;
		"$EXIT_LIMIT")
			say "a limit is reached at $i: $(jq -r '.error.detail' <<<"$reply")"
			break
			;;
		*)
			say "create failed with status $status: $(jq -r '.error.detail' <<<"$reply")" >&2
			exit 1
			;;
		esac
	done
}

wait_for() {
	local name
	for name in $(names); do
		must wait "$name" --for "$1" --timeout 120s
	done
}

# page_status prints the HTTP status of the workspace's page.
page_status() { curl -s -o /dev/null -w '%{http_code}' --max-time 10 "http://127.0.0.1:$1/" || true; }

all_answer() {
	local port
	for port in $(fleet | jq '.[] | select(.state == "running") | .port'); do
		[ "$(page_status "$port")" = 200 ] || return 1
	done
}

# runs_inside runs a command in every workspace; the status of exec is the command's own.
runs_inside() {
	local name out
	for name in $(names running); do
		# shellcheck disable=SC2016 # expanded inside the workspace
		out=$("$wsctl" exec "$name" -- sh -c 'echo "$HOSTNAME-says-hello"; exit 0') || return 1
		[[ $out == *says-hello ]] || return 1
	done
}

passes_status() {
	local name status=0
	name=$(names running | head -n 1)
	"$wsctl" exec "$name" -- sh -c 'exit 42' >/dev/null 2>&1 || status=$?
	[ "$status" = 42 ]
}

# report prints one line a workspace. Times have nanoseconds, which fromdate does not read.
report() {
	fleet | jq -r '
		def ms: (sub("\\.[0-9]+Z$"; "Z") | fromdate) * 1000
			+ ((capture("\\.(?<f>[0-9]+)Z$").f // "0") + "000" | .[0:3] | tonumber);
		["NAME", "ROLE", "STATE", "PORT", "READY-AFTER"],
		(.[] | [
			.name,
			.labels.role,
			.state,
			(.port // "-" | tostring),
			(if .ready_at then "\((.ready_at | ms) - (.created_at | ms))ms" else "-" end)
		]) | @tsv' | while IFS="$(printf '\t')" read -r name role state port ready; do
		printf '%-20s %-5s %-12s %-5s %s\n' "$name" "$role" "$state" "$port" "$ready"
	done
}

same_name_is_a_conflict() {
	answer create "$(names | head -n 1)"
	[ "$status" = "$EXIT_CONFLICT" ] && jq -e '.error.code and .error.detail and (.error.retryable == false)' <<<"$reply" >/dev/null
}

unknown_name_is_not_found() {
	answer show "$FLEET-nobody"
	[ "$status" = "$EXIT_NOT_FOUND" ] && jq -e '.error.code' <<<"$reply" >/dev/null
}

ports_survive() {
	local before=$1 after
	after=$(fleet | jq -c 'map({name, port}) | sort_by(.name)')
	[ "$before" = "$after" ]
}

heading "create"
create_fleet
wait_for running
check "all $COUNT run" test "$(count_in running)" = "$COUNT"

heading "use"
check "every page answers 200" all_answer
check "a command runs inside each" runs_inside
check "exec passes the command's exit status" passes_status
check "a taken name is status $EXIT_CONFLICT with an error object" same_name_is_a_conflict
check "an unknown name is status $EXIT_NOT_FOUND with an error object" unknown_name_is_not_found

heading "report"
report

heading "stop and start in bulk"
ports=$(fleet | jq -c 'map({name, port}) | sort_by(.name)')
must stop --label "$LABEL"
wait_for stopped
check "all $COUNT are stopped" test "$(count_in stopped)" = "$COUNT"
must start --label "$LABEL"
wait_for running
check "all $COUNT run again" test "$(count_in running)" = "$COUNT"
check "every port is the same as before" ports_survive "$ports"
check "every page answers 200 again" all_answer

heading "result"
if ((failures > 0)); then
	say "$failures checks failed"
	exit 1
fi
say "everything behaved as asked"
