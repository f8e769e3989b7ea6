package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

var (
	alice  = workspace.UserActor(1000, false)
	mallet = workspace.UserActor(1001, false)
	root   = workspace.UserActor(0, true)
)

// patience bounds every wait of these tests; nothing is judged by it.
const patience = 30 * time.Second

// fake is an engine that owns, numbers and tells as the real one does.
type fake struct {
	mu       sync.Mutex
	rows     map[string]workspace.Workspace
	events   []event.Event
	epoch    string
	bus      event.Bus[api.Message]
	watches  int
	gate     chan struct{} // nil, or a watch from the start waits until it is closed
	leases   []*lease
	measured map[string]int // by actor and workspace
	grace    time.Duration  // of leases
}

func newFake() *fake {
	return &fake{rows: map[string]workspace.Workspace{}, epoch: "store", grace: activity.LeaseLife}
}

func (f *fake) add(name string, a workspace.Actor) workspace.Workspace {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := workspace.Workspace{ID: "w-" + name, Name: name, Owner: a.ID, State: workspace.Running, Revision: 1}
	f.rows[w.ID] = w
	return w
}

func (f *fake) Workspace(_ context.Context, a workspace.Actor, ref string) (workspace.Workspace, error) {
	if ref == "panic" {
		panic("asked for")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.rows {
		if (w.ID == ref || w.Name == ref) && a.Owns(w) {
			return w, nil
		}
	}
	return workspace.Workspace{}, fault.New(fault.NotFound, "workspace_not_found", "there is no workspace %.60q", ref)
}

func (f *fake) Workspaces(_ context.Context, a workspace.Actor, _ api.Filter) ([]workspace.Workspace, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []workspace.Workspace
	for _, w := range f.rows {
		if a.Owns(w) {
			list = append(list, w)
		}
	}
	return list, nil
}

// Usage counts how often it was asked: as the processes of the sample.
func (f *fake) Usage(ctx context.Context, a workspace.Actor, ref string) (workspace.Usage, error) {
	w, err := f.Workspace(ctx, a, ref)
	if err != nil {
		return workspace.Usage{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if w.State != workspace.Running {
		return workspace.Usage{}, fault.New(fault.Conflict, "state", "it does not run")
	}
	if f.measured == nil {
		f.measured = map[string]int{}
	}
	f.measured[a.ID+" "+w.ID]++
	return workspace.Usage{Time: time.Now(), Pids: int64(f.measured[a.ID+" "+w.ID])}, nil
}

func (f *fake) Uses(...string) map[string]api.Activity { return nil }

func (f *fake) Watch(ctx context.Context, _ workspace.Actor, after int64, _ string, yield func(api.Message) error) error {
	f.mu.Lock()
	if gate := f.gate; gate != nil && after < 0 {
		f.mu.Unlock()
		<-gate
		f.mu.Lock()
	}
	f.watches++
	last := uint64(len(f.events))
	first := []api.Message{{Type: "hello", Epoch: f.epoch, Seq: last}}
	switch {
	case after < 0:
		first = append(first, api.Message{Type: "snapshot", Seq: last})
	case uint64(after) > last:
		first = append(first, api.Message{Type: "resync", Seq: last})
	default:
		for _, ev := range f.events[after:] {
			first = append(first, f.message(ev))
		}
	}
	news, cancel := f.bus.Subscribe(4096)
	f.mu.Unlock()
	defer cancel()
	for _, m := range first {
		if err := yield(m); err != nil {
			return err
		}
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case m, ok := <-news:
			if !ok {
				return yield(api.Message{Type: "resync"})
			}
			if err := yield(m); err != nil {
				return err
			}
		}
	}
}

func (f *fake) message(ev event.Event) api.Message {
	m := api.Message{Type: "event", Seq: ev.Seq, Event: &ev}
	if w, ok := f.rows[ev.Workspace]; ok {
		m.Workspace = &w
	}
	return m
}

// commit changes a workspace and tells the fact of it.
func (f *fake) commit(id string, kind event.Kind, change func(*workspace.Workspace), detail ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.rows[id]
	owner := w.Owner
	if change != nil {
		change(&w)
	}
	w.Revision++
	f.rows[id] = w
	if kind == event.WorkspaceDeleted {
		delete(f.rows, id)
	}
	ev := event.Event{Seq: uint64(len(f.events)) + 1, Time: time.Now(), Kind: kind, Workspace: id, Owner: owner, Detail: map[string]string{}}
	for i := 0; i+1 < len(detail); i += 2 {
		ev.Detail[detail[i]] = detail[i+1]
	}
	f.events = append(f.events, ev)
	f.bus.Publish(f.message(ev))
}

func (f *fake) signal(s event.Signal) {
	s.Time = time.Now()
	f.bus.Publish(api.Message{Type: "signal", Signal: &s})
}

// lease notes what its connection tells.
type lease struct {
	id      string
	visitor activity.Visitor
	grace   time.Duration
	mu      sync.Mutex
	engaged []string
	trips   []time.Duration
	missed  int
	closed  bool
	quality activity.Quality // of Trip; "": stable
	kicked  chan struct{}
}

func (f *fake) Attend(_ context.Context, _ workspace.Actor, _ string, v activity.Visitor) (activity.Lease, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := v.Resume
	if id == "" {
		id = "s" + string(rune('a'+len(f.leases)%26))
	}
	l := &lease{id: id, visitor: v, grace: f.grace, kicked: make(chan struct{})}
	f.leases = append(f.leases, l)
	return l, nil
}

func (f *fake) lease(i int) *lease {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.leases[i]
}

func (l *lease) ID() string { return l.id }
func (l *lease) Alive()     {}
func (l *lease) Engage(kind activity.Evidence, what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.engaged = append(l.engaged, string(kind)+" "+what)
}

func (l *lease) Trip(d time.Duration) activity.Quality {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trips = append(l.trips, d)
	if l.quality != "" {
		return l.quality
	}
	return activity.Stable
}

func (l *lease) Missed() activity.Quality {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.missed++
	return activity.Poor
}
func (l *lease) Grace() time.Duration    { return l.grace }
func (l *lease) Kicked() <-chan struct{} { return l.kicked }
func (l *lease) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}

func (l *lease) read(do func(*lease)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	do(l)
}
