#!/bin/bash
# testimage.sh makes the image of an ordinary Linux system that tests use, without a
# registry: Debian by debootstrap, with git, make, an editor and an ssh client, and this
# machine's own node and npm. An image of this script's present text is left as it is.
#
# Usage: testimage.sh      prints the image's name as its last line.
# Needs root, a container engine and the distribution's package mirror.
# Exit status: 0 the image is there; 1 it cannot be made.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly SUITE=bookworm
readonly PACKAGES=ca-certificates,git,less,libatomic1,libstdc++6,make,openssh-client,procps,rsync,vim-tiny
name="wsd-test/debian:$(sha256sum scripts/testimage.sh | cut -c1-12)"

# Not `docker image inspect`: the client may be missing, the engine is what counts.
engine() { curl -sS --fail --unix-socket "${DOCKER_SOCK:-/var/run/docker.sock}" "$@"; }

if engine "http://engine/images/$name/json" >/dev/null 2>&1; then
	echo "$name"
	exit 0
fi
if ! command -v debootstrap >/dev/null; then
	if [ "$(id -u)" != 0 ]; then
		echo "testimage: debootstrap is missing; install it: sudo apt-get install debootstrap" >&2
		exit 1
	fi
	echo "testimage: installing debootstrap" >&2
	{ apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends debootstrap; } >/dev/null
fi
mirror=$(sed -n 's/^URIs: *//p; s/^deb \(\[[^]]*\] \)\?\([^ ]*\).*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1) || true
root=$(mktemp -d "${TMPDIR:-/tmp}/wsd-testimage.XXXXXX")
trap 'rm -rf "$root"' EXIT
echo "testimage: making $name" >&2
if ! debootstrap --variant=minbase --include="$PACKAGES" "$SUITE" "$root/fs" "${mirror:-http://deb.debian.org/debian}" >"$root/log" 2>&1; then
	tail -n 20 "$root/log" >&2
	exit 1
fi
if node=$(command -v node) && npm=$(npm root -g 2>/dev/null)/npm && [ -d "$npm" ]; then
	install -D "$(readlink -f "$node")" "$root/fs/usr/local/bin/node"
	mkdir -p "$root/fs/usr/local/lib/node_modules"
	cp -a "$npm" "$root/fs/usr/local/lib/node_modules/"
	ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/fs/usr/local/bin/npm"
	ln -s ../lib/node_modules/npm/bin/npx-cli.js "$root/fs/usr/local/bin/npx"
fi
# A registry behind a proxy of this machine's own authority is reached from inside too.
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then
	cp /etc/ssl/certs/ca-certificates.crt "$root/fs/etc/ssl/certs/"
fi
rm -rf "$root"/fs/var/cache/apt/archives/*.deb "$root"/fs/var/lib/apt/lists/* "$root"/fs/usr/share/{doc,locale,man}/*
tar -C "$root/fs" --numeric-owner -cf - . |
	engine -X POST -H 'Content-Type: application/x-tar' -T - "http://engine/images/create?fromSrc=-&repo=${name%%:*}&tag=${name##*:}" >/dev/null
engine "http://engine/images/$name/json" >/dev/null
echo "$name"
