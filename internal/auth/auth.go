// Package auth answers who is asking.
//
// On the unix socket the answer is the kernel's: the user id that the peer had
// when it connected (SO_PEERCRED, unix(7)). It is read once, when a connection is
// accepted, and travels with the connection and from there in the context of each
// request. Process ids are never used: they are reused and may belong to somebody
// else by now. What an actor may do is decided by those who are asked, not here.
package auth

import (
	"context"
	"net"
	"slices"
	"sync"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Policy says which local users may speak to the daemon.
type Policy struct {
	Self    uint32   // the daemon's own user id
	Allowed []uint32 // further users, without administration rights
}

// Actor returns the actor for a user id, or Denied. Root and the daemon's own user
// are administrators: they could change its files anyway.
func (p Policy) Actor(uid uint32) (workspace.Actor, error) {
	switch {
	case uid == 0 || uid == p.Self:
		return workspace.UserActor(uid, true), nil
	case slices.Contains(p.Allowed, uid):
		return workspace.UserActor(uid, false), nil
	}
	return workspace.Actor{}, fault.New(fault.Denied, "peer_refused", "user %d may not use this daemon", uid).
		WithHint("ask its owner to allow your user id, or start a daemon of your own")
}

// Identify returns who is at the other end of c: the actor that an earlier Conn
// carries, else the one that the kernel names. A connection of another kind has no
// identity and is Denied.
func (p Policy) Identify(c net.Conn) (workspace.Actor, error) {
	if a, ok := ConnActor(c); ok {
		return a, nil
	}
	uid, err := peerUID(c)
	if err != nil {
		return workspace.Actor{}, fault.New(fault.Denied, "peer_unknown", "the peer cannot be identified").WithCause(err)
	}
	return p.Actor(uid)
}

// Conn is a connection whose peer is known. Closing it more than once is harmless.
type Conn struct {
	net.Conn
	Actor   workspace.Actor
	OnClose func() // called once, may be nil

	once sync.Once
}

// Close closes the connection.
func (c *Conn) Close() error {
	err := c.Conn.Close()
	if c.OnClose != nil {
		c.once.Do(c.OnClose)
	}
	return err
}

// CloseWrite tells the peer that no more bytes come, where the connection can.
func (c *Conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// ConnActor returns the actor that c carries.
func ConnActor(c net.Conn) (workspace.Actor, bool) {
	if c, ok := c.(*Conn); ok {
		return c.Actor, true
	}
	return workspace.Actor{}, false
}

// As returns ln with every connection taken to be a's: for listeners in memory,
// where the kernel knows nobody.
func As(ln net.Listener, a workspace.Actor) net.Listener { return listener{ln, a} }

type listener struct {
	net.Listener
	actor workspace.Actor
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: c, Actor: l.actor}, nil
}

type key struct{}

// WithActor returns a context in which a is who asks.
func WithActor(ctx context.Context, a workspace.Actor) context.Context {
	return context.WithValue(ctx, key{}, a)
}

// ActorFrom returns who asks. Without one it is the zero Actor, which may do nothing.
func ActorFrom(ctx context.Context) (workspace.Actor, bool) {
	a, ok := ctx.Value(key{}).(workspace.Actor)
	return a, ok && a.ID != ""
}

// ConnContext puts the actor of c into ctx; it fits http.Server.ConnContext.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	if a, ok := ConnActor(c); ok {
		return WithActor(ctx, a)
	}
	return ctx
}
