package agent

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/wsctl/wsctl/internal/agent/applet"
	"github.com/wsctl/wsctl/internal/agent/httpd"
	"github.com/wsctl/wsctl/internal/agent/shell"
)

// own are the applets that are packages of their own; the rest is in package applet.
func own(name string) (applet.Func, bool) {
	switch name {
	case "sh", "bash":
		return func(s applet.Streams, args []string) int { return shell.Main(args, s.In, s.Out, s.Err) }, true
	case "httpd":
		return func(s applet.Streams, args []string) int { return httpd.Main(args, s.Out, s.Err) }, true
	}
	if slices.Contains(shell.Builtins(), name) {
		return func(s applet.Streams, args []string) int { return shell.Builtin(args, s.In, s.Out, s.Err) }, true
	}
	return nil, false
}

// inside returns an applet that can run in process 1, nil if name is none.
func inside(name string) func(ctx context.Context, args []string) int {
	if name != "httpd" {
		return nil
	}
	return func(ctx context.Context, args []string) int { return httpd.Run(ctx, args, os.Stdout, os.Stderr) }
}

// Applets returns the names under which the binary is an applet, sorted. A link of each
// name in the PATH makes an image usable from a shell.
func Applets() []string {
	names := slices.Concat(applet.Names(), shell.Builtins(), []string{"bash", "httpd", "sh"})
	slices.Sort(names)
	return names
}

func find(name string) (applet.Func, bool) {
	if f, ok := own(name); ok {
		return f, true
	}
	return applet.Find(name)
}

func isApplet(name string) bool {
	_, ok := find(name)
	return ok
}

func unknownApplet(name string) int {
	fmt.Fprintf(os.Stderr, "wsd agent-applet: there is no applet %q\n", name)
	return 127
}
