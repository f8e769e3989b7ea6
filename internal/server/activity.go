package server

import (
	"context"
	"net/http"
	"reflect"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Activity is what the API asks of the engine about the use of workspaces. Reads of it
// change nothing.
type Activity interface {
	// Attend gives a connection its session. The holder calls Close when the connection
	// ends, and ends the connection when Kicked is closed.
	Attend(ctx context.Context, a workspace.Actor, ref string, v activity.Visitor) (activity.Lease, error)
	// Sessions returns those of one workspace, or with ref "" of all visible ones.
	Sessions(ctx context.Context, a workspace.Actor, ref string) ([]activity.Session, error)
	Kick(ctx context.Context, a workspace.Actor, ref, id string) error

	Why(ctx context.Context, a workspace.Actor, ref string) (api.Why, error)
	Hold(ctx context.Context, a workspace.Actor, ref string, req api.HoldRequest) (activity.Hold, error)
	Unhold(ctx context.Context, a workspace.Actor, ref, id string) error
	Extend(ctx context.Context, a workspace.Actor, ref string, req api.Extend) (api.Why, error)

	// Policies returns what a workspace may have.
	Policies(ctx context.Context, a workspace.Actor) (api.PolicyList, error)

	// Uses tells how workspaces are used, by id, that the caller has read already. What
	// does not run is absent.
	Uses(ids ...string) map[string]api.Activity
}

func activityRoutes() []route {
	return []route{
		{
			method: "GET", path: "/v1/policies", access: anyone, id: "list-policies", summary: "Activity policies that a workspace may have",
			answers: ok[api.PolicyList]("Policies"), handle: (*Server).policies,
		},
		{
			method: "GET", path: "/v1/sessions", access: owner, id: "list-sessions", summary: "Connections to your workspaces",
			answers: ok[api.SessionList]("By workspace, oldest first"), handle: (*Server).allSessions,
		},
		{
			method: "GET", path: "/v1/workspaces/{ref}/sessions", access: owner, id: "workspace-sessions", summary: "Connections to a workspace",
			answers: ok[api.SessionList]("Oldest first"), errors: []int{404, 409}, handle: (*Server).workspaceSessions,
		},
		{
			method: "DELETE", path: "/v1/workspaces/{ref}/sessions/{id}", access: owner, id: "kick-session", summary: "End a connection to a workspace",
			answers: []answer{{status: http.StatusNoContent, doc: "It is told to end"}}, errors: []int{404, 409}, handle: (*Server).kick,
		},
		{
			method: "GET", path: "/v1/workspaces/{ref}/why", access: owner, id: "why-workspace", summary: "What decides about its life, and what will happen when",
			answers: ok[api.Why]("Now"), errors: []int{404, 409}, handle: (*Server).why,
		},
		{
			method: "POST", path: "/v1/workspaces/{ref}/holds", access: owner, id: "hold-workspace", summary: "Keep it running for a while, whatever happens",
			body: jsonBody[api.HoldRequest](true), errors: []int{404, 409, 422, 429, 507}, handle: (*Server).hold,
			params: []param{{name: "follow", kind: boolean, doc: "Answer with the hold as one line, which ends when this connection does"}}, stream: true,
			answers: []answer{
				{status: http.StatusCreated, doc: "The hold", of: reflect.TypeFor[activity.Hold]()},
				{status: http.StatusOK, doc: "With follow", media: "application/x-ndjson", of: reflect.TypeFor[activity.Hold]()},
			},
		},
		{
			method: "DELETE", path: "/v1/workspaces/{ref}/holds/{id}", access: owner, id: "unhold-workspace", summary: "End a hold",
			answers: []answer{{status: http.StatusNoContent, doc: "It is over"}}, errors: []int{404, 409, 507}, handle: (*Server).unhold,
		},
		{
			method: "POST", path: "/v1/workspaces/{ref}/extend", access: owner, id: "extend-workspace", summary: "Say that it is still used",
			body: jsonBody[api.Extend](true), answers: ok[api.Why]("As it is now"), errors: []int{404, 409, 422, 429, 507}, handle: (*Server).extend,
		},
	}
}

func (s *Server) policies(c *call) error {
	list, err := s.backend.Policies(c.ctx, c.actor)
	if err != nil {
		return err
	}
	return s.reply(c, http.StatusOK, noTag, list)
}

func (s *Server) allSessions(c *call) error { return s.sessionsOf(c, "") }

func (s *Server) workspaceSessions(c *call) error {
	ref, err := parseRef(c.r.PathValue("ref"))
	if err != nil {
		return err
	}
	return s.sessionsOf(c, ref)
}

func (s *Server) sessionsOf(c *call, ref string) error {
	list, err := s.backend.Sessions(c.ctx, c.actor, ref)
	if err != nil {
		return err
	}
	if list == nil {
		list = []activity.Session{}
	}
	return s.reply(c, http.StatusOK, noTag, api.SessionList{Sessions: list})
}

func (s *Server) kick(c *call) error {
	ref, err := parseRef(c.r.PathValue("ref"))
	if err != nil {
		return err
	}
	if err := s.backend.Kick(c.ctx, c.actor, ref, c.r.PathValue("id")); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) why(c *call) error {
	ref, err := parseRef(c.r.PathValue("ref"))
	if err != nil {
		return err
	}
	why, err := s.backend.Why(c.ctx, c.actor, ref)
	if err != nil {
		return err
	}
	return s.reply(c, http.StatusOK, noTag, why)
}

func (s *Server) hold(c *call) error {
	ref, err := parseRef(c.r.PathValue("ref"))
	if err != nil {
		return err
	}
	var req api.HoldRequest
	if err := s.decodeOptional(c, &req); err != nil {
		return err
	}
	if c.query.bool("follow") {
		return s.holdWhile(c, ref, req)
	}
	ctx, cancel := context.WithTimeout(c.ctx, s.times.Handle)
	defer cancel()
	h, err := s.backend.Hold(ctx, c.actor, ref, req)
	if err != nil {
		return err
	}
	return s.reply(c, http.StatusCreated, noTag, h)
}

// holdWhile holds a workspace for as long as the connection stands. When wsd itself ends,
// the hold is left to its session: the client comes back with another, within the grace.
func (s *Server) holdWhile(c *call, ref string, req api.HoldRequest) error {
	st := s.newStream(c, nil)
	defer st.stop()
	lease, err := s.lease(st.ctx, c, ref, activity.Gateway, "")
	if err != nil {
		return err
	}
	defer lease.Close()
	req.Session = lease.ID()
	h, err := s.backend.Hold(st.ctx, c.actor, ref, req)
	if err != nil {
		return err
	}
	if err := st.send(h); err == nil {
		go st.untilKicked(lease)
		<-st.ctx.Done()
	}
	if !s.isClosing() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), s.times.Write)
		defer cancel()
		if err := s.backend.Unhold(ctx, c.actor, ref, h.ID); err != nil {
			s.log.Debug("a hold is left to its session", "hold", h.ID, "err", err)
		}
	}
	return st.end(nil)
}

