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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	streams := cli.SystemStreams()
	streams.Version = version
	os.Exit(cli.Main(ctx, os.Args[1:], streams))
}
