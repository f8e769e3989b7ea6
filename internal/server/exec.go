package server

import (
	"context"
	"net/http"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/gateway"
	"github.com/wsctl/wsctl/internal/runtime"
)

// exec upgrades to a WebSocket. What is wrong before the upgrade is a problem with a
// status; after it, the gateway sends the problem as a message.
func (s *Server) exec(c *call) error {
	ref, err := s.upgradable(c, api.ExecProtocol)
	if err != nil {
		return err
	}
	s.sessions.add()
	defer s.sessions.done()
	e := s.relay(c)
	e.Attend, e.Called = s.leases(c, ref, activity.Exec), "exec"
	e.Start = func(ctx context.Context, spec runtime.ExecSpec) (runtime.Process, error) {
		return s.backend.Exec(ctx, c.actor, ref, spec)
	}
	e.Serve(c.ctx, s.closing, c.w, c.r)
	return nil
}

// upgradable checks what has to hold before the upgrade and returns the workspace's ref.
func (s *Server) upgradable(c *call, protocol string) (string, error) {
	ref, err := parseRef(c.r.PathValue("ref"))
	if err != nil {
		return "", err
	}
	if _, err := s.backend.Workspace(c.ctx, c.actor, ref); err != nil {
		return "", err
	}
	if err := gateway.CheckUpgrade(c.r, protocol); err != nil {
		c.w.Header().Set("Upgrade", "websocket")
		return "", &statusFault{http.StatusUpgradeRequired, err}
	}
	return ref, nil
}

// relay is a gateway.Exec without its Start or Attach.
func (s *Server) relay(c *call) gateway.Exec {
	return gateway.Exec{
		Problem:  func(err error) api.Problem { return problemOf(err, requestID(c.r)) },
		Decode:   decode,
		Log:      s.log.With("request_id", requestID(c.r)),
		Patience: s.times.Exec,
	}
}
