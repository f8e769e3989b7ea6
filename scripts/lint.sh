#!/bin/bash
# lint.sh runs the linters. Each is used from the machine if its version is the one that
# tools/go.mod names, else it is built once into tools/bin (golangci-lint: some minutes).
#
# Exit status: 0 if nothing was found.
set -euo pipefail
cd "$(dirname "$0")/.."

go=${GO:-go}
failed=0

# version_of prints the version of a module that tools/go.mod names.
version_of() { (cd tools && "$go" list -m -f '{{.Version}}' "$1"); }

# tool prints the path of program $1 from package $2 in version $3.
tool() {
	local installed
	for installed in "$(command -v "$1" || true)" "tools/bin/$1"; do
		if [ -x "$installed" ] && "$go" version -m "$installed" 2>/dev/null | grep -q "	$3	"; then
			echo "$installed"
			return
		fi
	done
	# A released binary does not always carry its module version; it knows it by itself.
	if command -v "$1" >/dev/null && "$1" version 2>/dev/null | grep -qF "${3#v}"; then
		command -v "$1"
		return
	fi
	echo "building $1 $3 into tools/bin" >&2
	(cd tools && "$go" build -trimpath -o bin/ "$2") >&2
	echo "tools/bin/$1"
}

golangci=$(tool golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint \
	"$(version_of github.com/golangci/golangci-lint/v2)")
gofumpt=$(tool gofumpt mvdan.cc/gofumpt "$(version_of mvdan.cc/gofumpt)")

echo "==> golangci-lint"
"$golangci" run "$@" ./... || failed=1

echo "==> gofumpt"
unformatted=$("$gofumpt" -l cmd internal bench)
if [ -n "$unformatted" ]; then
	echo "$unformatted"
	failed=1
fi

echo "==> shellcheck"
if command -v shellcheck >/dev/null; then
	shellcheck install.sh scripts/*.sh docs/examples/*.sh .ci/run || failed=1
else
	echo "not installed: skipped (apt-get install shellcheck)"
fi
exit "$failed"
