package server

import (
	"context"
	"crypto/rand"
	"net/http"
	"reflect"
	"strconv"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/gateway"
)

func gatewayRoutes() []route {
	return []route{
		{
			method: "GET", path: "/v1/ws", access: owner, id: "gateway", stream: true,
			summary: "Rooms of workspaces over a WebSocket of protocol " + api.GatewayProtocol,
			answers: []answer{{status: http.StatusSwitchingProtocols, doc: "The WebSocket; see gateway.md"}},
			errors:  []int{426, 429}, handle: (*Server).gateway,
		},
		{
			method: "GET", path: "/v1/stream", access: owner, id: "stream", stream: true, summary: "The frames of one room as server-sent events",
			params: []param{workspaceParam()}, headers: []header{lastEventID},
			answers: []answer{{status: 200, doc: "Frames, one an event", media: "text/event-stream", of: reflect.TypeFor[api.Frame]()}},
			errors:  []int{404, 409, 429}, handle: (*Server).stream,
		},
		{
			method: "GET", path: "/v1/client.js", access: anyone, id: "client-script", summary: "A client of the gateway for pages and Node.js, an ES module",
			headers: []header{ifNoneMatch}, answers: []answer{{status: 200, doc: "JavaScript", media: "text/javascript"}}, handle: (*Server).script,
		},
	}
}

var lastEventID = header{name: "Last-Event-ID", doc: "Id of the last event that the reader has: those after it come first"}

// Gateway is where tools of workspaces publish what rooms are told.
func (s *Server) Gateway() *gateway.Hub { return s.hub }

// payloads are what the frames of the gateway carry, for the document.
func payloads() []reflect.Type {
	return []reflect.Type{
		reflect.TypeFor[api.Hello](), reflect.TypeFor[api.Join](), reflect.TypeFor[api.Joined](), reflect.TypeFor[api.Snapshot](),
		reflect.TypeFor[api.Subscribe](), reflect.TypeFor[api.Ping](), reflect.TypeFor[api.Interaction](), reflect.TypeFor[api.Navigation](),
		reflect.TypeFor[api.FileChange](), reflect.TypeFor[api.Visibility](), reflect.TypeFor[api.Cursor](), reflect.TypeFor[api.Presence](),
		reflect.TypeFor[api.Fact](), reflect.TypeFor[event.Signal](), reflect.TypeFor[api.Use](), reflect.TypeFor[api.Left](),
		reflect.TypeFor[api.Samples](), reflect.TypeFor[api.Sample](),
		reflect.TypeFor[api.FrameProblem](), reflect.TypeFor[api.Bye](),
	}
}

// frameProblem words what is wrong with one frame. What is our own fault is logged.
func (s *Server) frameProblem(err error) api.Problem {
	id := rand.Text()
	p := problemOf(err, id)
	if p.Kind == fault.Internal {
		s.log.Error("a frame of the gateway failed", "request_id", id, "err", err)
	}
	return p
}

func (s *Server) gateway(c *call) error {
	if err := gateway.CheckUpgrade(c.r, api.GatewayProtocol); err != nil {
		c.w.Header().Set("Upgrade", "websocket")
		return &statusFault{http.StatusUpgradeRequired, err}
	}
	leave, err := s.hub.Admit(c.actor)
	if err != nil {
		return err
	}
	s.sessions.add()
	s.hub.Serve(s.life(c.ctx), s.closing, c.w, c.r, c.actor, func() {
		leave()
		s.sessions.done()
	})
	return nil
}

// life is the context of what outlives its request: it ends when connections are cut.
func (s *Server) life(request context.Context) context.Context {
	if s.base != nil {
		return s.base
	}
	return context.WithoutCancel(request) // no Serve, no end
}

func (s *Server) stream(c *call) error {
	ref, err := c.refParam()
	if err != nil || c.r.Method == http.MethodHead {
		return err
	}
	if ref == "" {
		ref = api.AllRooms
	}
	return s.hub.Stream(c.ctx, s.closing, c.w, c.actor, ref, c.r.Header.Get(lastEventID.name))
}

func (s *Server) script(c *call) error {
	h := c.w.Header()
	h.Set("ETag", s.scriptTag)
	h.Set("Cache-Control", "private, no-cache")
	if unchanged(c.r, s.scriptTag) {
		c.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(gateway.Script)))
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write(gateway.Script) // the peer may be gone: nobody is left to tell
	return nil
}
