package daemon

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/agent"
	"github.com/wsctl/wsctl/internal/config"
	"github.com/wsctl/wsctl/internal/durable"
	"github.com/wsctl/wsctl/internal/fault"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/runtime/docker"
	"github.com/wsctl/wsctl/internal/runtime/memory"
	"github.com/wsctl/wsctl/internal/store"
)

// instanceFile keeps the instance id beside the store, so that a lost store is not
// mistaken for a first start.
const instanceFile = "instance"

// claim makes sure that an empty store is really a first start: when the instance
// that used this directory before still has containers, starting empty would orphan
// them all.
func claim(ctx context.Context, o Options, db *store.Store) error {
	path := filepath.Join(o.Config.StateDir, instanceFile)
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot read the instance id: %w", err)
	}
	last := strings.TrimSpace(string(b))
	if last == db.Instance() {
		return nil
	}
	if last != "" && db.Fresh() && !o.NewInstance {
		if err := nothingLeft(ctx, o, last); err != nil {
			// A restore would take the empty file for a store that somebody may want back.
			return errors.Join(err, os.Remove(filepath.Join(o.Config.StateDir, StoreFile)))
		}
	}
	return durable.WriteFile(path, []byte(db.Instance()+"\n"))
}

// nothingLeft fails when objects of the instance exist, or when that cannot be told.
func nothingLeft(ctx context.Context, o Options, instance string) error {
	const hint = "bring the store back with `wsctl admin restore FILE`, or give those workspaces up with `wsd serve --new-instance`"
	driver, err := newDriver(o, instance)
	if err != nil {
		return err
	}
	defer driver.Close()
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	list, err := driver.List(ctx)
	if err != nil {
		return fault.New(fault.Unavailable, "store_missing", "the store is missing, and the container engine cannot tell whether workspaces of it exist").
			WithHint("start the container engine; or " + hint).WithCause(err)
	}
	if len(list) > 0 {
		return fault.New(fault.Conflict, "store_missing", "the store is missing although %d of its workspaces exist", len(list)).WithHint(hint)
	}
	return nil
}

func newDriver(o Options, instance string) (rt.Driver, error) {
	if o.Config.Driver == "memory" {
		box := o.MemoryEngine
		if box == nil {
			box = memory.NewEngine()
		}
		return box.Driver(instance), nil
	}
	subnets, err := netip.ParsePrefix(o.Config.Docker.Subnets)
	if err != nil {
		return nil, err
	}
	binary, err := installAgent(o.Config.StateDir, o.Version)
	if err == nil {
		err = checkStatic(binary)
	}
	if err != nil {
		return nil, err
	}
	return docker.New(docker.Config{
		Host: o.Config.Docker.Host, Instance: instance, Agent: binary, Agents: filepath.Join(o.Config.StateDir, "agent"),
		Sockets: filepath.Join(o.Config.StateDir, "run"), Users: filepath.Join(o.Config.StateDir, "users"),
		Builds:  filepath.Join(o.Config.StateDir, "builds"),
		Private: []string{o.Config.StateDir}, Subnets: subnets,
		Applets: agent.Applets(), Spare: o.Config.Docker.Spare, Keep: o.Config.Docker.Keep, Log: o.Log,
	})
}

// unusable is the error for a store whose check in a child process failed with this
// output. A child that died without a word was killed by the damage.
func unusable(path string, out []byte, err error) error {
	f := fault.New(fault.Internal, "store_unusable", "the state file %s is damaged: checking it ended abnormally", path).
		WithHint("keep the file, and bring back a copy with `wsctl admin restore FILE`").WithCause(err)
	for line := range bytes.Lines(out) {
		line = bytes.TrimSpace(line)
		if text, ok := bytes.CutPrefix(line, []byte("wsd: ")); ok {
			f.Text = string(text)
		}
		if hint, ok := bytes.CutPrefix(line, []byte("hint: ")); ok {
			f.Hint = string(hint)
		}
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		f.Kind = cmp.Or(checkKinds[exit.ExitCode()], fault.Internal)
	}
	return f
}

// checkKinds are the kinds of what the check refuses that is not damaged, by the
// exit status of the child.
var checkKinds = map[int]fault.Kind{
	2: fault.Unsupported, 4: fault.Conflict, 5: fault.Unavailable, 6: fault.Denied, 7: fault.StorageFull,
}

func storePath(cfg config.Config) string { return filepath.Join(cfg.StateDir, StoreFile) }

// verify checks the file at path; quick leaves out what a running daemon finds and
// isolates by itself.
func verify(path string, quick bool) (store.Report, error) {
	if quick {
		return store.Report{}, store.VerifyQuick(path)
	}
	return store.Verify(path)
}
