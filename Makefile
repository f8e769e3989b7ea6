# Verbs for people and for CI; `make` alone lists them. Every path is relative, so
# a folder with a space in its name works. What a verb needs is set up by itself.

.DEFAULT_GOAL := help
.PHONY: build demo test test-short race lint generate bench torture fuzz install clean help FORCE

GO      ?= go
PREFIX  ?=
# Programs killed by `make torture`, seconds per target of `make fuzz`.
COUNT    ?= 200
FUZZTIME ?= 10s
# Flags for the test programs of `make race`; empty runs the engine's tests too.
RACEFLAGS ?= -short
ARGS     ?=

# Under this name because make runs lines that name MAKE itself even when asked only to print (-n).
THIS_MAKE := $(MAKE)

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

export CGO_ENABLED = 0
# A tree that belongs to somebody else must build too, so git is not asked for more than the version.
GOFLAGS_BUILD = -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$(VERSION)"

build: bin/wsd bin/wsd-agent bin/wsctl ## build bin/wsd, its bin/wsd-agent, and bin/wsctl

bin/wsd bin/wsd-agent bin/wsctl: FORCE
	@mkdir -p bin
	@$(GO) build $(GOFLAGS_BUILD) -o $@ ./cmd/$(@F)

demo: ## build, make sure of a container engine, and show a workspace answering over HTTP
	@GO="$(GO)" MAKE="$(THIS_MAKE)" scripts/demo.sh $(ARGS)

test: ## everything: engine, vet, format, generated files, all tests, short torture, demo
	@GO="$(GO)" MAKE="$(THIS_MAKE)" scripts/test.sh $(ARGS)

test-short: ## tests that need no container engine
	$(GO) test -short ./...

race: ## tests under the race detector (needs a C compiler)
	@command -v "$${CC:-cc}" >/dev/null 2>&1 || { echo "make race needs a C compiler: apt-get install gcc libc6-dev" >&2; exit 2; }
	CGO_ENABLED=1 $(GO) test -race $(RACEFLAGS) -p 2 ./...

lint: ## golangci-lint, gofumpt and shellcheck
	@GO="$(GO)" scripts/lint.sh $(ARGS)

generate: ## write completions, man pages, CLI reference, diagrams
	@GO="$(GO)" MAKE="$(THIS_MAKE)" scripts/generate.sh

bench: build ## compare with the plain engine and print ratios
	$(GO) run ./bench $(ARGS)

torture: build ## kill -9 the daemon COUNT times during a mix of commands
	@scripts/torture.sh -count $(COUNT) $(ARGS)

fuzz: ## run each fuzz target for FUZZTIME
	@GO="$(GO)" FUZZTIME="$(FUZZTIME)" scripts/fuzz.sh $(ARGS)

install: ## install into PREFIX (root: /usr/local, else ~/.local)
	@GO="$(GO)" MAKE="$(THIS_MAKE)" ./install.sh --yes $${PREFIX:+--prefix "$$PREFIX"} $(ARGS)
install: export PREFIX := $(PREFIX)

clean: ## remove what was built
	rm -rf bin dist tools/bin

help: ## print this list
	@echo "usage: make VERB"
	@echo
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r verb text; do printf '  %-11s %s\n' "$$verb" "$$text"; done
	@echo
	@echo "settings: COUNT=$(COUNT) FUZZTIME=$(FUZZTIME) PREFIX=DIR ARGS='more arguments'"
