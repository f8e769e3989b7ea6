#!/bin/bash
# torture.sh kills wsd again and again while commands are under way, and then looks whether
# everything agrees: the last accepted commands, the store, the ports and the engine's objects.
#
#   scripts/torture.sh [-count KILLS] [-workspaces N] [-seed S]       defaults: 200, 20, the time
#
# It runs a daemon of its own in a throw-away folder and removes what it made. Needs bin/, jq, curl
# and an engine.
#
# Exit status: 0 if everything agreed, 1 if something did not, 2 for wrong arguments.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

kills=200 fleet=20 seed=$(date +%s)
while [ $# -gt 0 ]; do
	case $1 in
	-count) kills=$2 ;;
	-workspaces) fleet=$2 ;;
	-seed) seed=$2 ;;
	*) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
	esac
	shift 2 || exit 2
done
RANDOM=$((seed % 32768))

work=$(mktemp -d "${TMPDIR:-/tmp}/wsd-torture.XXXXXX")
export WSD_SOCKET="$work/s/wsd.sock" WSD_STATE_DIR="$work/state" WSD_JOBS_BACKOFF=100ms
engine_socket=${WSD_DOCKER_HOST:-${DOCKER_HOST:-unix:///var/run/docker.sock}}
engine_socket=${engine_socket#unix://}

# want[NAME] is what the last accepted command asked for: running, stopped, absent, or unknown
# where wsd was killed before it answered. Then the store alone knows, and must be consistent.
declare -A want
problems=0

wsctl() { bin/wsctl "$@"; }
complain() { echo "FAIL  $*"; problems=$((problems + 1)); }
engine() { curl -gsS --max-time 20 --unix-socket "$engine_socket" "http://engine/v1.40$1"; }

cleanup() {
	local ids
	trap '' INT TERM
	ids=$(wsctl list --json 2>/dev/null | jq -r '.workspaces[]?.id')
	for id in $ids; do wsctl delete "$id" --force >/dev/null 2>&1; done
	wsctl daemon stop >/dev/null 2>&1
	scripts/sweep.sh "$WSD_STATE_DIR"
	if [ "$problems" = 0 ]; then rm -rf "$work"; else echo "kept for a look: $work"; fi
}

trap cleanup EXIT
trap 'exit 130' INT TERM

# choose prints a command that makes sense for a workspace in this wanted state.
choose() {
	case $1 in
	absent) echo create ;;
	running) case $((RANDOM % 4)) in 0 | 1) echo stop ;; 2) echo restart ;; *) echo delete ;; esac ;;
	stopped) case $((RANDOM % 3)) in 0 | 1) echo start ;; *) echo delete ;; esac ;;
	*) case $((RANDOM % 3)) in 0) echo start ;; 1) echo stop ;; *) echo delete ;; esac ;;
	esac
}

# ask sends one command and writes "NAME COMMAND STATUS" to fd 3.
ask() {
	local name=$1 command=$2 status=0
	if [ "$command" = create ]; then
		timeout 60 bin/wsctl create "$name" --memory 32MiB --cpus 0.2 --no-wait --json >/dev/null 2>&1 || status=$?
	else
		[ "$command" != delete ] || set -- "$@" --force
		shift 2
		timeout 60 bin/wsctl "$command" "$name" "$@" --no-wait --json >/dev/null 2>&1 || status=$?
	fi
	echo "$name $command $status" >&3
}

# fold brings `want` up to date with an answer. Not found means that an earlier unknown delete happened.
fold() {
	case $2/$3 in
	create/0 | start/0 | restart/0) want[$1]=running ;;
	stop/0) want[$1]=stopped ;;
	delete/0 | */3) want[$1]=absent ;;
	create/4) want[$1]=unknown ;; # an earlier create, of which no answer came, had happened
	*/4) ;;                       # refused in this state: nothing changed
	*) want[$1]=unknown ;;
	esac
}

kill_daemon() {
	local pid
	pid=$(cat "$work/pid" 2>/dev/null) && kill -9 "$pid" 2>/dev/null && killed=$((killed + 1))
}

# note_pid keeps the pid of the daemon that runs now. It starts one where none does. A killed one
# still accepts connections while the kernel takes it down, so once may not be enough.
note_pid() {
	local try
	for ((try = 0; try < 40; try++)); do
		if wsctl daemon start --json >"$work/start" 2>&1 &&
			wsctl daemon status --json 2>/dev/null | jq -re '.pid // .status.pid' >"$work/pid"; then
			return
		fi
		sleep 0.05
	done
	cat "$work/start"
	return 1
}

round() {
	local name used=' ' jobs=$((1 + RANDOM % 3)) answers="$work/answers" pids=()
	note_pid || { complain "wsd does not start again"; wsctl daemon status; return 1; }
	: >"$answers"
	while [ "$jobs" -gt 0 ]; do
		name=t$((RANDOM % fleet))
		[[ $used != *" $name "* ]] || continue
		used+="$name "
		ask "$name" "$(choose "${want[$name]:-absent}")" 3>>"$answers" &
		pids+=($!)
		jobs=$((jobs - 1))
	done
	sleep "0.$(printf %03d $((RANDOM % 400)))"
	kill_daemon
	wait "${pids[@]}"
	while read -r name command status; do fold "$name" "$command" "$status"; done <"$answers"
}

