package front

import (
	"net"
	"sync"
	"time"
)

// What is kept of connections that nobody uses.
const (
	spareTime    = 5 * time.Second // dev servers close theirs after as long
	maxSpares    = 256
	maxSparesFor = 32 // for one client to one port
)

// spares are connections inside whose caller has gone, for the next connection of the same
// client to the same port of the same run. The zero value is ready, and safe for concurrent
// use.
type spares struct {
	mu     sync.Mutex
	of     map[spareKey][]spare // the latest is the last
	count  int
	sweep  *time.Timer // nil: nothing was kept yet
	closed bool
}

type spareKey struct {
	workspace, run string
	port           int
	client         string
}

type spare struct {
	conn  net.Conn
	since time.Time
}

func keyOf(to destination, client string) spareKey {
	return spareKey{to.workspace.ID, to.workspace.Run, to.port, client}
}

// take returns the spare that was used last, or nil. It may have ended meanwhile.
func (s *spares) take(key spareKey) net.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.of[key]
	if len(list) == 0 {
		return nil
	}
	last := len(list) - 1
	conn := list[last].conn
	s.set(key, list[:last])
	return conn
}

// put keeps conn for a while, or closes it.
func (s *spares) put(key spareKey, conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.of[key]
	if s.closed || s.count >= maxSpares || len(list) >= maxSparesFor {
		_ = conn.Close()
		return
	}
	if s.of == nil {
		s.of = make(map[spareKey][]spare)
	}
	s.set(key, append(list, spare{conn, time.Now()}))
	switch {
	case s.sweep == nil:
		s.sweep = time.AfterFunc(spareTime, func() { s.expire(time.Now()) })
	case s.count == 1:
		s.sweep.Reset(spareTime)
	}
}

// set replaces the list of key. The caller holds s.mu.
func (s *spares) set(key spareKey, list []spare) {
	s.count += len(list) - len(s.of[key])
	if len(list) == 0 {
		delete(s.of, key)
		return
	}
	s.of[key] = list
}

// expire closes what has been kept for long enough by now.
func (s *spares) expire(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, list := range s.of {
		old := 0
		for old < len(list) && now.Sub(list[old].since) >= spareTime {
			_ = list[old].conn.Close()
			old++
		}
		s.set(key, append([]spare(nil), list[old:]...))
	}
	if s.count > 0 {
		s.sweep.Reset(spareTime)
	}
}

// close closes all of them, and whatever comes later.
func (s *spares) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, list := range s.of {
		for _, one := range list {
			_ = one.conn.Close()
		}
	}
	s.of, s.count = nil, 0
	if s.sweep != nil {
		s.sweep.Stop()
	}
}
