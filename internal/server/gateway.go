package server

import (
	"crypto/rand"
	"net/http"
	"reflect"
	"strconv"

	"github.com/wsctl/wsctl/internal/api"
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
	defer leave()
	s.sessions.add()
	defer s.sessions.done()
	s.hub.Serve(c.ctx, s.closing, c.w, c.r, c.actor)
	return nil
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
