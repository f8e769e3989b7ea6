// Command wsctl makes and drives workspaces; see internal/cli.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/wsctl/wsctl/internal/cli"
)

var version string // set by the linker

func main() {
	ctx := context.Background()
	if cli.Waits(os.Args[1:]) {
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
		context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	}
	streams := cli.SystemStreams()
	streams.Version = version
	os.Exit(cli.Main(ctx, os.Args[1:], streams))
}
