package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/auth"
)

// maxHead bounds the head of a request in bytes; net/http allows 4 KiB more.
const maxHead = 32 << 10

// Serve answers connections of ln until ctx ends, then: no new connections, requests
// that come in get 503, streams and exec sessions are ended, running requests may
// finish. After Times.Shutdown what is left is cut. It returns nil after such an end,
// and an error if ln fails. Connections without an identity are refused: ln gives
// unix sockets, or connections that carry an actor (auth.As).
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	srv := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: s.times.Header, IdleTimeout: s.times.Idle, MaxHeaderBytes: maxHead,
		DisableGeneralOptionsHandler: true, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return base }, ConnContext: auth.ConnContext,
	}
	feed, endFeed := context.WithCancel(base)
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		s.hub.Run(feed)
	}()
	defer func() { endFeed(); <-fed }()
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(s.accept(ln)) }()
	var err error
	select {
	case err = <-failed:
		err = fmt.Errorf("cannot accept connections: %w", err)
	case <-ctx.Done():
	}
	s.closeOnce.Do(func() { close(s.closing) })
	end, done := context.WithTimeout(base, s.times.Shutdown)
	defer done()
	if shutErr := srv.Shutdown(end); shutErr != nil {
		s.log.Warn("requests are cut off by the end of the daemon", "err", shutErr)
	}
	s.sessions.wait(end)
	cut()
	if closeErr := srv.Close(); closeErr != nil && !errors.Is(closeErr, net.ErrClosed) {
		s.log.Warn("cannot close connections", "err", closeErr)
	}
	last, done := context.WithTimeout(context.WithoutCancel(base), time.Second)
	defer done()
	s.sessions.wait(last)
	return err
}

// sessions counts hijacked connections, which http.Server forgets. Each of them ends
// by itself when the server closes; wait is how Serve knows.
type sessions struct {
	mu    sync.Mutex
	n     int
	empty chan struct{} // closed when n falls to 0; nil: nobody waits
}

func (c *sessions) add() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
}

func (c *sessions) done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n--; c.n == 0 && c.empty != nil {
		close(c.empty)
		c.empty = nil
	}
}

// wait returns when no session is left, or with ctx.
func (c *sessions) wait(ctx context.Context) {
	c.mu.Lock()
	if c.n == 0 {
		c.mu.Unlock()
		return
	}
	if c.empty == nil {
		c.empty = make(chan struct{})
	}
	empty := c.empty
	c.mu.Unlock()
	select {
	case <-empty:
	case <-ctx.Done():
	}
}
