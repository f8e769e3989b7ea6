// Package wstest runs a whole daemon inside a test, over the memory driver and a
// real unix socket, and hands out a client for it.
//
// What it starts ends with the test. It may not be imported by anything but tests.
package wstest

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/config"
	"github.com/wsctl/wsctl/internal/daemon"
	"github.com/wsctl/wsctl/internal/runtime/memory"
)

// Daemon is a running daemon.
type Daemon struct {
	*client.Client
	Engine *memory.Engine // outlives restarts
	Config config.Config

	tb   testing.TB
	stop func()
}

// Start runs a daemon until the test ends. change may alter its configuration.
func Start(tb testing.TB, change ...func(*config.Config)) *Daemon {
	tb.Helper()
	dir, err := os.MkdirTemp("", "wsd-") // short: a socket's path has at most 107 bytes
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	cfg := config.Default(os.Getuid(), dir, func(string) (string, bool) { return "", false }, 4)
	cfg.Socket, cfg.StateDir, cfg.Driver = filepath.Join(dir, "run", "wsd.sock"), filepath.Join(dir, "state"), "memory"
	cfg.Ports.First, cfg.Ports.Last = freeRange(tb)
	cfg.Front.Address = config.Off
	for _, fn := range change {
		fn(&cfg)
	}
	d := &Daemon{Engine: memory.NewEngine(), Config: cfg, tb: tb}
	d.Run()
	tb.Cleanup(func() { d.Stop() })
	return d
}

// Run starts the daemon again after Stop.
func (d *Daemon) Run() {
	d.tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- daemon.Run(ctx, daemon.Options{
			Config: d.Config, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Version: "test",
			MemoryEngine: d.Engine, Ready: func() { close(ready) },
		})
	}()
	select {
	case <-ready:
	case err := <-ended:
		cancel()
		d.tb.Fatalf("the daemon did not start: %v", err)
	}
	d.Client = client.New(client.Options{Socket: d.Config.Socket})
	d.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			d.tb.Errorf("the daemon ended with %v", err)
		}
	}
}

// Stop ends the daemon in order; the container engine goes on.
func (d *Daemon) Stop() {
	if d.stop != nil {
		d.stop()
		d.stop = nil
	}
}
