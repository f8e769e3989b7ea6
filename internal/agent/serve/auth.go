package serve

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/wsctl/wsctl/internal/agentapi"
)

// maxAuths bounds the connections to the ssh agent of one command, over its whole life.
// More are closed at once.
const maxAuths = 16

// auths are the connections to ssh agents that wsd was told of and has not fetched. The
// zero value is ready.
type auths struct {
	mu    sync.Mutex
	last  uint64
	waits map[uint64]*net.UnixConn
}

// authSocket is the way to an ssh agent for one command. Nothing of it outlives close: no
// socket, no folder and no connection.
type authSocket struct {
	all *auths
	dir string
	l   *net.UnixListener

	mu    sync.Mutex
	conns map[uint64]*net.UnixConn // by id; nil once it is closed
}

// open makes a socket that only the workspace's own user may connect to, and tells peer of
// each connection. The folder is on the tmpfs that every workspace has.
func (a *auths) open(peer *link) (*authSocket, error) {
	dir, err := os.MkdirTemp("/tmp", "wsd-auth-")
	if err != nil {
		return nil, err
	}
	s := &authSocket{all: a, dir: dir, conns: map[uint64]*net.UnixConn{}}
	if s.l, err = net.ListenUnix("unix", &net.UnixAddr{Name: s.path(), Net: "unix"}); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	go s.accept(peer)
	return s, nil
}

func (s *authSocket) path() string { return filepath.Join(s.dir, "agent.sock") }

func (s *authSocket) accept(peer *link) {
	for {
		conn, err := s.l.AcceptUnix()
		if err != nil {
			return
		}
		id, ok := s.add(conn)
		if !ok || peer.control(agentapi.Control{Type: "auth", ID: id}) != nil {
			_ = conn.Close()
		}
	}
}

func (s *authSocket) add(conn *net.UnixConn) (uint64, bool) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil || len(s.conns) >= maxAuths {
		return 0, false
	}
	if s.all.waits == nil {
		s.all.waits = map[uint64]*net.UnixConn{}
	}
	s.all.last++
	s.all.waits[s.all.last], s.conns[s.all.last] = conn, conn
	return s.all.last, true
}

func (s *authSocket) close() {
	_ = s.l.Close()
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, conn := range s.conns {
		_ = conn.Close()
		delete(s.all.waits, id)
	}
	s.conns = nil
	_ = os.RemoveAll(s.dir)
}

// take returns a connection, once.
func (a *auths) take(id uint64) (*net.UnixConn, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	conn, ok := a.waits[id]
	delete(a.waits, id)
	return conn, ok
}

// auth carries the bytes of one connection to an ssh agent.
func (s *Server) auth(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseUint(r.URL.Query().Get("id"), 10, 64)
	inner, ok := s.auths.take(id)
	if err != nil || !ok {
		refuse(w, http.StatusNotFound, "not_found", "nobody waits for an ssh agent under this number")
		return
	}
	defer inner.Close()
	conn, ok := s.upgrade(w, r, agentapi.UpgradeRaw)
	if !ok {
		return
	}
	defer conn.Close()
	both(conn, inner)
}
