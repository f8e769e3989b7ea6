// Package engine is the only writer: one loop takes a command, a job's result or
// a due deadline, decides with the pure rules, writes state, indexes, jobs and
// events in one transaction, and only after the commit tells anyone.
//
// Calls come down from the server and the front door; facts go up through the
// bus. Slow work (everything that asks the container engine) happens only in
// jobs, which are rows; a job's worker asks the driver and brings the result back
// to the loop. Reads go to the store at once and never wait for the container
// engine.
//
// Concurrency: Run starts the loop, the workers, the watcher of the container
// engine, the periodic reconcile, a follower of each agent and the tender of sessions, and returns after all of them. The exported
// methods are safe for concurrent use while Run runs.
package engine

import (
	"context"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/host"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/template"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Door holds the leased ports of the host. Open is repeatable and fails when
// another program holds the port; Close of a port that is not open does nothing;
// Holds reports whether it is open.
type Door interface {
	Open(port int) error
	Holds(port int) bool
	Close(port int)
}

// Config is what New needs. Store, Driver and Door must outlive Run.
type Config struct {
	Store     *store.Store
	Driver    rt.Driver
	Door      Door
	Templates *template.Catalogue
	Log       *slog.Logger

	PortFirst, PortLast int // both included
	Defaults            Defaults
	// Listeners names the programs that listen on wanted ports; nil: host.Listeners.
	Listeners           func(wanted func(port int) bool) map[int]string
	Workers             int           // engine work at a time; 0: twice the cores
	Attempts            int           // per job
	Backoff, MaxBackoff time.Duration // full jitter: a delay is between 0 and Backoff * 2^n, at most MaxBackoff
	Resync              time.Duration // how often the list is compared when nothing else asks for it
	KeepFacts           int           // how many of the newest facts are kept at least; 0: 100,000
	Identity            Identity
	HostKeys            HostKeys      // of ssh, by id of the workspace
	Vault               Vault         // of secrets
	Uploads             Uploads       // archives that clients have sent
	Activity            Activity      // how use decides about life
	Names               func() string // address on which workspaces are served by name now, or ""; nil: nowhere
}

// HostKeys are the keys by which ssh clients know a workspace again.
type HostKeys interface {
	Private(workspaceID string) ([]byte, error) // PEM
	Public(workspaceID string) (string, error)  // TYPE BASE64
}

// Uploads keeps archives by their SHA-256.
type Uploads interface {
	Put(digest string, r io.Reader) error
	Has(digest string, now time.Time) bool
	Open(digest string) (io.ReadCloser, error)
	Sweep(now time.Time) error // removes what was not used for long
}

// Defaults fill what a create leaves open.
type Defaults struct {
	Template string
	Limits   workspace.Limits
	Timeouts workspace.Timeouts
	MaxCPUs  float64 // cores of the host; 0: unknown
}

// Identity is what Status tells of the daemon.
type Identity struct {
	Version, Socket, StateDir string
	PID, UID                  int
}

// Engine is the writer. Make one with New.
type Engine struct {
	cfg         Config
	log         *slog.Logger
	requests    chan *request
	ended       chan struct{} // closed when the loop has ended
	check       chan struct{} // asks resync for a comparison
	bus         event.Bus[api.Message]
	files       chan fileWant // who looks at files
	health      health
	born        time.Time
	stale       atomic.Int64 // results dropped because their job was over
	credentials credentials
	lenders     lenders
	attendance  *attendance
	uses        uses
	hours       hours
	heart       heart
	checks      checks
	byName      glance[string]
	byPort      glance[int]
	byID        glance[string]
	compared    atomic.Int64 // when the list was last asked for that was compared, in ns since 1970

	// Owned by the loop.
	busy  map[string]*work    // workspace id -> its worker
	hints map[string]struct{} // workspaces to look at again when their job ends

	ctx   context.Context // of Run, for workers
	group sync.WaitGroup
}

// New returns an engine that does nothing until Run.
func New(cfg Config) *Engine {
	if cfg.Workers <= 0 {
		cfg.Workers = 2 * runtime.NumCPU() // more gains nothing at the container engine: it is bound by the cpu
	}
	if cfg.Resync <= 0 {
		cfg.Resync = 30 * time.Second
	}
	if cfg.Listeners == nil {
		cfg.Listeners = host.Listeners
	}
	if cfg.Names == nil {
		cfg.Names = func() string { return "" }
	}
	if cfg.KeepFacts <= 0 {
		cfg.KeepFacts = 100_000
	}
	e := &Engine{
		cfg:        cfg,
		log:        cfg.Log,
		requests:   make(chan *request, 256),
		ended:      make(chan struct{}),
		check:      make(chan struct{}, 1),
		born:       time.Now(),
		files:      make(chan fileWant),
		busy:       make(map[string]*work),
		hints:      make(map[string]struct{}),
		attendance: newAttendance(),
	}
	e.health.first = make(chan struct{})
	e.checks.init()
	return e
}

// Recover brings the store into the shape of a fresh start: no worker lives, and
// every leased port is held again. It is called once, before Run and before anybody
// is answered.
func (e *Engine) Recover() error {
	now := time.Now()
	var ports map[int]string
	err := e.cfg.Store.Update(func(tx *store.Tx) error {
		if err := resume(&turn{Tx: tx, now: now}); err != nil {
			return err
		}
		if err := e.followPolicies(&turn{Tx: tx, now: now}); err != nil {
			return err
		}
		if err := e.recoverActivity(&turn{Tx: tx, now: now}); err != nil {
			return err
		}
		ports = tx.Ports()
		if err := tx.PutDeadline(store.Deadline{At: now.Add(time.Minute), Kind: store.DeadlineFacts}); err != nil {
			return err
		}
		_, err := tx.Append(event.Event{
			Time: now, Kind: event.DaemonStarted, Actor: workspace.Daemon, Result: "ok",
			Detail: map[string]string{"version": e.cfg.Identity.Version},
		})
		return err
	})
	if err != nil {
		return err
	}
	for port := range ports {
		if err := e.cfg.Door.Open(port); err != nil {
			e.log.Warn("cannot hold a leased port", "port", port, "err", err)
		}
	}
	return nil
}

// resume lets jobs begin again that a worker of an earlier life was on. What that has
// asked of the engine may still come through.
func resume(t *turn) error {
	active, err := t.Jobs([]workspace.JobState{workspace.JobActive}, "")
	if err != nil {
		return err
	}
	for _, j := range active {
		if err := noteCut(t, j.Workspace); err != nil {
			return err
		}
	}
	_, err = t.ResetActive()
	return err
}

// farewell records an orderly end. After a kill its absence tells.
func (e *Engine) farewell() error {
	return e.cfg.Store.Update(func(tx *store.Tx) error {
		if err := e.flushActivity(&turn{Tx: tx, now: time.Now()}); err != nil {
			return err
		}
		_, err := tx.Append(event.Event{Time: time.Now(), Kind: event.DaemonStopped, Actor: workspace.Daemon, Result: "ok"})
		return err
	})
}

// Run works until ctx ends, then lets running jobs go (their rows bring them back
// at the next start) and returns.
func (e *Engine) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	e.ctx = ctx
	e.spawn(func() { e.watchEngine(ctx) })
	e.spawn(func() { e.heartbeat(ctx) })
	e.spawn(func() { e.resync(ctx) })
	e.spawn(func() { e.followAgents(ctx) })
	e.spawn(func() { e.relayFiles(ctx) })
	e.spawn(func() { e.tend(ctx) })
	if w, ok := e.cfg.Driver.(rt.Warmer); ok {
		e.spawn(func() { e.keepWarm(ctx, w) })
	}
	e.loop(ctx)
	e.group.Wait()
	e.bus.Close()
	e.cool(context.WithoutCancel(ctx))
	return e.farewell()
}

