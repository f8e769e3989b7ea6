#!/bin/bash
# demo.sh shows the product once: a workspace made from the built-in template, answering over HTTP.
#
# It uses the daemon of the person who runs it (WSD_SOCKET and the other WSD_ variables choose
# another one) and leaves the workspace running. A demo workspace that exists already is used again.
#
# Exit status: 0 only if the workspace answered with HTTP 200; 5 if there is no container engine;
# else that of the wsctl command that failed.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n\033[1m==> %s\033[0m\n' "$*"; }
[ -t 1 ] || step() { printf '\n==> %s\n' "$*"; }

wsctl() { bin/wsctl "$@"; }

# field prints the string member $1 of the JSON object on stdin, with jq or without.
# Without it the last member of that name counts, which is the outermost.
field() {
	if command -v jq >/dev/null; then
		jq -r ".$1 // empty"
	else
		tr -d '\n' | grep -o "\"$1\": *\"[^\"]*\"" | tail -n 1 | sed 's/.*: *"\(.*\)"/\1/'
	fi
}

# state_of prints the state of a workspace, nothing where there is none.
state_of() { wsctl show "$1" --json 2>/dev/null | field state || true; }

# choose sets name to a workspace that runs in the end: an old one if possible, else a new one.
choose() {
	local n
	for n in demo demo-2 demo-3 demo-4 demo-5; do
		name=$n
		case $(state_of "$n") in
		"")
			echo "\$ wsctl create $n"
			wsctl create "$n"
			return
			;;
		running)
			echo "workspace $n is there already and runs"
			return
			;;
		stopped)
			echo "\$ wsctl start $n"
			wsctl start "$n"
			return
			;;
		paused)
			echo "\$ wsctl resume $n"
			wsctl resume "$n"
			return
			;;
		*) echo "workspace $n is there, but neither running nor stopped; trying the next name" ;;
		esac
	done
	echo "every demo name is taken; see: wsctl list" >&2
	return 4
}

# get prints status line, headers and body of a URL like http://127.0.0.1:8000/.
get() {
	local address=${1#http://}
	address=${address%/}
	if command -v curl >/dev/null; then
		curl -sS -i --max-time 10 "$1"
		return
	fi
	exec 3<>"/dev/tcp/${address%:*}/${address##*:}"
	printf 'GET / HTTP/1.0\r\nHost: %s\r\n\r\n' "$address" >&3
	timeout 10 cat <&3
	exec 3<&- 3>&-
}

# check asks the workspace for its page. The create has waited for it to be ready, so once is enough.
check() {
	local reply status title
	reply=$(get "$1") || { echo "no answer from $1" >&2; return 1; }
	status=$(head -n 1 <<<"$reply" | tr -d '\r')
	title=$(tr -d '\r\n' <<<"$reply" | grep -io '<title>[^<]*' | head -n 1 | sed 's/^<[^>]*>//' || true)
	echo "$1  ->  $status"
	echo "page title: ${title:-none}"
	[[ $status == HTTP/*" 200"* ]]
}

step "Build"
"${MAKE:-make}" --no-print-directory build
wsctl version

step "Container engine"
scripts/engine.sh
echo "the Docker Engine answers"

step "Workspace"
name=
choose
url=$(wsctl show "$name" --json | field url)

step "Ask it over HTTP"
check "$url"

cat <<END

It works. What to try next, after: PATH="\$PWD/bin:\$PATH"

END
try() { printf '  %-28s %s\n' "$1" "$2"; }
try "open $url" "the page, in a browser"
try "wsctl list" "every workspace"
try "wsctl exec $name -- ls -la" "a command inside"
try "wsctl logs $name" "what it printed"
try "wsctl stop $name" "stop it; it keeps its files and its port"
try "wsctl start $name" "and start it again"
try "wsctl delete $name" "remove it with everything it has"
try "wsctl daemon stop" "wsd runs on in the background until then"
try "wsctl --help" "the rest"