func (s *Server) unhold(c *call) error {
	ref, err := parseRef(c.r.PathValue("ref"))
	if err != nil {
		return err
	}
	if err := s.backend.Unhold(c.ctx, c.actor, ref, c.r.PathValue("id")); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) extend(c *call) error {
	ref, err := parseRef(c.r.PathValue("ref"))
	if err != nil {
		return err
	}
	var req api.Extend
	if err := s.decodeOptional(c, &req); err != nil {
		return err
	}
	why, err := s.backend.Extend(c.ctx, c.actor, ref, req)
	if err != nil {
		return err
	}
	return s.reply(c, http.StatusOK, noTag, why)
}

// decodeOptional is decode of a body that may be left out.
func (s *Server) decodeOptional(c *call, v any) error {
	if c.body == nil {
		return nil
	}
	return s.decode(c, v)
}

// live adds how they are used to workspaces that were read.
func (s *Server) live(list ...workspace.Workspace) []api.Live {
	ids := make([]string, len(list))
	for i, w := range list {
		ids[i] = w.ID
	}
	uses := s.backend.Uses(ids...)
	out := make([]api.Live, len(list))
	for i, w := range list {
		out[i].Workspace = w
		if u, ok := uses[w.ID]; ok {
			out[i].Activity = &u
		}
	}
	return out
}
