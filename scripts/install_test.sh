#!/bin/bash
# install_test.sh installs from source and from an archive into throw-away folders, and removes again.
# It needs the programs in bin/ and starts no daemon.
# shellcheck disable=SC2317 # functions are called through check
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# check SENTENCE COMMAND... records whether COMMAND ended with 0.
check() {
	local sentence=$1
	shift
	if "$@" >"$work/out" 2>&1; then
		echo "ok    $sentence"
	else
		echo "FAIL  $sentence"
		sed 's/^/      /' "$work/out"
		failed=1
	fi
}

# ends_with STATUS COMMAND...
ends_with() {
	local want=$1 got=0
	shift
	"$@" || got=$?
	[ "$got" = "$want" ] || { echo "status $got, want $want"; return 1; }
}

none_left() { [ ! -d "$1" ] || [ -z "$(find "$1" -mindepth 1)" ] || { find "$1" && return 1; }; }
says() {
	local text=$1
	shift
	"$@" | tee "$work/said" || return 1
	grep -qF "$text" "$work/said" || { echo "it does not say: $text"; return 1; }
}
runs() { "$1" version; }

prefix="$work/a prefix"
check "a dry run changes nothing" ./install.sh --prefix "$prefix" --dry-run
check "  no file is there" none_left "$prefix"
check "installs from source into a path with a space" ./install.sh --prefix "$prefix" --no-doctor --yes
check "  wsctl runs" runs "$prefix/bin/wsctl"
check "  wsd is there" test -x "$prefix/bin/wsd"
check "  what wsd puts into workspaces is there" test -x "$prefix/libexec/wsd/wsd-agent"
check "  and is not for people" ends_with 2 "$prefix/libexec/wsd/wsd-agent"
check "  completions are there" test -s "$prefix/share/bash-completion/completions/wsctl"
check "  manual pages are there" test -s "$prefix/share/man/man1/wsctl.1"
check "installs over itself, and says how to begin as it can be pasted" says "Try: \"$prefix/bin/wsctl\" create demo" ./install.sh --prefix "$prefix" --no-doctor --yes
check "uninstalls" ./install.sh --prefix "$prefix" --uninstall
check "  nothing is left" none_left "$prefix"
check "a second uninstall says that there is nothing" ends_with 2 ./install.sh --prefix "$prefix" --uninstall

# An archive as a release has it: everything in one folder.
release="$work/wsctl_1.0.0_linux_amd64"
mkdir "$release"
cp -r bin/wsd bin/wsd-agent bin/wsctl install.sh completions packaging docs LICENSE "$release"
tar -C "$work" -czf "$release.tar.gz" "$(basename "$release")"
(cd "$work" && sha256sum ./*.tar.gz | sed 's| \./| |' >checksums.txt)
prefix="$work/from-archive"
check "installs from an archive" ./install.sh --archive "$release.tar.gz" --prefix "$prefix" --no-doctor
check "  wsctl runs" runs "$prefix/bin/wsctl"
check "  what wsd puts into workspaces is there" test -x "$prefix/libexec/wsd/wsd-agent"
check "installs from the unpacked archive" "$release/install.sh" --prefix "$work/unpacked" --no-doctor
check "  wsctl runs" runs "$work/unpacked/bin/wsctl"
echo x >>"$release.tar.gz"
check "refuses an archive whose checksum is wrong" ends_with 1 ./install.sh --archive "$release.tar.gz" --prefix "$prefix"

check "refuses an unknown flag" ends_with 2 ./install.sh --prefux x
check "refuses a flag without its value" ends_with 2 ./install.sh --prefix
check "refuses --purge without --uninstall" ends_with 2 ./install.sh --purge
check "refuses a prefix that is a file" ends_with 6 ./install.sh --prefix "$PWD/go.mod" --no-doctor

exit "$failed"
