// Package daemon is the one place that knows every part of wsd: it takes a Config,
// wires the parts and runs them until its context ends.
//
// Nothing on disk is touched before the lock of the state directory is held. The
// store is checked by a child process first, because a damaged file can kill the
// process that reads it.
package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/wsctl/wsctl/internal/auth"
	"github.com/wsctl/wsctl/internal/config"
	"github.com/wsctl/wsctl/internal/engine"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/front"
	"github.com/wsctl/wsctl/internal/host"
	"github.com/wsctl/wsctl/internal/previewcheck"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/runtime/memory"
	"github.com/wsctl/wsctl/internal/server"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/template"
	"github.com/wsctl/wsctl/internal/uploads"
)

// StoreFile is the name of the store in the state directory.
const StoreFile = "wsd.db"

// Options are what is not configuration.
type Options struct {
	Config  config.Config
	Log     *slog.Logger
	Version string
	// Check runs `wsd verify` on the store in a child process; nil skips the check
	// (tests in one process).
	Check func(ctx context.Context, path string) error
	// MemoryEngine is what the driver "memory" attaches to, for tests in which it
	// outlives the daemon; nil makes one.
	MemoryEngine *memory.Engine
	// Listen replaces the unix socket (tests in virtual time).
	Listen func() (net.Listener, error)
	// Door replaces the leased ports of the host (tests in virtual time).
	Door engine.Door
	// NewInstance starts an empty store although workspaces of a lost one exist.
	NewInstance bool
	// Ready is called once requests are answered.
	Ready func()
}

// Run runs the daemon until ctx ends. It returns an error that names what to do
// when it cannot start, and nil after an orderly end.
func Run(ctx context.Context, o Options) (err error) {
	cfg := o.Config
	lock, err := lockState(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	db, err := openStore(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := claim(ctx, o, db); err != nil {
		return err
	}
	driver, err := newDriver(o, db.Instance())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, driver.Close()) }()
	p, err := wire(o, db, driver)
	if err != nil {
		return err
	}
	if p.listen, err = listen(o); err != nil { // who connects now waits until requests are answered
		return err
	}
	if err := p.engine.Recover(); err != nil {
		return errors.Join(err, p.listen.Close())
	}
	return p.run(ctx, o)
}

// endingTime is longer than a wsd that ends holds the lock after nobody can reach it
// (server.Times.Shutdown), and shorter than wsctl waits for one that it has started.
const endingTime = 12 * time.Second

// lockState takes the lock of the state directory. A wsd of the same socket that holds it,
// or one that is not named, while nobody listens there is about to end, or to begin: it is
// waited for.
func lockState(ctx context.Context, cfg config.Config) (*store.LockFile, error) {
	name := fmt.Sprintf("wsd (socket %s)", cfg.Socket)
	ctx, cancel := context.WithTimeout(ctx, endingTime)
	defer cancel()
	for {
		lock, err := store.Lock(cfg.StateDir, name) // takes its time to fail
		if !fault.HasCode(err, "already_running") || ctx.Err() != nil || server.Listening(cfg.Socket) {
			return lock, err
		}
		if holder := store.Holder(cfg.StateDir); holder != "" && holder != name {
			return nil, err
		}
	}
}

