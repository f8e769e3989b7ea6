package server

import (
	"net/http"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

// secretRoutes are those of the secrets that the caller keeps. No answer holds a value.
func secretRoutes() []route {
	return []route{
		{
			method: "GET", path: "/v1/secrets", access: owner, id: "list-secrets", summary: "List your secrets, without their values",
			answers: ok[api.SecretList]("In order of name"), handle: (*Server).secrets,
		},
		{
			method: "PUT", path: "/v1/secrets/{name}", access: owner, id: "set-secret", summary: "Set a secret; workspaces get it at their next start",
			body: body{media: "application/octet-stream"}, answers: ok[api.Secret]("It is kept"), errors: []int{400, 413, 429}, handle: (*Server).setSecret,
		},
		{
			method: "DELETE", path: "/v1/secrets/{name}", access: owner, id: "delete-secret", summary: "Forget a secret",
			answers: []answer{{status: http.StatusNoContent, doc: "It is forgotten"}}, errors: []int{404}, handle: (*Server).deleteSecret,
		},
	}
}

func (s *Server) secrets(c *call) error {
	list, err := s.backend.Secrets(c.ctx, c.actor)
	if err != nil {
		return err
	}
	return s.reply(c, http.StatusOK, noTag, api.SecretList{Secrets: list})
}

func (s *Server) setSecret(c *call) error {
	name := c.r.PathValue("name")
	if err := workspace.ValidateSecret(name, len(c.body)); err != nil {
		return err
	}
	secret, err := s.backend.SetSecret(c.ctx, c.actor, name, c.body)
	if err != nil {
		return err
	}
	return s.reply(c, http.StatusOK, noTag, secret)
}

func (s *Server) deleteSecret(c *call) error {
	if err := s.backend.DeleteSecret(c.ctx, c.actor, c.r.PathValue("name")); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
