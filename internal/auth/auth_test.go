package auth

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestPolicy(t *testing.T) {
	p := Policy{Self: 1000, Allowed: []uint32{1001}}
	for _, tt := range []struct {
		name string
		uid  uint32
		want workspace.Actor // zero: refused
	}{
		{"root administers", 0, workspace.UserActor(0, true)},
		{"the daemon's own user administers", 1000, workspace.UserActor(1000, true)},
		{"an allowed user does not administer", 1001, workspace.UserActor(1001, false)},
		{"another user is refused", 1002, workspace.Actor{}},
		{"nobody is refused", 65534, workspace.Actor{}},
		{"the largest user id is refused", 1<<32 - 1, workspace.Actor{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := p.Actor(tt.uid)
			if got != tt.want || (err != nil) != (tt.want == workspace.Actor{}) {
				t.Errorf("got %+v, %v", got, err)
			}
			if err != nil && !fault.Is(err, fault.Denied) {
				t.Errorf("%v is not Denied", err)
			}
		})
	}
}

func TestIdentify(t *testing.T) {
	a := workspace.UserActor(7, false)
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	if _, err := (Policy{}).Identify(server); !fault.Is(err, fault.Denied) {
		t.Errorf("a pipe is let in: %v", err)
	}
	if got, err := (Policy{}).Identify(&Conn{Conn: server, Actor: a}); err != nil || got != a {
		t.Errorf("a connection with an actor: %+v, %v", got, err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	if _, err := (Policy{}).Identify(dial(t, tcp)); !fault.Is(err, fault.Denied) {
		t.Errorf("TCP is let in: %v", err)
	}
	unix, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	self := uint32(os.Geteuid())
	if got, err := (Policy{Self: self}).Identify(dial(t, unix)); err != nil || got != workspace.UserActor(self, true) {
		t.Errorf("our own connection: %+v, %v", got, err)
	}
}

// dial connects to ln and returns the end that ln accepted.
func dial(t *testing.T, ln net.Listener) net.Conn {
	t.Helper()
	c, err := net.Dial(ln.Addr().Network(), ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	got, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { got.Close() })
	return got
}

func TestActorTravelsInTheContext(t *testing.T) {
	ctx := t.Context()
	if _, ok := ActorFrom(ctx); ok {
		t.Error("an empty context has an actor")
	}
	if _, ok := ActorFrom(WithActor(ctx, workspace.Actor{})); ok {
		t.Error("the zero actor counts as one")
	}
	a := workspace.UserActor(7, false)
	if got, ok := ActorFrom(WithActor(ctx, a)); !ok || got != a {
		t.Errorf("got %+v", got)
	}
	client, server := net.Pipe()
	defer client.Close()
	if _, ok := ActorFrom(ConnContext(ctx, server)); ok {
		t.Error("a bare connection has an actor")
	}
	if got, ok := ActorFrom(ConnContext(ctx, &Conn{Conn: server, Actor: a})); !ok || got != a {
		t.Errorf("a connection gives %+v", got)
	}
}

func TestConnTellsOnceThatItIsClosed(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	n := 0
	c := &Conn{Conn: server, OnClose: func() { n++ }}
	_ = c.Close()
	_ = c.Close()
	if n != 1 {
		t.Errorf("told %d times", n)
	}
}

func TestAsGivesEveryConnectionItsActor(t *testing.T) {
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	a := workspace.UserActor(9, false)
	as := As(ln, a)
	defer as.Close()
	c, err := net.Dial("unix", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := as.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if actor, _ := ActorFrom(ConnContext(context.Background(), got)); actor != a {
		t.Errorf("got %+v", actor)
	}
}
