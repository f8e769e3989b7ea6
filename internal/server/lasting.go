package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"time"
)

// restoreEvery is how often Watch looks after the socket.
const restoreEvery = 5 * time.Second

// Socket is the daemon's listening socket at a path. Who removes the file takes away the only
// way to a daemon that runs; Watch brings it back. Its methods may be called at the same time.
type Socket struct {
	path string

	mu     sync.Mutex
	ln     *net.UnixListener
	closed bool
}

// Accept implements net.Listener. It goes on at the new socket where one has taken the
// place of another.
func (s *Socket) Accept() (net.Conn, error) {
	for {
		ln := s.current()
		conn, err := ln.Accept()
		if err != nil && s.current() != ln {
			continue
		}
		return conn, err
	}
}

func (s *Socket) current() *net.UnixListener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ln
}

// Addr implements net.Listener.
func (s *Socket) Addr() net.Addr { return s.current().Addr() }

// Close implements net.Listener; it removes the file.
func (s *Socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return s.ln.Close()
}

// Watch makes the socket anew whenever its file is missing, until ctx ends, and tells of it.
// What somebody has put in its place is left alone.
func (s *Socket) Watch(ctx context.Context, told func(err error)) error {
	tick := time.NewTicker(restoreEvery)
	defer tick.Stop()
	failed := false
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		restored, err := s.restore()
		if restored || err != nil && !failed {
			told(err)
		}
		failed = err != nil
	}
}

// restore makes the socket anew if its file is missing.
func (s *Socket) restore() (restored bool, err error) {
	if _, err := os.Lstat(s.path); !errors.Is(err, fs.ErrNotExist) {
		return false, nil //nolint:nilerr // a file that cannot be seen may be there
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false, nil
	}
	ln, err := listen(s.path)
	if err != nil {
		return false, fmt.Errorf("cannot make the socket anew that was removed: %w", err)
	}
	old := s.ln
	old.SetUnlinkOnClose(false) // the file is the new one's
	s.ln = ln
	return true, old.Close()
}
