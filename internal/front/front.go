// Package front is the front door: it listens on the leased ports of the host and on one
// address for names (NAME.localhost, PORT.NAME.localhost), and carries what comes to the
// workspace behind it.
//
// A port is held from the moment of its lease until its workspace is deleted, whether the
// workspace runs or not, so that no other program takes it. Its bytes are copied as they
// come, whatever they mean, unless they are a request for the name of another workspace (see
// gate). By name it is HTTP, and every request is looked at: its Host says where it goes, and
// what is said of its way (X-Forwarded-*) is the door's own word.
//
// At preview.NAME.localhost the door serves a page of its own, which frames the workspace.
// While that is open, documents that go into its frames are changed on their way (see package
// preview). Of whatever else a workspace says by name the body is what it was.
//
// A workspace that sleeps is started by a request that somebody waits for, once, however
// many ask (see package intent and Door.rouse).
//
// What comes is a session of the client's in the workspace (see guests), and what shows a
// person is told to it: that is all the door does about the life of a workspace.
//
// It decides nothing else: where a port or name leads is asked of the House for each
// connection. All methods are safe for concurrent use. A slow client holds up only
// itself: what it does not read is not read from the workspace either.
package front

import (
	"context"
	"log/slog"
	"net"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/await"
	"github.com/wsctl/wsctl/internal/preview"
)

// Dialer connects to the inside of the workspace that leases a port.
type Dialer interface {
	DialPort(ctx context.Context, port int) (net.Conn, error)
}

// Door holds leased ports on 127.0.0.1, and the address for names.
type Door struct {
	log      *slog.Logger
	keeper   Keeper
	places   chan struct{} // one for each connection that is carried
	linger   time.Duration
	headTime time.Duration
	stay     time.Duration
	again    time.Duration      // until an address that is taken is tried again
	starts   singleflight.Group // by id of the workspace
	budget   budget
	guests   guests
	spares   spares
	previews previews
	buffers  sync.Pool                   // of callers
	names    atomic.Pointer[net.TCPAddr] // where names are served; nil: nowhere

	running context.Context //nolint:containedctx // of Run: a start outlives the request that asked for it
	mu      sync.Mutex
	ports   map[int]*leased
	serve   func(port int, p *leased) // nil until Run
	closed  bool
	quiet   await.Set // of ports to which nobody connects
	group   sync.WaitGroup
}

// leased is a port that the door holds.
type leased struct {
	net.Listener
	watch *await.Watch // nil: a goroutine accepts
}

// Keeper leaves listening sockets with somebody who outlives this process, so that a
// restart refuses nobody. Take gives back the one that was kept under a name, if it still
// listens on address.
type Keeper interface {
	Take(name, address string) (net.Listener, bool)
	Keep(name string, l net.Listener)
	Drop(name string)
}

// noKeeper keeps nothing.
type noKeeper struct{}

func (noKeeper) Take(string, string) (net.Listener, bool) { return nil, false }
func (noKeeper) Keep(string, net.Listener)                {}
func (noKeeper) Drop(string)                              {}

// Descriptors is how many files a connection may hold: its two ends, and a pipe for each way
// that the kernel moves alone.
const Descriptors = 6

// New returns a door that holds ports at once and carries connections from Run on, at
// most so many at a time: each costs Descriptors, and the rest of the daemon needs some
// too. One more is closed at once. keeper may be nil.
func New(log *slog.Logger, connections int, keeper Keeper) *Door {
	if keeper == nil {
		keeper = noKeeper{}
	}
	return &Door{
		log: log, keeper: keeper, places: make(chan struct{}, connections), linger: halfOpen, stay: acceptStay, again: tryAgain, headTime: headTime,
		ports: make(map[int]*leased), guests: guests{log: log, stayOn: stayOn, of: make(map[guestKey]*guest)},
	}
}

// Open holds port. It fails when another program does; it does nothing when the
// door holds it already.
func (d *Door) Open(port int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.ports[port]; ok {
		return nil
	}
	if d.closed {
		return net.ErrClosed
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	l, kept := d.keeper.Take(keptPort(port), address)
	if !kept {
		var err error
		if l, err = net.Listen("tcp4", address); err != nil {
			return err
		}
		d.keeper.Keep(keptPort(port), l)
	}
	p := &leased{Listener: l}
	d.ports[port] = p
	if d.serve != nil {
		d.serve(port, p)
	}
	return nil
}

// keptPort is the name under which the keeper has a leased port.
func keptPort(port int) string { return "port-" + strconv.Itoa(port) }

// Holds reports whether the door holds port.
func (d *Door) Holds(port int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.ports[port]
	return ok
}

// Close gives port back. Connections that stand are left alone.
func (d *Door) Close(port int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p, ok := d.ports[port]; ok {
		delete(d.ports, port)
		p.end()
		d.keeper.Drop(keptPort(port))
	}
}

func (p *leased) end() {
	if p.watch != nil {
		p.watch.Stop()
	}
	_ = p.Close()
}

// Run carries connections until ctx ends, then closes every port and connection
// and returns. It serves names on the address names, unless that is empty.
func (d *Door) Run(ctx context.Context, to House, names string) error {
	d.mu.Lock()
	d.running = ctx
	d.serve = func(port int, p *leased) {
		d.listenAt(ctx, p, func(conn net.Conn) { d.carry(ctx, to, port, conn) })
	}
	for port, p := range d.ports {
		d.serve(port, p)
	}
	d.mu.Unlock()
	if names != "" {
		d.group.Go(func() { d.serveNames(ctx, names, to) })
	}
	<-ctx.Done()
	d.mu.Lock()
	d.closed = true
	for _, p := range d.ports {
		p.end()
	}
	d.mu.Unlock()
	d.quiet.Close()
	d.group.Wait()
	d.guests.close()
	d.spares.close()
	return nil
}

// contained runs do. A panic in it ends the connection, not wsd.
func (d *Door) contained(conn net.Conn, do func()) {
	defer func() {
		if p := recover(); p != nil {
			d.log.Error("panic at the front door", "panic", p, "stack", string(debug.Stack()))
			abort(conn)
		}
	}()
	do()
}

func (d *Door) carry(ctx context.Context, to House, port int, outer net.Conn) {
	defer outer.Close()
	stop := context.AfterFunc(ctx, func() { abort(outer) })
	defer stop()
	inner, err := to.DialPort(ctx, port)
	var first knocked
	if err != nil {
		d.log.Debug("cannot reach a workspace", "port", port, "err", err)
		if first = d.knock(ctx, to, port, outer); first.inner == nil {
			return
		}
		inner = first.inner
	}
	defer inner.Close()
	cut := context.AfterFunc(ctx, func() { abort(inner) })
	defer cut()
	v := d.welcome(ctx, to, port, outer, inner)
	defer v.leave()
	g := newGate(func(said []byte) (*preview.Page, bool) { return d.misdirected(to, port, said) }, v.hear)
	if len(first.said) > 0 { // it has been judged
		v.hear(first.said)
		g.decide()
	}
	if first.woke && !v.speaksHTTP() {
		v.engage(activity.Request, "a connection")
	}
	relay(outer, inner, g, d.linger)
	g.answer(outer)
}

// welcome begins the visit of a connection to a leased port.
func (d *Door) welcome(ctx context.Context, to House, port int, outer, inner net.Conn) *visit {
	w, err := to.Leased(port)
	if err != nil {
		return nil // it is being deleted
	}
	return d.guests.enter(ctx, to, w, activity.TCP, hostOf(outer.RemoteAddr()), func() {
		abort(outer)
		abort(inner)
	})
}
