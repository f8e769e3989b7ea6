#!/bin/sh
# install.sh installs wsd and wsctl, and removes them again. See --help.
set -eu

readonly EX_FAIL=1 EX_USAGE=2 EX_DENIED=6

usage() {
	cat <<'END'
Installs wsd (the daemon) and wsctl (the command line).

usage: ./install.sh [flags]

In a clone it builds from source (needs go and make). In an unpacked release archive, or with
--archive, it installs the programs of the archive.

  --prefix DIR                  where to install (root: /usr/local, others: ~/.local)
  --archive FILE                a release archive (.tar.gz) to install from
  --systemd user|system|none    a unit that keeps wsd running; asked on a terminal, else none
  --no-doctor                   do not end with `wsctl doctor`
  --uninstall                   remove what was installed; keep workspaces and state
  --purge                       with --uninstall: delete workspaces and state too
  --dry-run                     say what would be done; change nothing
  --yes                         answer every question with yes
  --help                        this text

EXIT STATUS
  0  done
  1  something failed; nothing after it was done
  2  wrong flags, or a program that is needed is missing
  6  no permission to write there
END
}

say() { printf '%s\n' "$*"; }
note() { printf '    %s\n' "$*"; }
die() { # STATUS SENTENCE [HINT]
	printf 'install.sh: %s\n' "$2" >&2
	[ -z "${3:-}" ] || printf '    %s\n' "$3" >&2
	exit "$1"
}
have() { command -v "$1" >/dev/null 2>&1; }

# run does something that changes the machine, or says that it would.
run() {
	if [ "$dry_run" = 1 ]; then
		printf 'would run:'
		printf ' %s' "$@"
		printf '\n'
	else
		"$@"
	fi
}

# ask asks a yes-or-no question; without a terminal the answer is no.
ask() {
	[ "$yes" = 1 ] && return 0
	[ -t 0 ] || return 1
	printf '%s [y/N] ' "$1"
	read -r answer || return 1
	case $answer in y | Y | yes | Yes) return 0 ;; *) return 1 ;; esac
}

here=$(cd "$(dirname "$0")" && pwd)
prefix='' archive='' systemd='' doctor=1 uninstall=0 purge=0 dry_run=0 yes=0 unpacked=''

parse() {
	while [ $# -gt 0 ]; do
		case $1 in
		--prefix | --archive | --systemd)
			if [ $# -lt 2 ] || [ -z "$2" ]; then die $EX_USAGE "$1 needs a value" "see ./install.sh --help"; fi
			case $1 in
			--prefix) prefix=$2 ;;
			--archive) archive=$2 ;;
			--systemd) systemd=$2 ;;
			esac
			shift
			;;
		--prefix=*) prefix=${1#*=} ;;
		--archive=*) archive=${1#*=} ;;
		--systemd=*) systemd=${1#*=} ;;
		--no-doctor) doctor=0 ;;
		--uninstall) uninstall=1 ;;
		--purge) purge=1 ;;
		--dry-run) dry_run=1 ;;
		--yes | -y) yes=1 ;;
		--help | -h)
			usage
			exit 0
			;;
		*) die $EX_USAGE "unknown flag $1" "see ./install.sh --help" ;;
		esac
		shift
	done
	case $systemd in "" | user | system | none) ;; *) die $EX_USAGE "--systemd takes user, system or none, not $systemd" ;; esac
	if [ "$purge" = 1 ] && [ "$uninstall" = 0 ]; then die $EX_USAGE "--purge goes with --uninstall"; fi
	if [ "$systemd" = system ] && [ "$(id -u)" != 0 ]; then
		die $EX_DENIED "a system unit can be installed by root only" "use --systemd user, or: sudo ./install.sh --systemd system"
	fi
}

