#!/bin/bash
# engine_test.sh checks scripts/engine.sh where an engine has to be installed and started, without
# doing either: in a mount namespace of its own /run is empty, and apt-get and dockerd are stand-ins.
#
# Needs root (for the namespace); as anybody else it says so and passes.
# shellcheck disable=SC2016 # commands are expanded in the namespace
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

if [ "$(id -u)" != 0 ] || ! unshare -m true 2>/dev/null; then
	echo "left out: needs root and mount namespaces"
	exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# What engine.sh may call, and nothing else: the machine's own docker stays unseen.
mkdir "$work/bin"
for tool in sh perl timeout sleep id cat rm cp chmod flock setsid mktemp tail sed touch; do
	ln -s "$(command -v "$tool")" "$work/bin/$tool"
done

cat >"$work/bin/apt-get" <<'END'
#!/bin/sh
[ ! -e "$WORK/apt-fails" ] || { echo "E: cannot fetch"; exit 100; }
case "$*" in *install*docker.io*)
	echo installed >>"$WORK/log"
	cp "$WORK/dockerd" "$WORK/bin/dockerd"
	;;
esac
END
# A dockerd that answers pings for a few seconds and then ends by itself.
cat >"$work/dockerd" <<'END'
#!/usr/bin/env perl
use IO::Socket::UNIX;
my $w = $ENV{WORK};
open my $log, '>>', "$w/log"; print $log "started\n"; close $log;
print "stand-in: cannot start\n";
exit 1 if -e '/run/docker.pid'; # as releases up to 20.10 do when another program has that pid
exit 1 if -e "$w/crash" or unlink "$w/crash-once";
open my $comm, '>', '/proc/self/comm'; print $comm 'dockerd'; close $comm;
open my $pid, '>', '/run/docker.pid'; print $pid $$; close $pid;
my $s = IO::Socket::UNIX->new(Local => '/run/docker.sock', Listen => 5) or exit 1;
alarm 5;
while (my $c = $s->accept) {
	while (<$c>) { last if /^\r?\n$/ }
	print $c "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nOK";
	close $c;
}
END
sed -i "1s|.*|#!$(command -v perl)|" "$work/dockerd"
chmod +x "$work/bin/apt-get" "$work/dockerd"

# run CASE STATUS WANTED-LOG COMMANDS: what engine.sh ends with, and what was called in which order.
run() {
	local name=$1 want=$2 calls=$3 commands=$4 got log
	rm -f "$work/bin/dockerd" "$work/log" && touch "$work/log"
	got=$(WORK=$work ENGINE=$PWD/scripts/engine.sh unshare -m /bin/sh -c '
		mount -t tmpfs none /run && mount -t tmpfs none /var/log || exit 99
		PATH=$WORK/bin; export PATH; unset DOCKER_HOST WSD_DOCKER_HOST
		'"$commands" 2>"$work/err")
	log=$(tr '\n' ' ' <"$work/log")
	if [ "$got" = "$want" ] && [ "${log% }" = "$calls" ]; then
		echo "ok    $name"
	else
		echo "FAIL  $name: status $got, want $want; calls '${log% }', want '$calls'"
		sed 's/^/      /' "$work/err"
		failed=1
	fi
}

run "installs and starts an engine" 0 "installed started" '"$ENGINE"; echo $?'
run "does nothing the second time" "0 0" "installed started" '"$ENGINE"; a=$?; "$ENGINE"; echo $a $?'
run "two at once start one engine" "0 0" "installed started" '"$ENGINE" & "$ENGINE"; a=$?; wait $!; echo $a $?'
touch "$work/crash-once"
run "tries once more after a crash" 0 "installed started started" '"$ENGINE"; echo $?'
run "removes the pid file of a dead dockerd" 0 "installed started" 'echo 4194305 >/run/docker.pid; "$ENGINE"; echo $?'
run "a check changes nothing" 5 "" '"$ENGINE" --check; echo $?'
run "leaves an engine elsewhere to its owner" 5 "" 'DOCKER_HOST=tcp://127.0.0.1:1 "$ENGINE"; echo $?'
touch "$work/crash"
run "gives up with the end of the log" 5 "installed started started" '"$ENGINE"; echo $?'
rm "$work/crash"
touch "$work/apt-fails"
run "an installation that fails is told" 5 "" '"$ENGINE"; echo $?'

exit "$failed"