func listen(o Options) (net.Listener, error) {
	if o.Listen != nil {
		return o.Listen()
	}
	s, err := server.Listen(o.Config.Socket)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// openStore checks the file in a child process and opens it.
func openStore(ctx context.Context, o Options) (*store.Store, error) {
	path := filepath.Join(o.Config.StateDir, StoreFile)
	if _, err := os.Stat(path); err == nil && o.Check != nil {
		if err := o.Check(ctx, path); err != nil {
			return nil, err
		}
	}
	return store.Open(path)
}

// parts are the wired parts of a daemon.
type parts struct {
	engine *engine.Engine
	front  *front.Door // nil when Options.Door replaces it
	server *server.Server
	kept   *keeper // of listening sockets, over restarts
	listen net.Listener
	log    *slog.Logger
}

func wire(o Options, db *store.Store, driver rt.Driver) (*parts, error) {
	cfg := o.Config
	p := &parts{log: o.Log, kept: newKeeper(o.Log)}
	templates, err := template.Load(cfg.Templates)
	if err != nil {
		return nil, err
	}
	door := o.Door
	if door == nil {
		p.front = front.New(o.Log, connections(host.OpenFiles()), p.kept)
		door = p.front
	}
	limits, err := cfg.Defaults.Limits()
	if err != nil {
		return nil, err
	}
	use, err := usage(cfg.Activity)
	if err != nil {
		return nil, err
	}
	clients, err := gatewayLimits(cfg.Gateway)
	if err != nil {
		return nil, err
	}
	clients.Grace = ownGrace(use)
	p.engine = engine.New(engine.Config{
		Store: db, Driver: driver, Door: door, Templates: templates, Log: o.Log,
		PortFirst: cfg.Ports.First, PortLast: cfg.Ports.Last,
		Defaults: engine.Defaults{Template: cfg.Defaults.Template, Limits: limits, Timeouts: cfg.Timeouts.Workspace()},
		Workers:  cfg.Jobs.Workers, Attempts: cfg.Jobs.Attempts,
		Backoff: cfg.Jobs.Backoff.Std(), MaxBackoff: cfg.Jobs.MaxDelay.Std(),
		Activity: use,
		Identity: engine.Identity{
			Version: o.Version, Socket: cfg.Socket, StateDir: cfg.StateDir, PID: os.Getpid(), UID: os.Getuid(),
		},
		HostKeys: auth.NewHostKeys(filepath.Join(cfg.StateDir, "ssh_seed")),
		Vault:    auth.NewVault(filepath.Join(cfg.StateDir, "secret_key")),
		Uploads:  uploads.New(filepath.Join(cfg.StateDir, "uploads")),
		Names:    p.names,
	})
	p.server = server.New(server.Options{
		Backend: p.engine, Templates: catalogue{templates, o.Log}, Log: o.Log, Version: o.Version,
		Previews: previewcheck.New(p.engine, p.names, previewcheck.DefaultTimes()),
		Gateway:  clients, Conns: max(server.DefaultConns, 2*clients.Connections),
	})
	return p, nil
}

// names is where the front door serves workspaces by name now; "" is nowhere.
func (p *parts) names() string {
	if p.front == nil {
		return ""
	}
	return p.front.NamesAddress()
}

// connections is how many connections the front door may carry when the process may
// have so many files: a share is left for the API, the store and the container engine.
func connections(files int) int {
	const share = 256
	return min(max((files-share)/front.Descriptors, 16), 10_000)
}

// run starts every part and returns after the last has ended. The first that ends by
// itself ends the others.
func (p *parts) run(ctx context.Context, o Options) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	start := func(name string, run func(context.Context) error) {
		group.Go(func() {
			if err := run(ctx); ctx.Err() == nil {
				cancel(fmt.Errorf("the %s has ended by itself: %w", name, cmp.Or(err, errors.New("without a reason"))))
			}
		})
	}
	start("engine", p.engine.Run)
	if p.front != nil {
		names := o.Config.Front.Address
		if names == config.Off {
			names = ""
		}
		start("front door", func(ctx context.Context) error { return p.front.Run(ctx, house{p.engine}, names) })
	}
	start("server", func(ctx context.Context) error { return p.server.Serve(ctx, p.listen) })
	if s, ok := p.listen.(*server.Socket); ok {
		start("watch of the socket", func(ctx context.Context) error { return s.Watch(ctx, p.restored) })
	}
	p.kept.sweep()
	p.log.Info("wsd answers", "socket", o.Config.Socket, "version", o.Version, "pid", os.Getpid())
	if _, err := sd.SdNotify(false, sd.SdNotifyReady); err != nil {
		p.log.Warn("cannot tell systemd that wsd is ready", "err", err)
	}
	if o.Ready != nil {
		o.Ready()
	}
	<-ctx.Done()
	_, _ = sd.SdNotify(false, sd.SdNotifyStopping)
	group.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	p.log.Info("wsd has ended")
	return nil
}

// restored tells that the socket was removed and is there again, or why it is not.
func (p *parts) restored(err error) {
	if err != nil {
		p.log.Error("nobody can reach wsd", "err", err)
		return
	}
	p.log.Warn("the socket was removed by somebody, and is there again", "socket", p.listen.Addr())
}

// checkTime bounds the check of the store before it is opened.
const checkTime = 2 * time.Minute

// CheckWith returns an Options.Check that runs `binary verify --quiet PATH`.
func CheckWith(binary string) func(ctx context.Context, path string) error {
	return func(ctx context.Context, path string) error {
		ctx, cancel := context.WithTimeout(ctx, checkTime)
		defer cancel()
		out, err := exec.CommandContext(ctx, binary, "verify", "--quick", path).CombinedOutput()
		if err == nil {
			return nil
		}
		return unusable(path, out, err)
	}
}
