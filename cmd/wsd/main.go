// Command wsd is the daemon that owns workspaces. `wsd serve` runs it; `wsd agent`
// is the program that the same file is inside every workspace.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/wsctl/wsctl/internal/agent"
	"github.com/wsctl/wsctl/internal/daemon"
)

var version = "dev" // set by the linker

func main() {
	if code, handled := agent.Main(os.Args); handled {
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := daemon.Main(ctx, os.Args[1:], version, daemon.Streams{Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
