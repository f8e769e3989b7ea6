package engine

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/runtime/memory"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/template"
	"github.com/wsctl/wsctl/internal/workspace"
)

var (
	alice = workspace.Actor{ID: "uid:1000"}
	bob   = workspace.Actor{ID: "uid:1001"}
	root  = workspace.Actor{ID: "uid:0", Admin: true}
)

// doors is a Door in memory: some ports belong to other programs.
type doors struct {
	mu      sync.Mutex
	open    map[int]bool
	foreign map[int]bool
	once    func() // called by the next Holds
}

// onHolds has the next Holds call fn first.
func (d *doors) onHolds(fn func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.once = fn
}

func (d *doors) Open(port int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.foreign[port] {
		return errors.New("address already in use")
	}
	d.open[port] = true
	return nil
}

func (d *doors) Holds(port int) bool {
	d.mu.Lock()
	fn := d.once
	d.once = nil
	d.mu.Unlock()
	if fn != nil {
		fn()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open[port]
}

func (d *doors) Close(port int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, port)
}

// take lets another program have the port, and free lets it go.
func (d *doors) take(port int) { d.set(port, true) }
func (d *doors) free(port int) { d.set(port, false) }

func (d *doors) set(port int, foreign bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.foreign[port] = foreign
}

// listeners tells of the other programs as the host would.
func (d *doors) listeners(wanted func(int) bool) map[int]string {
	d.mu.Lock()
	ports := maps.Clone(d.foreign)
	d.mu.Unlock()
	maps.DeleteFunc(ports, func(port int, there bool) bool { return !there || !wanted(port) })
	found := map[int]string{}
	for port := range ports {
		found[port] = "thief"
	}
	return found
}

func (d *doors) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.open)
}

// rig is one daemon's core over a container engine that outlives it.
type rig struct {
	t     *testing.T
	path  string
	box   *memory.Engine
	door  *doors
	tweak func(*Config)

	beforeRun func(*Engine) // if set: called once the engine is made, before it runs

	*Engine
	store *store.Store
	stop  context.CancelFunc
	ended chan error
}

// memoryFolder is a folder that is gone when the test is. Where the machine has one in
// memory it is there: a disk's flush takes real time, and proves nothing in virtual time.
func memoryFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "wsd-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// inBubble runs test in virtual time with a rig that has been started.
func inBubble(t *testing.T, test func(r *rig)) {
	t.Helper()
	path := filepath.Join(memoryFolder(t), "wsd.db")
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, path: path, box: memory.NewEngine(), door: &doors{open: map[int]bool{}, foreign: map[int]bool{}}}
		r.start()
		defer r.shutdown()
		test(r)
	})
}

// builtIn are the templates of every rig.
var builtIn = sync.OnceValues(func() (*template.Catalogue, error) { return template.Load("") })

func (r *rig) start() {
	r.t.Helper()
	db, err := store.Open(r.path)
	if err != nil {
		r.t.Fatal(err)
	}
	templates, err := builtIn()
	if err != nil {
		r.t.Fatal(err)
	}
	r.door.open = map[int]bool{}
	cfg := Config{
		Store: db, Driver: r.box.Driver(db.Instance()), Door: r.door, Templates: templates,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), PortFirst: 8000, PortLast: 8009, Workers: 4,
		Activity:  Activity{Policy: activity.NeverPolicy}, // tests of other things let much time pass
		Listeners: r.door.listeners, Attempts: 3, Backoff: time.Second, MaxBackoff: 10 * time.Second,
		Defaults: Defaults{
			Template: "static", Limits: workspace.Limits{CPUs: 1, Memory: 1 << 30, Pids: 512},
			Timeouts: workspace.Timeouts{Create: minute, Initialize: minute, Start: minute, Stop: minute / 6, PreStop: minute / 6},
		},
	}
	if r.tweak != nil {
		r.tweak(&cfg)
	}
	r.store, r.Engine = db, New(cfg)
	if err := r.Recover(); err != nil {
		r.t.Fatal(err)
	}
	if r.beforeRun != nil {
		r.beforeRun(r.Engine)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	r.stop, r.ended = cancel, make(chan error, 1)
	go func() { r.ended <- r.Run(ctx) }()
	synctest.Wait()
}

const minute = workspace.Duration(time.Minute)

// shutdown ends the daemon in order; crash in the way of a kill: workers are cut off
// wherever they are.
func (r *rig) shutdown() {
	r.t.Helper()
	r.stop()
	if err := <-r.ended; err != nil {
		r.t.Error(err)
	}
	if err := r.store.Close(); err != nil {
		r.t.Error(err)
	}
}

func (r *rig) restart() {
	r.shutdown()
	r.start()
}

// create makes a workspace from an image and waits until nothing moves any more.
func (r *rig) create(name string) workspace.Workspace {
	r.t.Helper()
	r.begin(name)
	r.settle()
	return r.want(name, workspace.Running)
}

func (r *rig) begin(name string) workspace.Workspace {
	r.t.Helper()
	w, _, err := r.Create(r.t.Context(), alice, plain(name), "")
	if err != nil {
		r.t.Fatal(err)
	}
	return w
}

func plain(name string) api.Create {
	return api.Create{Name: name, Image: "wsd:base", Command: []string{"serve"}}
}

func (r *rig) command(name string, c api.Command) workspace.Workspace {
	r.t.Helper()
	w, err := r.Command(r.t.Context(), alice, name, c)
	if err != nil {
		r.t.Fatal(err)
	}
	return w
}

// settle lets virtual time pass until no job is open.
func (r *rig) settle() {
	r.t.Helper()
	for range 600 {
		synctest.Wait()
		if !r.anyOpen() {
			return
		}
		time.Sleep(time.Second)
	}
	r.t.Fatal("jobs are still open after ten minutes")
}

func (r *rig) anyOpen() bool {
	jobs, err := r.Jobs(r.t.Context(), root, []workspace.JobState{workspace.JobWaiting, workspace.JobDelayed, workspace.JobActive}, "")
	if err != nil {
		r.t.Fatal(err)
	}
	return len(jobs) > 0
}

func (r *rig) get(name string) workspace.Workspace {
	r.t.Helper()
	w, err := r.Workspace(r.t.Context(), alice, name)
	if err != nil {
		r.t.Fatal(err)
	}
	return w
}

func (r *rig) want(name string, s workspace.State) workspace.Workspace {
	r.t.Helper()
	w := r.get(name)
	if w.State != s {
		r.t.Fatalf("%s is %s, want %s (%+v)", name, w.State, s, w)
	}
	return w
}

// observed is what the container engine says of a workspace.
func (r *rig) observed(w workspace.Workspace) rt.Observed {
	r.t.Helper()
	st, err := r.cfg.Driver.Inspect(r.t.Context(), ref(w))
	if err != nil {
		r.t.Fatal(err)
	}
	return st.State
}

func (r *rig) objects() int {
	r.t.Helper()
	list, err := r.cfg.Driver.Objects(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return len(list)
}

func (r *rig) wantCode(err error, code string) {
	r.t.Helper()
	if !fault.HasCode(err, code) {
		r.t.Fatalf("got %v, want code %s", err, code)
	}
}

func contextOf(r *rig) (context.Context, context.CancelFunc) {
	return context.WithCancel(r.t.Context())
}
