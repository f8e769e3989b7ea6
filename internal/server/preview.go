package server

import (
	"net/http"

	"github.com/wsctl/wsctl/internal/api"
)

func previewRoutes() []route {
	return []route{
		{
			method: "GET", path: "/v1/workspaces/{ref}/preview/check", access: owner, id: "check-preview",
			summary: "Look at its page as a browser does, and say whether hot replacement works",
			params: []param{
				{name: "port", kind: number, min: 1, max: 65535, doc: "Port inside; without it the workspace's own"},
				{name: "path", kind: text, doc: "Path of the page, with its query; without it /"},
			},
			answers: ok[api.PreviewCheck]("What was found"), errors: []int{404, 409, 503}, handle: (*Server).checkPreview,
		},
	}
}

func (s *Server) checkPreview(c *call) error {
	ref, err := parseRef(c.r.PathValue("ref"))
	if err != nil {
		return err
	}
	found, err := s.previews.CheckPreview(c.ctx, c.actor, ref, int(c.query.number("port", 0)), c.query.text("path"))
	if err != nil {
		return err
	}
	return s.reply(c, http.StatusOK, noTag, found)
}