# layout sets the paths that follow from the prefix.
layout() {
	if [ -z "$prefix" ]; then
		if [ "$(id -u)" = 0 ]; then prefix=/usr/local; else prefix=$HOME/.local; fi
	fi
	case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac
	case $prefix in
	*[\"\\%\$]* | *'
'*) die $EX_USAGE "the prefix must not contain quotes, backslashes, % or \$: systemd could not read it" ;;
	esac
	bin=$prefix/bin
	manifest=$prefix/share/wsctl/manifest
	unit_system=/etc/systemd/system/wsd.service
	unit_user=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user/wsd.service
}

# find_programs sets `from`, the folder that holds wsctl and wsd.
find_programs() {
	if [ -n "$archive" ]; then
		unpack
	elif [ -x "$here/wsctl" ]; then
		from=$here
	elif [ -f "$here/go.mod" ] && [ -f "$here/Makefile" ]; then
		build
	else
		die $EX_USAGE "neither a clone nor an unpacked release archive" "give an archive with --archive FILE"
	fi
}

build() {
	have "${GO:-go}" || die $EX_USAGE "building from source needs Go, which is not in PATH" \
		"install it from your distribution or go.dev, or use a release archive with --archive FILE"
	have "${MAKE:-make}" || die $EX_USAGE "building from source needs make, which is not in PATH" "Debian: apt-get install make"
	say "building from source"
	run "${MAKE:-make}" --no-print-directory -C "$here" build || die $EX_FAIL "the build failed"
	from=$here/bin assets=$here
}

unpack() {
	[ -r "$archive" ] || die $EX_USAGE "cannot read $archive"
	verify
	unpacked=$(mktemp -d)
	trap 'rm -rf "$unpacked"' EXIT
	tar -xzf "$archive" -C "$unpacked" || die $EX_FAIL "cannot unpack $archive"
	found=$(find "$unpacked" -maxdepth 2 -type f -name wsctl | head -n 1)
	[ -n "$found" ] || die $EX_FAIL "there is no wsctl in $archive"
	from=$(dirname "$found")
}

# verify compares the archive with the checksums.txt beside it, where there is one.
verify() {
	sums=$(dirname "$archive")/checksums.txt
	[ -f "$sums" ] || { note "no checksums.txt beside the archive: not verified"; return; }
	want=$(awk -v f="$(basename "$archive")" '$2 == f || $2 == "*" f { print $1 }' "$sums")
	got=$({ sha256sum "$archive" 2>/dev/null || shasum -a 256 "$archive"; } | cut -d ' ' -f 1) # Linux, macOS
	[ -n "$want" ] || die $EX_FAIL "$sums does not name $(basename "$archive")"
	[ "$want" = "$got" ] || die $EX_FAIL "the checksum of $archive is wrong" "download it again"
}

# place SOURCE TARGET MODE installs one file and says so.
place() {
	put "$@"
	if [ "$dry_run" = 1 ]; then note "would install $2"; else note "$2"; fi
}

# put SOURCE TARGET MODE installs one file and notes it in the manifest.
put() {
	[ "$dry_run" = 0 ] || return 0
	mkdir -p "$(dirname "$2")" 2>/dev/null || die $EX_DENIED "cannot make the folder $(dirname "$2")" "use --prefix DIR, or run it as root"
	# Written beside and renamed: a running program is not disturbed, and a reader sees old or new.
	if ! { cp "$1" "$2.new" && chmod "$3" "$2.new" && mv -f "$2.new" "$2"; } 2>/dev/null; then
		rm -f "$2.new" 2>/dev/null || true
		die $EX_DENIED "cannot write $2" "use --prefix DIR, or run it as root"
	fi
	printf '%s\n' "$2" >>"$manifest.new"
}

install_files() {
	say "installing into $prefix"
	if [ "$dry_run" = 0 ]; then
		mkdir -p "$(dirname "$manifest")" 2>/dev/null || die $EX_DENIED "cannot write to $prefix" "use --prefix DIR, or run it as root"
		: >"$manifest.new" 2>/dev/null || die $EX_DENIED "cannot write to $prefix" "use --prefix DIR, or run it as root"
	fi
	place "$from/wsctl" "$bin/wsctl" 0755
	if [ -f "$from/wsd" ] || [ "$dry_run" = 1 ]; then place "$from/wsd" "$bin/wsd" 0755; fi
	# What wsd puts into workspaces: not a command for people, so not in PATH.
	if [ -f "$from/wsd-agent" ] || [ "$dry_run" = 1 ]; then place "$from/wsd-agent" "$prefix/libexec/wsd/wsd-agent" 0755; fi
	assets=${assets:-$from}
	place_if "$assets/completions/wsctl.bash" "$prefix/share/bash-completion/completions/wsctl"
	place_if "$assets/completions/_wsctl" "$prefix/share/zsh/site-functions/_wsctl"
	place_if "$assets/completions/wsctl.fish" "$prefix/share/fish/vendor_completions.d/wsctl.fish"
	pages=0
	for page in "$assets"/docs/cli/man/*.1; do
		[ -f "$page" ] || continue
		put "$page" "$prefix/share/man/man1/$(basename "$page")" 0644
		pages=$((pages + 1))
	done
	if [ "$pages" != 0 ]; then note "$prefix/share/man/man1/wsctl*.1, $pages manual pages"; fi
}

place_if() { if [ -f "$1" ]; then place "$1" "$2" 0644; fi; }

choose_unit() {
	[ -z "$systemd" ] || return 0
	systemd=none
	[ "$yes" = 0 ] && [ -t 0 ] && [ -d /run/systemd/system ] || return 0
	kind=user
	[ "$(id -u)" != 0 ] || kind=system
	if ask "Install a systemd $kind unit that keeps wsd running? (wsctl starts wsd when needed without it)"; then systemd=$kind; fi
}

install_unit() {
	case $systemd in
	system) source=wsd.service target=$unit_system ctl="systemctl" ;;
	user) source=wsd.user.service target=$unit_user ctl="systemctl --user" ;;
	*) return 0 ;;
	esac
	say "installing the systemd $systemd unit"
	unit=$(mktemp)
	sed "s|/usr/bin/wsd|$(printf '%s' "$bin/wsd" | sed 's/[&|\\]/\\&/g')|" "$assets/packaging/systemd/$source" >"$unit"
	place "$unit" "$target" 0644
	rm -f "$unit"
	# shellcheck disable=SC2086 # two words on purpose
	if [ -d /run/systemd/system ]; then
		{ run $ctl daemon-reload && run $ctl enable --now wsd.service; } ||
			note "the unit is installed, but systemd could not start it: $ctl status wsd.service"
	else
		note "systemd does not run here; the unit starts wsd after the next boot with systemd"
	fi
}

# finish makes the manifest valid, removing what an older version installed and this one does not.
finish() {
	[ "$dry_run" = 0 ] || return 0
	if [ -f "$manifest" ]; then
		while IFS= read -r old; do
			grep -qxF "$old" "$manifest.new" || rm -f "$old"
		done <"$manifest"
	fi
	mv -f "$manifest.new" "$manifest"
}

advise() {
	case ":$PATH:" in
	*":$bin:"*) try=wsctl ;;
	*)
		try=$bin/wsctl
		say ""
		say "$bin is not in PATH; add it, for example in ~/.profile:"
		note "PATH=\"$bin:\$PATH\""
		;;
	esac
	if [ ! -e /usr/share/bash-completion/bash_completion ]; then
		note "bash completions: add  source <(wsctl completion bash)  to ~/.bashrc"
	fi
	case $prefix in
	/usr | /usr/local) ;;
	*) if have zsh; then note "zsh completions: fpath=(\"$prefix/share/zsh/site-functions\" \$fpath) before compinit"; fi ;;
	esac
	say ""
	if [ "$dry_run" = 1 ]; then
		say "nothing was changed"
		return
	fi
	if [ "$doctor" = 1 ]; then
		say "checking with wsctl doctor, which starts wsd"
		"$bin/wsctl" doctor || say "installed; see to the above before the first create"
		say ""
	fi
	case $try in
	*[!A-Za-z0-9/._-]*) try="\"$try\"" ;; # to be pasted as it stands
	esac
	say "Try: $try create demo"
}

# stop_daemon asks a running wsd of this person to end; containers run on.
stop_daemon() {
	if [ -d /run/systemd/system ]; then
		if grep -qxF "$unit_system" "$manifest"; then run systemctl disable --now wsd.service || true; fi
		if grep -qxF "$unit_user" "$manifest"; then run systemctl --user disable --now wsd.service || true; fi
	fi
	if [ -x "$bin/wsctl" ]; then run "$bin/wsctl" daemon stop || true; fi
}

# purge_state deletes every workspace through wsd, then the folder that wsd names as its own.
purge_state() {
	ask "Delete every workspace with its files, and all state of wsd?" || die $EX_FAIL "not confirmed: nothing was removed" "add --yes where nobody can be asked"
	list=$("$bin/wsctl" list --json) || die $EX_FAIL "wsd could not list the workspaces: nothing was removed"
	status=$("$bin/wsctl" daemon status --json) || die $EX_FAIL "wsd could not say where its state is: nothing was removed"
	for id in $(printf '%s' "$list" | tr -d '\n' | grep -o '"id": *"w[a-z2-7]*"' | sed 's/.*"\(.*\)"/\1/'); do
		run "$bin/wsctl" delete "$id" --force || die $EX_FAIL "workspace $id could not be deleted: nothing else was removed"
	done
	state=$(printf '%s' "$status" | tr -d '\n' | grep -o '"state_dir": *"[^"]*"' | sed 's/.*: *"\(.*\)"/\1/')
}

# sweep removes what wsd keeps at the engine for itself: spare networks, and images. What somebody has
# run from such an image, or built upon it, has the same label and another role or name: it is left alone.
sweep() {
	[ -r "$state/instance" ] || return 0
	label="label=wsd.instance=$(cat "$state/instance")"
	if ! have docker; then
		note "spare networks and images of wsd are left at the engine; they carry the $label"
		return
	fi
	# shellcheck disable=SC2046 # ids and names are words
	{
		for role in workspace sandbox writer; do
			set -- $(docker ps -aq --filter "$label" --filter "label=wsd.role=$role")
			[ $# = 0 ] || run docker rm -f "$@" >/dev/null
		done
		set -- $(docker network ls -q --filter "$label")
		[ $# = 0 ] || run docker network rm "$@" >/dev/null
		set -- $(docker image ls --filter "$label" --format '{{.Repository}}:{{.Tag}}' | grep -E '^wsd(-build)?:[^<]')
		[ $# = 0 ] || run docker rmi "$@" >/dev/null || note "images of wsd that something else uses are left at the engine"
	}
}

# prune removes the folders above a file that are empty now, but never the prefix itself.
prune() {
	dir=$(dirname "$1")
	while [ "$dry_run" = 0 ] && [ "$dir" != "$prefix" ] && rmdir "$dir" 2>/dev/null; do dir=$(dirname "$dir"); done
}

remove() {
	[ -f "$manifest" ] || die $EX_USAGE "nothing installed in $prefix by this script" "name the folder with --prefix DIR"
	state=''
	if [ "$purge" = 1 ]; then purge_state; fi
	stop_daemon
	say "removing from $prefix"
	while IFS= read -r file; do
		run rm -f "$file" || die $EX_DENIED "cannot remove $file"
		prune "$file"
	done <"$manifest"
	run rm -f "$manifest"
	prune "$manifest"
	if [ "$purge" = 1 ]; then
		if [ -n "$state" ] && [ -f "$state/wsd.db" ]; then
			sweep
			run rm -rf "$state"
		fi
		say "removed, with workspaces and state"
	else
		say "removed; workspaces, their containers and wsd's state are kept"
		note "an installation of wsd finds them again; --uninstall --purge would have deleted them"
	fi
}

main() {
	parse "$@"
	layout
	if [ "$uninstall" = 1 ]; then
		remove
		exit 0
	fi
	find_programs
	choose_unit
	install_files
	install_unit
	finish
	advise
}

main "$@"
