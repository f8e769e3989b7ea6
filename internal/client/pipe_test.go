package client

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
)

// pipes is a listener whose connections are net.Pipe, so that HTTP runs inside a
// synctest bubble. While it is down, a dial is refused.
type pipes struct {
	mu    sync.Mutex
	down  bool
	left  int // so many more dials are refused
	conns chan net.Conn
	done  chan struct{}
	open  []net.Conn
}

var errRefused = errors.New("connection refused")

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	p.mu.Lock()
	down := p.down || p.left > 0
	p.left = max(0, p.left-1)
	p.mu.Unlock()
	if down {
		return nil, errRefused
	}
	mine, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		p.mu.Lock()
		p.open = append(p.open, theirs)
		p.mu.Unlock()
		return mine, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// set takes the server away, breaking what is open, or brings it back.
func (p *pipes) set(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
	if down {
		p.cut()
	}
}

// refuse lets the next n dials fail.
func (p *pipes) refuse(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = n
}

func (p *pipes) cut() {
	for _, c := range p.open {
		_ = c.Close()
	}
	p.open = nil
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// serve runs handler over pipes until the test ends and returns a client of it.
func serve(t *testing.T, handler http.Handler) (*Client, *pipes) {
	t.Helper()
	p := newPipes()
	s := &http.Server{Handler: handler} //nolint:gosec // no network
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(p) }()
	c := New(Options{Socket: "/pipe", Dial: p.dial})
	t.Cleanup(func() {
		c.Close()
		_ = s.Close()
		<-done
	})
	return c, p
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(api.Problem{Status: status, Code: code, Kind: fault.KindOfStatus(status), Detail: "no: " + code, RequestID: "q1"})
}
