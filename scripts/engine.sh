#!/bin/sh
# engine.sh makes sure that a Docker Engine answers.
#
#   scripts/engine.sh           find one, else install and start the distribution's (root, Debian or Ubuntu)
#   scripts/engine.sh --check   only say whether one answers
#
# Exit status: 0 it answers, 2 usage, 5 it cannot be reached.
# It never stops, kills or reconfigures an engine, and never starts a second one.
set -u

readonly WAIT=60                        # seconds for an engine to answer
readonly ENGINE_LOG=/var/log/wsd-dockerd.log
readonly ENGINE_PID=/run/wsd-dockerd.pid # the engine that this script started
readonly DAEMON_PID=/var/run/docker.pid # written by every dockerd
readonly LOCK=/run/wsd-engine.lock

host=${WSD_DOCKER_HOST:-${DOCKER_HOST:-unix:///var/run/docker.sock}}
socket=${host#unix://}

say() { printf 'engine: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

# unreachable ends the script with a sentence and what to do next, a line each.
unreachable() {
	say "$1"
	shift
	for line in "$@"; do printf '        %s\n' "$line" >&2; done
	exit 5
}

# answers asks the engine for a sign of life, with whichever client this machine has.
answers() {
	case $host in
	unix://*)
		[ -S "$socket" ] || return 1
		if have curl; then
			timeout 10 curl -fsS -o /dev/null --unix-socket "$socket" http://engine/_ping 2>/dev/null
		elif have perl; then
			# shellcheck disable=SC2016 # the text is Perl's
			timeout 10 perl -MIO::Socket::UNIX -e '
				my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or exit 1;
				print $s "GET /_ping HTTP/1.0\r\n\r\n";
				exit(<$s> =~ m{^HTTP/1\.\d 200} ? 0 : 1);' "$socket" 2>/dev/null
		else
			timeout 10 docker -H "$host" version >/dev/null 2>&1
		fi
		;;
	*) timeout 10 docker -H "$host" version >/dev/null 2>&1 ;;
	esac
}

# gone reports whether a process has ended, also where nobody has asked for its status yet.
gone() {
	case $(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) in
	'' | Z | X) true ;;
	*) false ;;
	esac
}

# wait_for_answer polls until the engine answers or, while it must live, process $2 is gone.
wait_for_answer() {
	tries=$(($1 * 4))
	while [ "$tries" -gt 0 ]; do
		answers && return 0
		if [ -n "${2:-}" ] && gone "$2"; then return 1; fi
		tries=$((tries - 1))
		sleep 0.25
	done
	return 1
}

# dockerd_pid prints the pid of a dockerd that runs, whoever started it.
dockerd_pid() {
	[ -r "$DAEMON_PID" ] || return 1
	pid=$(cat "$DAEMON_PID" 2>/dev/null)
	[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ] && ! gone "$pid" && echo "$pid"
}

is_debian() {
	[ -r /etc/os-release ] && have apt-get || return 1
	# shellcheck source=/dev/null
	(. /etc/os-release && case " $ID ${ID_LIKE:-} " in *" debian "* | *" ubuntu "*) true ;; *) false ;; esac)
}

systemd_runs() { [ -d /run/systemd/system ] && have systemctl; }

# refuse_early covers what no installation can help.
refuse_early() {
	case $host in
	unix:///var/run/docker.sock | unix:///run/docker.sock) ;;
	*) unreachable "no Docker Engine answers at $host, which DOCKER_HOST or WSD_DOCKER_HOST names" \
		"start that engine, or unset the variable to use the one of this machine" ;;
	esac
	[ "$(id -u)" -eq 0 ] && return
	if [ -S "$socket" ] && [ ! -w "$socket" ]; then
		unreachable "permission denied on $socket" \
			"join the group that may use it, then log in again:" \
			"    sudo usermod -aG docker $(id -un)" \
			"(whoever may use the engine can become root on this machine)"
	fi
	if have dockerd; then
		systemd_runs && unreachable "the Docker Engine is installed but does not answer; start it:" \
			"    sudo systemctl start docker"
		unreachable "the Docker Engine is installed but does not answer; start it:" "    sudo '$0'"
	fi
	is_debian && unreachable "no Docker Engine on this machine; install and start one:" "    sudo '$0'" \
		"or by hand:" "    sudo apt-get update && sudo apt-get install -y docker.io iptables" \
		"    sudo usermod -aG docker $(id -un)    # then log in again"
	other_distribution
}

