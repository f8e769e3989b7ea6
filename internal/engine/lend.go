package engine

import (
	"context"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// An ssh agent is lent like this: the wsctl that made a workspace keeps a connection ready
// (LendAgent); git, while it fetches, opens one inside; serve joins the two. Each
// connection is used once. Nothing of it is kept: a wsd that restarts is offered a new one
// by a wsctl that waits.

// lendTime is how long git waits for an offer: wsctl comes right behind its create, and
// comes back soon after a restart of wsd.
const lendTime = 20 * time.Second

// maxOffers bounds the connections that wait for one workspace.
const maxOffers = 4

// lenders holds the offers. It is safe for concurrent use; the zero value is ready.
type lenders struct {
	mu      sync.Mutex
	offers  map[string][]net.Conn // by id of the workspace, the oldest first
	changed chan struct{}         // closed at the next offer; nil: nobody waits for one
}

// offer returns the lender's end of a connection. Closing it withdraws the offer.
func (l *lenders) offer(id string) (net.Conn, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.offers[id]) >= maxOffers {
		return nil, false
	}
	if l.offers == nil {
		l.offers = map[string][]net.Conn{}
	}
	theirs, mine := net.Pipe()
	l.offers[id] = append(l.offers[id], mine)
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
	return offer{theirs, func() { l.withdraw(id, mine) }}, true
}

// offer is the lender's end.
type offer struct {
	net.Conn
	withdraw func()
}

func (o offer) Close() error {
	o.withdraw()
	return o.Conn.Close()
}

func (l *lenders) withdraw(id string, conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.offers[id], conn); i >= 0 {
		l.offers[id] = slices.Delete(l.offers[id], i, i+1)
	}
}

// borrow takes an offer out, and waits for one.
func (l *lenders) borrow(ctx context.Context, id string) (net.Conn, error) {
	for {
		l.mu.Lock()
		if waiting := l.offers[id]; len(waiting) > 0 {
			l.offers[id] = waiting[1:]
			l.mu.Unlock()
			return waiting[0], nil
		}
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		changed := l.changed
		l.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// drop ends the offers that nobody has taken.
func (l *lenders) drop(id string) {
	l.mu.Lock()
	waiting := l.offers[id]
	delete(l.offers, id)
	l.mu.Unlock()
	for _, c := range waiting {
		_ = c.Close()
	}
}

// serve joins conn with an offer until either side ends or ctx does. It is false where
// nobody has offered anything in time.
func (l *lenders) serve(ctx context.Context, id string, conn net.Conn) bool {
	within, cancel := context.WithTimeout(ctx, lendTime)
	defer cancel()
	lent, err := l.borrow(within, id)
	if err != nil {
		return ctx.Err() != nil
	}
	end := func() { _ = lent.Close(); _ = conn.Close() }
	stop := context.AfterFunc(ctx, end)
	defer stop()
	back := make(chan struct{})
	go func() {
		defer close(back)
		_, _ = io.Copy(conn, lent)
		end()
	}()
	_, _ = io.Copy(lent, conn)
	end()
	<-back
	return true
}

// LendAgent returns a connection on which git inside asks the caller's ssh agent, in the
// time in which the files of a workspace are fetched. Only who made it may lend one.
func (e *Engine) LendAgent(ctx context.Context, a workspace.Actor, name string) (net.Conn, error) {
	w, err := e.Workspace(ctx, a, name)
	if err != nil {
		return nil, err
	}
	source := w.Spec.Source
	switch {
	case a.ID != w.Owner:
		return nil, fault.New(fault.Denied, "ssh_agent_foreign", "workspace %s was made by somebody else, who alone lends it an ssh agent", w.Name)
	case !w.Fetches() || !source.SSHAgent:
		return nil, fault.New(fault.Conflict, "ssh_agent_unwanted", "workspace %s fetches nothing for which it needs an ssh agent", w.Name)
	}
	conn, ok := e.lenders.offer(w.ID)
	if !ok {
		return nil, fault.New(fault.Limit, "ssh_agent_offers", "%d ssh agents wait for workspace %s, which is the most", maxOffers, w.Name)
	}
	return conn, nil
}