// coolIn bounds what is done at the end for a tidy machine.
const coolIn = 10 * time.Second

// cool removes what is kept ready, where there is no workspace: whoever has deleted all and
// stops wsd expects that nothing of it is left running. With workspaces it stays, for a wsd
// that comes back.
func (e *Engine) cool(ctx context.Context) {
	w, warms := e.cfg.Driver.(rt.Warmer)
	if _, up := e.health.engine(); !warms || !up {
		return
	}
	count := 0
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		for _, n := range tx.CountByState("") {
			count += n
		}
		return nil
	})
	if err != nil || count > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, coolIn)
	defer cancel()
	if err := w.Cool(ctx); err != nil {
		e.log.Warn("cannot remove the sandboxes that were kept ready; `wsctl gc` of the next wsd does", "err", err)
	}
}

func (e *Engine) spawn(fn func()) {
	e.group.Go(fn)
}

func (e *Engine) keepWarm(ctx context.Context, w rt.Warmer) {
	for ctx.Err() == nil {
		if err := w.Warm(ctx); err != nil && ctx.Err() == nil {
			e.log.Warn("cannot keep sandboxes ready", "err", err)
		}
		pause(ctx, 5*time.Second)
	}
}

// pause waits for d or the end of ctx; it reports whether d passed.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
