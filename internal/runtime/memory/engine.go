// Package memory is a container engine that lives in this process's memory.
//
// It is a real engine, not a mock: containers have states, exit codes, logs, a
// volume and a server on their port; changes are told and remembered; calls take
// the time and fail in the ways that Faults say. It needs no image, socket, file
// or other resource of the operating system, so it runs inside a testing/synctest
// bubble and with tens of thousands of workspaces, each below 2 KB beside its spec.
//
// The Engine holds all state and outlives a Driver, as a real engine outlives a
// daemon: several drivers, at once or one after another, attach to one Engine.
// Methods of Engine are what a person does by hand at the engine; what a daemon
// does is the runtime.Driver. What runs inside a container is a handful of
// built-in commands (see programs.go); no real process is ever started.
//
// Everything is safe for concurrent use. One mutex guards all state and is never
// held while waiting; slow readers block only themselves. A call whose context
// ends by its deadline answers ErrUnreachable as well as the context's error: its
// outcome is unknown. A cancelled one answers only context.Canceled: the caller
// gave up, which says nothing about the engine.
package memory

import (
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/runtime"
)

// The machine that the engine pretends to run on.
const (
	hostCPUs   = 64
	hostMemory = 256 << 30 // bytes
)

// Engine is the state of one container engine. Use NewEngine.
type Engine struct {
	mu        sync.Mutex
	instances map[string]*instance
	images    map[string]string // reference -> digest
	faults    Faults
	calls     map[Op]int
	mode      mode
	moded     chan struct{} // closed and replaced when mode changes
	cut       chan struct{} // closed and replaced when open streams break
	changes   changes
	discards  []string
}

// instance holds what carries one instance label.
type instance struct {
	sites   map[string]*site
	foreign []runtime.Object
}

// site is what the engine holds for one workspace.
type site struct {
	volume     *volume
	containers []*container // of all generations, almost always one
}

// mode is how the engine as a whole behaves.
type mode uint8

const (
	up   mode = iota
	down      // refuses every call
	hung      // takes calls and does not answer
)

// NewEngine returns an empty engine that is up and answers at once.
func NewEngine() *Engine {
	return &Engine{
		instances: map[string]*instance{},
		images:    map[string]string{},
		calls:     map[Op]int{},
		moded:     make(chan struct{}),
		cut:       make(chan struct{}),
		changes:   changes{more: make(chan struct{})},
	}
}

// Driver attaches a driver that sees only what carries this instance label.
func (e *Engine) Driver(name string) *Driver {
	return &Driver{engine: e, instance: name, closed: make(chan struct{}), conns: map[*conn]struct{}{}}
}

// Down makes every call fail at once with ErrUnreachable and breaks open streams.
// Containers keep their state.
func (e *Engine) Down() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.setMode(down)
	e.breakStreams()
}

// Hang makes calls wait until their context ends or the engine is Up again. Open
// streams stay open and are silent.
func (e *Engine) Hang() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.setMode(hung)
}

// Up ends Down and Hang; calls that hung go on.
func (e *Engine) Up() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.setMode(up)
}

// Restart is a restart of an engine that does not keep containers alive: running
// and paused ones have exited with status 137, open streams broke, and the
// changes that it remembered are gone. The engine is up afterwards.
func (e *Engine) Restart() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.all() {
		if c.run != nil {
			c.exit(time.Now(), killed, false)
		}
	}
	e.changes.forget()
	e.breakStreams()
	e.setMode(up)
}

// Close turns the machine off: every container dies, every stream and connection
// ends, and the engine stays down. Nothing of it runs afterwards.
func (e *Engine) Close() {
	e.Restart()
	e.Down()
}

// DropEvents makes the engine lose changes while on is true: watchers are not
// told and nothing is remembered.
func (e *Engine) DropEvents(on bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.changes.dropped = on
}

// Discard names the limits that the engine claims not to enforce; Ensure and
// Update report them.
func (e *Engine) Discard(limits ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.discards = limits
}

func (e *Engine) setMode(m mode) {
	e.mode = m
	close(e.moded)
	e.moded = make(chan struct{})
}

func (e *Engine) breakStreams() {
	close(e.cut)
	e.cut = make(chan struct{})
}

// at returns the holdings of one instance, making them where they are missing.
func (e *Engine) at(name string) *instance {
	in := e.instances[name]
	if in == nil {
		in = &instance{sites: map[string]*site{}}
		e.instances[name] = in
	}
	return in
}

// all returns every container of every instance.
func (e *Engine) all() []*container {
	var out []*container
	for _, in := range e.instances {
		for _, s := range in.sites {
			out = append(out, s.containers...)
		}
	}
	return out
}

// find returns the container of r in this instance, or nil.
func (in *instance) find(r runtime.Ref) *container {
	s := in.sites[r.Workspace]
	if s == nil {
		return nil
	}
	for _, c := range s.containers {
		if c.Ref == r {
			return c
		}
	}
	return nil
}

// site returns what the workspace has, making an empty one where it is missing.
func (in *instance) site(workspace string) *site {
	s := in.sites[workspace]
	if s == nil {
		s = &site{}
		in.sites[workspace] = s
	}
	return s
}

// prune forgets a site that holds nothing any more.
func (in *instance) prune(workspace string) {
	if s := in.sites[workspace]; s != nil && s.volume == nil && len(s.containers) == 0 {
		delete(in.sites, workspace)
	}
}