# settle waits until no job is open and every workspace is where its record wants it.
settle() {
	local end=$((SECONDS + 120)) list jobs
	while [ "$SECONDS" -lt "$end" ]; do
		list=$(wsctl list --json 2>/dev/null) && jobs=$(wsctl jobs ls --json 2>/dev/null) &&
			jq -e '[.workspaces[] | select(.job or (.state != .desired))] | length == 0' <<<"$list" >/dev/null &&
			jq -e '[.jobs[] | select(.state == "waiting" or .state == "delayed" or .state == "active")] | length == 0' <<<"$jobs" >/dev/null &&
			return
		sleep 0.5
	done
	complain "not settled after 120 s"
	jq -r '.workspaces[] | select(.job or (.state != .desired)) | "      \(.name) \(.state), wanted \(.desired), job \(.job // "-")"' <<<"$list"
}

same() { # SENTENCE LEFT RIGHT
	if [ "$2" = "$3" ]; then echo "ok    $1"; else complain "$1" && diff <(echo "$2") <(echo "$3") | head -n 8 | sed 's/^/      /'; fi
}

compare_commands() {
	local list=$1 name state bad=0
	for name in "${!want[@]}"; do
		[ "${want[$name]}" != unknown ] || continue
		state=$(jq -r --arg n "$name" '[.workspaces[] | select(.name == $n) | .state][0] // "absent"' <<<"$list")
		[ "$state" = "${want[$name]}" ] || { complain "$name is $state; its last accepted command asked for ${want[$name]}" && bad=1; }
	done
	[ "$bad" = 1 ] || echo "ok    every workspace is what its last accepted command asked for"
}

compare_engine() {
	local list=$1 label i volumes sandboxes networks leftovers
	label="\"wsd.instance=$(cat "$WSD_STATE_DIR/instance")\""
	same "containers and records agree" \
		"$(jq -r '.workspaces[] | select(.container) | "\(.id) \(if .state == "running" then "running" else "exited" end)"' <<<"$list" | sort)" \
		"$(engine "/containers/json?all=1&filters={\"label\":[$label,\"wsd.role=workspace\"]}" |
			jq -r '.[] | "\(.Labels["wsd.workspace"]) \(if .State == "running" then "running" else "exited" end)"' | sort)"
	same "no two workspaces share a sandbox" "" \
		"$(engine "/containers/json?all=1&filters={\"label\":[$label,\"wsd.role=workspace\"]}" | jq -r '.[].HostConfig.NetworkMode' | sort | uniq -d)"
	volumes=$(engine "/volumes?filters={\"label\":[$label,\"wsd.role=volume\"]}" | jq -r '.Volumes[]?.Labels["wsd.workspace"]' | sort)
	same "no volume with a name of wsd's is without its labels" "" \
		"$(engine '/volumes?filters={"name":["^wsd-w"]}' | jq -r '.Volumes[]? | select((.Labels // {}) == {}) | .Name')"
	same "no volume is without a record" "" "$(comm -13 <(jq -r '.workspaces[].id' <<<"$list" | sort) <(echo "$volumes") | grep .)"
	same "no container is without its volume" "" "$(comm -23 <(jq -r '.workspaces[] | select(.container) | .id' <<<"$list" | sort) <(echo "$volumes"))"
	# What a kill left half-made is removed when wsd has looked again: the promise is 30 s.
	for ((i = 0; i < 30; i++)); do
		sandboxes=$(engine "/containers/json?all=1&filters={\"label\":[$label,\"wsd.role=sandbox\"]}" | jq -r '.[].NetworkSettings.Networks[].NetworkID' | sort)
		networks=$(engine "/networks?filters={\"label\":[$label,\"wsd.role=network\"]}" | jq -r '.[].Id' | sort)
		leftovers=$(wsctl gc --json | jq -r '.leftovers[] | "\(.kind) \(.name): \(.reason)"') || leftovers="wsctl gc does not tell"
		[ "$sandboxes" != "$networks" ] || [ -n "$leftovers" ] || break
		sleep 1
	done
	same "each sandbox has a network, and each network a sandbox" "$sandboxes" "$networks"
	same "wsd sees no leftovers after $i s" "" "$leftovers"
}

compare_ports() {
	local list=$1 port bad=0
	same "leases and records agree" "$(jq -r '.workspaces[] | "\(.port) \(.id)"' <<<"$list" | sort)" \
		"$(wsctl ports --json | jq -r '.leases[] | select(.state == "leased") | "\(.port) \(.workspace)"' | sort)"
	for port in $(jq '.workspaces[] | select(.state == "running") | .port' <<<"$list"); do
		[ "$(curl -s -o /dev/null -w '%{http_code}' --max-time 10 "http://127.0.0.1:$port/")" = 200 ] || { complain "port $port does not answer 200" && bad=1; }
	done
	[ "$bad" = 1 ] || echo "ok    every running workspace answers on its port"
}

echo "torture: $kills kills, $fleet workspaces, seed $seed"
killed=0
for ((i = 1; i <= kills; i++)); do
	round || break
	((i % 20)) || echo "$i rounds, $killed kills, $SECONDS s"
done
note_pid
settle
list=$(wsctl list --json)
echo "after $killed kills: $(jq '.workspaces | length' <<<"$list") workspaces, $(jq '[.workspaces[] | select(.state == "running")] | length' <<<"$list") of them running"
[ "$killed" -gt 0 ] || complain "no daemon was killed"
compare_commands "$list"
compare_engine "$list"
compare_ports "$list"

if [ "$problems" -gt 0 ]; then
	echo "$problems problems; again with: scripts/torture.sh -count $kills -workspaces $fleet -seed $seed"
	exit 1
fi
echo "everything agrees, $SECONDS s"
