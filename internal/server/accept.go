package server

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/auth"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// acceptor identifies and counts connections before a byte of them is read. Those
// that are refused get a problem and are closed.
type acceptor struct {
	net.Listener
	s      *Server
	policy auth.Policy

	refusing chan struct{} // bounds refusals under way; beyond it they are cut without a word

	mu    sync.Mutex
	total int
	users map[string]int
}

func (s *Server) accept(ln net.Listener) net.Listener {
	return &acceptor{
		Listener: ln, s: s, users: map[string]int{}, refusing: make(chan struct{}, 16),
		policy: auth.Policy{Self: uint32(os.Geteuid()), Allowed: s.allow},
	}
}

// Accept implements net.Listener.
func (l *acceptor) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		actor, err := l.policy.Identify(c)
		if err == nil {
			err = l.enter(actor)
		}
		if err != nil {
			id := rand.Text()
			l.s.log.Warn("connection refused", "request_id", id, "err", err)
			l.refuse(c, rawProblem(err, id))
			continue
		}
		return &auth.Conn{Conn: c, Actor: actor, OnClose: func() { l.leave(actor) }}, nil
	}
}

// enter counts a connection, or refuses it. One user may not use up everything.
func (l *acceptor) enter(a workspace.Actor) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total >= l.s.conns || l.users[a.ID] >= max(1, l.s.conns*3/4) {
		return fault.New(fault.Limit, "too_many_connections", "too many connections are open").
			WithHint("end some `wsctl logs -f`, exec or watch").WithRetryAfter(time.Second)
	}
	l.total++
	l.users[a.ID]++
	return nil
}

func (l *acceptor) leave(a workspace.Actor) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if l.users[a.ID]--; l.users[a.ID] == 0 {
		delete(l.users, a.ID)
	}
}

// refuse answers without having read anything, then reads a little so that the peer
// gets the answer before the connection breaks.
func (l *acceptor) refuse(c net.Conn, answer []byte) {
	select {
	case l.refusing <- struct{}{}:
	default:
		_ = c.Close()
		return
	}
	go func() {
		defer func() { <-l.refusing }()
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(time.Second))
		if _, err := c.Write(answer); err != nil {
			return
		}
		if w, ok := c.(interface{ CloseWrite() error }); ok {
			_ = w.CloseWrite()
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(c, 64<<10))
	}()
}

// rawProblem is a whole HTTP/1.1 answer.
func rawProblem(err error, requestID string) []byte {
	p := problemOf(err, requestID)
	body, jsonErr := json.Marshal(p)
	if jsonErr != nil {
		panic("server: a problem of plain strings cannot fail to marshal: " + jsonErr.Error())
	}
	head := fmt.Sprintf("HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s: %s\r\nConnection: close\r\n",
		p.Status, http.StatusText(p.Status), problemType, len(body), api.HeaderRequestID, requestID)
	if v := retryAfter(err); v != "" {
		head += "Retry-After: " + v + "\r\n"
	}
	return append([]byte(head+"\r\n"), body...)
}
