package front

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/intent"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Times of guests.
const (
	stayOn     = 5 * time.Second // after its last request or connection a session goes on for so long
	attendTime = 2 * time.Second // how long a connection waits for its session at most
)

// guests are the sessions of clients at the door. One client has one session in a run of
// a workspace for each kind, however many connections and requests it makes of it: a
// browser opens six, and a page asks dozens of times. It is safe for concurrent use; what
// the engine does not give a session is carried without one.
type guests struct {
	log    *slog.Logger
	stayOn time.Duration

	mu     sync.Mutex
	of     map[guestKey]*guest
	closed bool
}

type guestKey struct {
	workspace, run, peer string
	kind                 activity.ClientKind
}

// guest is one session, and who shares it.
type guest struct {
	known   chan struct{}  // closed once lease is set
	lease   activity.Lease // nil: there is none
	visits  map[*visit]struct{}
	left    time.Time   // when the last visit ended
	leaving *time.Timer // looks whether somebody came back since; nil: nobody has left yet
	over    chan struct{}
}

// visit is one connection or request of a guest. A nil visit is without a session.
type visit struct {
	guests *guests
	key    guestKey
	guest  *guest
	cut    func() // ends the connection; called at most once, from any goroutine
	sniff  intent.Sniffer
}

var doorActor = workspace.Actor{ID: workspace.FrontDoor, Admin: true}

// enter begins a visit of the client whose address is peer; cut ends it when the session is ended. Its
// leave has to be called.
func (g *guests) enter(ctx context.Context, house House, w workspace.Workspace, kind activity.ClientKind, peer string, cut func()) *visit {
	v := &visit{guests: g, cut: cut, key: guestKey{w.ID, w.Run, peer, kind}}
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return nil
	}
	one, there := g.of[v.key]
	if !there {
		one = &guest{known: make(chan struct{}), visits: make(map[*visit]struct{}), over: make(chan struct{})}
		g.of[v.key] = one
	}
	one.visits[v] = struct{}{}
	v.guest = one
	g.mu.Unlock()
	if there {
		<-one.known
		return v
	}
	g.attend(ctx, house, v)
	return v
}

// again begins another visit of the same connection, as enter does, if its session goes on
// and is of that run.
func (v *visit) again(workspace, run string) bool {
	if v == nil || v.guest.lease == nil || v.key.workspace != workspace || v.key.run != run {
		return false
	}
	g := v.guests
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.of[v.key] != v.guest {
		return false
	}
	v.guest.visits[v] = struct{}{}
	return true
}

// attend gets the session of a guest that is new.
func (g *guests) attend(ctx context.Context, house House, v *visit) {
	ctx, cancel := context.WithTimeout(ctx, attendTime)
	defer cancel()
	defer func() { // after a panic too
		if v.guest.lease == nil {
			g.mu.Lock()
			g.forget(v.key, v.guest) // the next one asks again
			g.mu.Unlock()
		}
		close(v.guest.known)
	}()
	lease, err := house.Attend(ctx, doorActor, v.key.workspace, activity.Visitor{Kind: v.key.kind, Peer: v.key.peer, Vouched: true})
	if err != nil {
		g.log.Debug("a connection has no session", "workspace", v.key.workspace, "err", err)
		return
	}
	v.guest.lease = lease
	go func() {
		select {
		case <-lease.Kicked():
			g.kicked(v.key, v.guest)
		case <-v.guest.over:
		}
	}()
}

// kicked cuts every connection of a session that was ended.
func (g *guests) kicked(key guestKey, one *guest) {
	g.mu.Lock()
	g.forget(key, one)
	var cuts []func()
	for v := range one.visits {
		cuts = append(cuts, v.cut)
	}
	clear(one.visits)
	g.mu.Unlock()
	for _, cut := range cuts {
		cut()
	}
	one.lease.Close()
}

// forget takes a guest from the list, if it is there. The caller holds g.mu.
func (g *guests) forget(key guestKey, one *guest) {
	if g.of[key] == one {
		delete(g.of, key)
	}
}

// leave ends a visit; the session ends some time after the last.
func (v *visit) leave() {
	if v == nil || v.guest.lease == nil {
		return
	}
	g, one := v.guests, v.guest
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(one.visits, v)
	if len(one.visits) > 0 || g.of[v.key] != one {
		return
	}
	one.left = time.Now()
	if one.leaving == nil {
		one.leaving = time.AfterFunc(g.stayOn, func() { g.expire(v.key, one) })
	}
}

// expire ends a session that nobody has used for as long as it stays on, and looks again
// later where somebody has.
func (g *guests) expire(key guestKey, one *guest) {
	g.mu.Lock()
	rest := g.stayOn - time.Since(one.left)
	gone := g.of[key] == one && len(one.visits) == 0 && rest <= 0
	switch {
	case gone:
		delete(g.of, key)
	case len(one.visits) > 0:
		one.leaving = nil // who leaves last asks for the next look
	case g.of[key] == one:
		one.leaving.Reset(rest)
	}
	g.mu.Unlock()
	if gone {
		close(one.over)
		one.lease.Close()
	}
}

// close ends every session: the door is going down.
func (g *guests) close() {
	g.mu.Lock()
	g.closed = true
	left := g.of
	g.of = nil
	g.mu.Unlock()
	for _, one := range left {
		<-one.known
		if one.lease != nil {
			close(one.over)
			one.lease.Close()
		}
	}
}

// engage tells of something that a person did.
func (v *visit) engage(e activity.Evidence, what string) {
	if v != nil && v.guest.lease != nil {
		v.guest.lease.Engage(e, what)
	}
}

// hear takes bytes that the client sent.
func (v *visit) hear(p []byte) {
	if v == nil || v.guest.lease == nil {
		return
	}
	v.guest.lease.Alive()
	if e, what, ok := v.sniff.Look(p, time.Now()); ok {
		v.guest.lease.Engage(e, what)
	}
}

// request takes a request of the client.
func (v *visit) request(r *http.Request) {
	if v == nil || v.guest.lease == nil {
		return
	}
	v.guest.lease.Alive()
	if e, ok := intent.Evidence(r.URL.Path, r.Header); ok {
		v.guest.lease.Engage(e, intent.What(r.Method, r.URL.Path))
	}
}

// speaksHTTP reports whether the client has sent a request.
func (v *visit) speaksHTTP() bool { return v != nil && v.sniff.HTTP() }

func hostOf(a net.Addr) string {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.IP.String()
	}
	return a.String()
}
