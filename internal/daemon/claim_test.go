package daemon_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/daemon"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/workspace"
	"github.com/wsctl/wsctl/internal/wstest"
)

// A wsd that waits for the engine to tell what is left of a lost store has made an empty
// one already; one that was killed meanwhile has left it there.
func TestLostStoreIsNotAFirstStartAfterAKillEither(t *testing.T) {
	d := wstest.Start(t)
	if _, err := d.Create(t.Context(), api.Create{Name: "demo"}, ""); err != nil {
		t.Fatal(err)
	}
	wstest.Until(t, 10*time.Second, "it runs", func(ctx context.Context) bool {
		w, err := d.Workspace(ctx, "demo")
		return err == nil && w.State == workspace.Running
	})
	d.Stop()
	path := filepath.Join(d.Config.StateDir, daemon.StoreFile)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	left, err := store.Open(path)
	if err := errors.Join(err, left.Close()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err = daemon.Run(ctx, daemon.Options{
		Config: d.Config, Log: slog.New(slog.DiscardHandler), Version: "test", MemoryEngine: d.Engine, Ready: cancel,
	})
	if !fault.HasCode(err, "store_missing") {
		t.Errorf("it ends with %v", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the empty store is still there: %v", err)
	}
}

// A wsd that ends takes its name from the lock, and lets go of it in the next moment.
func TestALockOfNobodyIsWaitedFor(t *testing.T) {
	d := wstest.Start(t)
	d.Stop()
	lock, err := store.Lock(d.Config.StateDir, "somebody")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(d.Config.StateDir, store.LockName), 0); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(time.Second, func() { _ = lock.Release() }) // more than Lock itself waits
	d.Run()
}
