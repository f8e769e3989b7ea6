package server

import (
	"net/http"
	"unicode/utf8"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
)

func (s *Server) listTemplates(c *call) error {
	list := s.templates.List()
	if list == nil {
		list = []api.Template{}
	}
	return s.reply(c, http.StatusOK, "", api.TemplateList{Templates: list})
}

func (s *Server) getTemplate(c *call) error {
	name, err := parseWord("template_name_invalid", "the name of a template", c.r.PathValue("name"), "._")
	if err != nil {
		return err
	}
	t, err := s.templates.Show(name)
	if err != nil {
		return err
	}
	return s.reply(c, http.StatusOK, "", t)
}

func (s *Server) validateTemplate(c *call) error {
	if len(c.body) == 0 {
		return fault.New(fault.Invalid, "body_required", "the request has no body").WithHint("send the text of a template")
	}
	if !utf8.Valid(c.body) {
		return fault.New(fault.Invalid, "invalid_utf8", "the body is not valid UTF-8")
	}
	t, err := s.templates.Validate(c.body)
	if err != nil {
		return err
	}
	return s.reply(c, http.StatusOK, noTag, t)
}

func (s *Server) validateTemplateFolder(c *call) error {
	name, err := parseWord("template_name_invalid", "the name of a template", c.r.PathValue("name"), "._")
	if err != nil {
		return err
	}
	if len(c.body) == 0 {
		return fault.New(fault.Invalid, "body_required", "the request has no body").WithHint("send a zip archive of the template's folder")
	}
	t, err := s.templates.ValidateFolder(name, c.body)
	if err != nil {
		return err
	}
	return s.reply(c, http.StatusOK, noTag, t)
}
