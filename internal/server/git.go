package server

import (
	"net/http"

	"github.com/wsctl/wsctl/internal/api"
)

// gitRoutes are what the fetch of a workspace's files uses of whoever made it.
func gitRoutes() []route {
	return []route{
		{
			method: "GET", path: "/v1/workspaces/{ref}/ssh-agent", access: owner, id: "lend-ssh-agent", stream: true,
			summary: "Lend an ssh agent to the fetch of its files, once, over a WebSocket of protocol " + api.RawProtocol,
			answers: []answer{{status: http.StatusSwitchingProtocols, doc: "The WebSocket"}}, errors: []int{404, 409, 426}, handle: (*Server).lendAgent,
		},
		{
			method: "PUT", path: "/v1/workspaces/{ref}/git-access", access: owner, id: "give-git-access",
			summary: "Say what the fetch of its files may use, when it is tried again",
			body:    jsonBody[api.GitAccess](false), answers: []answer{{status: http.StatusNoContent, doc: "The next fetch uses it"}},
			errors: []int{403, 404, 409, 422}, handle: (*Server).giveGitAccess,
		},
	}
}

func (s *Server) giveGitAccess(c *call) error {
	ref, err := parseRef(c.r.PathValue("ref"))
	if err != nil {
		return err
	}
	var g api.GitAccess
	if err := s.decode(c, &g); err != nil {
		return err
	}
	if err := s.backend.GiveGitAccess(c.ctx, c.actor, ref, g); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// lendAgent carries a connection out of a workspace, on which git asks an ssh agent. That
// is no use of the workspace by a person.
func (s *Server) lendAgent(c *call) error {
	ref, err := s.upgradable(c, api.RawProtocol)
	if err != nil {
		return err
	}
	inner, err := s.backend.LendAgent(c.ctx, c.actor, ref)
	if err != nil {
		return err
	}
	s.sessions.add()
	defer s.sessions.done()
	s.carry(c, unattended{}, inner)
	return nil
}
