// Package serve answers wsd: it is the server of the contract agentapi, on a unix socket
// in a folder that only wsd and this workspace have.
//
// The socket is open to everybody in the workspace: who is inside may do by themselves all
// that it does. On the host the folder around it keeps others out. A connection that
// panics or misbehaves ends alone. What a peer does not read is not read from a command
// either, so nothing is queued without a bound.
//
// Limits: maxConnections at a time, maxTerminals terminals. It starts processes only by
// its proc.Table.
package serve

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsctl/wsctl/internal/agent/files"
	"github.com/wsctl/wsctl/internal/agent/proc"
	"github.com/wsctl/wsctl/internal/agentapi"
)

// maxConnections bounds the upgraded connections: each command, each who looks at a
// terminal and each connection of the front door is one.
const maxConnections = 1024

// maxStart bounds the first frame of a client and every body of JSON, in bytes.
const maxStart = 1 << 20

// Options are what Start needs.
type Options struct {
	Socket  string
	Table   *proc.Table
	Command func() agentapi.Command // what the report says of the main process
	Applet  func(name string) bool  // whether `agent-applet NAME` is there
	Begin   func()                  // starts the main process, if it waits for that; safe for concurrent use
	Log     io.Writer               // the log of the workspace; safe for concurrent use
}

// Server is a running server. A nil one does nothing.
type Server struct {
	o         Options
	began     time.Time
	http      *http.Server
	terminals terminals
	ports     ports
	auths     auths
	places    chan struct{} // one for each connection that is upgraded

	mu    sync.Mutex
	execs map[*proc.Process]bool // true: it serves a connection of ssh, which is no work
}

// Start listens and answers until Close. It returns nil and no error where the socket's
// folder does not exist: wsd did not give one.
func Start(o Options) (*Server, error) {
	l, err := listen(o.Socket)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s := &Server{o: o, began: time.Now(), execs: map[*proc.Process]bool{}}
	s.terminals.byName = map[string]*terminal{}
	s.places = make(chan struct{}, maxConnections)
	s.http = &http.Server{
		Handler: s.routes(), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10,
		ErrorLog: log.New(io.Discard, "", 0),
	}
	go func() { _ = s.http.Serve(l) }()
	return s, nil
}

func listen(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(path, 0o666)
}

// Close ends the server and all of its connections.
func (s *Server) Close() {
	if s != nil {
		_ = s.http.Close()
	}
}

// Hangup tells terminals and commands that the workspace ends.
func (s *Server) Hangup() {
	if s == nil {
		return
	}
	s.terminals.hangup()
	for _, p := range s.running() {
		p.Signal(hangup)
	}
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+agentapi.PathHello, s.hello)
	mux.HandleFunc("GET "+agentapi.PathReport, s.report)
	mux.HandleFunc("POST "+agentapi.PathDial, s.dial)
	mux.HandleFunc("POST "+agentapi.PathExec, s.exec)
	mux.HandleFunc("GET "+agentapi.PathTerminals, s.listTerminals)
	mux.HandleFunc("POST "+agentapi.PathTerminals, s.attach)
	mux.HandleFunc("DELETE "+agentapi.PathTerminals, s.killTerminal)
	mux.HandleFunc("POST "+agentapi.PathBegin, func(w http.ResponseWriter, _ *http.Request) {
		s.o.Begin()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("PUT "+agentapi.PathSecrets, s.secrets)
	mux.HandleFunc("POST "+agentapi.PathSSH, s.ssh)
	mux.HandleFunc("POST "+agentapi.PathAuth, s.auth)
	files.Register(mux)
	return mux
}

func (s *Server) hello(w http.ResponseWriter, _ *http.Request) {
	answer(w, agentapi.Hello{
		Version: agentapi.Version, StartedAt: s.began,
		Features: []string{"exec", "terminals", "files", "ssh", "dial", "begin", "watch", "auth"},
	})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// refuse answers with an Error.
func refuse(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(agentapi.Error{Code: code, Text: text})
}

// upgraded is a connection after its 101.
type upgraded struct {
	net.Conn
	in    *bufio.Reader // begins with what the client sent ahead
	place chan struct{}
}

func (u upgraded) Read(p []byte) (int, error) { return u.in.Read(p) }

// Close closes the connection and gives its place back; it is called once.
func (u upgraded) Close() error {
	<-u.place
	return u.Conn.Close()
}

// gone reports whether the other side has closed the connection, though it may not have
// been read to its end.
func (u upgraded) gone() bool {
	conn, ok := u.Conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return true // it is closed here
	}
	gone := false
	_ = raw.Control(func(fd uintptr) {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}} //nolint:gosec // a file descriptor
		n, err := unix.Poll(poll, 0)
		gone = err == nil && n > 0
	})
	return gone
}

// upgrade switches the protocol; false if that cannot be, which the client is told.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request, protocol string) (upgraded, bool) {
	if r.Header.Get("Upgrade") != protocol {
		refuse(w, http.StatusUpgradeRequired, "upgrade_required", "this needs Upgrade: "+protocol)
		return upgraded{}, false
	}
	select {
	case s.places <- struct{}{}:
	default:
		refuse(w, http.StatusServiceUnavailable, "too_many_connections", "the workspace has too many connections")
		return upgraded{}, false
	}
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		<-s.places
		refuse(w, http.StatusInternalServerError, "no_upgrade", err.Error())
		return upgraded{}, false
	}
	_ = conn.SetDeadline(time.Time{})
	if _, err := io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+protocol+"\r\n\r\n"); err != nil {
		<-s.places
		_ = conn.Close()
		return upgraded{}, false
	}
	return upgraded{conn, buf.Reader, s.places}, true
}

// link is the frames of one connection. Writers take turns.
type link struct {
	conn   upgraded
	frames *agentapi.Reader
	mu     sync.Mutex
}

func newLink(conn upgraded) *link { return &link{conn: conn, frames: agentapi.NewReader(conn)} }

func (l *link) send(kind byte, p []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return agentapi.WriteFrame(l.conn, kind, p)
}

func (l *link) control(c agentapi.Control) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return agentapi.WriteControl(l.conn, c)
}

func (l *link) fail(code, text string) {
	_ = l.control(agentapi.Control{Type: "error", Error: &agentapi.Error{Code: code, Text: text}})
}

// first reads the frame that says what is asked for.
func (l *link) first(v any) bool {
	_ = l.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	kind, p, err := l.frames.Next()
	_ = l.conn.SetReadDeadline(time.Time{})
	if err != nil {
		return false
	}
	if kind != agentapi.Ctl || json.Unmarshal(p, v) != nil {
		l.fail("bad_request", "the first frame has to say what is asked for")
		return false
	}
	return true
}

// writer returns frames of a kind as an io.Writer.
func (l *link) writer(kind byte) io.Writer { return frameWriter{l, kind} }

type frameWriter struct {
	l    *link
	kind byte
}

func (w frameWriter) Write(p []byte) (n int, err error) {
	for n < len(p) {
		part := p[n:min(len(p), n+agentapi.MaxFrame)]
		if err := w.l.send(w.kind, part); err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}