other_distribution() {
	unreachable "no Docker Engine on this machine, and this distribution is not one that this script installs on" \
		"install Docker Engine 20.10 or newer with your package manager and start it, for example:" \
		"    Fedora:  dnf install moby-engine && systemctl start docker" \
		"    Arch:    pacman -S docker && systemctl start docker" \
		"    Alpine:  apk add docker && service docker start"
}

apt() { DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 "$@"; }

install_engine() {
	say "no Docker Engine here: installing the distribution's (packages docker.io and iptables)"
	out=$(mktemp)
	if ! { apt update && apt install -y --no-install-recommends docker.io iptables ca-certificates; } >"$out" 2>&1; then
		tail -n 15 "$out" >&2
		rm -f "$out"
		unreachable "cannot install the Docker Engine; the lines above are what apt-get said" \
			"    apt-get update && apt-get install -y docker.io iptables"
	fi
	# Newer releases have the command line in a package of its own. It is a convenience.
	have docker || apt install -y --no-install-recommends docker-cli >"$out" 2>&1 || true
	rm -f "$out"
	have dockerd || unreachable "docker.io is installed but there is no dockerd in PATH" "look at: dpkg -L docker.io"
}

# clear_stale_pid removes a pid file whose process is gone or is another program:
# some releases of dockerd refuse to start on one.
clear_stale_pid() {
	[ -e "$DAEMON_PID" ] || return 0
	dockerd_pid >/dev/null && return 0
	say "removing $DAEMON_PID, which no running dockerd owns"
	rm -f "$DAEMON_PID"
}

start_with_systemd() {
	say "starting docker.service"
	systemctl start docker || true
	wait_for_answer "$WAIT" && return 0
	journalctl -u docker -n 20 --no-pager >&2 || true
	unreachable "docker.service does not answer; the lines above are the end of its journal" "    systemctl status docker"
}

# start_detached runs dockerd in a session of its own. The second attempt is for the
# first start after a crash, which can fail on what the crash left.
start_detached() {
	for attempt in 1 2; do
		clear_stale_pid
		say "starting dockerd (log: $ENGINE_LOG)"
		setsid dockerd >>"$ENGINE_LOG" 2>&1 </dev/null 9>&- &
		pid=$!
		echo "$pid" >"$ENGINE_PID"
		wait_for_answer "$WAIT" "$pid" && return 0
		# Alive but silent: a second one could only make it worse.
		gone "$pid" || break
		if [ "$attempt" = 1 ]; then say "it ended before it answered; trying once more"; fi
	done
	tail -n 20 "$ENGINE_LOG" >&2
	unreachable "dockerd does not answer; the lines above are the end of $ENGINE_LOG"
}

start_engine() {
	if pid=$(dockerd_pid); then
		say "dockerd runs (pid $pid) but does not answer yet; waiting"
		wait_for_answer "$WAIT" "$pid" && return 0
		gone "$pid" || unreachable "dockerd (pid $pid) runs but did not answer within $WAIT s" \
			"look at its log, and restart it yourself: this script never stops an engine that it did not start"
		say "it has ended"
	fi
	if systemd_runs; then start_with_systemd; else start_detached; fi
}

main() {
	case ${1:-} in
	"") ;;
	--check)
		answers && exit 0
		unreachable "no Docker Engine answers at $host"
		;;
	*)
		sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
		exit 2
		;;
	esac
	answers && exit 0
	refuse_early

	# Two runs at once: the second waits here and then finds the engine answering.
	exec 9>"$LOCK"
	flock 9
	answers && exit 0
	if ! have dockerd; then
		is_debian || other_distribution
		install_engine
		# The package may have started it.
		wait_for_answer 3 && exit 0
	fi
	start_engine
	say "the Docker Engine answers at $host"
}

main "$@"
