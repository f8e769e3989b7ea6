package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

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

func (f *fake) Attend(_ context.Context, _ workspace.Actor, ref string, v activity.Visitor) (activity.Lease, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if w := f.rows[ref]; w.State != workspace.Running {
		return nil, fault.New(fault.Conflict, "not_running", "it does not run")
	}
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

// rig is a hub over a fake engine, reached by real sockets.
type rig struct {
	t     testing.TB
	fake  *fake
	hub   *Hub
	leave chan struct{}
	url   string
}

func newRig(t testing.TB, l Limits) *rig {
	t.Helper()
	r := &rig{t: t, fake: newFake(), leave: make(chan struct{})}
	r.hub = NewHub(Options{Engine: r.fake, Decode: strict, Problem: problem, Log: slog.New(slog.DiscardHandler), Limits: l})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.hub.Run(ctx)
	}()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		a := workspace.Actor{ID: req.Header.Get("User"), Admin: req.Header.Get("User") == root.ID}
		out, err := r.hub.Admit(a)
		if err != nil {
			http.Error(w, err.Error(), http.StatusTooManyRequests)
			return
		}
		r.hub.Serve(ctx, r.leave, w, req, a, out)
	}))
	r.url = srv.URL
	t.Cleanup(func() {
		cancel()
		srv.CloseClientConnections()
		srv.Close()
		<-done
	})
	return r
}

// strict is encoding/json without unknown members; the server's own decoder is stricter.
func strict(data []byte, v any) error {
	if err := json.Unmarshal(data, v); err != nil {
		return fault.New(fault.Invalid, "invalid_json", "it is not JSON of this form")
	}
	return nil
}

func problem(err error) api.Problem {
	f := fault.From(err)
	return api.Problem{Code: f.Code, Detail: f.Text, Hint: f.Hint}
}

// peer is one client.
type peer struct {
	t    testing.TB
	ctx  context.Context
	conn *websocket.Conn
}

func (r *rig) dial(a workspace.Actor) *peer {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	conn, _, err := websocket.Dial(ctx, r.url, &websocket.DialOptions{
		Subprotocols: []string{api.GatewayProtocol}, HTTPHeader: http.Header{"User": {a.ID}},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	conn.SetReadLimit(1 << 24)
	p := &peer{r.t, ctx, conn}
	r.t.Cleanup(func() { cancel(); _ = conn.CloseNow() })
	if f := p.next(); f.Type != api.FrameHello {
		r.t.Fatalf("the first frame is %s", f.Type)
	}
	return p
}

func (p *peer) send(typ, ref string, payload any) {
	p.t.Helper()
	f := api.Frame{V: 1, Type: typ, Workspace: ref}
	if payload != nil {
		f.Payload = body(payload)
	}
	if err := p.conn.Write(p.ctx, websocket.MessageText, body(f)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) read() (api.Frame, error) {
	var f api.Frame
	_, data, err := p.conn.Read(p.ctx)
	if err == nil {
		err = json.Unmarshal(data, &f)
	}
	return f, err
}

func (p *peer) next() api.Frame {
	p.t.Helper()
	f, err := p.read()
	if err != nil {
		p.t.Fatalf("no frame came: %v", err)
	}
	return f
}

// until reads up to the first frame of a type.
func (p *peer) until(typ string) api.Frame {
	p.t.Helper()
	for {
		if f := p.next(); f.Type == typ {
			return f
		} else if f.Type == api.FrameError {
			p.t.Fatalf("refused: %s", f.Payload)
		}
	}
}

// join enters a room and returns what it was told up to the list of who is there.
func (p *peer) join(ref string, j api.Join) (api.Joined, []api.Frame) {
	p.t.Helper()
	p.send(api.FrameJoin, ref, j)
	joined := of[api.Joined](p.t, p.until(api.FrameJoined))
	var list []api.Frame
	for {
		f := p.next()
		list = append(list, f)
		if f.Type == api.FramePresence || ref == api.AllRooms && f.Type == api.FrameSnapshot {
			return joined, list
		}
	}
}

// gone reads to the end and returns the last frame and the close code.
func (p *peer) gone() (last api.Frame, code websocket.StatusCode) {
	p.t.Helper()
	for {
		f, err := p.read()
		if err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				p.t.Fatal("the connection stands")
			}
			return last, websocket.CloseStatus(err)
		}
		last = f
	}
}

func of[T any](t testing.TB, f api.Frame) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(f.Payload, &v); err != nil {
		t.Fatalf("the payload of %s: %v", f.Type, err)
	}
	return v
}

func typesOf(list []api.Frame) []string {
	var types []string
	for _, f := range list {
		types = append(types, f.Type)
	}
	return slices.Clip(types)
}

// eventually waits for a real condition.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it never came to be that %s", what)
		}
	}
}
