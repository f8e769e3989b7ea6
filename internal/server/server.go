// Package server is the HTTP API of the daemon: it turns requests into calls of its
// Backend and answers into JSON, and decides nothing else.
//
// One table (routes.go) names every route with its access rule, parameters, body and
// answer; the mux, the checks and the OpenAPI document all come from it. A request
// passes, in this order: request id and security headers, recovery from panics, the
// actor, guard (no browsers, no foreign hosts, no odd paths), the mux, the access rule,
// query and body checks, the handler. Every error is an api.Problem whose status the
// kind of the fault gives. Streams (watch, logs, exec, backup) write with a deadline
// of their own and keep at most one message in memory.
//
// A Server is safe for concurrent use. Serve may be called once. It starts one
// goroutine per connection and, for each stream, a timer; all have ended when Serve
// returns, except handlers that ignore their context.
package server

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wsctl/wsctl/internal/gateway"
)

// Options are what a Server needs.
type Options struct {
	Backend   Backend
	Templates Templates
	Previews  Previews
	Log       *slog.Logger // nil: nothing is logged
	Version   string       // of the daemon, for the OpenAPI document
	Allow     []uint32     // user ids besides root and the daemon's own, without administration rights
	Conns     int          // open connections of all users; 0: DefaultConns. One user may have three quarters
	Times     Times        // zero fields: DefaultTimes
	Gateway   gateway.Limits
}

// DefaultConns bounds open connections: each watch, log or exec holds one.
const DefaultConns = 512

// MaxBody is the longest body of a request in bytes.
const MaxBody = 1 << 20

// Times bound how long things may take.
type Times struct {
	Header   time.Duration // to send the head of a request
	Body     time.Duration // to send the body of a request
	Idle     time.Duration // between requests on one connection
	Handle   time.Duration // for the backend to answer, streams apart
	Write    time.Duration // for the peer to take an answer, or one message of a stream
	Quiet    time.Duration // silence after which a watch is told that it still stands
	Exec     time.Duration // a peer of exec may stand still so long: a pager waits for a person
	Shutdown time.Duration // from the end of Serve's context until connections are cut
}

// DefaultTimes are used where Options.Times has zeros.
func DefaultTimes() Times {
	return Times{
		Header: 5 * time.Second, Body: 10 * time.Second, Idle: 60 * time.Second, Handle: 2 * time.Minute,
		Write: 10 * time.Second, Quiet: 15 * time.Second, Exec: 15 * time.Minute, Shutdown: 8 * time.Second,
	}
}

func (t Times) orDefault() Times {
	d := DefaultTimes()
	for _, p := range []struct{ v, def *time.Duration }{
		{&t.Header, &d.Header},
		{&t.Body, &d.Body},
		{&t.Idle, &d.Idle},
		{&t.Handle, &d.Handle},
		{&t.Write, &d.Write},
		{&t.Quiet, &d.Quiet},
		{&t.Exec, &d.Exec},
		{&t.Shutdown, &d.Shutdown},
	} {
		if *p.v <= 0 {
			*p.v = *p.def
		}
	}
	return t
}

// Server is the API over one backend.
type Server struct {
	backend   Backend
	templates Templates
	previews  Previews
	log       *slog.Logger
	allow     []uint32
	conns     int
	times     Times

	api     huma.API
	openapi func() []byte // described at the first look, which costs some milliseconds
	handler http.Handler

	closing   chan struct{} // closed when the end begins
	closeOnce sync.Once
	sessions  sessions
	base      context.Context // of Serve's connections; nil before
	hub       *gateway.Hub
	scriptTag string // of the gateway's client for pages
}

// New returns a Server. It panics if the route table is wrong, which a test finds.
func New(o Options) *Server {
	s := &Server{
		backend: o.Backend, templates: o.Templates, previews: o.Previews, log: o.Log, allow: o.Allow, conns: o.Conns,
		times: o.Times.orDefault(), closing: make(chan struct{}),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.conns <= 0 {
		s.conns = DefaultConns
	}
	s.hub = gateway.NewHub(gateway.Options{
		Engine: o.Backend, Decode: decode, Log: s.log, Limits: o.Gateway,
		Problem: s.frameProblem,
	})
	s.scriptTag = bodyTag(gateway.Script)
	mux := http.NewServeMux()
	s.api = newAPI(mux, o.Version)
	for _, row := range routes() {
		s.api.Adapter().Handle(&huma.Operation{Method: row.method, Path: row.path, OperationID: row.id}, s.serve(row))
	}
	s.openapi = sync.OnceValue(func() []byte { return describe(o.Version) })
	s.handler = s.outer(mux)
	return s
}

// Handler returns the API. The actor has to be in the request's context already
// (auth.WithActor); Serve puts it there for real connections.
func (s *Server) Handler() http.Handler { return s.handler }

func (s *Server) isClosing() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}
