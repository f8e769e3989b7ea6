package docker

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// quarantine is how long a sandbox is kept aside after a create that may or may
// not have used it: longer than any engine takes to finish such a request.
const quarantine = 2 * time.Minute

// pool knows the free sandboxes and who is about to use one. It is a cache: the
// list of containers is the truth, and discover folds it in. A list is older than
// the claims made since it was asked for, so every change of a sandbox carries a
// number, and a list does not touch what changed after it began.
type pool struct {
	kick chan struct{} // wakes Warm

	listing sync.Mutex // held while discover asks for a list, so that lists are folded in order

	mu      sync.Mutex
	seq     uint64
	free    []string             // running as far as we know; checked again when claimed
	held    map[string]time.Time // claimed; zero: until released, else until then
	changed map[string]uint64    // seq of the last claim or release
	used    map[string]time.Time // last start or stop of the workspace, for Keep
	names   map[string]bool      // networks being made or removed
	busy    int                  // calls of people that use the engine
	calls   uint64               // how many of them have begun
	idle    chan struct{}        // closed when busy is 0
}

func newPool() *pool {
	idle := make(chan struct{})
	close(idle)
	return &pool{
		kick: make(chan struct{}, 1), idle: idle, held: map[string]time.Time{}, changed: map[string]uint64{},
		used: map[string]time.Time{}, names: map[string]bool{},
	}
}

// wake makes Warm look again soon.
func (p *pool) wake() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// work marks the engine as busy for somebody who waits, until the returned func.
func (p *pool) work() func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	if p.busy++; p.busy == 1 {
		p.idle = make(chan struct{})
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.busy--; p.busy == 0 {
			close(p.idle)
		}
	}
}

// waitIdle returns when nobody has waited for the engine for the time quiet, or after
// limit. The quiet bridges the moment between the two calls that make a workspace.
func (p *pool) waitIdle(ctx context.Context, quiet, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for ctx.Err() == nil {
		idle, calls := p.activity()
		select {
		case <-idle:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(quiet):
		case <-ctx.Done():
			return
		}
		if _, now := p.activity(); now == calls {
			return
		}
	}
}

// activity returns what is closed once nobody uses the engine, and how many calls
// have begun so far.
func (p *pool) activity() (idle <-chan struct{}, calls uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.idle, p.calls
}

// working marks a network, by its name, as being made or removed until the returned func is
// called; ok is false, and nothing to be done, where somebody is at it already.
func (p *pool) working(name string) (done func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.names[name] {
		return nil, false
	}
	p.names[name] = true
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.names, name)
	}, true
}

func (p *pool) isWorking(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.names[name]
}

// worked returns the networks that are being made or removed.
func (p *pool) worked() map[string]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.names)
}

// pop claims a free sandbox; "" if there is none.
func (p *pool) pop() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		return ""
	}
	id := p.free[0]
	p.free = p.free[1:]
	p.hold(id, time.Time{})
	return id
}

// claim marks a sandbox as about to be used or removed.
func (p *pool) claim(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.take(id)
}

func (p *pool) take(id string) {
	p.free = slices.DeleteFunc(p.free, func(f string) bool { return f == id })
	p.hold(id, time.Time{})
}

// claimFree is claim, unless somebody has claimed it already. What is kept aside in doubt is
// nobody's.
func (p *pool) claimFree(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until, held := p.held[id]; held && until.IsZero() {
		return false
	}
	p.take(id)
	return true
}

// release ends a claim; the sandbox is free again if nothing names it.
func (p *pool) release(id string, free bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.held, id)
	p.seq++
	p.changed[id] = p.seq
	if free && !slices.Contains(p.free, id) {
		p.free = append(p.free, id)
	}
}

// doubt keeps a sandbox aside for a while: a lost request may still use it.
func (p *pool) doubt(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold(id, time.Now().Add(quarantine))
}

func (p *pool) hold(id string, until time.Time) {
	p.seq++
	p.held[id], p.changed[id] = until, p.seq
}

// forget drops a sandbox that was removed.
func (p *pool) forget(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = slices.DeleteFunc(p.free, func(f string) bool { return f == id })
	delete(p.held, id)
	delete(p.used, id)
	p.seq++
	p.changed[id] = p.seq
}

// touch records that the workspace of a sandbox started or stopped now.
func (p *pool) touch(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used[id] = time.Now()
}

func (p *pool) lastUse(id string) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used[id]
}

// begin returns the number that a list about to be made is older than.
func (p *pool) begin() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seq
}

// count returns how many are free.
func (p *pool) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.free)
}

// spare reports whether id is free or claimed.
func (p *pool) spare(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, held := p.held[id]
	return held || slices.Contains(p.free, id)
}

// unnamed is a sandbox that no container names.
type unnamed struct {
	name string
	runs bool
}

// fold takes over what a list begun at seq has found, by id. It returns those it
// may decide on, which leaves out what is held, worked on, or has changed since;
// the running ones are free from now on.
func (p *pool) fold(seq uint64, found map[string]unnamed) (running, stopped []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for id, until := range p.held {
		if !until.IsZero() && now.After(until) {
			delete(p.held, id)
		}
	}
	for id, u := range found {
		if _, held := p.held[id]; held || p.names[u.name] || p.changed[id] > seq {
			continue
		}
		if u.runs {
			running = append(running, id)
		} else {
			stopped = append(stopped, id)
		}
	}
	// What is free as far as we knew, but is not on the list, is gone or in use.
	p.free = slices.DeleteFunc(p.free, func(id string) bool { return p.changed[id] <= seq })
	slices.Sort(running)
	p.free = append(p.free, running...)
	for id, n := range p.changed {
		if _, there := found[id]; !there && n <= seq {
			delete(p.changed, id)
		}
	}
	return running, stopped
}

// keyLocks is a mutex for each key, made when needed. The zero value is ready.
type keyLocks struct {
	mu sync.Mutex
	m  map[string]*keyLock
}

type keyLock struct {
	mu    sync.Mutex
	users int
}

// lock locks key and returns the unlock.
func (l *keyLocks) lock(key string) func() {
	l.mu.Lock()
	if l.m == nil {
		l.m = map[string]*keyLock{}
	}
	k := l.m[key]
	if k == nil {
		k = &keyLock{}
		l.m[key] = k
	}
	k.users++
	l.mu.Unlock()
	k.mu.Lock()
	return func() {
		k.mu.Unlock()
		l.mu.Lock()
		defer l.mu.Unlock()
		if k.users--; k.users == 0 {
			delete(l.m, key)
		}
	}
}
